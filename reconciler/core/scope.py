"""A part of what is declared: what a saved plan may touch, and what has to be looked at for that.

The plan is made as ever, by the same code; then whatever lies outside of the scope is held or left out. So a scope can only
ever make a plan smaller. It says nothing against bringing up what carrying it out took down.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.core.bounds import beyond
from reconciler.core.claiming import tellers, tells
from reconciler.core.diff import Unobserved
from reconciler.core.plan import Plan, Verb, hold
from resources.contract import Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.core.compile import Catalog
    from reconciler.core.diff import Observed
    from reconciler.core.graph import Graph
    from reconciler.core.plan import Step
    from resources.contract import Address

ELSEWHERE = "the saved plan does nothing here: plan again"


@dataclass(frozen=True, slots=True)
class Scope:
    """What may be done, and what is looked at for it.

    `allowed`  the steps, as they were shown.
    `rests_on` what must be as declared for them, and is not acted on: what they need, and what must recover after them.
    `looked`   all units that are asked about; the services besides, where one is interrupted: they count in the budget.
    """

    allowed: Mapping[Address, Step]
    rests_on: frozenset[Address]
    looked: Mapping[Address, Unit]


def rests_on(allowed: Mapping[Address, Step], catalog: Catalog, graph: Graph) -> frozenset[Address]:
    """Return the units that these steps rest on and that are not among them."""
    needed = {need.address for address in allowed for need in graph.needs(address)}
    recover = {
        address
        for interrupted in _disruptive(allowed)
        for address in graph.needed_by(interrupted)
        if catalog.units[address].settle_s
    }
    return frozenset(needed | recover) - allowed.keys()


def make_scope(
    allowed: Mapping[Address, Step], resting_on: Iterable[Address], others: Iterable[Address], catalog: Catalog
) -> Scope:
    """Return the scope of these steps; `others` are looked at as well."""
    counted = set(others)
    if any(_disruptive(allowed)):
        counted |= {address for address, unit in catalog.units.items() if type(unit).down is not Unit.down}
    wanted = {*allowed, *resting_on, *counted}
    looked = {address: unit for address, unit in catalog.units.items() if address in wanted}
    return Scope(allowed, frozenset(resting_on), looked)


def around(asked: Iterable[Address], catalog: Catalog, graph: Graph) -> Mapping[Address, Unit]:
    """Return these units, all that they need, and what remembers what of that is ours."""
    wanted: set[Address] = set()
    rest = list(asked)
    while rest:
        address = rest.pop()
        if address not in wanted:
            wanted.add(address)
            rest += [need.address for need in graph.needs(address)]
    hosts = {host for target in {address.target for address in wanted} for host in tellers(catalog, target)}
    return {a: unit for a, unit in catalog.units.items() if a in wanted or (a.target in hosts and tells(unit))}


def without_unasked(plan: Plan, asked: Mapping[Address, Unit]) -> Plan:
    """Return the plan of those units alone: of all others nothing is known because nobody asked."""
    return replace(plan, steps=tuple(step for step in plan.steps if step.address in asked))


def limited(plan: Plan, scope: Scope, mended: Mapping[Address, frozenset[str]] | None = None) -> Plan:
    """Return the plan before policy with everything held that the scope does not allow, and without what nobody looked at.

    Nothing waits for what was not asked: what the steps rest on is in the scope, and what that needs in turn is its own affair.
    `mended` holds, of what this run itself took down, the fields that bring it up again: they are allowed as well.
    """
    mended = mended or {}
    steps = (
        _limited(step, scope, mended.get(step.address, frozenset())) for step in plan.steps if step.address in scope.looked
    )
    return replace(plan, steps=tuple(steps))


def mends(unit: Unit, seen: Observed) -> frozenset[str]:
    """Return the declared fields of a unit that is down which make it so: each of them alone would, all else as declared."""
    if isinstance(seen, Unobserved) or seen is None or not unit.down(seen):
        return frozenset()
    whole = {**seen, **(unit.desired or {})}
    if unit.down(whole):
        return frozenset()
    return frozenset(name for name in unit.desired or {} if unit.down({**whole, name: seen.get(name)}))


def narrowed(plan: Plan, scope: Scope) -> Plan:
    """Return the plan after policy without what is only there to be counted."""
    kept = scope.allowed.keys() | scope.rests_on
    steps = (step for step in plan.steps if step.address in kept)
    return replace(plan, steps=tuple(replace(step, needs=tuple(n for n in step.needs if n in kept)) for step in steps))


def _limited(step: Step, scope: Scope, mended: frozenset[str]) -> Step:
    step = replace(step, needs=tuple(need for need in step.needs if need in scope.looked))
    if step.root is not None and step.root not in scope.looked:
        step = replace(step, verb=step.intended, held="", later=False, root=None)
    if not step.pending:
        return step
    if step.address in scope.allowed:
        more = beyond(step, scope.allowed[step.address], mended)
        return hold(step, f"{more}, which the saved plan did not show: plan again") if more else step
    return step if step.verb is Verb.WAIT and step.address in scope.rests_on else hold(step, ELSEWHERE)


def _disruptive(allowed: Mapping[Address, Step]) -> Iterable[Address]:
    return (address for address, step in allowed.items() if step.disruption is not None)
