"""One pass, and passes until the cloud is converged, held or stuck.

A pass reads as one sentence: observe, plan, policy, apply, fold. Desired state and graph come compiled.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from reconciler import log
from reconciler.apply import Applier, Progress
from reconciler.core.compile import Former
from reconciler.core.deletions import Allowance, hold_deletions, taken_by, told_unknown
from reconciler.core.diff import Observed, Unobserved
from reconciler.core.drift import classed
from reconciler.core.pauses import Permit, hold_paused
from reconciler.core.plan import NOT_ASKED, Plan, Step, Verb, make_plan
from reconciler.core.policy import Rollout, apply_policy
from reconciler.core.scope import Scope, around, limited, mends, narrowed, without_unasked
from reconciler.core.status import GOOD, Outcome, Result, Status, fold
from reconciler.mistakes import mistake, outlived, spared
from reconciler.observe import Observer
from reconciler.permits import Permits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from reconciler.core.compile import Catalog
    from reconciler.core.plan import Step
    from reconciler.desired import Desired
    from reconciler.targets.open import Targets
    from resources.contract import Address, TargetId, Unit

MOST_PASSES = 30
"""So many passes, and one for each service that the first plan interrupts: a bound, so that nothing can go on for ever."""

MOST_LOOKS = 4
"""As many times a look is widened by what it has shown: names that were followed, what is ours and undeclared, and what of
that is not there any more."""

LOOK_AGAIN_S = 3.0
"""Pause before a pass whose only task is to see whether the world has settled meanwhile."""

PATIENCE_S = 60.0
"""How long after a pass that acted a target that answered before may be silent: an API that was just restarted."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is there, and what would be done about it."""

    observed: Mapping[Address, Observed]
    plan: Plan


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: the look, what came of each step, and the state of every resource afterwards."""

    look: Look
    results: Mapping[Address, Result]
    status: Status

    @property
    def acted(self) -> bool:
        """Tell whether a step converged that was not so before: there was progress."""
        return any(result.outcome is Outcome.CONVERGED for result in self.results.values())

    @property
    def converged(self) -> bool:
        """Tell whether every unit is known to be as declared, without anything left to do."""
        return all(result.outcome is Outcome.UNCHANGED for result in self.results.values())


@dataclass(slots=True)
class Entry:
    """What is said of a pass to whoever records it: its progress while it goes on, its results at the end."""

    report: Callable[[Progress], None]
    results: Mapping[Address, Result] = field(default_factory=dict)


class Records(Protocol):
    """Whoever keeps a history of passes."""

    def one_pass(self, plan: Plan, report: Callable[[Progress], None]) -> AbstractContextManager[Entry]:
        """Record one pass while it is entered, and pass its progress on."""
        ...


class Unrecorded:
    """Keeps nothing."""

    @contextmanager
    def one_pass(self, plan: Plan, report: Callable[[Progress], None]) -> Iterator[Entry]:  # noqa: ARG002 - as whoever keeps it
        """Pass the progress on."""
        yield Entry(report)


UNRECORDED = Unrecorded()


class Reconciler:
    """Brings one desired state about, over one set of targets."""

    def __init__(
        self,
        desired: Desired,
        targets: Targets,
        scope: Scope | None = None,
        *,
        confirm_deletes: bool = False,
        permits: Permits | None = None,
    ) -> None:
        """Keep what is declared and how to reach it; observations are kept between passes where they did not change.

        With a `scope` nothing outside of it is asked or done, and what was renamed is not followed any further.
        `confirm_deletes` tells that a person has agreed to as many deletions as there are. `permits` knows what is paused;
        without it nothing is.
        """
        self._base = desired
        self._desired = desired
        self._scope = scope
        self._targets = targets
        self.observer = Observer(targets, desired.redact)
        self._last: Look | None = None
        self._allowance = _allowance(desired, confirmed=confirm_deletes)
        self._interrupted: frozenset[Address] = frozenset()
        self._appliers: set[Applier] = set()
        self._stopping = False
        self._claims = desired, desired.claims()
        self._steps: dict[Address, tuple[Unit, Observed, Step]] = {}
        self._in_hand: Mapping[str, str] = {}
        self._permits = permits or Permits()
        self._permit = Permit()
        self.screen: Callable[[Plan], Plan] = lambda plan: plan
        """Holds what there is another reason not to do, before it is decided who may be interrupted."""
        self.broken: dict[Address, str] = {}
        """The services that did not come through their restart, by the address of what was restarted."""

    def keeping_to(self, desired: Desired, scope: Scope | None) -> Reconciler:
        """Return a reconciler over the same targets that keeps to the scope."""
        return Reconciler(desired, self._targets, scope, permits=self._permits)

    @property
    def desired(self) -> Desired:
        """What is declared, as it was last looked at: whatever was seen to be renamed is called so."""
        return self._desired

    @property
    def rollout(self) -> Rollout:
        """What decides about restarts at the moment."""
        catalog = self._desired.catalog
        interrupted = {address: True for applier in self._appliers for address in applier.interrupted}
        return Rollout(
            max_unavailable=catalog.max_unavailable,
            failed=frozenset(self.broken.values()),
            interrupted=self._in_hand,
            failure_budget=catalog.failure_budget,
            canary=catalog.canary,
            unproven={**dict.fromkeys(self.broken, False), **interrupted},
            closed=self._permit.closed,
        )

    @property
    def silent(self) -> tuple[TargetId, ...]:
        """The targets that were asked and have not answered yet."""
        return tuple(sorted(self.observer.silent))

    async def look(self) -> Look:
        """Observe everything and plan; change nothing. When nothing new was seen, the last plan still stands.

        What was renamed is looked at once more by its present name, and so is whatever uses that; likewise what the
        hosts remember as ours and nobody declares.
        """
        if self._scope is not None:
            return self._look_within(self._scope, await self.observer.everything(self._scope.looked))
        observed = await self.observer.everything(self._desired.catalog.units)
        for _ in range(MOST_LOOKS):
            if self._is_planned(observed) or not self._follow(observed):
                break
            observed = await self.observer.everything(self._desired.catalog.units)
        return self._planned(observed)

    def declare(self, desired: Desired) -> frozenset[TargetId]:
        """Bring that about from now on; return who is asked something else than before, of whom nothing is known now.

        What was planned before is not begun any more. Where the documents say something else than before, so much may be taken
        away anew, and a service that did not come through its restart no longer stands against that of others.
        """
        for applier in self._appliers:
            applier.outdated = True
        same = desired.loaded.resources == self._base.loaded.resources
        self._base = self._desired = desired
        self._allowance = replace(_allowance(desired, confirmed=False), taken=self._allowance.taken if same else frozenset())
        self.broken = self.broken if same else {}
        self._last = None
        self._steps = {}
        self.observer.redact = desired.redact
        return self.observer.declare(desired.catalog.units)

    def decide(self, interrupted: Mapping[str, str] | None = None) -> Look:
        """Plan from what is known by now and ask nobody: what has not been looked at yet is unknown.

        `interrupted` are the services that are being interrupted at this moment, each with what it is a part of.
        """
        if interrupted is not None and interrupted != self._in_hand:
            self._in_hand = interrupted
            self._last = None
        observed = self._known()
        for _ in range(MOST_LOOKS):
            if self._is_planned(observed) or not self._follow(observed):
                break
            observed = self._known()
        return self._planned(observed)

    def heed(self) -> bool:
        """Find out what may be done now, by the clock and by what is paused; return whether that has changed."""
        permit = self._permits.now(self._desired.catalog.rollouts)
        if permit == self._permit:
            return False
        paused = [{"what": each.what, "by": each.by, "reason": each.reason, "until": each.until} for each in permit.pauses]
        log.logger().info("permit", closed=permit.closed or permit.doubt, paused=paused)
        self._permit = permit
        self._last = None
        return True

    @property
    def permit(self) -> Permit:
        """What a person allows at the moment, as it was heeded last."""
        return self._permit

    def _allowed(self, plan: Plan, observed: Mapping[Address, Observed]) -> Plan:
        """Return the plan with what must not be done now held: it is paused, or would interrupt more than may be."""
        catalog = self._desired.catalog
        return apply_policy(hold_paused(plan, self._permit, catalog), catalog, observed, self.rollout)

    def _known(self) -> Mapping[Address, Observed]:
        self.observer.declare(self._desired.catalog.units)
        return self.observer.known()

    def _follow(self, observed: Mapping[Address, Observed]) -> bool:
        """Take in what was seen to be renamed, and what is ours and undeclared; return whether there is more to look at."""
        units = self._desired.catalog.units
        self._desired = self._seen(observed)
        return self._desired.catalog.units is not units

    def _is_planned(self, observed: Mapping[Address, Observed]) -> bool:
        return self._last is not None and observed is self._last.observed

    def _planned(self, observed: Mapping[Address, Observed]) -> Look:
        self.heed()
        if self._last is None or not self._is_planned(observed):
            desired = self._desired
            plan = make_plan(desired.catalog, desired.graph, observed, _mistaken, self._steps)
            plan = hold_deletions(classed(plan, desired.catalog), desired.catalog, self._allowance)
            plan = self.screen(told_unknown(plan, desired.catalog, observed))
            self._last = Look(observed, self._allowed(plan, observed))
        return self._last

    async def look_at(self, asked: tuple[Address, ...]) -> Look:
        """Observe these units and what they need, and plan for that alone; change nothing.

        Everything is looked at where less does not tell: what else is down decides whether one may be interrupted, and how
        much leaves, whether it may go.
        """
        for _ in range(MOST_LOOKS):
            desired = self._desired
            if not desired.catalog.units.keys() >= set(asked):
                return await self.look()
            looked = around(asked, desired.catalog, desired.graph)
            observed = await self.observer.everything(looked)
            self._desired = self._seen(observed)
            if self._desired.catalog.units is desired.catalog.units:
                break
        catalog, graph = self._desired.catalog, self._desired.graph
        plan = without_unasked(classed(make_plan(catalog, graph, observed, _mistaken), catalog), looked)
        if catalog.former.units or catalog.former.without or any(step.disruption for step in plan.pending):
            return await self.look()
        self.heed()
        return Look(observed, self._allowed(plan, observed))

    def _seen(self, observed: Mapping[Address, Observed]) -> Desired:
        """Return what is desired in view of what was seen: what was renamed is followed, what is ours and undeclared goes."""
        aliases = _aliases(self._desired, observed)
        base = self._base if aliases == self._base.aliases else self._base.following(aliases)
        try:
            former = base.former(observed)
        except Exception as error:  # noqa: BLE001 - what one host remembers, read by mistake, keeps nobody from all the rest
            mistake("find what is declared no more: nothing of that goes", error)
            former = Former()
        if base is self._base and former == self._desired.catalog.former:
            return self._desired
        self._base = base
        return base.with_former(former)

    def _look_within(self, scope: Scope, observed: Mapping[Address, Observed]) -> Look:
        self.heed()
        if self._last is None or observed is not self._last.observed:
            units = self._desired.catalog.units
            mended = {address: mends(units[address], observed[address]) for address in self._interrupted}
            plan = limited(make_plan(self._desired.catalog, self._desired.graph, observed, _mistaken), scope, mended)
            self._last = Look(observed, narrowed(self._allowed(plan, observed), scope))
        return self._last

    async def _look_after(self, done: Pass) -> Look:
        """Look again after a pass; what the pass restarted gets some time to answer."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (PATIENCE_S if done.acted else 0.0)
        look = await self.look()
        while _newly_silent(look, done.look) and loop.time() < deadline:
            await asyncio.sleep(LOOK_AGAIN_S)
            look = await self.look()
        return look

    async def carry_out(self, look: Look, report: Callable[[Progress], None], records: Records = UNRECORDED) -> Pass:
        """Carry the plan out and fold the results into a status."""
        catalog = self._desired.catalog
        started = asyncio.get_running_loop().time()
        results = await self.act(look, report, records)
        done = Pass(look, results, fold(look.plan, results, catalog))
        _log_pass(done, asyncio.get_running_loop().time() - started)
        return done

    async def act(
        self,
        look: Look,
        report: Callable[[Progress], None],
        records: Records = UNRECORDED,
        desired: Desired | None = None,
    ) -> Mapping[Address, Result]:
        """Carry the plan out and remember what failed or is down by our own hand. Plans of different units may go on at once.

        `desired` is what it was planned for, unless that is what is desired now. Raises BrokenPlanError.
        """
        desired = desired or self._desired
        with spared(lambda: records.one_pass(look.plan, report), Entry(report), "record what is done") as entry:
            if self._claims[0] is not desired:
                self._claims = desired, desired.claims()
            applier = Applier(self._targets, self.observer, desired.redact, entry.report, self._claims[1].of)
            applier.stopping, applier.outdated = self._stopping, desired is not self._desired
            applier.forbids = self._forbidding(desired.catalog)
            self._appliers.add(applier)
            try:
                results = entry.results = await applier.apply(look.plan, desired.catalog.units, look.observed)
            except Exception:  # what came of each restart is lost with it: none has come through until it is seen to have
                self._take_note(look.plan, {address: Result(address, Outcome.FAILED) for address in applier.interrupted})
                self._last = None
                raise
            finally:
                self._appliers.discard(applier)
        self._take_note(look.plan, results)
        up = {address for address, result in results.items() if result.outcome in GOOD}
        self._interrupted = (self._interrupted | applier.interrupted) - up
        taken = {address for address in taken_by(look.plan, desired.catalog) if results[address].outcome is Outcome.CONVERGED}
        self._allowance = replace(self._allowance, taken=self._allowance.taken | taken)
        self._last = None  # it was planned before that was known
        return results

    def _forbidding(self, catalog: Catalog) -> Callable[[Step], str]:
        """Return who says of a step that was allowed when it was planned why it must not begin any more, or ''."""
        before = self._permit

        def forbidden(step: Step) -> str:
            now = self._permits.now(catalog.rollouts)
            ended = now.closed if step.disruption is not None and not before.closed else ""
            return ended or now.paused(step, catalog)

        return forbidden

    def _take_note(self, plan: Plan, results: Mapping[Address, Result]) -> None:
        """Remember the services that did not come through a restart, those of earlier passes included that still have not."""
        told = (step for step in plan.pending if step.address in results)
        ends = [(step.address, step.disruption.service, results[step.address]) for step in told if step.disruption]
        well = {service for _, service, result in ends if result.outcome is Outcome.CONVERGED}
        self.broken = {address: service for address, service in self.broken.items() if service not in well}
        self.broken |= {address: service for address, service, result in ends if result.outcome is Outcome.FAILED}

    def forgive(self, address: Address) -> None:
        """Let the rollout go on although what has that address did not come through its restart."""
        del self.broken[address]
        self._last = None

    def begin(self, plan: Plan) -> None:
        """Count what the plan takes away as taken: it is about to be carried out, and others are decided on meanwhile."""
        taken = taken_by(plan, self._desired.catalog) & {step.address for step in plan.pending}
        self._allowance = replace(self._allowance, taken=self._allowance.taken | taken)

    def stop(self) -> None:
        """Let no step begin any more; those that are in hand are finished."""
        self._stopping = True
        for applier in self._appliers:
            applier.stopping = True

    async def passes(
        self, first: Look, report: Callable[[Progress], None], records: Records = UNRECORDED
    ) -> AsyncIterator[Pass]:
        """Yield pass after pass until everything is as declared, or a pass made no progress."""
        look = first
        idle = False
        for _ in range(MOST_PASSES + sum(step.disruption is not None for step in first.plan.steps)):
            done = await self.carry_out(look, report, records)
            yield done
            if done.converged or (idle and not done.acted):
                return
            if not done.acted:
                # nothing moved: what waits for the world may need a moment, what somebody changed needs a new look
                if not _worth_another_look(done):
                    return
                await asyncio.sleep(LOOK_AGAIN_S)
            idle = not done.acted
            look = await self._look_after(done)


def _mistaken(unit: Unit, error: Exception) -> str:
    return mistake(f"plan {unit.address}", error)


def _allowance(desired: Desired, *, confirmed: bool) -> Allowance:
    """Return how much may be deleted at once: the least that a document says."""
    counts = [rollout.delete_count for rollout in desired.catalog.rollouts]
    percents = [rollout.delete_percent for rollout in desired.catalog.rollouts]
    return Allowance(min(counts, default=10), min(percents, default=20), confirmed)


def _aliases(desired: Desired, observed: Mapping[Address, Observed]) -> dict[Address, str]:
    """Return the present names of what was renamed. Of what nobody sees now the last known one stays."""
    found: dict[Address, str] = {}
    for address, unit in desired.catalog.units.items():
        seen = observed.get(address, NOT_ASKED)
        name = desired.aliases.get(address, "")
        if not isinstance(seen, Unobserved):
            with outlived(f"find the name of {address}"):
                name = unit.alias(seen)
        if name:
            found[address] = name
    return found


def _newly_silent(look: Look, before: Look) -> bool:
    return any(
        isinstance(seen, Unobserved) and seen.retry and not isinstance(before.observed[address], Unobserved)
        for address, seen in look.observed.items()
    )


def _worth_another_look(done: Pass) -> bool:
    return any(done.results[step.address].outcome in (Outcome.FAILED, Outcome.SKIPPED) for step in done.look.plan.pending)


def _log_pass(done: Pass, duration_s: float) -> None:
    verbs = Counter(str(step.verb) for step in done.look.plan.steps if step.verb is not Verb.NOTHING)
    outcomes = Counter(str(result.outcome) for result in done.results.values())
    log.logger().info(
        "pass",
        units=len(done.results),
        duration_s=round(duration_s, 3),
        **{f"planned_{verb}": count for verb, count in sorted(verbs.items())},
        **{f"result_{outcome}": count for outcome, count in sorted(outcomes.items())},
    )
