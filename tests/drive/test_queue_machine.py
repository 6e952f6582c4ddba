"""The work queue under any sequence of events: nothing is lost, nothing runs twice, nothing is in two hands.

And nobody waits for what could go.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import TYPE_CHECKING

import looptime
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reconciler.queue import MOST_REST_S, Item, Queue
from reconciler.turns import Priority

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any, TypeVar

    T = TypeVar("T")

HANDS = 4
KEYS = st.integers(0, 6)
WAITERS = 3
A_MOMENT_S = 0.001
MOMENTS = 30
"""So many turns of the loop are more than it takes until each who was woken has gone on."""

Hand = tuple[Item[int], AbstractAsyncContextManager[Item[int]]]


class Machine(RuleBasedStateMachine):
    """A queue, the hands that hold its keys, and which keys have to run still: `owed`."""

    def __init__(self) -> None:
        """Begin with an empty queue on a clock that jumps."""
        super().__init__()
        self.loop = looptime.new_event_loop()
        self.hands: dict[int, Hand] = {}
        self.waiters: list[asyncio.Task[Hand]] = []
        self.owed: set[int] = set()
        self.later: dict[int, float] = {}

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        """Run it to its end."""
        return self.loop.run_until_complete(story)

    @initialize(seed=st.integers(0, 9))
    def begin(self, seed: int) -> None:
        """Make the queue."""

        async def make() -> Queue[int]:
            return Queue(Random(seed), hands=HANDS)  # noqa: S311 - jitter is no secret

        self.queue = self.run(make())

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and have everything heard that happens by then: nobody waits for what could go."""

        async def passing() -> None:
            await asyncio.sleep(seconds)
            for _ in range(MOMENTS):
                await asyncio.sleep(0)

        self.run(passing())
        self.what_is_due_is_owed()
        self.who_has_taken_waits_no_more()
        if self.waiters and len(self.hands) < HANDS // 2:
            assert not any(depth.waiting for depth in self.queue.depths.values())

    def what_is_due_is_owed(self) -> None:
        """Take note of the keys whose time has come by now."""
        due = {key for key, at in self.later.items() if at <= self.loop.time() + A_MOMENT_S / 100}
        self.later = {key: at for key, at in self.later.items() if key not in due}
        self.owed |= due

    async def taking(self) -> Hand:
        """Wait for a turn: its key is in no other hand, and it has to run."""
        manager = self.queue.take()
        item = await manager.__aenter__()
        self.what_is_due_is_owed()
        assert item.key not in self.hands
        assert item.key in self.owed
        assert len(self.hands) < HANDS
        self.owed.discard(item.key)
        self.hands[item.key] = item, manager
        return item, manager

    async def try_to_take(self) -> Hand | None:
        """Take what there is; None when one would have to wait."""
        entering = asyncio.ensure_future(self.taking())
        done, _ = await asyncio.wait([entering], timeout=0)
        if not done:
            entering.cancel()
            await asyncio.wait([entering])
            return None
        return entering.result()

    def cancel(self, waiters: list[asyncio.Task[Hand]]) -> None:
        """Cancel these all at once; who has a key already keeps it."""
        for waiter in waiters:
            waiter.cancel()
        if waiters:
            self.run(asyncio.wait(waiters))
        self.who_has_taken_waits_no_more()

    def who_has_taken_waits_no_more(self) -> None:
        """Keep only those who wait still."""
        for waiter in self.waiters:
            if waiter.done() and not waiter.cancelled():
                waiter.result()  # raises what does not hold
        self.waiters = [waiter for waiter in self.waiters if not waiter.done()]

    @rule(key=KEYS, priority=st.sampled_from(Priority))
    def add(self, key: int, priority: Priority) -> None:
        """Add a key."""
        self.queue.add(key, priority)
        self.owed.add(key)

    @rule(key=KEYS, priority=st.sampled_from(Priority), delay=st.integers(1, 400))
    def add_after(self, key: int, priority: Priority, delay: int) -> None:
        """Add a key for later."""
        self.queue.add_after(key, priority, delay)
        due = self.loop.time() + delay
        self.later[key] = min(due, self.later.get(key, due))

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 10.0, 400.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.pass_time(seconds)

    @rule()
    def take(self) -> None:
        """Take a key, if one may go."""
        self.run(self.try_to_take())

    @rule()
    def wait_for_turns(self) -> None:
        """Let several wait, each for a key until there is one."""
        while len(self.waiters) < WAITERS:
            self.waiters.append(self.loop.create_task(self.taking()))
        self.pass_time(A_MOMENT_S)

    @precondition(lambda self: self.waiters)
    @rule(data=st.data(), key=KEYS, moments=st.integers(0, 6))
    def cancel_one(self, data: st.DataObject, key: int, moments: int) -> None:
        """Add a key and cancel one who waits: before, while or after it hears of that."""

        async def moment() -> None:
            for _ in range(moments):
                await asyncio.sleep(0)

        self.add(key, Priority.DRIFT)
        if moments:  # else what it was woken by, if it was, finds it cancelled
            self.run(moment())
        self.cancel([data.draw(st.sampled_from(self.waiters))])
        self.pass_time(A_MOMENT_S)

    @precondition(lambda self: self.waiters)
    @rule()
    def nobody_waits_in_vain(self) -> None:
        """When everything that happened was heard, there is nothing to take for one who comes anew, if others wait still."""
        self.pass_time(A_MOMENT_S)
        if self.waiters:
            self.cancel(list(self.waiters))
            assert self.run(self.try_to_take()) is None

    @precondition(lambda self: self.hands)
    @rule(data=st.data(), how=st.sampled_from(["done", "retry", "error", "cancelled", "forgotten"]))
    def put_down(self, data: st.DataObject, how: str) -> None:
        """Put a key down: what was not finished has to run still, and what was forgotten does not."""
        key = data.draw(st.sampled_from(sorted(self.hands)))
        _, manager = self.hands.pop(key)
        if how == "retry":
            self.queue.retry(key)
        if how == "forgotten":
            self.queue.forget(key)
            self.owed.discard(key)
            self.later.pop(key, None)
        elif how != "done":
            self.owed.add(key)
        error = {"error": RuntimeError(), "forgotten": RuntimeError(), "cancelled": asyncio.CancelledError()}.get(how)
        swallowed = self.run(_leave(manager, error))
        assert not swallowed

    @rule(key=KEYS)
    def forget(self, key: int) -> None:
        """Forget a key, wherever it is; one that is in hand owes nothing more than its end."""
        if key not in self.hands:
            self.queue.forget(key)
            self.owed.discard(key)
            self.later.pop(key, None)

    @invariant()
    def each_is_where_it_belongs(self) -> None:
        """What is in hand is what was taken; what rests has to run."""
        if hasattr(self, "queue"):
            assert {item.key for item in self.queue.in_hand} == self.hands.keys()
            assert self.queue.resting <= self.owed - self.hands.keys()
            waiting = sum(depth.waiting for depth in self.queue.depths.values())
            assert waiting + len(self.queue.resting) == len(self.owed - self.hands.keys())

    def teardown(self) -> None:
        """Whatever has to run still does: nothing is lost."""
        if hasattr(self, "queue"):
            self.cancel(list(self.waiters))
            for key in list(self.hands):
                self.run(_leave(self.hands.pop(key)[1], None))
            self.pass_time(max(MOST_REST_S, 400))
            while self.owed:
                before = len(self.owed)
                self.take()
                assert len(self.owed) < before
                for key in list(self.hands):
                    self.run(_leave(self.hands.pop(key)[1], None))
            assert self.run(self.try_to_take()) is None
            self.queue.close()
        self.loop.close()


async def _leave(manager: AbstractAsyncContextManager[Item[int]], error: BaseException | None) -> bool:
    """Leave as a worker would with that error; tell whether it was swallowed."""
    try:
        return bool(await manager.__aexit__(type(error) if error else None, error, None))
    except BaseException as raised:
        if raised is not error:
            raise
        return False


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=300, stateful_step_count=40)
