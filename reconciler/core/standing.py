"""How a resource has stood over time: since when each condition holds, and for which generation of its document.

A generation is a number that rises whenever a document says something else: its spec, or one of its annotations that Bivisor
reads. Whether it does is told by a digest, in which stands no secret: what a plan would mask is masked before.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reconciler.core.compare import fields_of_document
from reconciler.core.shown import masked
from reconciler.core.status import Status
from resources.contract import Change

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.status import Condition, ResourceStatus, Truth
    from resources.cloud import Resource
    from resources.contract import Key

_MATTERS = ("spec", "metadata.annotations.bivisor/")
"""The beginnings of the fields that make a generation; labels are what others choose by, names never change."""


@dataclass(frozen=True, slots=True)
class Former:
    """A resource as it was last kept: what it declared then, as a digest, and how it stood."""

    declared: str
    status: ResourceStatus


def digest_of(resource: Resource[Any]) -> str:
    """Return what is equal as long as a document says the same; secrets in it make no difference."""
    said = [
        (name, masked(Change(name, None, value))[1])
        for name, value in sorted(fields_of_document(resource).items())
        if name.startswith(_MATTERS)
    ]
    return hashlib.sha256(json.dumps(said, default=str).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def dated(status: Status, declared: Mapping[Key, str], former: Mapping[Key, Former], now: str) -> Status:
    """Return the status with generations, and with the time of each condition, which moves only when its status does.

    `declared` are the digests of the documents. Of a document that is gone the last generation stays.
    """
    return Status(tuple(_dated(each, declared.get(each.key), former.get(each.key), now) for each in status.resources))


def _dated(resource: ResourceStatus, declared: str | None, former: Former | None, now: str) -> ResourceStatus:
    if former is None:
        generation, before = 1, {}
    else:
        rises = declared is not None and declared != former.declared
        generation = former.status.generation + rises
        before = {condition.type: condition for condition in former.status.conditions}
    conditions = (of_time(each, before.get(each.type), now, generation) for each in resource.conditions)
    return replace(resource, conditions=tuple(conditions), generation=generation)


def of_time(condition: Condition, before: Condition | None, now: str, generation: int = 0) -> Condition:
    """Return the condition with the time since when its status is what it is; `before` is how it was kept last."""
    same = before is not None and before.status is condition.status and before.since
    return replace(condition, since=same or now, generation=generation)


def recalled(status: Status, declared: Mapping[Key, str], former: Mapping[Key, Former]) -> Status:
    """Return the status with what is known from before: since when, where a condition is as it was kept, and the generation."""
    return Status(tuple(_recalled(each, declared.get(each.key), former.get(each.key)) for each in status.resources))


def _recalled(resource: ResourceStatus, declared: str | None, former: Former | None) -> ResourceStatus:
    if former is None:
        return resource
    generation = former.status.generation if declared == former.declared else 0
    before = {condition.type: condition for condition in former.status.conditions}
    conditions = tuple(of_time(each, before.get(each.type), "", generation) for each in resource.conditions)
    return replace(resource, conditions=conditions, generation=generation)


def tally(status: Status) -> Mapping[tuple[str, Truth], int]:
    """Return of how many resources each condition is true, false or unknown: `{("Ready", Truth.TRUE): 12, …}`."""
    return Counter((condition.type, condition.status) for each in status.resources for condition in each.conditions)
