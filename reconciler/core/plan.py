"""What to do, as a complete value: one step per unit, in order, with what changes, why, and what stands against it.

Applying looks at nothing but the plan, so that a dry run is the real thing without the doing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.core.diff import Observed, Unobserved, diff
from reconciler.core.load import MANAGE, PAUSE_REASON
from resources.contract import changed_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from reconciler.core.compile import Catalog, Former
    from reconciler.core.graph import Graph
    from resources.contract import Address, Change, Disruption, Facts, Key, Unit

FRESH = "fresh"
"""The field of every unit with a process: whether it has loaded what is declared now."""

NOT_ASKED = Unobserved("it was not asked")
"""What is known of a unit about which nobody was asked."""

STALE = "the running process started before the present configuration was written"
"""Why a process is restarted when nothing that it loads changes any more."""

MOST_NAMED = 3
"""As many things are named in one sentence; the rest is counted."""


class Verb(StrEnum):
    """What a step does. `held` and `unknown` do nothing although something differs or may differ."""

    NOTHING = "nothing"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    RESTART = "restart"
    WAIT = "wait"
    HELD = "held"
    UNKNOWN = "unknown"


PENDING = frozenset({Verb.CREATE, Verb.UPDATE, Verb.DELETE, Verb.RESTART, Verb.WAIT})
"""The verbs of steps that are carried out."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done about one unit.

    `changes`     what differs; empty for nothing and unknown, and for a paused unit.
    `reasons`     sentences: why it restarts, or what it waits for.
    `needs`       the units that must be converged before it acts.
    `disruption`  what a person loses meanwhile.
    `held`        why nothing is done: set exactly for the verbs held and unknown.
    `intended`    the verb that it would have if nothing held it.
    `later`       held only until other restarts of this plan are done: a following pass lets it go by itself.
    `root`        the unit that is unknown or held for a reason of its own, where this step is held for its sake.
    `drift`       why it differs, where a host remembers: declared, corrective or foreign; `since` when it was last written.
    `remarks`     sentences about what is worth knowing and is no difference; a step that does nothing may have some.
    """

    address: Address
    verb: Verb
    changes: tuple[Change, ...] = ()
    reasons: tuple[str, ...] = ()
    needs: tuple[Address, ...] = ()
    disruption: Disruption | None = None
    origins: tuple[Key, ...] = ()
    held: str = ""
    intended: Verb = Verb.NOTHING
    later: bool = False
    root: Address | None = None
    remarks: tuple[str, ...] = ()
    drift: str = ""
    since: str = ""

    @property
    def pending(self) -> bool:
        """Tell whether carrying the plan out does something here, be it waiting."""
        return self.verb in PENDING


@dataclass(frozen=True, slots=True)
class Plan:
    """One step per unit; each step stands behind the steps that it needs."""

    steps: tuple[Step, ...]

    @property
    def pending(self) -> tuple[Step, ...]:
        """Return the steps that are carried out."""
        return tuple(step for step in self.steps if step.pending)

    @property
    def held(self) -> tuple[Step, ...]:
        """Return the steps that something stands against."""
        return tuple(step for step in self.steps if step.verb is Verb.HELD)

    @property
    def unknown(self) -> tuple[Step, ...]:
        """Return the steps of units about which nobody knows."""
        return tuple(step for step in self.steps if step.verb is Verb.UNKNOWN)

    @property
    def counts(self) -> Mapping[Verb, int]:
        """Return how many steps have each verb; every verb is there."""
        counted = Counter(step.verb for step in self.steps)
        return {verb: counted[verb] for verb in Verb}


def _raised(unit: Unit, error: Exception) -> str:  # noqa: ARG001 - as whoever has a sentence for it
    raise error


def make_plan(
    catalog: Catalog,
    graph: Graph,
    observed: Mapping[Address, Observed],
    mistaken: Callable[[Unit, Exception], str] = _raised,
) -> Plan:
    """Compare everything and say what to do, without regard to how much may be down at once; policy comes after.

    A unit that `observed` does not mention was not asked, and is unknown. So is one that fails to say what is to be done
    about it, for the reason that `mistaken` returns.
    """

    def first(unit: Unit, needs: tuple[Address, ...], reasons: Reasons) -> Step:
        try:
            return step_of(unit, needs, _foreseen(unit, observed.get(unit.address, NOT_ASKED), reasons))
        except Exception as error:  # noqa: BLE001 - one unit's mistake is not that of the others
            return step_of(unit, needs, Unobserved(mistaken(unit, error)))

    return planned(catalog, graph, first)


def planned(catalog: Catalog, graph: Graph, first: Callable[[Unit, tuple[Address, ...], Reasons], Step]) -> Plan:
    """Return the plan of the steps that `first` gives, in order: with their reasons, held where something stands against it."""
    modes = _modes(catalog)
    steps: dict[Address, Step] = {}
    reasons = Reasons(catalog.units, steps)
    for address in graph.order:
        needs = tuple(need.address for need in graph.needs(address))
        step = first(catalog.units[address], needs, reasons)
        if step.changes:
            step = replace(step, reasons=(*_undeclared(step, catalog.former), *reasons.of(step)))
            step = _managed(_kept_back(step, catalog.former), modes, catalog.former)
        steps[address] = held_by_needs(step, steps)
    return Plan(tuple(steps.values()))


def hold(step: Step, why: str, *, later: bool = False, root: Address | None = None) -> Step:
    """Return the step held, with what it would have done still told."""
    return replace(step, verb=Verb.HELD, held=why, later=later, root=root)


def held_by_needs(step: Step, steps: Mapping[Address, Step]) -> Step:
    """Hold a step that would act while something it needs is unknown or held; else return it as it is.

    A need that differs from its declaration but is going to be acted on holds nothing, nor does one that is as
    declared already, whatever that one needs in turn. The cause that is named is the first one in the chain.
    """
    if not step.pending:
        return step
    needed = [steps[need] for need in step.needs if steps[need].verb in (Verb.HELD, Verb.UNKNOWN)]
    if not needed:
        return step
    first = min(needed, key=lambda need: need.later)
    root = steps[first.root] if first.root else first
    return hold(step, f"needs {root.address} ({root.verb}: {root.held})", later=first.later, root=root.address)


def named(names: Iterable[str]) -> str:
    """Join names for a sentence: `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`."""
    listed = list(names)
    if len(listed) > MOST_NAMED + 1:
        listed = [*listed[:MOST_NAMED], f"{len(listed) - MOST_NAMED} more"]
    return " and ".join(part for part in (", ".join(listed[:-1]), *listed[-1:]) if part)


def _foreseen(unit: Unit, seen: Observed, reasons: Reasons) -> Observed:
    """Return what will be seen when the plan has written what the unit loads: a restart that follows is part of the plan."""
    rewritten = frozenset(address for address in unit.loads if reasons.steps[address].pending and reasons.rewrites(address))
    return unit.foreseen(seen, rewritten) if rewritten and not isinstance(seen, Unobserved) else seen


def step_of(unit: Unit, needs: tuple[Address, ...], seen: Observed) -> Step:
    """Say what is to be done about one unit by itself: before its needs, its documents' modes and policy have their say."""
    step = Step(unit.address, Verb.NOTHING, needs=needs, origins=unit.origins)
    if isinstance(seen, Unobserved):
        return replace(step, verb=Verb.UNKNOWN, held=seen.reason)
    changes, why = diff(unit, seen), unit.blocked(seen)
    step = replace(step, remarks=unit.remarks(seen))
    if changes:
        step = changing(step, unit, changes, seen, possible=not why)
    return hold(step, why) if why else step


def changing(step: Step, unit: Unit, changes: tuple[Change, ...], facts: Facts | None, *, possible: bool = True) -> Step:
    """Say what making the changes is; a unit that is blocked is not asked how, since there may be no way at all."""
    disruption = None
    if possible and not unit.actions(changes, facts):
        verb = Verb.WAIT
    elif possible and (disruption := unit.disruption(changes, facts)):
        verb = Verb.RESTART
    elif facts is None:
        verb = Verb.CREATE
    else:
        verb = Verb.DELETE if unit.desired is None else Verb.UPDATE
    return replace(step, verb=verb, intended=verb, changes=changes, disruption=disruption)


@dataclass(frozen=True, slots=True)
class Reasons:
    """Says why, from the steps that stand before; remembers what each loaded unit's changes mean to its readers."""

    units: Mapping[Address, Unit]
    steps: Mapping[Address, Step]
    loaded: dict[Address, str] = field(default_factory=dict)

    def of(self, step: Step) -> tuple[str, ...]:
        """Say why the step restarts, or what it waits for."""
        match step.intended:
            case Verb.RESTART:
                return self._restart(step)
            case Verb.WAIT:
                pending = [str(need) for need in step.needs if self.steps[need].pending]
                if pending:
                    return (f"becomes so by itself after {named(pending)}",)
                settle_s = self.units[step.address].settle_s
                return (f"nothing to do but wait, up to {settle_s:.0f} s",) if settle_s else ()
            case _:
                return ()

    def _restart(self, step: Step) -> tuple[str, ...]:
        fields = [change.field for change in step.changes]
        others = [name for name in fields if name != FRESH]
        because = (_change_of(others),) if others else ()
        return (*(self._loads(step) or (STALE,)), *because) if FRESH in fields else because

    def _loads(self, step: Step) -> tuple[str, ...]:
        """Say which loaded configuration changes in this plan; the same change on several targets is one sentence."""
        targets: dict[tuple[str, str], list[str]] = {}
        for address in self.units[step.address].loads:
            if change := self._read(address):
                where = targets.setdefault((address.name, change), [])
                if address.target != step.address.target:
                    where.append(str(address.target))
        return tuple(
            f"loads {name}{' on ' if where else ''}{named(where)}, where {change}" for (name, change), where in targets.items()
        )

    def rewrites(self, address: Address) -> bool:
        """Tell whether what others read from that unit changes in this plan."""
        return bool(self._read(address))

    def _read(self, address: Address) -> str:
        """Say what changes for those who read that unit, or ''; a file's mode, say, changes nothing for them."""
        if address not in self.loaded:
            unit, changes = self.units[address], self.steps[address].changes
            read = [change.field for change in changes if _matters(unit, change.field)]
            self.loaded[address] = _change_of(read) if read else ""
        return self.loaded[address]


def _matters(unit: Unit, name: str) -> bool:
    if unit.desired is None or unit.desired.get(name, name) is None:
        return True  # what must not be there was read while it was
    without = {each: value for each, value in unit.desired.items() if each != name}
    return replace(unit, desired=without).digest() != unit.digest()


def _undeclared(step: Step, former: Former) -> tuple[str, ...]:
    """Say what the step takes away because it is declared no more."""
    if forgotten := former.forgotten.get(step.address):
        things = (f"{named(claim['without'])} of {text}" if claim else text for text, claim in forgotten.items())
        return (f"forgets {named(things)}: gone, changed by somebody, or left to others",)
    if step.address in former.units:
        unaware = former.unaware.get(step.address, ())
        later = (f"{named(unaware)} may have loaded it, and no document declares that it restarts",) if unaware else ()
        return ("it is Bivisor's, and no document declares it any more", *later) if step.intended is not Verb.WAIT else ()
    claim = former.without.get(step.address)
    fields = [change.field for change in step.changes if claim is not None and change.field in claim.fields]
    return (f"no document declares {named(fields)} any more",) if fields else ()


def _kept_back(step: Step, former: Former) -> Step:
    """Hold the step if it takes away what must stay for the time being; what else it would do waits as well."""
    why, claim = former.held.get(step.address, ""), former.without.get(step.address)
    if not why or (claim is not None and not any(change.field in claim.fields for change in step.changes)):
        return step
    return hold(step, why)


def _modes(catalog: Catalog) -> Mapping[Key, tuple[str, str]]:
    """Return how the resources are managed that are not fully managed, each with `: ` and the reason that is given, or ''."""
    notes = ((key, resource.metadata.annotations) for key, resource in catalog.resources.items())
    found = ((key, note.get(MANAGE, "full"), note.get(PAUSE_REASON, "")) for key, note in notes)
    return {key: (mode, f": {' '.join(why.split())}" if why.strip() else "") for key, mode, why in found if mode != "full"}


def _managed(step: Step, modes: Mapping[Key, tuple[str, str]], former: Former) -> Step:
    """Hold the step while one of its resources is paused or only observed; a paused one tells no changes.

    What it takes away is still the business of the resources that had declared it.
    """
    claim = former.without.get(step.address)
    declared = claim.origins if claim and not changed_fields(step.changes).isdisjoint(claim.fields) else ()
    origins = (origin for origin in reversed((*step.origins, *declared)) if origin in modes)
    limits = {modes[origin][0]: origin for origin in origins}
    if not limits:
        return step
    if "paused" in limits:
        return replace(hold(step, f"{limits['paused']} is paused{modes[limits['paused']][1]}"), changes=(), reasons=())
    return hold(step, f"{limits['observe']} is only observed{modes[limits['observe']][1]}")


def _change_of(fields: Sequence[str]) -> str:
    return f"{named(fields)} {'changes' if len(fields) == 1 else 'change'}"
