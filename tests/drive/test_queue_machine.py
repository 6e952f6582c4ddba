"""The work queue under any sequence of events: nothing is lost, nothing runs twice, nothing is in two hands."""

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

Hand = tuple[Item[int], AbstractAsyncContextManager[Item[int]]]


class Machine(RuleBasedStateMachine):
    """A queue, the hands that hold its keys, and which keys have to run still: `owed`."""

    def __init__(self) -> None:
        """Begin with an empty queue on a clock that jumps."""
        super().__init__()
        self.loop = looptime.new_event_loop()
        self.hands: dict[int, Hand] = {}
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
        """Let time pass."""
        self.run(asyncio.sleep(seconds))
        due = {key for key, at in self.later.items() if at <= self.loop.time()}
        self.later = {key: at for key, at in self.later.items() if key not in due}
        self.owed |= due

    async def try_to_take(self) -> Hand | None:
        """Take what there is; None when one would have to wait."""
        manager = self.queue.take()
        entering = asyncio.ensure_future(manager.__aenter__())
        done, _ = await asyncio.wait([entering], timeout=0)
        if not done:
            entering.cancel()
            await asyncio.wait([entering])
            return None
        return entering.result(), manager

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
        """Take a key, if one may go: it is in no other hand, and it has to run."""
        hand = self.run(self.try_to_take())
        if hand is not None:
            item = hand[0]
            assert item.key not in self.hands
            assert item.key in self.owed
            assert len(self.hands) < HANDS
            self.owed.discard(item.key)
            self.hands[item.key] = hand

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
            for _, manager in self.hands.values():
                self.run(_leave(manager, None))
            self.hands.clear()
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
TestMachine.settings = settings(max_examples=80, stateful_step_count=40)
