"""A plan in portions that have nothing to do with each other, so that none waits for another one's slow host."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.core.plan import Plan, Step, Verb

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from reconciler.core.compile import Catalog
    from resources.contract import Address


@dataclass(frozen=True, slots=True)
class Portion:
    """A plan that can be carried out alone, and the units that it has in hand while it is."""

    plan: Plan
    units: frozenset[Address]


def portions(plan: Plan, catalog: Catalog, busy: Collection[Address], resting: Collection[Address] = ()) -> tuple[Portion, ...]:
    """Return the pending steps, those together that need each other.

    `busy` are the units that are left alone now; those of them that are `resting` have failed, and nobody has them in hand.
    What rests on a busy unit, be it by way of others, has its turn when that is done. What has to recover from a step before
    the next one may follow belongs to both; while it recovers, no other part of the same whole is interrupted.
    """
    steps = {step.address: step for step in plan.steps}
    waiting = _resting_on(plan, busy, _put_off(plan, catalog, busy, resting))
    groups = _groups([step for step in plan.steps if step.address not in waiting], catalog)
    places = {step.address: place for place, step in enumerate(plan.steps)}
    return tuple(_portion(steps, places, group) for group in groups)


def _put_off(plan: Plan, catalog: Catalog, busy: Collection[Address], resting: Collection[Address]) -> frozenset[Address]:
    """Return what would interrupt a part of a whole that has not recovered yet, or of which nobody knows whether it has.

    A whole that did not recover in its time rests: it may need that very part.
    """
    recovering = (
        step
        for step in plan.steps
        if catalog.units[step.address].settle_s
        and step.address not in resting
        and (step.address in busy or step.verb is Verb.WAIT)
    )
    needed = {need for step in recovering for need in step.needs}
    parts = (step.address for step in plan.pending if step.disruption is not None and catalog.units[step.address].exclusive())
    return frozenset(needed.intersection(parts))


def _resting_on(plan: Plan, busy: Collection[Address], put_off: frozenset[Address]) -> frozenset[Address]:
    """Return what has its turn later. What only waits to recover does so while the next interruption is put off."""
    waiting = {*busy, *put_off}
    for step in plan.steps:
        needed = waiting.intersection(step.needs)
        if needed and not (step.verb is Verb.WAIT and needed <= put_off):
            waiting.add(step.address)
    return frozenset(waiting)


def _groups(steps: list[Step], catalog: Catalog) -> list[frozenset[Address]]:
    """Return the connected pending steps, with what recovers from their interruptions, in the plan's order."""
    interrupting = {step.address for step in steps if step.pending and step.disruption is not None}
    group_of: dict[Address, int] = {}
    members: dict[int, set[Address]] = defaultdict(set)
    for number, step in enumerate(steps):
        recovers = (
            step.verb is Verb.NOTHING and catalog.units[step.address].settle_s and not interrupting.isdisjoint(step.needs)
        )
        if not (step.pending or recovers):
            continue
        members[number] = {step.address}
        for other in {group_of[need] for need in step.needs if need in group_of}:
            members[number] |= members.pop(other)
        group_of |= dict.fromkeys(members[number], number)
    pending = {step.address for step in steps if step.pending}
    return [frozenset(each) for each in members.values() if not pending.isdisjoint(each)]


def _portion(steps: Mapping[Address, Step], places: Mapping[Address, int], group: frozenset[Address]) -> Portion:
    """Return the plan of a group together with what it stands on, which is as declared or stands against it already.

    What only waits does not wait for what is put off. `places` is the plan's order: thousands of groups do not read it all.
    """
    needs = {address: tuple(n for n in steps[address].needs if n in group or not steps[n].pending) for address in group}
    shown = sorted(group.union(*needs.values()), key=places.__getitem__)
    return Portion(Plan(tuple(replace(steps[address], needs=needs.get(address, ())) for address in shown)), group)
