"""What ends the failures of a step, and what does not, on a clock that jumps."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from reconciler.queue import JITTER, MOST_REST_S
from resources.contract import Action, Reply, TargetId
from tests.drive.test_keep import Kept, keeping, until
from tests.drive.world import World, thing

pytestmark = pytest.mark.looptime

HOUR_S = 3600.0


class Refusal:
    """A thing that cannot be made right for as long as `refuses` says, and when that was tried."""

    def __init__(self) -> None:
        """Refuse."""
        self.world = World()
        self.place = self.world.place("a")
        self.place.things["x"] = {"size": 7}
        self.place.before_do = self._do
        self.kept = Kept(self.world, thing("a", "x", size=1))
        self.refuses = True
        self.tried: list[float] = []

    def _do(self, _: Action) -> Reply | None:
        self.tried.append(asyncio.get_running_loop().time())
        return Reply({}, "failed", "disk full") if self.refuses else None

    def find(self, size: int) -> None:
        """Let the thing be otherwise by itself, and have that heard."""
        self.place.things["x"] = {"size": size}
        self.kept.keeper.look_again(TargetId("ssh", "a"))

    async def often(self) -> None:
        """Return after many failures."""
        await until(lambda: len(self.tried) >= 15, 2 * HOUR_S)


async def test_what_somebody_else_made_right_has_failed_never_before() -> None:
    """After many failures a person mends it; when it differs an hour later, one failure is followed by a rest of a second."""
    it = Refusal()
    async with keeping(it.kept):
        await it.often()
        it.find(1)
        await asyncio.sleep(HOUR_S)
        failures = len(it.tried)
        it.find(7)
        await until(lambda: len(it.tried) > failures, 1)
        it.refuses = False
        await until(lambda: it.kept.has("a", x={"size": 1}), 2)


async def test_what_nobody_can_see_is_not_healed() -> None:
    """A host that was silent for an hour may be as it was: failures after that are followed by long rests."""
    it = Refusal()
    async with keeping(it.kept):
        await it.often()
        it.place.silent = True
        await asyncio.sleep(HOUR_S)
        failures = len(it.tried)
        it.place.silent = False
        await until(lambda: len(it.tried) >= failures + 3, HOUR_S)
    first, second, third = it.tried[failures : failures + 3]
    assert min(second - first, third - second) >= MOST_REST_S * (1.0 - JITTER)


async def test_what_is_right_for_moments_is_tried_as_seldom_as_before() -> None:
    """A service that comes up and crashes again and again is no new failure each time."""
    it = Refusal()
    async with keeping(it.kept):
        await it.often()
        for _ in range(80):
            it.find(1)
            await asyncio.sleep(10)
            it.find(7)
            await asyncio.sleep(5)
    rests = [after - before for before, after in pairwise(it.tried)]
    assert min(rests[12:]) >= MOST_REST_S * (1.0 - JITTER)
