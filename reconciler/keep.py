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
from typing import TYPE_CHECKING, NamedTuple, Protocol

from reconciler import log
from reconciler.core.errors import BrokenPlanError
from reconciler.core.plan import Verb
from reconciler.core.portions import Portion, portions
from reconciler.core.status import GOOD, Outcome, Result
from reconciler.core.undone import Corrections, corrected, declaration, hold_stalled, seen
from reconciler.queue import FIRST_REST_S, JITTER, MOST_REST_S, ClosedError, Queue
from reconciler.reconcile import UNRECORDED, Look
from reconciler.turns import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.apply import Progress
    from reconciler.core.plan import Plan, Step
    from reconciler.desired import Desired
    from reconciler.queue import Depth
    from reconciler.reconcile import Reconciler, Records
    from resources.contract import Address, Change, Query, TargetId

SWEEP_S = {"openstack": 10.0, "vcenter": 30.0, "pacemaker": 15.0, "ssh": 60.0}
"""Seconds after which a target is looked at again although nothing was heard of it; a part of it is jitter."""


def when(at: float) -> str:
    """Return a time of the clock as the log writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


A_MOMENT_S = 0.01
"""Longer than a timer may be early."""

LOOKERS = 512
"""As many targets are looked at the same time. A look waits while its host is in the middle of a step, for minutes at
times, and costs nothing meanwhile; how many connections are made at once is bounded elsewhere."""

FORGIVEN_S = 120.0
"""Seconds for which a service that did not come through its restart must be as declared before another one is interrupted."""


@dataclass(slots=True)
class _Failed:
    """A step that failed: how often in a row, when last and until when it rests (the loop's time), what it was to change."""

    times: int
    at: float
    until: float
    changes: tuple[Change, ...]


class _InHand(NamedTuple):
    """A portion that is being carried out; the services that it interrupts, each with what it is a part of, or ''."""

    portion: Portion
    interrupts: dict[str, str]


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


@dataclass(frozen=True, slots=True)
class Inside:
    """What goes on in a keeper at a moment.

    `depths`   how many targets wait to be looked at, and for how long.
    `looking`  so many are looked at; `resting` are those that did not answer and wait for their time.
    `due`      something was seen or done that was not decided on yet.
    `stalled`  what is left alone because it came undone again and again.
    `broken`   the services that did not come through their restart, by the address of what was restarted.
    """

    depths: Mapping[Priority, Depth]
    looking: int
    resting: int
    due: bool
    stalled: frozenset[Address]
    broken: Mapping[Address, str]


class Audience(Protocol):
    """Whoever is told what happens."""

    def decided(self, look: Look) -> None:
        """Hear of a decision: what is seen by now, and what follows."""
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
        self._reconciler = reconciler
        self._observer = reconciler.observer
        reconciler.screen = self._without_loops
        self._clock = manner.clock
        self._rng = manner.rng
        self._audience = audience
        self._records = records
        self._acts = manner.acts
        self._queue: Queue[TargetId] = Queue(manner.rng, hands=LOOKERS)
        self._stir = asyncio.Event()
        self._in_hand: list[_InHand] = []
        self._acted_at: dict[TargetId, float] = {}
        self._failed: dict[Address, _Failed] = {}
        self._undone: dict[Address, Corrections] = {}
        self._whole_since: dict[Address, float] = {}
        self._all_seen = False  # until each was asked once, nobody knows what must end before something else begins
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
        queue, declared = self._queue, self._reconciler.desired.catalog.units
        stalled = frozenset(address for address, known in self._undone.items() if known.stalled and address in declared)
        looking, resting = len(queue.in_hand), len(queue.resting)
        return Inside(queue.depths, looking, resting, self._stir.is_set(), stalled, dict(self._reconciler.broken))

    async def run(self) -> None:
        """Go on until `stop`; what is in hand then is finished."""
        self._observer.declare(self._reconciler.desired.catalog.units)
        self._awaited = frozenset(self._observer.asked)
        for target in sorted(self._observer.asked):
            self._queue.add(target, Priority.SWEEP)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._decide(group))
            self._lookers = [group.create_task(self._look()) for _ in range(LOOKERS)]

    def stop(self) -> None:
        """Begin nothing any more."""
        self._stopping = True
        self._reconciler.stop()
        self._queue.close()
        for looker in self._lookers:
            looker.cancel()
        self._stir.set()

    def declare(self, desired: Desired, others: frozenset[TargetId] = frozenset()) -> None:
        """Keep that from now on. Only what is asked otherwise than before is looked at again, and what is reached otherwise.

        `others` are those: what was seen there before was seen somewhere else.
        """
        self._failed.clear()
        before = self._observer.asked
        asked = self._reconciler.declare(desired)
        self._observer.forget(others)
        for target in before.keys() - self._observer.asked.keys():
            self._queue.forget(target)
            self._acted_at.pop(target, None)
        for target in (asked | others) & self._observer.asked.keys():
            self._queue.add(target, Priority.USER)
        self._stir.set()

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
                    if not await self._observer.refresh(item.key):
                        self._queue.retry(item.key)
            except ClosedError:
                return
            self._awaited -= {item.key}
            if began >= self._acted_at.get(item.key, began):
                self._acted_at.pop(item.key, None)
            if item.key in self._observer.asked:
                pause = SWEEP_S[item.key.kind] * (1.0 - JITTER * self._rng.random())
                self._queue.add_after(item.key, Priority.SWEEP, pause)
            self._stir.set()

    async def _decide(self, group: asyncio.TaskGroup) -> None:
        """Decide anew whenever something was seen or done, and begin what is free."""
        loop = asyncio.get_running_loop()
        while True:
            await self._stir.wait()
            self._stir.clear()
            if self._stopping:
                return
            began = loop.time()
            look = self._reconciler.decide(self._interrupted())
            self.decided_s = loop.time() - began
            busy = self._busy(look.plan)
            unasked = self._observer.unasked
            for target in unasked - self._awaited:
                self._queue.add(target, Priority.DRIFT)  # what came up only now: a rename, something of ours
            self._awaited = unasked
            self.asks(self._observer.asked)
            self._audience.decided(look)
            catalog = self._reconciler.desired.catalog
            self._all_seen = self._all_seen or not self._observer.unasked
            for portion in (
                portions(look.plan, catalog, busy, self._resting(look.plan)) if self._acts and self._all_seen else ()
            ):
                group.create_task(self._carry_out(look, portion, self._take(portion)))
            self._forgive(look, began)
            await asyncio.sleep(loop.time() - began)  # of a large cloud, others have the processor for half of the time

    def _interrupted(self) -> dict[str, str]:
        """Return the services that are being interrupted now, each with what it is a part of, or ''."""
        return {service: whole for _, services in self._in_hand for service, whole in services.items()}

    def _take(self, portion: Portion) -> _InHand:
        """Have a portion in hand."""
        units = self._reconciler.desired.catalog.units
        steps = (step for step in portion.plan.pending if step.disruption is not None)
        hand = _InHand(portion, {step.disruption.service: units[step.address].exclusive() for step in steps if step.disruption})
        self._in_hand.append(hand)
        self._reconciler.begin(portion.plan)
        return hand

    def _busy(self, plan: Plan) -> frozenset[Address]:
        """Return what must be left alone now.

        That is what somebody has in hand, what was acted on and not looked at since, what rests after a failure, and, until
        everything was looked at once, what is declared no more: how much that is nobody knows before.
        """
        busy = {address for portion, _ in self._in_hand for address in portion.units}
        busy |= self._observer.asking(self._acted_at)
        busy |= self._resting(plan)
        if self._observer.unasked:
            former = self._reconciler.desired.catalog.former
            busy |= former.units.keys() | former.without.keys()
        return frozenset(busy)

    def _resting(self, plan: Plan) -> frozenset[Address]:
        """Return what rests after a failure; not for long where it is to change otherwise than it was then."""
        now = asyncio.get_running_loop().time()
        changes = {step.address: step.changes for step in plan.pending}
        return frozenset(
            address
            for address, failed in self._failed.items()
            if now < (failed.until if changes.get(address) == failed.changes else failed.at + FIRST_REST_S)
        )

    def _without_loops(self, plan: Plan) -> Plan:
        """Hold what is made right and comes undone again and again: a person has to say who is to have it."""
        units, now, busy = self._reconciler.desired.catalog.units, self._clock(), self._busy(plan)
        for step in plan.steps:
            address = step.address
            if address not in busy and step.verb is not Verb.UNKNOWN and (step.changes or address in self._undone):
                known = self._undone.get(address, Corrections())
                self._undone[address] = seen(known, now, declaration(units[address], units), step.changes)
        return hold_stalled(plan, self._undone, when)

    def _forgive(self, look: Look, now: float) -> None:
        """Let the rollout go on when what did not come through its restart has been as declared for a while."""
        whole = {step.address for step in look.plan.steps if step.verb is Verb.NOTHING}
        for address in self._whole_since.keys() - self._reconciler.broken.keys():
            del self._whole_since[address]
        for address in tuple(self._reconciler.broken):
            if address not in whole:
                self._whole_since.pop(address, None)
            elif now - self._whole_since.setdefault(address, now) >= FORGIVEN_S:
                self._whole_since.pop(address)
                self._reconciler.forgive(address)
                self._stir.set()

    async def _carry_out(self, look: Look, portion: Portion, hand: _InHand) -> None:
        graph = self._reconciler.desired.graph
        try:
            results = await self._reconciler.act(Look(look.observed, portion.plan), self._audience.step, self._records)
        except BrokenPlanError as error:
            log.logger().error("broken_plan", error=str(error))
            results = {address: Result(address, Outcome.FAILED, str(error)) for address in portion.units}
        now = asyncio.get_running_loop().time()
        for step in portion.plan.pending:
            self._note(step, results[step.address], now)
            if results[step.address].outcome is Outcome.CONVERGED and step.verb is not Verb.WAIT:
                self._undone[step.address] = corrected(self._undone.get(step.address, Corrections()), step.changes)
        self._in_hand.remove(hand)
        touched = {*portion.units, *(other for address in portion.units for other in graph.needed_by(address))}
        for target in self._observer.asked_about(touched):
            self._acted_at[target] = now
            self._queue.add(target, Priority.DRIFT)
        self._stir.set()

    def _note(self, step: Step, result: Result, now: float) -> None:
        """Let what failed rest, longer each time; what came too late rests as long as what failed once."""
        if result.outcome in GOOD:
            self._failed.pop(step.address, None)
            return
        before = self._failed.get(step.address)
        times = (before.times if before else 0) + 1
        rest_s = min(FIRST_REST_S * 2.0 ** max(times - 1, 0), MOST_REST_S) * (1.0 - JITTER * self._rng.random())
        self._failed[step.address] = _Failed(times, now, now + rest_s, step.changes)
        asyncio.get_running_loop().call_later(rest_s + A_MOMENT_S, self._stir.set)
