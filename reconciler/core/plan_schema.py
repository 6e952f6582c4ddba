"""JSON Schema of a plan as data: what `structured` writes, for whoever checks or completes against it."""

from __future__ import annotations

from typing import Any

from reconciler.core.plan import Verb
from reconciler.core.structured import VERSION

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_VERB = {"enum": [str(verb) for verb in Verb if verb is not Verb.NOTHING]}


def plan_schema() -> dict[str, Any]:
    """Return the schema, draft 2020-12. Fields that are not named here may be added under the same version."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bivisor plan --output json",
        **_object(
            {
                "version": {"const": VERSION},
                "supposed": _said("Only with --release: in one sentence, how this differs from what is declared.", _TEXT),
                "compared": _said(
                    "Only of two declarations: their names. No host was asked.", _object({"before": _TEXT, "after": _TEXT})
                ),
                "documents": _said("Only with compared: the documents that differ.", {"type": "array", "items": _edit()}),
                "totals": _said("How many steps have each verb.", _object({str(verb): {"type": "integer"} for verb in Verb})),
                "interrupts": _said("The services that carrying the plan out interrupts.", _TEXTS),
                "waves": _said(
                    "The services that are down at the same time, first wave first; empty where there is but one.",
                    {"type": "array", "items": _TEXTS},
                ),
                "steps": _said("Everything that is not as declared; a step after those it needs.", _list_of_steps()),
                "remarks": _said(
                    "What is worth knowing and no difference.",
                    {"type": "array", "items": _object({"address": _TEXT, "text": _TEXT})},
                ),
            },
            optional={"supposed", "compared", "documents"},
        ),
        "$defs": {"value": _value(), "change": _change()},
    }


def _list_of_steps() -> dict[str, Any]:
    step = _object(
        {
            "address": _said("The identity of the unit: target/type/name.", _TEXT),
            "target": _TEXT,
            "type": _TEXT,
            "name": _TEXT,
            "verb": _VERB,
            "intended": _said("What it would be if nothing held it.", {"enum": [str(verb) for verb in Verb]}),
            "changes": {"type": "array", "items": {"$ref": "#/$defs/change"}},
            "reasons": _said("Sentences: why it restarts, or what it waits for.", _TEXTS),
            "disrupts": _said("The service that is interrupted, or would be.", {"type": ["string", "null"]}),
            "held": _said("Why nothing is done, empty where something is.", _TEXT),
            "later": _said("Held only until other restarts of this plan are done.", {"type": "boolean"}),
            "needs": _said("Addresses of what must be converged first.", _TEXTS),
            "origins": _said("The documents that declare it: kind/name.", _TEXTS),
            "drift": _said(
                "Why it differs, empty where no host remembers.", {"enum": ["", "declared", "corrective", "foreign"]}
            ),
            "since": _said("When Bivisor last wrote it (ISO 8601), empty if it never did.", _TEXT),
        }
    )
    return {"type": "array", "items": step}


def _edit() -> dict[str, Any]:
    changes = {"type": "array", "items": {"$ref": "#/$defs/change"}}
    return _object({"key": _TEXT, "verb": {"enum": ["create", "update", "delete"]}, "changes": changes})


def _change() -> dict[str, Any]:
    value = {"$ref": "#/$defs/value"}
    return _object({"field": _TEXT, "before": value, "after": value, "secret": {"type": "boolean"}})


def _value() -> dict[str, Any]:
    kinds = [{"type": ["string", "integer", "boolean", "null"]}, _TEXTS]
    return {
        "description": "null is absent; secrets are masked; (not declared) where one side does not declare it.",
        "anyOf": kinds,
    }


def _object(fields: dict[str, Any], optional: frozenset[str] | set[str] = frozenset()) -> dict[str, Any]:
    return {"type": "object", "required": [name for name in fields if name not in optional], "properties": fields}


def _said(words: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": words, **schema}
