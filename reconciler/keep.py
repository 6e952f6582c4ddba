"""Keep the cloud as declared, for as long as it runs: look at what may have changed, decide anew, act on what is free.

    signals, sweep, document ─▶ queue of targets ─▶ look at one ─▶ decide over all that is known ─▶ portions ─▶ act

Deciding is what `plan` does, over what is known by now, and acting is what `apply` does; only the waiting is left out: a
target that does not answer holds up what needs it and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Protocol

from reconciler import log
from reconciler.core.errors import BrokenPlanError
from reconciler.core.plan import Verb
from reconciler.core.portions import Portion, portions
from reconciler.core.status import Outcome, Result
from reconciler.deciding import Deciding
from reconciler.first_round import FirstRound, said_lost
from reconciler.forgiving import Forgiving
from reconciler.in_hand import InHand
from reconciler.inside import Inside
from reconciler.loops import Loops
from reconciler.mistakes import mistake, outlived
from reconciler.observe import Heard
from reconciler.permits import HEED_S
from reconciler.queue import JITTER, ClosedError, Queue
from reconciler.reconcile import UNRECORDED, Look
from reconciler.rests import Rests
from reconciler.turns import Priority
from reconciler.unseen import Unseen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.apply import Progress
    from reconciler.core.plan import Plan
    from reconciler.desired import Desired
    from reconciler.in_hand import Hand
    from reconciler.reconcile import Reconciler, Records
    from resources.contract import Address, Query, TargetId

SWEEP_S = {"openstack": 10.0, "vcenter": 60.0, "pacemaker": 15.0, "ssh": 60.0}
"""Seconds after which a target is looked at again although nothing was heard of it; a part of it is jitter."""


LOOKERS = 512
"""As many targets are looked at the same time. A look waits while its host is in the middle of a step, for minutes at
times, and costs nothing meanwhile; how many connections are made at once is bounded elsewhere."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How it is kept.

    `acts`   False: only look, decide and tell.
    `rng`    makes jitter.
    `clock`  tells seconds since 1970, by which it is remembered when something came undone.
    """

    acts: bool = True
    rng: Random = field(default_factory=Random)
    clock: Callable[[], float] = time.time


class Audience(Protocol):
    """Whoever is told what happens."""

    def decided(self, look: Look) -> None:
        """Hear of a decision: what is seen by now, and what follows."""
        ...

    def undecided(self, why: str) -> None:
        """Hear that nothing can be decided, by a mistake of Bivisor's; it is tried again."""
        ...

    def step(self, progress: Progress) -> None:
        """Hear of a step."""
        ...


class Keeper:
    """Keeps what a reconciler declares; one task group owns every task."""

    def __init__(
        self,
        reconciler: Reconciler,
        audience: Audience,
        records: Records = UNRECORDED,
        manner: Manner | None = None,
    ) -> None:
        """Tell the audience of each step and each decision, and have what is done recorded."""
        manner = manner or Manner()
        self.reconciler = reconciler
        """Who decides and acts for it."""
        self._observer = reconciler.observer
        reconciler.screen = self._without_loops
        self._rng = manner.rng
        self._audience = audience
        self._records = records
        self._acts = manner.acts
        self._queue: Queue[TargetId] = Queue(manner.rng, hands=LOOKERS)
        self._deciding = Deciding(manner.rng)
        self._in_hand = InHand()
        self._unseen = Unseen()
        self._rests = Rests(manner.rng, self._deciding.again)
        self._loops = Loops(manner.clock)
        self._forgiving = Forgiving(reconciler)
        self._first_round = FirstRound(self._deciding.again)
        self._awaited: frozenset[TargetId] = frozenset()
        self._lookers: list[asyncio.Task[None]] = []
        self._stopping = False
        self.decided_s = 0.0
        """How long the last decision took."""
        self.asks: Callable[[Mapping[TargetId, tuple[Query, ...]]], None] = lambda _: None
        """Called with what each target is asked, whenever that may have changed."""

    @property
    def inside(self) -> Inside:
        """What goes on now: for metrics, and for whoever asks whether it lives."""
        queue, broken = self._queue, dict(self.reconciler.broken)
        return Inside(
            depths=queue.depths,
            looking=len(queue.in_hand),
            resting=len(queue.resting),
            due=self._deciding.due and not self._stopping,
            stalled=self._loops.stalled,
            broken=broken,
            stopped=self.reconciler.rollout.stopped,
            permit=self.reconciler.permit,
        )

    async def run(self) -> None:
        """Go on until `stop`; what is in hand then is finished."""
        if self._stopping:
            return
        self._observer.declare(self.reconciler.desired.catalog.units)
        self._awaited = frozenset(self._observer.asked)
        self._first_round.begin()
        for target in sorted(self._observer.asked):
            self._queue.add(target, Priority.SWEEP)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._decide(group))
            self._lookers = [group.create_task(self._look()) for _ in range(LOOKERS)]
            self._lookers.append(group.create_task(self._heed()))

    def stop(self) -> None:
        """Begin nothing any more."""
        self._stopping = True
        self.reconciler.stop()
        self._queue.close()
        for looker in self._lookers:
            looker.cancel()
        self._deciding.soon()

    def declare(self, desired: Desired, others: frozenset[TargetId] = frozenset()) -> None:
        """Keep that from now on. Only what is asked otherwise than before is looked at again, and what is reached otherwise.

        `others` are those: what was seen there before was seen somewhere else.
        """
        self._rests.end()
        before = self._observer.asked
        asked = self.reconciler.declare(desired)
        self._observer.forget(others)
        for target in before.keys() - self._observer.asked.keys():
            self._queue.forget(target)
            self._unseen.forget(target)
        self._loops.keep_to(desired.catalog.units.keys())
        anew = (asked | others) & self._observer.asked.keys()
        self._deciding.wait_for(anew)
        for target in anew:
            self._queue.add(target, Priority.USER)
        self._deciding.soon()

    async def over(self) -> None:
        """Return when all that goes on at this moment has ended, looks and steps: what begins meanwhile is not waited for."""
        await self._in_hand.over()

    def look_again(self, target: TargetId, priority: Priority = Priority.DRIFT) -> None:
        """Look at a target soon: something was heard of it. One that nobody declares is left alone."""
        if target in self._observer.asked:
            self._queue.add(target, priority)

    async def _look(self) -> None:
        """Take one target after the other and look at it."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with self._queue.take() as item:
                    began = loop.time()
                    heard = Heard.SILENCE
                    with self._in_hand.goes_on(), outlived(f"look at {item.key}"):
                        heard = await self._observer.refresh(item.key)
                    if heard is Heard.SILENCE:
                        self._queue.retry(item.key)
            except ClosedError:
                return
            self._awaited -= {item.key}
            if heard is not Heard.NOTHING:
                self._unseen.looked(item.key, began)
                self._deciding.seen(item.key)
            if item.key in self._observer.asked:
                pause = SWEEP_S[item.key.kind] * (1.0 - JITTER * self._rng.random())
                self._queue.add_after(item.key, Priority.SWEEP, pause)
            self._deciding.again()

    async def _heed(self) -> None:
        """Decide anew when a maintenance window opens or closes, and when something is paused or goes on."""
        while True:
            await asyncio.sleep(HEED_S)
            with outlived("find out what may be done now"):
                if self.reconciler.heed():
                    self._deciding.again()

    async def _decide(self, group: asyncio.TaskGroup) -> None:
        """Decide anew whenever something was seen or done, and begin what is free."""
        loop = asyncio.get_running_loop()
        while True:
            await self._deciding.asked()
            if self._stopping:
                return
            began = loop.time()
            try:
                self._once(group, began)
            except Exception as error:  # noqa: BLE001 - a mistake in deciding about all may be gone with what is seen next
                self._undecided(error)
                await self._deciding.rest()
            else:
                await self._deciding.breathe(loop.time() - began)

    def _once(self, group: asyncio.TaskGroup, began: float) -> None:
        """Decide, and begin what is free."""
        look = self.reconciler.decide(self._in_hand.interrupted(self._unseen))
        self.decided_s = asyncio.get_running_loop().time() - began
        desired, unasked = self.reconciler.desired, self._observer.unasked
        for target in unasked - self._awaited:
            self._queue.add(target, Priority.DRIFT)  # what came up only now: a rename, something of ours
        self._awaited = unasked
        with outlived("watch what is asked about"):
            self.asks(self._observer.asked)
        with outlived("tell what is decided"):
            self._audience.decided(look)
        may_begin = self._first_round.is_over(unasked, lambda: said_lost(look.observed, desired.catalog.units))
        if self._acts and may_begin:
            for portion in portions(look.plan, desired.catalog, self._busy(look.plan), self._rests.resting(look.plan)):
                group.create_task(self._carry_out(look, portion, desired, self._take(portion)))
        if self._forgiving.forgive(look.plan, began):
            self._deciding.again()

    def _undecided(self, error: Exception) -> None:
        """Say loudly that nothing can be decided."""
        why = mistake("decide", error)
        with outlived("tell that nothing is decided"):
            self._audience.undecided(why)

    def _take(self, portion: Portion) -> Hand:
        """Have a portion in hand."""
        self.reconciler.begin(portion.plan)
        return self._in_hand.take(portion, self.reconciler.desired.catalog.units)

    def _busy(self, plan: Plan) -> frozenset[Address]:
        """Return what must be left alone now.

        That is what somebody has in hand, what was acted on and not looked at since, what rests after a failure, and, until
        everything was looked at once, what is declared no more: how much that is nobody knows before.
        """
        busy = set(self._in_hand.units)
        busy |= self._unseen.among(self.reconciler.desired.catalog.units)
        busy |= self._rests.resting(plan)
        if self._observer.unasked:
            former = self.reconciler.desired.catalog.former
            busy |= former.units.keys() | former.without.keys()
        return frozenset(busy)

    def _without_loops(self, plan: Plan) -> Plan:
        """Hold what is made right and comes undone again and again."""
        return self._loops.held(plan, self.reconciler.desired.catalog.units, self._busy(plan))

    async def _carry_out(self, look: Look, portion: Portion, desired: Desired, hand: Hand) -> None:
        """Carry a portion out, as what was desired when it was decided on."""
        with self._in_hand.goes_on():
            results = await self._results(look, portion, desired)
            self._in_hand.let_go(hand, results)
        with outlived("take note of what was done"):
            self._note(portion, results)
        self._deciding.again()

    def _note(self, portion: Portion, results: Mapping[Address, Result]) -> None:
        """Remember what came of a portion, and look at whatever tells of it."""
        for step in portion.plan.pending:
            self._rests.note(step, results[step.address])
            if results[step.address].outcome is Outcome.CONVERGED and step.verb is not Verb.WAIT:
                self._loops.corrected(step)
        graph = self.reconciler.desired.graph
        touched = {*portion.units, *(other for address in portion.units for other in graph.needed_by(address))}
        asked = dict(self._observer.asked_about(touched))
        for address in portion.units:  # which no document may declare any more
            if address.target in self._observer.asked:
                asked.setdefault(address.target, frozenset())
        self._unseen.acted(portion.units, asked, asyncio.get_running_loop().time())
        for target in asked:
            self._queue.add(target, Priority.DRIFT)

    async def _results(self, look: Look, portion: Portion, desired: Desired) -> Mapping[Address, Result]:
        """Return what came of each step. A mistake in the midst of it fails all of them: the next look tells what was done."""
        try:
            return await self.reconciler.act(Look(look.observed, portion.plan), self._audience.step, self._records, desired)
        except BrokenPlanError as error:
            log.logger().error("broken_plan", error=str(error))
            why = str(error)
        except Exception as error:  # noqa: BLE001 - others are in the middle of theirs
            why = mistake("carry a plan out", error)
        return {address: Result(address, Outcome.FAILED, why) for address in portion.units}
