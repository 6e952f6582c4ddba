"""Whether a saved plan still fits: what is declared now, and what is there now, beside what it was made for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.core.diff import Unobserved
from reconciler.core.plan import Step, Verb, make_plan
from reconciler.core.saved import document_digests, observed_digests
from reconciler.core.scope import Scope, limited, make_scope
from reconciler.core.shown import masked, written
from reconciler.core.wording import MOST_SHOWN
from resources.contract import MASK, Address, Change, Disruption, SecretText, TargetId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.core.compile import Catalog
    from reconciler.core.diff import Observed
    from reconciler.core.graph import Graph
    from reconciler.core.load import Loaded
    from reconciler.core.saved import Saved
    from resources.contract import Facts, Unit, Value


def changed_documents(saved: Saved, loaded: Loaded) -> tuple[str, ...]:
    """Return a sentence for each document that is not as it was."""
    then, now = saved.file.documents, document_digests(loaded, saved.seal)
    return tuple(
        f"{name} is {'declared since' if name not in then else 'gone' if name not in now else 'declared otherwise'}"
        for name in sorted({*now, *then})
        if now.get(name) != then.get(name)
    )


def _unheard_of(saved: Saved, catalog: Catalog) -> tuple[str, ...]:
    """Return the units of the plan that the catalogue does not have; a look may know of more than the documents do."""
    known = {str(address) for address in catalog.units}
    return tuple(name for name in saved.file.units if name not in known)


def changed_units(saved: Saved, catalog: Catalog) -> tuple[str, ...]:
    """Return a sentence for each unit of the plan that does not mean what it did, though the documents are as they were."""
    gone = [f"{name} is declared no more" for name in _unheard_of(saved, catalog)]
    units = {str(address): unit for address, unit in catalog.units.items()}
    return (
        *gone,
        *(
            f"{name} is declared otherwise, by a file that its document names or by the program"
            for name, unit in saved.file.units.items()
            if name in units and unit.declared != saved.seal.unit(units[name])
        ),
    )


def scope_of(saved: Saved, catalog: Catalog) -> Scope:
    """Return what the plan allows, and what has to be looked at for that; called when nothing has changed."""
    file = saved.file
    names = {str(address): address for address in catalog.units}
    told = {step["address"]: step for step in file.plan["steps"]}
    allowed = {names[name]: _step(names[name], told[name]) for name, unit in file.units.items() if unit.acts}
    resting = [names[name] for name, unit in file.units.items() if not unit.acts]
    return make_scope(allowed, resting, [names[name] for name in file.aliases if name in names], catalog)


def moved(saved: Saved, scope: Scope, catalog: Catalog, graph: Graph, observed: Mapping[Address, Observed]) -> tuple[str, ...]:
    """Return a sentence for each thing that is not as it was: what the plan acts on, and what that rests on."""
    found: dict[Address, list[str]] = {}
    told = {step["address"]: step for step in saved.file.plan["steps"]}
    for address, unit in scope.looked.items():
        lines = list(_differences(saved, unit, observed[address], told.get(str(address), {})))
        if lines:
            found[address] = lines
    for step in limited(make_plan(catalog, graph, observed), scope).steps:
        shown = scope.allowed.get(step.address)
        if shown is not None and step.address not in found and (what := _means(step, shown)):
            found[step.address] = [what]
    return tuple(f"{address}: {line}" for address, lines in found.items() for line in lines)


def aliases_of(saved: Saved) -> dict[Address, str]:
    """Return the names that were followed when the plan was made."""
    return {_address(text): name for text, name in saved.file.aliases.items()}


def _address(text: str) -> Address:
    target, kind, name = text.split("/", 2)
    return Address(TargetId(*target.split(":", 1)), kind, name)


def _step(address: Address, told: Mapping[str, Any]) -> Step:
    """Return a step as far as it bounds what may be done: the values of its fields are declared, and that is compared."""
    changes = tuple(Change(change["field"], before=None, after=None) for change in told["changes"])
    disruption = Disruption(told["disrupts"]) if told["disrupts"] else None
    verb = Verb(told["intended"])
    return Step(address, verb, changes, disruption=disruption, intended=verb)


def _differences(saved: Saved, unit: Unit, seen: Observed, told: Mapping[str, Any]) -> Iterator[str]:
    name = str(unit.address)
    then, alias = saved.file.units.get(name), saved.file.aliases.get(name)
    if then is None and alias is None:
        return
    if isinstance(seen, Unobserved):
        yield f"nobody knows what is there now: {seen.reason}"
        return
    if alias is not None and (present := unit.alias(seen)) != alias:
        yield f'what was followed as "{alias}" is ' + (f'"{present}" now' if present else "so no more")
    if then is None:
        return
    was, now = then.observed, observed_digests(unit, seen, saved.seal)
    if was is None or now is None or seen is None:
        if was != now:
            yield "it was not there, and is now" if was is None else "it was there, and is gone"
        return
    before = {change["field"]: change["before"] for change in told.get("changes", ())}
    for field in dict.fromkeys((*was, *now)):
        if was.get(field) != now.get(field):
            as_declared = was.get(field) == saved.seal.fact(name, field, (unit.desired or {}).get(field))
            words = _as_declared(unit, field) if as_declared else _before(field, before) if field in was else "absent"
            yield f"{field} is {_is(unit, field, seen)}; it was {words} when the plan was made"


def _as_declared(unit: Unit, field: str) -> str:
    return f"as declared ({_shown(field, (unit.desired or {}).get(field))})"


def _before(field: str, before: Mapping[str, Any]) -> str:
    if field not in before:
        return "another value"
    value = before[field]
    return _short(tuple(value) if isinstance(value, list) else value)


def _is(unit: Unit, field: str, seen: Facts) -> str:
    """Return the present value as it may be shown; where a secret is declared, what is there in its place is one."""
    value = seen.get(field)
    hidden = value is not None and isinstance((unit.desired or {}).get(field), SecretText)
    return f"{MASK}, another one" if hidden else _shown(field, value)


def _shown(field: str, value: Value) -> str:
    return _short(masked(Change(field, before=value, after=None))[0])


def _short(value: Value) -> str:
    """Return a masked value for a sentence; of whole files, `plan` shows the difference."""
    if isinstance(value, str) and "\n" in value:
        return f"a text of {len(value.splitlines())} lines"
    text = written(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _means(now: Step, shown: Step) -> str:
    """Say how a step whose fields are as they were means something else now, or ''."""
    if now.verb in (Verb.HELD, Verb.UNKNOWN) and not now.later:
        return f"it is {now.verb} now: {now.held}"
    service, before = (step.disruption.service if step.disruption else "nobody" for step in (now, shown))
    if service != before:
        return f"it would interrupt {service} now, and was to interrupt {before}"
    if now.intended is not shown.intended:
        return f"it would be a step to {now.intended} now, and was one to {shown.intended}"
    gone = {change.field for change in shown.changes} ^ {change.field for change in now.changes}
    return f"{', '.join(sorted(gone))} would change otherwise now" if gone else ""
