"""What two declarations say differently, as a plan: what would change in a cloud that is as the first one declares it.

No host is asked, so nothing is known of the world: a value that one side does not declare is not absent, it is not
declared. What loads a changed file restarts, as in a plan that was made by looking.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from reconciler.core.diff import diff
from reconciler.core.load import MANAGE
from reconciler.core.plan import FRESH, Plan, Reasons, Step, Verb, hold, planned
from reconciler.core.shown import UNDECLARED
from resources.contract import EXISTS, REMEMBERED, Change, Disruption

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.core.compile import Catalog
    from reconciler.core.graph import Graph
    from resources.cloud import Resource
    from resources.contract import Address, Facts, Key, Unit, Value

_BOOKKEEPING = frozenset({FRESH, REMEMBERED})
"""Fields that are seen, or kept in mind, and never written: they say nothing about a declaration."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What differs in one document: `verb` is create, delete or update, and only the last one has changes."""

    key: Key
    verb: Verb
    changes: tuple[Change, ...] = ()


def compare(before: Catalog, after: Catalog, graph: Graph) -> Plan:
    """Return what would be done to a cloud that is as `before` declares it; `graph` is that of `after`.

    Units that are no longer declared stand at the end. The plan is not for carrying out: it knows no digest of anything.
    """

    def first(unit: Unit, needs: tuple[Address, ...], reasons: Reasons) -> Step:
        step = Step(unit.address, Verb.NOTHING, needs=needs, origins=unit.origins)
        return _step(step, unit, before.units.get(unit.address), reasons)

    unasked = before.endpoints.keys() - after.endpoints.keys()
    left = (unit for address, unit in before.units.items() if address not in after.units and _makes(unit))
    gone = (_gone(unit, asked=unit.address.target not in unasked) for unit in left)
    return Plan((*planned(after, graph, first).steps, *gone))


def leaves(step: Step) -> bool:
    """Tell whether the unit of a step is only no longer declared; what becomes of it, a plan that looks tells."""
    return step.verb is Verb.DELETE and any(change.after == UNDECLARED for change in step.changes)


def compared_code(plan: Plan, edits: tuple[Edit, ...], resources: Mapping[Key, Resource[Any]], *, detailed: bool) -> int:
    """Return what a comparison ends with: 3 where a value cannot be written; 2 where something differs, if `detailed`; or 0.

    That a resource is paused or only observed is as somebody declared it, and no failure of a review.
    """
    steps = {step.address: step for step in plan.steps}
    for step in plan.held:
        origins = (steps[step.root] if step.root else step).origins
        if all(resources[key].metadata.annotations.get(MANAGE, "full") == "full" for key in origins):
            return 3
    return 2 if detailed and (edits or plan.pending or plan.held) else 0


def compare_documents(before: Mapping[Key, Resource[Any]], after: Mapping[Key, Resource[Any]]) -> tuple[Edit, ...]:
    """Return the documents that differ, sorted by key. A Secret's value is no part of its document."""
    return tuple(edit for key in sorted({*before, *after}) if (edit := _edit(key, before.get(key), after.get(key))))


def _step(step: Step, unit: Unit, was: Unit | None, reasons: Reasons) -> Step:
    facts = _Supposed(was.desired) if was is not None and was.desired is not None else None
    if facts is None:
        changes = diff(unit, {} if unit.desired is None and was is None else None)
    else:
        changes = (*_changes(unit, facts), *_reload(unit, reasons))
    if not changes:
        return step
    try:
        disruption = _disruption(unit, changes, facts)
        verb = _verb(unit, facts, restarts=disruption is not None)
    except ValueError:  # no world can take such a value
        return hold(replace(step, changes=changes, intended=Verb.UPDATE), unit.blocked(None))
    return replace(step, verb=verb, intended=verb, changes=changes, disruption=disruption)


def _verb(unit: Unit, facts: Facts | None, *, restarts: bool) -> Verb:
    if unit.desired is None:
        return Verb.DELETE
    if not unit.actions(diff(unit, None), None):
        return Verb.WAIT
    if restarts:
        return Verb.RESTART
    return Verb.CREATE if facts is None else Verb.UPDATE


def _changes(unit: Unit, facts: Facts) -> tuple[Change, ...]:
    """Return the fields that are declared otherwise, those that came, and those that are declared no more."""
    if unit.desired is None:
        return (Change(EXISTS, before=True, after=None),)
    names = (name for name in {**unit.desired, **facts} if name not in _BOOKKEEPING and not name.startswith("@"))
    changes = (Change(name, facts.get(name, UNDECLARED), unit.desired.get(name, UNDECLARED)) for name in names)
    return tuple(change for change in changes if change.before != change.after)


def _reload(unit: Unit, reasons: Reasons) -> tuple[Change, ...]:
    """Return the change of a process that loads what changes in this plan."""
    if FRESH not in (unit.desired or {}):
        return ()
    rewritten = any(reasons.steps[address].pending and reasons.rewrites(address) for address in unit.loads)
    return (Change(FRESH, before=False, after=True),) if rewritten else ()


def _disruption(unit: Unit, changes: tuple[Change, ...], facts: Facts | None) -> Disruption | None:
    """Return what is interrupted if it runs: on which node Pacemaker runs it, and what forbids it, nobody knows here."""
    if facts is None:
        return None
    found = unit.disruption(changes, facts)
    if found is not None:
        return Disruption(found.service)
    if any(change.field == FRESH for change in changes):
        return Disruption(unit.down(None) or f"{unit.address.name} on {unit.address.target.name}")
    return None


def _gone(unit: Unit, *, asked: bool) -> Step:
    changes, target = (Change(EXISTS, before=True, after=UNDECLARED),), unit.address.target
    why = () if asked else (f"no document speaks of {target} any more: nobody asks it, and this stays there",)
    return Step(unit.address, Verb.DELETE, changes, why, origins=unit.origins, intended=Verb.DELETE)


def _makes(unit: Unit) -> bool:
    """Tell whether the unit is something that is made; what was only looked at or waited for leaves nothing behind."""
    try:
        return unit.desired is not None and bool(unit.actions(diff(unit, None), None))
    except ValueError:  # no world can take one of its values
        return False


class _Supposed(dict[str, "Value"]):
    """Facts as they are declared; whatever only a look can tell is empty."""

    __slots__ = ()

    def __missing__(self, name: str) -> Value:
        return ""


def _edit(key: Key, before: Resource[Any] | None, after: Resource[Any] | None) -> Edit | None:
    if before is None or after is None:
        return Edit(key, Verb.CREATE if before is None else Verb.DELETE)
    was, now = fields_of_document(before), fields_of_document(after)
    names = dict.fromkeys((*was, *now))
    changes = tuple(Change(name, was.get(name), now.get(name)) for name in names if was.get(name) != now.get(name))
    return Edit(key, Verb.UPDATE, changes) if changes else None


def fields_of_document(resource: Resource[Any]) -> dict[str, Value]:
    """Return every field that has a value by its dotted path, as it is written in YAML; an empty list is none."""
    metadata = {"labels": dict(resource.metadata.labels), "annotations": dict(resource.metadata.annotations)}
    spec = resource.spec.model_dump(mode="json", by_alias=True) if isinstance(resource.spec, BaseModel) else {}
    return {name: value for name, value in _flat({"metadata": metadata, "spec": spec}, "") if value not in (None, ())}


def _flat(value: Any, path: str) -> Iterator[tuple[str, Value]]:
    match value:
        case dict():
            for name, inner in value.items():
                yield from _flat(inner, f"{path}.{name}" if path else str(name))
        case list() if any(isinstance(item, dict) for item in value):
            for index, item in enumerate(value):
                yield from _flat(item, f"{path}[{index}]")
        case list():
            yield path, tuple(map(str, value))
        case None | bool() | int() | str():
            yield path, value
        case _:
            yield path, str(value)
