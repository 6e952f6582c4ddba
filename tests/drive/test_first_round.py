"""What a keeper waits for before it begins anything: a word of every target, on a clock that jumps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from reconciler.first_round import LOST_S
from resources.contract import TargetId
from tests.drive.test_keep import Kept, keeping, until
from tests.drive.world import Thing, World, desired_of, thing

if TYPE_CHECKING:
    from resources.contract import Facts

pytestmark = pytest.mark.looptime

CONNECT_S = 10.0
"""What a place that nobody answers for takes, as a connection does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring(Thing):
    """A thing that knows who is gone: its facts name the places, with spaces between them."""

    def lost(self, facts: Facts | None) -> tuple[TargetId, ...]:
        """Return them."""
        return tuple(TargetId("ssh", name) for name in str((facts or {}).get("gone", "")).split())


def cloud(gone: str, **takes_s: float) -> Kept:
    """Return a keeper of a drifted host `kvm`, and of a silent `ctl`, of which the ring says that these are gone."""
    world = World()
    formed = thing("ring", "ring", size=1)
    ring = Ring(address=formed.address, desired=formed.desired, origins=formed.origins)
    kept = Kept(world, ring, thing("kvm", "conf", size=1), thing("ctl", "active", active=True, fresh=True))
    world.place("ring").things["ring"] = {"size": 1, "gone": gone}
    world.place("kvm").things["conf"] = {"size": 7}
    world.place("ctl").silent, world.place("ctl").takes_s = True, CONNECT_S
    for name, seconds in takes_s.items():
        world.place(name).takes_s = seconds
    return kept


async def repaired_after(kept: Kept) -> float:
    """Return for how many seconds the drift was left alone."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with keeping(kept):
        await until(lambda: kept.has("kvm", conf={"size": 1}), 60)
        return loop.time() - began


async def test_nothing_is_begun_before_all_were_asked() -> None:
    """What a silent host would say may have to end first: no patience tells it from one that is slow."""
    assert await repaired_after(cloud(gone="")) >= CONNECT_S


async def test_a_host_that_the_ring_has_lost_holds_up_nobody_for_long() -> None:
    """It did not answer us either in all the time that the others took, and as long again: the others are seen to."""
    assert LOST_S <= await repaired_after(cloud(gone="ctl")) <= LOST_S + 0.2


async def test_where_the_others_are_slow_a_lost_host_may_be_as_slow() -> None:
    """On a loaded machine, and where a thousand connect in their turn, it has twice the time that the last of them took."""
    assert 6.0 <= await repaired_after(cloud(gone="ctl", kvm=3.0)) <= 6.0 + 0.2 + 3.0


async def test_only_the_lost_one_is_not_waited_for() -> None:
    """Another host that is silent is asked until its connection is given up."""
    assert await repaired_after(cloud(gone="kvm")) >= CONNECT_S


async def test_a_ring_that_says_nothing_has_lost_nobody() -> None:
    """Until somebody of it answers, nobody knows whom it has lost."""
    assert 4.0 <= await repaired_after(cloud(gone="ctl", ring=4.0)) <= 8.2


async def test_a_lost_host_that_answers_is_kept_as_always() -> None:
    """Its first look goes on meanwhile: when it answers, late, what it needs is done, and nothing before."""
    kept = cloud(gone="ctl", ctl=5.0)
    place = kept.world.place("ctl")
    place.silent = False
    async with keeping(kept):
        await until(lambda: kept.has("kvm", conf={"size": 1}), 3)
        assert not place.done
        await until(lambda: kept.has("ctl", active={"active": True, "fresh": True}), 4.2)


async def test_what_a_lost_host_has_counts_as_down() -> None:
    """As when its connection has failed: no other service is interrupted beside the one that nobody sees."""
    kept = cloud(gone="ctl")
    service = thing("kvm", "compute", active=True, fresh=True)
    kept.world.place("kvm").things["compute"] = {"active": True, "fresh": False}
    kept.keeper.declare(desired_of((*kept.keeper.reconciler.desired.catalog.units.values(), service)))  # type: ignore[arg-type] # things
    async with keeping(kept):
        await until(lambda: kept.has("kvm", conf={"size": 1}), 3)
        await asyncio.sleep(60)
        assert kept.has("kvm", compute={"active": True, "fresh": False})
        (held,) = kept.looks[-1].plan.held
        assert held.held == "maxUnavailable is 1: ssh:ctl is unknown"
