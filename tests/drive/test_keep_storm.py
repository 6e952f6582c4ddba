"""Everything at once, drawn by chance, on a clock that jumps: it ends well, and never was more down than allowed."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest

from resources.contract import TargetId
from tests.drive.test_keep import Kept, keeping, until
from tests.drive.world import Place, World, desired_of, thing

if TYPE_CHECKING:
    from collections.abc import Callable

    from resources.contract import Action, Reply
    from tests.drive.world import Thing

pytestmark = pytest.mark.looptime

PLACES = "abcdefgh"
BUDGET = 2


class Storm:
    """Some places with a file and a service each, that all sorts of things happen to."""

    def __init__(self, seed: int) -> None:
        """Begin with what is as declared."""
        self.rng = Random(seed)  # noqa: S311 - chance that can be repeated
        self.world = World()
        self.generation = 1
        self.declared = set(PLACES)
        self.down: dict[int, str] = {}
        self.most = 0
        for name in PLACES:
            self.settle(self.world.place(name))
        self.kept = Kept(self.world, *self.units(), max_unavailable=BUDGET)

    def units(self) -> list[Thing]:
        """Return what is declared now: a file, a service that needs it, and one file that needs another place's."""
        found: list[Thing] = []
        for name in sorted(self.declared):
            needs = found[-2:-1] if self.rng.random() < 0.3 else []
            file = thing(name, f"file-{name}", *needs, size=self.generation)
            found += [file, thing(name, f"service-{name}", file, active=True, fresh=True, settle_s=30)]
        return found

    def settle(self, place: Place) -> None:
        """Let the place behave."""
        name = place.target.name
        place.things[f"file-{name}"] = {"size": 1}
        place.things[f"service-{name}"] = {"active": True, "fresh": True}
        place.after_do = lambda action: self.restarts(place, action)

    def restarts(self, place: Place, action: Action) -> None:
        """Have a service be away for a while when it is restarted."""
        name = str(action.args["name"])
        if "fresh" not in action.args["fields"]:
            return
        self.down[id(place)] = place.target.name
        self.most = max(self.most, sum(each in self.declared for each in self.down.values()))
        place.things[name]["active"] = False

        def up() -> None:
            self.down.pop(id(place), None)
            place.things[name]["active"] = True

        asyncio.get_running_loop().call_later(self.rng.uniform(0, 5), up)

    async def rage(self) -> None:
        """Let something happen some hundred times."""
        happenings: list[Callable[[Place], None]] = [
            self.edits, self.edits, self.stales, self.stales, self.dies, self.revives, self.hangs, self.declares, self.refuses,
            self.replaces,
        ]  # fmt: skip
        for _ in range(150):
            place = self.world.place(self.rng.choice(PLACES))
            self.rng.choice(happenings)(place)
            if self.rng.random() < 0.7:
                self.kept.keeper.look_again(place.target)
            await asyncio.sleep(self.rng.choice([0.0, 0.0, 0.01, 0.3, 2.0]))

    def edits(self, place: Place) -> None:
        """Have somebody edit the file by hand."""
        place.things[f"file-{place.target.name}"] = {"size": -self.rng.randrange(1, 1000)}

    def stales(self, place: Place) -> None:
        """Let the service run with what it has not loaded."""
        place.things[f"service-{place.target.name}"]["fresh"] = False

    def dies(self, place: Place) -> None:
        """Let it be silent."""
        place.silent = True

    def revives(self, place: Place) -> None:
        """Let it answer, as quickly as ever."""
        place.silent, place.takes_s, place.slow = False, 0.001, None
        place.before_do = lambda _: None

    def hangs(self, place: Place) -> None:
        """Let questions and actions take some time."""

        async def slow(_: Action) -> None:
            await asyncio.sleep(self.rng.uniform(0, 10))

        place.takes_s, place.slow = self.rng.uniform(0, 3), slow

    def refuses(self, place: Place) -> None:
        """Let it refuse actions, in words or by a mistake of ours."""

        def refuse(_: Action) -> Reply | None:
            raise KeyError(place.target)

        place.before_do = refuse

    def replaces(self, place: Place) -> None:
        """Have the same name mean another machine, on which nothing is as declared."""
        self.down.pop(id(place), None)
        new = self.world.places[place.target] = Place(place.target)
        self.settle(new)
        new.things[f"file-{place.target.name}"] = {"size": 0}
        self.kept.keeper.declare(desired_of(self.units(), BUDGET), frozenset({place.target}))

    def declares(self, place: Place) -> None:
        """Declare something else, with that place or without it."""
        self.generation = self.rng.choice([self.generation, self.generation + 1])
        self.declared = set(PLACES) - (set() if self.rng.random() < 0.7 else {place.target.name})
        self.kept.keeper.declare(desired_of(self.units(), BUDGET))

    @property
    def calm(self) -> bool:
        """Tell whether all is as declared."""
        return all(
            self.world.place(name).things
            == {f"file-{name}": {"size": self.generation}, f"service-{name}": {"active": True, "fresh": True}}
            for name in self.declared
        )


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_it_ends_well(seed: int) -> None:
    """After a storm of edits, deaths, refusals, replaced hosts and documents all is as declared; two were down at most."""
    storm = Storm(seed)
    async with keeping(storm.kept) as kept:
        await storm.rage()
        for name in PLACES:
            storm.revives(storm.world.place(name))
        storm.generation += 1  # ends what came undone too often
        storm.declared = set(PLACES)
        kept.keeper.declare(desired_of(storm.units(), BUDGET))
        for name in PLACES:
            kept.keeper.look_again(TargetId("ssh", name))
        await until(lambda: storm.calm, 900)
        await asyncio.sleep(200)
        assert storm.calm
        assert not kept.looks[-1].plan.pending
        assert not kept.trouble
        assert storm.most <= BUDGET
    async with asyncio.timeout(1):
        await kept.keeper.over()
