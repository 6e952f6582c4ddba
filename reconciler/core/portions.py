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


def portions(plan: Plan, catalog: Catalog, busy: Collection[Address]) -> tuple[Portion, ...]:
    """Return the pending steps, those together that need each other. `busy` are the units that somebody has in hand.

    What rests on a busy unit, be it by way of others, has its turn when that is done. What has to recover from a step before
    the next one may follow belongs to both.
    """
    steps = {step.address: step for step in plan.steps}
    waiting = _resting_on(plan, busy)
    groups = _groups([step for step in plan.steps if step.address not in waiting], catalog)
    return tuple(_portion(plan, steps, group) for group in groups)


def _resting_on(plan: Plan, busy: Collection[Address]) -> frozenset[Address]:
    waiting = set(busy)
    for step in plan.steps:
        if not waiting.isdisjoint(step.needs):
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


def _portion(plan: Plan, steps: Mapping[Address, Step], group: frozenset[Address]) -> Portion:
    """Return the plan of a group together with what it stands on, which is as declared or stands against it already."""
    shown = group | {need for address in group for need in steps[address].needs}
    kept = (step for step in plan.steps if step.address in shown)
    return Portion(
        Plan(tuple(step if step.address in group else replace(step, needs=()) for step in kept)),
        group,
    )
