"""What was acted on waits for a look, and nothing else does, on a clock that jumps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from reconciler.unseen import Unseen
from resources.contract import Address, Query, TargetId
from tests.drive.test_keep import Kept, keeping, until
from tests.drive.world import Place, Thing, World, thing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resources.contract import Action, Reply

pytestmark = pytest.mark.looptime

API = TargetId("ssh", "api")
HERE, THERE = TargetId("ssh", "here"), TargetId("ssh", "there")
ONE, TWO, OTHER = Address(HERE, "thing", "one"), Address(HERE, "thing", "two"), Address(THERE, "thing", "other")
THIRD = Address(THERE, "thing", "third")


def test_of_a_place_that_is_merely_asked_about_it_just_that_waits() -> None:
    """At home everything waits for a look, since it was changed there; elsewhere only what was acted on, and what needs it."""
    unseen = Unseen()
    unseen.acted([ONE], {HERE: [ONE], THERE: [ONE, OTHER]}, 5.0)
    assert unseen.among([ONE, TWO, OTHER, THIRD]) == {ONE, TWO, OTHER}
    unseen.looked(HERE, 5.0)
    assert unseen.among([ONE, TWO, OTHER, THIRD]) == {ONE, OTHER}
    unseen.looked(THERE, 4.9)
    assert unseen.among([ONE, TWO, OTHER, THIRD]) == {ONE, OTHER}
    unseen.looked(THERE, 5.1)
    assert not unseen.among([ONE, TWO, OTHER, THIRD])


def test_a_look_sees_what_was_done_before_it_began() -> None:
    """What was acted on while a look was under way waits for the next one; what was before has been seen by it."""
    unseen = Unseen()
    unseen.acted([ONE], {HERE: [ONE], THERE: [ONE]}, 1.0)
    unseen.acted([OTHER], {THERE: [OTHER]}, 3.0)
    unseen.looked(THERE, 2.0)
    unseen.looked(HERE, 2.0)
    assert unseen.among([ONE, TWO, OTHER, THIRD]) == {OTHER, THIRD}


def test_whom_nobody_asks_any_more_nobody_waits_for() -> None:
    """A target that is forgotten holds up nothing."""
    unseen = Unseen()
    unseen.acted([ONE], {HERE: [ONE], THERE: [ONE]}, 1.0)
    unseen.forget(HERE)
    unseen.forget(THERE)
    assert not unseen.among([ONE, TWO, OTHER])


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute(Thing):
    """A service of which an API tells as well, as OpenStack does of a nova-compute."""

    def queries(self) -> tuple[Query, ...]:
        """Ask its host and the API."""
        named = {"name": self.address.name}
        return (Query("thing.get", named), Query("thing.get", named, API))


class Listing(Place):
    """An API whose answer takes a tenth of a second for each thing that it is asked about."""

    async def ask(self, queries: Sequence[Query]) -> Sequence[Reply]:
        """Answer in time."""
        self.takes_s = 0.1 * len(queries)
        return await super(Listing, self).ask(queries)  # noqa: UP008 - a dataclass with slots is made twice


async def test_a_rollout_over_many_computes_does_not_wait_for_the_listing_of_all() -> None:
    """100 computes, ten at once, and an API that needs 10 s to tell of all: the rollout takes less than three such listings."""
    world = World({API: Listing(API)})
    places = [f"h{number}" for number in range(100)]
    down: set[str] = set()
    most = 0

    def restarts(action: Action) -> None:
        nonlocal most
        name = str(action.args["name"])
        down.add(name)
        most = max(most, len(down))
        world.place(name).things[name] = {"active": False, "fresh": True}

        def up() -> None:
            down.discard(name)
            world.place(name).things[name]["active"] = True

        asyncio.get_running_loop().call_later(0.5, up)

    for place in places:
        world.place(place).things[place] = {"active": True, "fresh": False}
        world.place(place).after_do = restarts
    units = [
        Compute(address=thing(place, place).address, desired={"active": True, "fresh": True}, settle_s=60) for place in places
    ]
    async with keeping(Kept(world, *units, max_unavailable=10)) as kept:
        await until(lambda: bool(kept.looks) and not kept.looks[-1].plan.unknown, 60)
        began = asyncio.get_running_loop().time()
        await until(lambda: all(kept.has(place, **{place: {"active": True, "fresh": True}}) for place in places), 600)
        assert asyncio.get_running_loop().time() - began < 3 * 0.1 * len(places)
        assert 5 < most <= 10
        await asyncio.sleep(60)
        assert all(len(world.place(place).done) == 1 for place in places)
