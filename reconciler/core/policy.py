"""Which of the planned disruptions may happen now: never more down at once than allowed, for whatever reason it is down.

Rollouts emerge from repeated passes. A pass lets as many restarts go as the budget has left and holds the others; the
next pass counts again, so a restart that broke its service stops the rollout without anything being remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reconciler.core.diff import Observed, Unobserved
from reconciler.core.plan import NOT_ASKED, Plan, Step, Verb, held_by_needs, hold, named
from resources.contract import Address, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.compile import Catalog


@dataclass(frozen=True, slots=True)
class Rollout:
    """How much of the cloud may be unavailable at once, counted in services. 0 forbids every disruption.

    `failed` are the services that did not come through their restart: while there are any, no other one is interrupted.
    `interrupted` are those that are being interrupted at this moment, each with what it is a part of, or ''.
    """

    max_unavailable: int = 1
    failed: frozenset[str] = frozenset()
    interrupted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Down:
    """A service that is declared to run and does not, or a target whose services nobody knows.

    `waits`   it can only be repaired after a disruptive step of the plan.
    `mending` this very plan acts on it.
    `part_of` is what must not lose a second member, if it is a member of such a thing.
    """

    sentence: str
    waits: bool = False
    mending: bool = False
    part_of: str = ""


def apply_policy(plan: Plan, catalog: Catalog, observed: Mapping[Address, Observed], rollout: Rollout) -> Plan:
    """Hold the disruptive steps that must not go now, and the steps that need them; let the others be.

    A disruption is let go when the services that are down already and those that were let go before it leave room.
    Disrupting what is down anyway takes no room. Where a down service itself can only be repaired after a disruption,
    holding all of them would be for ever: then one goes, alone. Of what is exclusive, one part is down, whatever the budget.
    """
    in_hand = {s: _Down(f"{s} restarts now", mending=True, part_of=part) for s, part in sorted(rollout.interrupted.items())}
    down = _down(plan, catalog, observed) | in_hand
    broken = sum(not each.waits for each in down.values())
    parts = {each.part_of: (service, each) for service, each in down.items() if each.part_of and not each.waits}
    allowed: dict[str, None] = {}
    steps: dict[Address, Step] = {}
    for planned in plan.steps:
        step = held_by_needs(planned, steps)
        if step.pending and step.disruption is not None:
            service, whole = step.disruption.service, catalog.units[step.address].exclusive()
            room = len(down) + len(allowed) < rollout.max_unavailable or (not allowed and broken < rollout.max_unavailable)
            other, standing = parts.get(whole, (service, None))
            if step.disruption.forbidden:
                step = hold(step, step.disruption.forbidden)
            elif rollout.failed and service not in rollout.failed and service not in down:
                step = hold(step, f"the rollout stops: {named(sorted(rollout.failed))} did not come through the restart")
            elif standing is not None and other not in (service, str(step.address.target)):
                why = f"{whole} must not lose a second member: {standing.sentence}"
                step = hold(step, why, later=standing.mending)
            elif not (room or service in down or service in allowed):
                step = _hold_for_budget(step, down, allowed, rollout)
            else:
                if service not in down:
                    allowed[service] = None
                if whole:
                    parts[whole] = (service, _Down(f"{service} restarts first", mending=True))
        steps[step.address] = step
    return replace(plan, steps=tuple(steps.values()))


def _hold_for_budget(step: Step, down: Mapping[str, _Down], allowed: Mapping[str, None], rollout: Rollout) -> Step:
    standing = [each for each in down.values() if not (each.waits or each.mending)]
    before = [each.sentence for each in down.values()] + [f"{service} restarts first" for service in allowed]
    why = f"maxUnavailable is {rollout.max_unavailable}" + (f": {named(before)}" if before else "")
    return hold(step, why, later=len(standing) < rollout.max_unavailable)


def _down(plan: Plan, catalog: Catalog, observed: Mapping[Address, Observed]) -> dict[str, _Down]:
    """Return what is unavailable now, by the name of the service or of the target that nobody can see into."""
    waiting = _waiting_for_disruption(plan)
    down: dict[str, _Down] = {}
    for step in plan.steps:
        unit = catalog.units[step.address]
        if type(unit).down is Unit.down:
            continue
        seen = observed.get(step.address, NOT_ASKED)
        if isinstance(seen, Unobserved):
            target = str(step.address.target)
            last = down.get(target, _Down(f"{target} is unknown"))
            down[target] = replace(last, part_of=last.part_of or unit.exclusive())
        elif service := unit.down(seen):
            now = _Down(f"{service} is down", step.address in waiting, step.pending, unit.exclusive())
            last = down.get(service, now)
            down[service] = replace(now, waits=now.waits and last.waits, mending=now.mending and last.mending)
    return down


def _waiting_for_disruption(plan: Plan) -> frozenset[Address]:
    """Return the units that cannot converge before some disruptive step of the plan has."""
    waiting: set[Address] = set()
    in_the_way: set[Address] = set()
    for step in plan.steps:
        if not in_the_way.isdisjoint(step.needs):
            waiting.add(step.address)
        if (step.pending and step.disruption is not None) or (step.address in waiting and step.verb is not Verb.NOTHING):
            in_the_way.add(step.address)
    return frozenset(waiting)
