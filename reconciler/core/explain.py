"""What may be written: for editors as a JSON Schema, for people as text; both from the kinds' own models."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from pydantic.json_schema import GenerateJsonSchema

from reconciler.core.errors import UnknownNameError
from reconciler.core.fields import Mark, alternatives, fields_of, inside, is_model, marks_of
from reconciler.core.load import API_VERSION, IGNORE, MANAGE, MANAGE_WORDS, NAME_PATTERN, PAUSE_REASON
from reconciler.core.wording import any_of, hint, one_of, quoted
from resources.cloud import DocumentPath, SecretRef
from resources.contract import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from resources.cloud import Kind

DIALECT: Final = "http://json-schema.org/draft-07/schema#"
"""The dialect that YAML language servers know best."""

_METADATA: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "What identifies the document, and what people hang on it.",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {
            "type": "string",
            "pattern": f"^{NAME_PATTERN}$",
            "description": "A DNS label, unique among the resources of its kind.",
        },
        "labels": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Words to choose this resource by.",
        },
        "annotations": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Notes; those that begin with bivisor/ are read.",
            "propertyNames": {"pattern": f"^(?!bivisor/)|^{MANAGE}$|^{PAUSE_REASON}$|^{IGNORE}$"},
            "properties": {
                MANAGE: {
                    "enum": list(MANAGE_WORDS),
                    "description": "full: act; observe: plan and report, never act; paused: leave alone.",
                },
                PAUSE_REASON: {"type": "string", "description": "Why it is paused or only observed; the plan says it."},
                IGNORE: {
                    "type": "string",
                    "description": "Fields of this document's units that are left to others: one TYPE/NAME FIELD a line, "
                    "* for anything.",
                },
            },
        },
    },
}

_NAMES = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Any: "anything",
    dict: "mapping",
    list: "list",
}


def schema(kinds: Mapping[str, Kind[Any]]) -> dict[str, Any]:
    """Return one JSON Schema for the documents of all kinds; each is told by its `kind`."""
    definitions: dict[str, Any] = {}
    choices = []
    for name in sorted(kinds):
        spec, inner = _spec_schema(name, kinds[name].spec)
        definitions |= inner | {name: spec}
        demand = {"required": ["spec"]} if spec.get("required") else {}
        then = {"properties": {"spec": {"$ref": f"#/$defs/{name}"}}, **demand}
        choices.append({"if": {"properties": {"kind": {"const": name}}, "required": ["kind"]}, "then": then})
    return {
        "$schema": DIALECT,
        "title": "Bivisor resource",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "additionalProperties": False,
        "properties": {
            "apiVersion": {"const": API_VERSION, "description": "The version of these documents' language."},
            "kind": {"enum": sorted(kinds), "description": "What the document declares."},
            "metadata": dict(_METADATA),
            "spec": {"type": "object", "description": "What is declared."},
        },
        "allOf": choices,
        "$defs": definitions,
    }


def explain(kinds: Mapping[str, Kind[Any]], path: str) -> str:
    """Return what a kind or a field means: `VolumeBackend`, `VolumeBackend.spec.ha`; an empty path lists the kinds.

    Raises UnknownNameError with the nearest name.
    """
    parts = [part for part in re.sub(r"\[\d*\]", "", path).split(".") if part]
    if not parts:
        rows = [(name, _first_sentence(kinds[name].spec)) for name in sorted(kinds)]
        return "\n".join(["Kinds:", *_table(rows), "", "bivisor explain KIND, or KIND.spec.FIELD, explains more."])
    if parts[0] not in kinds:
        raise UnknownNameError(f"unknown kind {quoted(parts[0])} {hint(parts[0], kinds, 'kinds')}")
    spec = kinds[parts[0]].spec
    if len(parts) == 1:
        return "\n".join([f"{parts[0]} ({API_VERSION})", *_paragraph(_document(spec)), *_fields([spec], "spec")])
    if parts[1] == "metadata" and len(parts) == len(["kind", "metadata"]):
        return "\n".join([f"{parts[0]}.metadata: mapping, required", *_paragraph(_METADATA["description"]), *_metadata()])
    if parts[1] != "spec":
        wanted = f"the fields of a kind are in {parts[0]}.spec and {parts[0]}.metadata"
        raise UnknownNameError(f"{'.'.join(parts)} cannot be explained: {wanted}")
    return _explain_field(parts, spec)


def _metadata() -> Iterator[str]:
    """Yield the fields that documents of all kinds have, and the annotation that is read."""
    fields: Mapping[str, Mapping[str, Any]] = _METADATA["properties"]
    words = {"name": "text, required"}
    rows = [(name, f"{words.get(name, 'mapping of names to text')}. {field['description']}") for name, field in fields.items()]
    yield from ("", "fields:", *_table(rows))
    notes = fields["annotations"]["properties"]
    manage = (MANAGE, f"{one_of(MANAGE_WORDS)}. {notes[MANAGE]['description']}")
    yield from ("", "annotations:", *_table([manage, (IGNORE, f"text. {notes[IGNORE]['description']}")]))


def _explain_field(parts: Sequence[str], spec: type[BaseModel]) -> str:
    """Explain the field that the parts after `Kind.spec` lead to."""
    annotations: tuple[Any, ...] = (spec,)
    about, description = "mapping", ""
    for number, part in enumerate(parts[2:], start=2):
        models = models_in(annotations)
        known = {name: info for model in models for name, (_, info) in fields_of(model).items()}
        if models and part not in known:
            raise UnknownNameError(f"{'.'.join(parts[:number])} has no field {quoted(part)} {hint(part, known, 'fields')}")
        if not models:
            raise UnknownNameError(f"{'.'.join(parts[:number])} has no fields: its type is {about}")
        info = known[part]
        annotations, about, description = (info.annotation,), field_words(info), info.description or ""
    models = models_in(annotations)
    text = description or (_document(models[0]) if len(models) == 1 else "")
    return "\n".join([f"{'.'.join(parts)}: {about}", *_paragraph(text), *_fields(models, "fields")])


def models_in(annotations: Sequence[Any]) -> list[type[BaseModel]]:
    """Return the models among some types, also those that stand in lists and mappings."""
    found = []
    for annotation in annotations:
        for option in alternatives(annotation):
            if is_model(option):
                found.append(option)
            elif get_origin(option) in {tuple, list, dict, set, frozenset}:
                found += models_in(inside(option, 0) or inside(option, ""))
    return found


def _fields(models: Sequence[type[BaseModel]], title: str) -> list[str]:
    """Return a table of each model's fields; of several, each is headed by what it is."""
    lines = []
    for model in models:
        rows = [(name, _row(info)) for name, (_, info) in fields_of(model).items()]
        heading = f"{title}:" if len(models) == 1 else f"{title}, if it is this: {_first_sentence(model)}"
        lines += ["", heading, *_table(rows)]
    return lines


def _row(info: FieldInfo) -> str:
    """Return a field's type and meaning in one paragraph; a model's own meaning stands in for the field's."""
    models = [option for option in alternatives(info.annotation) if is_model(option) and option is not SecretRef]
    meaning = info.description or (_first_sentence(models[0]) if len(models) == 1 else "")
    return ". ".join(part for part in (field_words(info), meaning) if part)


def field_words(info: FieldInfo) -> str:
    """Return the type of a field in words, and whether it may be left out."""
    words = _type_words(info.annotation, tuple(mark for mark in info.metadata if isinstance(mark, Mark)))
    limits = _limits(info)
    if info.is_required():
        return f"{words}{limits}, required"
    default = info.get_default(call_default_factory=False) if info.default_factory is None else None
    shown = (
        json.dumps(default.value if isinstance(default, Enum) else default) if isinstance(default, str | int | float) else ""
    )
    return f"{words}{limits}, default {shown}" if shown and default != "" else f"{words}{limits}"


def _type_words(annotation: Any, marks: tuple[Mark, ...] = ()) -> str:
    """Return a type in words."""
    for mark in marks + marks_of(annotation):
        match mark:
            case Reference():
                return f"name of a {mark.kind}"
            case DocumentPath():
                return "file, relative to the folder of this document"
    return any_of(tuple(dict.fromkeys(_option_words(option) for option in alternatives(annotation))))


def _option_words(option: Any) -> str:
    origin, arguments = get_origin(option), get_args(option)
    if option is SecretRef:
        words = "reference to a Secret: {secret: NAME}, {secret: NAME, key: KEY}"
    elif is_model(option):
        words = "mapping"
    elif origin is Literal:
        words = one_of(map(str, arguments))
    elif isinstance(option, type) and issubclass(option, Enum):
        words = one_of(str(member.value) for member in option)
    elif origin is dict:
        words = f"mapping of names to {_type_words(arguments[1])}".replace("names to mapping of", "names to mappings of")
    elif origin in {tuple, list, set, frozenset}:
        words = f"list of {_type_words(arguments[0])}".replace("list of mapping", "list of mappings")
        words = re.sub(r"list of name of a (\w+)", r"list of names of \1s", words)
    else:
        words = _NAMES.get(option, str(getattr(option, "__name__", option)))
    return words


def _limits(info: FieldInfo) -> str:
    """Return the numbers between which a value must be, in words."""
    lowest = next((mark.ge for mark in info.metadata if hasattr(mark, "ge")), None)
    highest = next((mark.le for mark in info.metadata if hasattr(mark, "le")), None)
    parts = ("" if lowest is None else f" from {lowest}", "" if highest is None else f" up to {highest}")
    return "".join(parts)


def _document(model: type[BaseModel]) -> str:
    """Return the docstring of a model; what it only inherits says nothing about it."""
    return inspect.cleandoc(model.__doc__ or "")


def _first_sentence(model: type[BaseModel]) -> str:
    return _document(model).split("\n\n")[0].replace("\n", " ")


def _paragraph(text: str) -> list[str]:
    """Return a description as lines of at most 100 characters, indented, after an empty one."""
    lines: list[str] = []
    for part in text.split("\n\n") if text else ():
        lines += ["", *textwrap.wrap(part.replace("\n", " "), 98, initial_indent="  ", subsequent_indent="  ")]
    return lines


def _table(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield two aligned columns, the second one wrapped."""
    width = max((len(name) for name, _ in rows), default=0) + 2
    for name, text in rows:
        lines = textwrap.wrap(text, max(40, 98 - width)) or [""]
        yield f"  {name:{width}}{lines[0]}".rstrip()
        yield from (" " * (width + 2) + line for line in lines[1:])


class _Plain(GenerateJsonSchema):
    """Schemas without a title for each field: it only repeats the name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - for no schema
        return False


def _spec_schema(name: str, model: type[BaseModel]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of a kind's spec, and of the models in it under names that no other kind uses."""
    template = f"#/$defs/{name}.{{model}}"
    found = model.model_json_schema(by_alias=True, ref_template=template, schema_generator=_Plain)
    inner = {f"{name}.{key}": value for key, value in found.pop("$defs", {}).items()}
    found.pop("title", None)
    return found, inner
