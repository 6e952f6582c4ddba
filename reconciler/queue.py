"""The work queue: identities, never events. What a key stands for is read anew whenever its turn comes.

    add ─▶ waiting ─▶ in hand ─▶ done: gone, its failures forgotten
              ▲           │
              └─ resting ◀┘ failed: 1 s at first, twice as long each time, 5 min at most

A key is in one of these places at most once. Added while it waits: one run, the higher priority counts. Added while it
is in hand: one more run afterwards. Added while it rests: a person ends the rest, a change of the world shortens it to
its least, anything else waits for its end.

No host can hold up the others: some hands are kept for what people ask for, and what failed the last time gets half of
the hands at most, however long it hangs.

Everything happens in the thread of the event loop that the queue was made in; time is that loop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from reconciler.turns import Priority, Turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from random import Random

K = TypeVar("K", bound=Hashable)

HANDS = 16
"""As many keys are in hand at the same time, unless somebody says otherwise: mostly they wait for hosts."""

FIRST_REST_S = 1.0
MOST_REST_S = 300.0
"""Seconds that a key rests after its first failure, and after many in a row."""

JITTER = 0.25
"""A rest is shorter by up to this part of itself, so that what failed together does not come back together."""

_MOST_DOUBLINGS = 16


class ClosedError(Exception):
    """The queue is closed: there is nothing to take any more, however long one waits."""


@dataclass(frozen=True, slots=True)
class Item(Generic[K]):
    """A key in hand: why it is, how long it has waited for that (seconds), and how often in a row it has failed before."""

    key: K
    priority: Priority
    waited_s: float
    failures: int


@dataclass(frozen=True, slots=True)
class Depth:
    """How many keys wait, and for how many seconds the first of them has."""

    waiting: int = 0
    age_s: float = 0.0


@dataclass(slots=True)
class _Rest:
    """A key that failed at `failed_at` and may start again at `timer`'s time, then with this priority."""

    priority: Priority
    failed_at: float
    timer: asyncio.TimerHandle


class Queue(Generic[K]):
    """Hands out keys to as many workers as like to take; see the module."""

    def __init__(self, rng: Random, *, hands: int = HANDS) -> None:
        """Be empty. `rng` makes the jitter; at most `hands` keys are in hand at the same time."""
        self._loop = asyncio.get_running_loop()
        self._rng = rng
        self._hands = hands
        self._others = hands - max(hands // 4, 1) if hands > 1 else 1
        self._failing = max(hands // 2, 1)
        self._turns: Turns[K] = Turns()
        self._in_hand: dict[K, Item[K]] = {}
        self._again: dict[K, Priority] = {}
        self._failed: set[K] = set()
        self._forgotten: set[K] = set()
        self._failures: dict[K, int] = {}
        self._resting: dict[K, _Rest] = {}
        self._timers: dict[K, tuple[Priority, asyncio.TimerHandle]] = {}
        self._news = asyncio.Event()
        self._first_in_line = asyncio.Lock()
        self._closed = False

    @property
    def depths(self) -> Mapping[Priority, Depth]:
        """How many keys wait with each priority and how long: for metrics."""
        now = self._loop.time()
        found = dict.fromkeys(Priority, Depth())
        for waiting in self._turns:
            before = found[waiting.priority]
            found[waiting.priority] = Depth(before.waiting + 1, max(before.age_s, now - waiting.since))
        return found

    @property
    def in_hand(self) -> tuple[Item[K], ...]:
        """The keys that are worked on."""
        return tuple(self._in_hand.values())

    @property
    def resting(self) -> frozenset[K]:
        """The keys that failed and wait for their time."""
        return frozenset(self._resting)

    def add(self, key: K, priority: Priority) -> None:
        """Let the key have its turn soon. Does nothing once the queue is closed: whoever starts next looks at everything."""
        if self._closed:
            return
        if key in self._in_hand:
            self._forgotten.discard(key)
            self._again[key] = min(priority, self._again.get(key, priority))
        elif key in self._resting:
            self._shorten(key, priority)
        else:
            self._wait(key, priority)

    def add_after(self, key: K, priority: Priority, delay_s: float) -> None:
        """Add the key when that time has passed. Of several such times of a key the first counts, and the highest priority."""
        if self._closed:
            return
        due = self._loop.time() + delay_s
        if key in self._timers:
            before, timer = self._timers[key]
            priority, due = min(priority, before), min(due, timer.when())
            timer.cancel()
        self._timers[key] = priority, self._loop.call_at(due, self._time_has_come, key)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Item[K]]:
        """Wait for a turn and have its key in hand; nobody else has it meanwhile.

        Leaving by `retry`, or by an error, is a failure of the key; leaving by cancellation gives it back as it was.
        Raises ClosedError.
        """
        item = await self._next()
        try:
            yield item
        except asyncio.CancelledError:
            self._put_down(item, given_back=item.key not in self._failed)
            raise
        except BaseException:
            self._failed.add(item.key)
            self._put_down(item)
            raise
        self._put_down(item)

    def retry(self, key: K) -> None:
        """Say of a key in hand that its work failed: put down, it rests. Raises ValueError for one that is not in hand."""
        if key not in self._in_hand:
            raise ValueError(f"{key} is not in hand")
        self._failed.add(key)

    def forget(self, key: K) -> None:
        """Leave the key alone from now on: nobody declares it any more. What is in hand is finished, however it ends."""
        if key in self._in_hand:
            self._forgotten.add(key)
        self._turns.drop(key)
        self._again.pop(key, None)
        self._failures.pop(key, None)
        if rest := self._resting.pop(key, None):
            rest.timer.cancel()
        if timer := self._timers.pop(key, None):
            timer[1].cancel()

    def close(self) -> None:
        """Hand nothing out any more. Keys in hand may be finished; everything else is dropped."""
        self._closed = True
        for key in {waiting.key for waiting in self._turns} | self._resting.keys() | self._timers.keys():
            self.forget(key)
        self._again.clear()
        self._news.set()

    async def _next(self) -> Item[K]:
        """Return the next item, which is in hand from then on: between its choice and its return nothing is waited for.

        One waits for news, all others for being that one, in their order: news wake one and not hundreds. Whoever becomes
        that one looks first, so that no news are lost with one who leaves, whether with an item or because it is cancelled.
        """
        async with self._first_in_line:
            while not self._closed:
                item = self._pick()
                if item is not None:
                    return item
                self._news.clear()
                await self._news.wait()
        raise ClosedError

    def _pick(self) -> Item[K] | None:
        if len(self._in_hand) >= self._hands:
            return None
        others = [item for item in self._in_hand.values() if item.priority is not Priority.USER]
        failing = sum(item.failures > 0 for item in others)
        waiting = self._turns.take(others=len(others) < self._others, failing=failing < self._failing)
        if waiting is None:
            return None
        waited_s = self._loop.time() - waiting.since
        item = Item(waiting.key, waiting.priority, waited_s, self._failures.get(waiting.key, 0))
        self._in_hand[item.key] = item
        return item

    def _put_down(self, item: Item[K], *, given_back: bool = False) -> None:
        key = item.key
        del self._in_hand[key]
        again = self._again.pop(key, None)
        failed, forgotten = key in self._failed, key in self._forgotten
        self._failed.discard(key)
        self._forgotten.discard(key)
        self._news.set()
        if self._closed or forgotten:
            return
        if failed:
            self._failures[key] = self._failures.get(key, 0) + 1
            self._rest(key)
        elif given_back:
            self.add(key, item.priority)
        else:
            self._failures.pop(key, None)
        if again is not None:
            self.add(key, again)

    def _wait(self, key: K, priority: Priority) -> None:
        self._turns.put(key, priority, self._loop.time(), failing=key in self._failures)
        self._news.set()

    def _rest(self, key: K) -> None:
        doublings = min(self._failures[key] - 1, _MOST_DOUBLINGS)
        rest_s = min(FIRST_REST_S * 2.0**doublings, MOST_REST_S) * (1.0 - JITTER * self._rng.random())
        now = self._loop.time()
        self._resting[key] = _Rest(Priority.RETRY, now, self._loop.call_at(now + rest_s, self._rested, key))

    def _rested(self, key: K) -> None:
        self._wait(key, self._resting.pop(key).priority)

    def _shorten(self, key: K, priority: Priority) -> None:
        rest = self._resting[key]
        rest.priority = min(rest.priority, priority)
        if priority is Priority.USER:
            rest.timer.cancel()
            self._rested(key)
        elif priority is Priority.DRIFT and rest.failed_at + FIRST_REST_S < rest.timer.when():
            rest.timer.cancel()
            rest.timer = self._loop.call_at(rest.failed_at + FIRST_REST_S, self._rested, key)

    def _time_has_come(self, key: K) -> None:
        priority, _ = self._timers.pop(key)
        self.add(key, priority)
