"""APPLY: the other hole to the outside. Carry out the steps of a plan, and nothing else.

Steps run as soon as what they need has converged, in parallel over targets. Before a step interrupts something, and
before it acts on a target that this pass has already changed the world for, it looks again: it then does what is left of
its planned changes, or nothing; whatever the plan did not show waits for the next pass. After acting it looks again until
no difference is left.

A unit that would do more although the world is as it was planned for is a mistake of the program: nothing further is begun.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from reconciler.core.bounds import beyond
from reconciler.core.diff import Unobserved, diff
from reconciler.core.errors import BrokenPlanError
from reconciler.core.plan import Verb, changing, step_of
from reconciler.core.status import GOOD, Outcome, Result
from reconciler.mistakes import mistake, outlived
from reconciler.targets import TargetError
from resources.contract import PROCESS, Action, changed_fields

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from reconciler.core.diff import Observed
    from reconciler.core.plan import Plan, Step
    from reconciler.observe import Observer
    from reconciler.targets.open import Targets
    from resources.contract import Address, Change, Facts, Unit

    Claiming = Callable[[Unit, tuple[Change, ...], Facts | None], Mapping[str, Any] | None]

POLL_FIRST_S = 0.3
POLL_MOST_S = 2.0
"""Seconds between two looks at a unit that settles: short at first, then longer."""


class Phase(StrEnum):
    """Where a step is, for those who watch."""

    STARTED = "started"
    SETTLING = "settling"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Progress:
    """Something happened to a step; `result` is set when it has finished."""

    step: Step
    phase: Phase
    result: Result | None = None


class Applier:
    """Carries out plans over these targets and reports progress."""

    def __init__(
        self,
        targets: Targets,
        observer: Observer,
        redact: Callable[[str], str],
        report: Callable[[Progress], None],
        claims: Claiming = lambda _unit, _changes, _facts: None,
    ) -> None:
        """Act on `targets`, look through `observer`, pass every foreign text through `redact`.

        `claims` says what the hosts have to remember as ours of what is done.
        """
        self._targets = targets
        self._observer = observer
        self._redact = redact
        self._report = report
        self._claims = claims
        self._roots: dict[Address, Address] = {}
        self._broken: BrokenPlanError | None = None
        self._interrupted: set[Address] = set()
        self.forbids: Callable[[Step], str] = lambda _: ""
        """Says why a step must not begin after all, or ''."""
        self.stopping = False
        """Set to begin no step any more: those in hand are finished, the others skipped."""
        self.outdated = False
        """Set when other documents are in force: what was not begun is not wanted any more, or planned anew."""

    @property
    def interrupted(self) -> frozenset[Address]:
        """The units whose service this has taken away, or has tried to: it may be down by our own hand."""
        return frozenset(self._interrupted)

    async def apply(
        self, plan: Plan, units: Mapping[Address, Unit], observed: Mapping[Address, Observed]
    ) -> dict[Address, Result]:
        """Return the result of every step. A failed step skips only what needs it.

        Raises BrokenPlanError for a unit that would do more than its step says; by then nothing runs any more.
        """
        loop = asyncio.get_running_loop()
        results: dict[Address, asyncio.Future[Result]] = {step.address: loop.create_future() for step in plan.steps}
        interrupting = {step.address for step in plan.pending if step.disruption is not None}
        async with asyncio.TaskGroup() as group:
            for step in plan.steps:
                unit = units[step.address]
                if step.pending:
                    group.create_task(self._step(step, unit, observed[step.address], results))
                elif step.verb is Verb.NOTHING and unit.settle_s and not interrupting.isdisjoint(step.needs):
                    group.create_task(self._recover(step, unit, results))
                else:
                    results[step.address].set_result(_standing(step))
        if self._broken is not None:
            raise self._broken
        return {address: future.result() for address, future in results.items()}

    async def _step(self, step: Step, unit: Unit, seen: Observed, results: Mapping[Address, asyncio.Future[Result]]) -> None:
        needed = [await results[need] for need in step.needs]
        failed = next((result for result in needed if result.outcome not in GOOD), None)
        if failed is not None:
            # whatever is skipped for the sake of the same unit names that unit: its own line says what is wrong
            root = self._roots[step.address] = self._roots.get(failed.address, failed.address)
            result = Result(step.address, Outcome.SKIPPED, f"needs {root}, which is not converged")
        elif self.stopping:
            result = Result(step.address, Outcome.SKIPPED, "Bivisor was told to stop")
        elif self.outdated:
            result = Result(step.address, Outcome.SKIPPED, "other documents are in force by now")
        else:
            moved = any(result.outcome is Outcome.CONVERGED for result in needed)
            self._tell(Progress(step, Phase.STARTED))
            look_first = moved or step.disruption is not None
            result = await _outcome(step, self._converge(step, unit, seen, look_first=look_first))
        self._tell(Progress(step, Phase.FINISHED, result))
        results[step.address].set_result(result)

    async def _recover(self, step: Step, unit: Unit, results: Mapping[Address, asyncio.Future[Result]]) -> None:
        """Wait until a unit that needs what was interrupted is as declared again: a ring, say, before its next member goes."""
        needed = [await results[need] for need in step.needs]
        result = Result(step.address, Outcome.UNCHANGED)
        if any(one.outcome is Outcome.CONVERGED for one in needed):
            waiting = replace(step, verb=Verb.WAIT)
            settled = await _outcome(waiting, self._settle(waiting, unit))
            result = result if settled.outcome in GOOD else settled
            self._tell(Progress(waiting, Phase.FINISHED, settled))
        results[step.address].set_result(result)

    def _tell(self, progress: Progress) -> None:
        """Report what happened. Nobody who hears of it ends what is in hand."""
        with outlived("tell what is done"):
            self._report(progress)

    async def _converge(self, step: Step, unit: Unit, seen: Observed, *, look_first: bool) -> Result:
        if look_first or step.verb is Verb.WAIT or isinstance(seen, Unobserved):
            facts = await self._look(unit)
            now = step_of(unit, step.needs, facts)
            if isinstance(facts, Unobserved):
                return Result(step.address, Outcome.FAILED, f"nobody knows what is there: {facts.reason}")
            if not now.changes:
                return Result(step.address, Outcome.CONVERGED)
            if why := _not_now(now, step):
                return Result(step.address, Outcome.SKIPPED, why)
        else:
            facts, now = seen, changing(step, unit, step.changes, seen)
        trouble = await self._act(step, now, unit, facts)
        if trouble is not None:
            return Result(step.address, *trouble)
        settled = await self._settle(step, unit)
        if settled.outcome is Outcome.CONVERGED and step.disruption is not None and unit.steady_s:
            return await self._steady(step, unit)
        return settled

    async def _look(self, unit: Unit) -> Observed:
        """Look until somebody knows, within the unit's settle time: what was just started may not answer at once."""
        async for observed in self._looks(unit):
            if not isinstance(observed, Unobserved) or not observed.retry:
                return observed
        return observed

    async def _act(self, step: Step, now: Step, unit: Unit, facts: Facts | None) -> tuple[Outcome, str] | None:
        """Carry out the unit's actions, if they are the planned ones: the one place from which anything is changed."""
        if self._broken is None and (how := _broken(now, step, unit)):
            self._broken = BrokenPlanError(unit.address, how)
        if self._broken is not None:
            return Outcome.FAILED if self._broken.address == unit.address else Outcome.SKIPPED, self._broken.message
        if why := self.forbids(now):
            return Outcome.SKIPPED, why
        try:
            target = self._targets.get(unit.address.target)
            if now.disruption is not None:
                self._interrupted.add(unit.address)
            for action in _claiming(unit.actions(now.changes, facts), self._claims(unit, now.changes, facts)):
                reply = await target.do(action)
                if reply.code == "conflict":
                    return Outcome.SKIPPED, f"somebody changed it between the look and the write: {self._redact(reply.error)}"
                if not reply.ok:
                    return Outcome.FAILED, f"{action.op}: {self._redact(reply.error)}"
        except TargetError as error:
            return Outcome.FAILED, self._redact(error.reason)
        return None

    async def _settle(self, step: Step, unit: Unit) -> Result:
        self._tell(Progress(step, Phase.SETTLING))
        left: tuple[Change, ...] = ()
        async for observed in self._looks(unit):
            if not isinstance(observed, Unobserved):
                left = diff(unit, observed)
                if not left:
                    return Result(step.address, Outcome.CONVERGED)
        if self.stopping:
            return Result(step.address, Outcome.SKIPPED, "it was done; Bivisor was told to stop before it was seen to be so")
        return Result(step.address, Outcome.FAILED, _still(observed, left, unit.settle_s))

    async def _steady(self, step: Step, unit: Unit) -> Result:
        """Look whether what was interrupted stays up, before the next one is."""
        before = await self._observer.one(unit)
        await asyncio.sleep(unit.steady_s)
        after = await self._observer.one(unit)
        if isinstance(after, Unobserved) or (left := diff(unit, after)):
            message = _still(after, () if isinstance(after, Unobserved) else left, unit.steady_s)
            return Result(step.address, Outcome.FAILED, message)
        if isinstance(before, Unobserved) or (before or {}).get(PROCESS) != (after or {}).get(PROCESS):
            message = f"it does not stay up: after {unit.steady_s:.0f} s another process runs"
            return Result(step.address, Outcome.FAILED, message)
        return Result(step.address, Outcome.CONVERGED)

    async def _looks(self, unit: Unit) -> AsyncIterator[Observed]:
        """Yield one look at once, and further ones until the unit's settle time is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + unit.settle_s
        pause = POLL_FIRST_S
        yield await self._observer.one(unit)
        while loop.time() + pause < deadline and not self.stopping:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, POLL_MOST_S)
            yield await self._observer.one(unit)


async def _outcome(step: Step, work: Awaitable[Result]) -> Result:
    """Return what comes of a step's work. A mistake in it fails the step; others may be in the middle of theirs."""
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - the border at which it becomes a result
        return Result(step.address, Outcome.FAILED, mistake(f"{step.verb} {step.address}", error))


def _claiming(actions: tuple[Action, ...], claims: Mapping[str, Any] | None) -> tuple[Action, ...]:
    """Return the actions with the claims on the one at which they become true: what is gone is so after the last one."""
    if not claims or not actions:
        return actions
    number = 0 if all(claims.values()) else len(actions) - 1
    return tuple(Action(each.op, {**each.args, "claims": claims}) if each is actions[number] else each for each in actions)


def _not_now(now: Step, step: Step) -> str:
    """Say why nothing is done, where a second look shows another world than the plan did, or ''."""
    if now.held:
        return now.held
    if (
        step.verb is Verb.WAIT
        and now.verb is not Verb.WAIT
        and not (changed_fields(now.changes) - changed_fields(step.changes))
    ):
        return "waiting does not help any more; the next pass plans what does"
    if more := beyond(now, step):
        return f"{more}, which the plan did not show; the next pass plans it"
    return now.disruption.forbidden if now.disruption else ""


def _broken(now: Step, step: Step, unit: Unit) -> str:
    """Say how the unit breaks its plan, or ''. The world has nothing to do with that: what differs there was found before."""
    if unit.address != step.address:
        return f"it would act in the name of {step.address}"
    if not step.pending:
        return f"it would act where the plan says {step.verb}"
    if not now.changes:
        return "it would act although nothing differs"
    return beyond(now, step)


def _standing(step: Step) -> Result:
    match step.verb:
        case Verb.NOTHING:
            return Result(step.address, Outcome.UNCHANGED, "")
        case _:
            return Result(step.address, Outcome.SKIPPED, step.held or "; ".join(step.reasons))


def _still(observed: Facts | Unobserved | None, left: tuple[Change, ...], settle_s: float) -> str:
    after = f" after {settle_s:.0f} s" if settle_s else ""
    if isinstance(observed, Unobserved):
        return f"nobody knows what is there{after}: {observed.reason}"
    fields = "; ".join(f"{change.field} is {_shown(change.before)}, not {_shown(change.after)}" for change in left)
    return f"looked again{after}, it still differs: {fields}"


def _shown(value: object) -> str:
    return "absent" if value is None else str(value)
