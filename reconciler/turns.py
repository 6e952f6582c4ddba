"""Whose turn it is among the keys that wait: by priority, with a share of the turns for whoever waits longest.

A priority alone would let a constant stream of drift put a sweep off for ever; ageing by the clock would one day put a
whole sweep before a person. A share does neither: a key before which N others wait has its turn after at most
`SHARE * (N + 1)` turns of others, and whoever is in a hurry loses one turn in `SHARE`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

K = TypeVar("K", bound=Hashable)

SHARE = 4
"""Of so many turns in a row, one at least goes to the key that waits longest."""


class Priority(IntEnum):
    """Why a key waits, the most urgent first: a person or a document, a change of the world, a failure, the clock."""

    USER = 0
    DRIFT = 1
    RETRY = 2
    SWEEP = 3


@dataclass(slots=True)
class Waiting(Generic[K]):
    """A key that waits: `since` when, in the queue's seconds; `failing` if its last run failed; `number` counts arrivals."""

    key: K
    priority: Priority
    since: float
    failing: bool
    number: int


class Turns(Generic[K]):
    """The keys that wait, each once."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._arrived: dict[bool, OrderedDict[K, Waiting[K]]] = {False: OrderedDict(), True: OrderedDict()}
        self._lanes: dict[tuple[Priority, bool], OrderedDict[K, Waiting[K]]] = {
            (priority, failing): OrderedDict() for priority in Priority for failing in (False, True)
        }
        self._number = 0
        self._passed_over = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return sum(map(len, self._arrived.values()))

    def __iter__(self) -> Iterator[Waiting[K]]:
        """Yield all that wait."""
        for arrived in self._arrived.values():
            yield from arrived.values()

    def put(self, key: K, priority: Priority, since: float, *, failing: bool) -> None:
        """Let the key wait. If it does already it keeps its place among those who wait, with the higher priority."""
        known = self._find(key)
        if known is None:
            self._number += 1
            known = Waiting(key, priority, since, failing, self._number)
            self._arrived[failing][key] = known
        elif priority < known.priority:
            del self._lanes[known.priority, known.failing][key]
            known.priority = priority
        else:
            return
        self._lanes[priority, known.failing][key] = known

    def drop(self, key: K) -> None:
        """Let the key wait no longer, if it does."""
        known = self._find(key)
        if known is not None:
            del self._arrived[known.failing][key]
            del self._lanes[known.priority, known.failing][key]

    def take(self, *, others: bool, failing: bool) -> Waiting[K] | None:
        """Return whose turn it is, no longer waiting; None when nobody may go.

        Keys of priority USER always may; the rest only with `others`, and those of them that fail only with `failing` too.
        """
        chosen = self._by_priority(others=others, failing=failing)
        oldest = self._oldest(failing=failing) if others else None
        if oldest is not None:
            if self._passed_over >= SHARE - 1:
                chosen = oldest
            self._passed_over = 0 if chosen is oldest else self._passed_over + 1
        if chosen is not None:
            self.drop(chosen.key)
        return chosen

    def _find(self, key: K) -> Waiting[K] | None:
        return self._arrived[False].get(key) or self._arrived[True].get(key)

    def _by_priority(self, *, others: bool, failing: bool) -> Waiting[K] | None:
        for priority in Priority:
            if priority is Priority.USER:
                lanes = [self._lanes[priority, False], self._lanes[priority, True]]
            elif others:
                lanes = [self._lanes[priority, each] for each in (False, True) if failing or not each]
            else:
                lanes = []
            if found := _earliest(lanes):
                return found
        return None

    def _oldest(self, *, failing: bool) -> Waiting[K] | None:
        return _earliest([self._arrived[each] for each in (False, True) if failing or not each])


def _earliest(lanes: list[OrderedDict[K, Waiting[K]]]) -> Waiting[K] | None:
    heads = [next(iter(lane.values())) for lane in lanes if lane]
    return min(heads, key=lambda waiting: waiting.number, default=None)
