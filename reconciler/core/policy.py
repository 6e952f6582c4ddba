"""Which of the planned disruptions may happen now: never more down at once than allowed, for whatever reason it is down.

Rollouts emerge from repeated passes. A pass lets as many restarts go as the budget has left and holds the others; the
next pass counts again, so a restart that broke its service stops the rollout without anything being remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reconciler.core.canary import Canaries
from reconciler.core.diff import Observed, Unobserved
from reconciler.core.plan import NOT_ASKED, Plan, Step, Verb, held_by_needs, hold, named
from resources.contract import Address, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.compile import Catalog
    from resources.contract import Disruption


@dataclass(frozen=True, slots=True)
class Rollout:
    """How much of the cloud may be unavailable at once, counted in services. 0 forbids every disruption.

    `failed` are the services that did not come through their restart: while there are as many as the `failure_budget` has,
    no other one is interrupted. `interrupted` are those that are being interrupted at this moment, each with what it is a
    part of, or ''. Of services that restart alike `canary` go first; `unproven` are units that are in hand (True) or failed
    (False), however they look. `closed` says why nothing that runs may be interrupted now, when no maintenance window is open.
    """

    max_unavailable: int = 1
    failed: frozenset[str] = frozenset()
    interrupted: Mapping[str, str] = field(default_factory=dict)
    failure_budget: int = 1
    canary: int = 0
    unproven: Mapping[Address, bool] = field(default_factory=dict)
    closed: str = ""

    @property
    def stopped(self) -> str:
        """Why no further service is interrupted: too many did not come through it; '' while it goes on."""
        if len(self.failed) < self.failure_budget:
            return ""
        budget = f" (failureBudget is {self.failure_budget})" if self.failure_budget > 1 else ""
        return f"the rollout stops: {named(sorted(self.failed))} did not come through the restart{budget}"


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
    turns = _Turns(plan, catalog, observed, rollout)
    steps: dict[Address, Step] = {}
    for planned in plan.steps:
        step = held_by_needs(planned, steps)
        if step.pending and step.disruption is not None:
            step = turns.judged(step, step.disruption)
        steps[step.address] = step
    return replace(plan, steps=tuple(steps.values()))


class _Turns:
    """Whose turn it is to be interrupted: who is down, and who was let go so far."""

    def __init__(self, plan: Plan, catalog: Catalog, observed: Mapping[Address, Observed], rollout: Rollout) -> None:
        waiting = _waiting_for_disruption(plan)
        now = {s: _Down(f"{s} restarts now", mending=True, part_of=part) for s, part in sorted(rollout.interrupted.items())}
        self._rollout = rollout
        self._units = catalog.units
        self._down = _down(plan, catalog, observed, waiting) | now
        self._broken = sum(not each.waits for each in self._down.values())
        self._parts = {each.part_of: (s, each) for s, each in self._down.items() if each.part_of and not each.waits}
        self._allowed: dict[str, None] = {}
        in_hand = {step.address: True for step in plan.steps if step.disruption and step.disruption.service in now}
        gone = {} if not rollout.canary else _services_down(plan, catalog, observed, waiting)
        self._canaries = Canaries(plan, catalog, rollout.canary, {**in_hand, **rollout.unproven}, gone)

    def judged(self, step: Step, disruption: Disruption) -> Step:
        """Return a disruptive step as it is, and take note that it goes; or held."""
        service, whole = disruption.service, self._units[step.address].exclusive()
        if held := self._against(step, disruption, whole):
            return held
        if service not in self._down and service not in self._allowed:
            self._canaries.go(step)
            self._allowed[service] = None
        if whole:
            self._parts[whole] = (service, _Down(f"{service} restarts first", mending=True))
        return step

    def _against(self, step: Step, disruption: Disruption, whole: str) -> Step | None:
        """Return the step held, None when nothing stands against it."""
        service, rollout, held = disruption.service, self._rollout, None
        down = service in self._down
        other, standing = self._parts.get(whole, (service, None))
        if disruption.forbidden:
            held = hold(step, disruption.forbidden)
        elif rollout.stopped and service not in rollout.failed and not down:
            held = hold(step, rollout.stopped)
        elif rollout.closed and not down:
            held = hold(step, rollout.closed)
        elif standing is not None and other not in (service, str(step.address.target)):
            held = hold(step, f"{whole} must not lose a second member: {standing.sentence}", later=standing.mending)
        elif not (down or service in self._allowed):
            if not self._room():
                held = _hold_for_budget(step, self._down, self._allowed, rollout)
            elif first := self._canaries.before(step):
                held = hold(step, first[0], later=first[1])
        return held

    def _room(self) -> bool:
        most = self._rollout.max_unavailable
        return len(self._down) + len(self._allowed) < most or (not self._allowed and self._broken < most)


def _hold_for_budget(step: Step, down: Mapping[str, _Down], allowed: Mapping[str, None], rollout: Rollout) -> Step:
    standing = [each for each in down.values() if not (each.waits or each.mending)]
    before = [each.sentence for each in down.values()] + [f"{service} restarts first" for service in allowed]
    why = f"maxUnavailable is {rollout.max_unavailable}" + (f": {named(before)}" if before else "")
    return hold(step, why, later=len(standing) < rollout.max_unavailable)


def _down(plan: Plan, catalog: Catalog, observed: Mapping[Address, Observed], waiting: frozenset[Address]) -> dict[str, _Down]:
    """Return what is unavailable now, by the name of the service or of the target that nobody can see into."""
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


def _services_down(
    plan: Plan, catalog: Catalog, observed: Mapping[Address, Observed], waiting: frozenset[Address]
) -> dict[Address, str]:
    """Return the units that are seen to be down, each with its service, but for those that wait for a disruption."""
    seen = ((step.address, observed.get(step.address, NOT_ASKED)) for step in plan.steps if step.address not in waiting)
    down = ((address, "" if isinstance(one, Unobserved) else catalog.units[address].down(one)) for address, one in seen)
    return {address: service for address, service in down if service}


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
