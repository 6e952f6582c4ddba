"""What failed rests before it is tried again: a second at first, twice as long each time, five minutes at most."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.plan import Verb
from reconciler.core.status import GOOD
from reconciler.queue import FIRST_REST_S, JITTER, MOST_REST_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from reconciler.core.plan import Plan, Step
    from reconciler.core.status import Result
    from resources.contract import Address, Change

A_MOMENT_S = 0.01
"""Longer than a timer may be early."""

_MOST_DOUBLINGS = 16


def rest_s(times: int, rng: Random) -> float:
    """Return for how many seconds something rests that failed so often in a row."""
    doublings = min(max(times - 1, 0), _MOST_DOUBLINGS)
    return min(FIRST_REST_S * 2.0**doublings, MOST_REST_S) * (1.0 - JITTER * rng.random())


@dataclass(slots=True)
class _Failed:
    """A step that failed: how often in a row, when last and until when it rests (the loop's time), what it was to change."""

    times: int
    at: float
    until: float
    changes: tuple[Change, ...]

    @property
    def stale(self) -> float:
        """From when on it counts no more, unless it differs then: had it differed before, it would have been tried again."""
        return self.until + (self.until - self.at)


class Rests:
    """The units that rest. `over` is called when one's time has come."""

    def __init__(self, rng: Random, over: Callable[[], None]) -> None:
        """Nothing rests. `rng` makes the jitter."""
        self._rng = rng
        self._over = over
        self._failed: dict[Address, _Failed] = {}

    def note(self, step: Step, result: Result) -> None:
        """Let what failed rest, longer each time; what came too late rests as long as what failed once."""
        if result.outcome in GOOD:
            self._failed.pop(step.address, None)
            return
        loop = asyncio.get_running_loop()
        before = self._failed.get(step.address)
        times = (before.times if before else 0) + 1
        rest, now = rest_s(times, self._rng), loop.time()
        self._failed[step.address] = _Failed(times, now, now + rest, step.changes)
        loop.call_later(rest + A_MOMENT_S, self._over)

    def resting(self, plan: Plan) -> frozenset[Address]:
        """Return what rests now; not for long where it is to change otherwise than it was then.

        What has been as declared for as long as it rested last was mended by somebody else: its failures are forgotten.
        """
        if not self._failed:
            return frozenset()
        now = asyncio.get_running_loop().time()
        differ = {step.address for step in plan.steps if step.verb is not Verb.NOTHING}  # or nobody knows
        self._failed = {key: failed for key, failed in self._failed.items() if now < failed.stale or key in differ}
        changes = {step.address: step.changes for step in plan.pending}
        return frozenset(
            address
            for address, failed in self._failed.items()
            if now < (failed.until if changes.get(address) == failed.changes else failed.at + FIRST_REST_S)
        )

    def end(self) -> None:
        """Nothing rests any more, and no failure counts."""
        self._failed.clear()
