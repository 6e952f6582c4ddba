"""Keeping a thousand hosts of which some are dead or slow, on a clock that jumps: nobody waits for them."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import pytest

from reconciler.keep import LOOKERS, SWEEP_S
from reconciler.queue import MOST_REST_S
from reconciler.targets import BEAT_S, Signal, TargetError
from reconciler.turns import Priority
from reconciler.watch import Watches
from resources.contract import TargetId
from tests.drive.test_keep import Kept, keeping, until
from tests.drive.world import Place, World, desired_of, thing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Sequence

    from resources.contract import Action, Query, Reply

pytestmark = pytest.mark.looptime

MANY = 1_000
SECOND = 1.0


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


class Timed(Place):
    """A place that remembers when it was asked."""

    asked: list[float]

    def __init__(self, name: str) -> None:
        """Hold what is declared already."""
        super().__init__(TargetId("ssh", name), {"x": {"size": 1}})
        self.asked = []

    async def ask(self, queries: Sequence[Query]) -> Sequence[Reply]:
        """Answer, or not."""
        self.asked.append(now())
        return await super(Timed, self).ask(queries)  # noqa: UP008 - a dataclass with slots is made twice

    def dies(self) -> None:
        """Let no answer come any more; that is known after the longest wait for a connection."""
        self.silent, self.takes_s = True, 30.0

    def drifts(self, kept: Kept) -> None:
        """Have somebody change it by hand, which is heard."""
        self.things["x"] = {"size": 7}
        kept.keeper.look_again(self.target)


class Voiced(Timed):
    """One that can be listened to."""

    async def watch(
        self, paths: Collection[str], units: Collection[str], *, cib: bool = False, beat_s: float = BEAT_S
    ) -> AsyncGenerator[Signal, None]:
        """Tell that everything may have changed, unless nobody answers."""
        assert (paths, units, cib) == (frozenset(), frozenset(), False)
        while not self.silent:
            yield Signal(self.target, everything=True)
            while not self.silent:  # noqa: ASYNC110 - the clock jumps
                await asyncio.sleep(beat_s)
        raise TargetError(self.target, "no answer")


def crowd(count: int = MANY, kind: type[Timed] = Timed) -> tuple[list[Timed], Kept]:
    """Return places that are as declared, and their keeper."""
    places = [kind(f"h{number}") for number in range(count)]
    world = World({place.target: place for place in places})
    return places, Kept(world, *(thing(place.target.name, "x", size=1) for place in places))


async def test_dead_and_slow_hosts_delay_nobody() -> None:
    """One never answers, one takes 20 s each time, one is in a step for minutes: drift and documents wait for none of them."""
    (dead, slow, busy, sound, *others), kept = crowd(100)
    async with keeping(kept):
        await asyncio.sleep(5)
        dead.dies()
        slow.takes_s = 20.0

        async def hang(_: Action) -> None:
            await asyncio.sleep(600)

        busy.slow = hang
        busy.drifts(kept)
        for place in (dead, slow):
            kept.keeper.look_again(place.target)
        for _ in range(5):
            await asyncio.sleep(7)
            sound.drifts(kept)
            await until(lambda: sound.things["x"] == {"size": 1}, SECOND)
            if len(sound.done) == 3:
                break
        units = [thing(place.target.name, "x", size=1) for place in (dead, slow, busy, sound, *others)]
        kept.keeper.declare(desired_of((*units, thing(sound.target.name, "new", size=1))))
        await until(lambda: kept.has(sound.target.name, new={"size": 1}), SECOND)
        asked = {place.target: len(place.asked) for place in others}
        await asyncio.sleep(SWEEP_S["ssh"] + SECOND)
        assert all(len(place.asked) > asked[place.target] for place in others)
        assert not busy.done


async def test_a_dead_host_is_asked_ever_more_seldom_until_a_person_asks() -> None:
    """It rests 1 s, twice as long each time, 5 min at most, a quarter less by chance; another document asks it at once."""
    (dead, sound), kept = crowd(2)
    async with keeping(kept):
        await asyncio.sleep(5)
        del dead.asked[:]
        dead.silent = True
        kept.keeper.look_again(dead.target)
        await asyncio.sleep(3600)
        rests = [after - before for before, after in pairwise(dead.asked)]
        assert all(0.74 * 2**number <= rest <= 2**number + 0.1 for number, rest in enumerate(rests[:8]))
        assert all(0.74 * MOST_REST_S <= rest <= MOST_REST_S + 0.1 for rest in rests[9:])
        assert len({round(rest, 2) for rest in rests[9:]}) > 3
        asked, last = len(dead.asked), now()
        kept.keeper.declare(desired_of((thing("h0", "x", size=1), thing("h0", "new", size=1), thing("h1", "x", size=1))))
        await until(lambda: len(dead.asked) > asked, SECOND)
        dead.silent = False
        await until(lambda: kept.has("h0", new={"size": 1}), 1.5 * SECOND)
        assert now() - last < 3 * SECOND
        assert sound.things["x"] == {"size": 1}


async def test_a_dead_host_that_is_listened_to_is_looked_at_no_more_often() -> None:
    """That it still cannot be listened to is no news of it; when it is heard again, it is looked at within two minutes."""
    (dead,), kept = crowd(1, Voiced)
    async with keeping(kept), asyncio.TaskGroup() as group:
        rng = Random(1)  # noqa: S311 - jitter
        watches = Watches(group, kept.world, kept.keeper.look_again, rng)  # type: ignore[arg-type] # enough of Targets
        kept.keeper.asks = watches.follow
        await asyncio.sleep(60)
        assert not watches.deaf
        dead.silent = True
        await asyncio.sleep(3600)
        assert watches.deaf
        del dead.asked[:]
        await asyncio.sleep(7200)
        assert len(dead.asked) <= 7200 / (0.74 * MOST_REST_S)
        dead.silent = False
        dead.things["x"] = {"size": 7}
        await until(lambda: kept.has("h0", x={"size": 1}), 120)
        watches.stop()


async def test_a_third_of_the_hosts_dead_delays_no_sweep_and_no_person() -> None:
    """Hundreds that do not answer have half of the hands at most: a sweep of the others ends, a person does not wait."""
    places, kept = crowd()
    dead, sound = places[: MANY // 3], places[MANY // 3 :]
    units = [thing(place.target.name, "x", size=1) for place in places]
    async with keeping(kept):
        await asyncio.sleep(5)
        for place in dead:
            place.dies()
            kept.keeper.look_again(place.target)
        await asyncio.sleep(35)
        asked = {place.target: len(place.asked) for place in sound}
        for place in sound:
            place.takes_s = 5.0
            kept.keeper.look_again(place.target, Priority.SWEEP)
        await asyncio.sleep(SECOND)
        sound[-1].takes_s = 0.001
        kept.keeper.declare(desired_of([*units, thing(sound[-1].target.name, "new", size=1)]))
        await until(lambda: kept.has(sound[-1].target.name, new={"size": 1}), SECOND)
        rounds = 1 + len(sound) / (LOOKERS / 4)
        await until(lambda: all(len(place.asked) > asked[place.target] for place in sound), 5.0 * rounds)


async def test_a_sweep_ends_under_a_constant_stream_of_changes() -> None:
    """More changes are heard than can be looked at: all that nothing is heard of is still looked at, by its age."""
    places, kept = crowd(2 * LOOKERS)
    loud, quiet = places[:LOOKERS], places[LOOKERS:]
    async with keeping(kept):
        await asyncio.sleep(5)
        for place in places:
            place.takes_s = 2.0
        asked = {place.target: len(place.asked) for place in quiet}
        for place in quiet:
            kept.keeper.look_again(place.target, Priority.SWEEP)
        began = now()
        while not all(len(place.asked) > asked[place.target] for place in quiet):
            for place in loud:
                kept.keeper.look_again(place.target)
            await asyncio.sleep(0.5)
            assert now() - began < 60
        assert min(len(place.asked) for place in loud) > 3
