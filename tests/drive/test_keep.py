"""Keeping the cloud as declared, on a clock that jumps."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.core.compile import Catalog, introduce
from reconciler.core.graph import build_graph
from reconciler.core.load import Loaded
from reconciler.desired import Desired
from reconciler.forgiving import FORGIVEN_S
from reconciler.keep import SWEEP_S, Keeper, Manner
from reconciler.reconcile import Reconciler
from reconciler.redact import Redactor
from reconciler.targets.fake import FakeTarget
from reconciler.turns import Priority
from resources.contract import Action, Query, Reply, TargetId
from resources.endpoints import SshEndpoint
from resources.published import RolloutFacts
from resources.units.file import WholeFile
from resources.units.inventory import Inventory
from tests.drive.world import World, desired_of, thing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from reconciler.apply import Progress
    from reconciler.reconcile import Look
    from reconciler.targets import Target
    from tests.drive.world import Thing

pytestmark = pytest.mark.looptime


class Kept:
    """A keeper at work, and what it decided."""

    def __init__(self, world: World, *things: Thing, max_unavailable: int = 1, acts: bool = True, **rollout: Any) -> None:
        """Keep these things; `rollout` is the rest of `RolloutFacts`."""
        self.world = world
        self.looks: list[Look] = []
        self.trouble: list[str] = []
        manner = Manner(acts=acts, rng=Random(1), clock=asyncio.get_running_loop().time)  # noqa: S311 - jitter
        self.keeper = Keeper(world.reconciler(*things, max_unavailable=max_unavailable, **rollout), self, manner=manner)

    def step(self, progress: Progress) -> None:
        """Listen to no progress."""

    def decided(self, look: Look) -> None:
        """Keep the decision."""
        self.looks.append(look)

    def undecided(self, why: str) -> None:
        """Keep what was said of it."""
        self.trouble.append(why)

    def has(self, place: str, **things: object) -> bool:
        """Tell whether the place holds these things."""
        return all(self.world.place(place).things.get(name) == fields for name, fields in things.items())


@asynccontextmanager
async def keeping(kept: Kept) -> AsyncIterator[Kept]:
    """Let the keeper run meanwhile."""
    task = asyncio.create_task(kept.keeper.run())
    try:
        yield kept
    finally:
        kept.keeper.stop()
        await task


async def until(condition: object, within_s: float = 600.0) -> None:
    """Wait until it holds. Raises TimeoutError."""
    assert callable(condition)
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the clock jumps
            await asyncio.sleep(0.05)


async def test_brings_about_what_is_declared_in_order() -> None:
    """From nothing, what is needed comes first; then only sweeps look."""
    world = World()
    first = thing("a", "first", size=1)
    last = thing("b", "last", first, size=2)
    async with keeping(Kept(world, last, first)) as kept:
        await until(lambda: kept.has("a", first={"size": 1}) and kept.has("b", last={"size": 2}), 5)
        assert world.place("a").done[0][1] <= world.place("b").done[0][1]
        await asyncio.sleep(10 * SWEEP_S["ssh"])
        assert len(world.place("a").done) == len(world.place("b").done) == 1
        assert 10 <= world.place("a").asks <= 20


async def test_repairs_what_it_hears_of_at_once() -> None:
    """A signal leads to a look at that target alone, and to the repair, without waiting for a sweep."""
    world = World()
    async with keeping(Kept(world, thing("a", "x", size=1), thing("b", "y", size=1))) as kept:
        await until(lambda: kept.has("a", x={"size": 1}) and kept.has("b", y={"size": 1}), 5)
        await asyncio.sleep(1)
        asked = world.place("b").asks
        world.place("a").things["x"] = {"size": 7}
        kept.keeper.look_again(TargetId("ssh", "a"))
        await until(lambda: kept.has("a", x={"size": 1}), 0.5)
        assert world.place("b").asks == asked


async def test_a_sweep_finds_what_nobody_signalled() -> None:
    """A lost signal costs one sweep."""
    world = World()
    async with keeping(Kept(world, thing("a", "x", size=1))) as kept:
        await until(lambda: kept.has("a", x={"size": 1}), 5)
        world.place("a").things["x"] = {"size": 7}
        await until(lambda: kept.has("a", x={"size": 1}), SWEEP_S["ssh"] + 1)


async def test_a_slow_host_delays_nobody() -> None:
    """While an action on one host hangs for minutes, another host's drift is repaired at once."""
    world = World()
    hang = asyncio.Event()

    async def slow(_: Action) -> None:
        await hang.wait()

    world.place("a").slow = slow
    async with keeping(Kept(world, thing("a", "x", size=1), thing("b", "y", size=1))) as kept:
        await until(lambda: kept.has("b", y={"size": 1}), 5)
        await asyncio.sleep(300)
        assert not kept.has("a", x={"size": 1})
        world.place("b").things["y"] = {"size": 7}
        kept.keeper.look_again(TargetId("ssh", "b"))
        await until(lambda: kept.has("b", y={"size": 1}), 0.5)
        hang.set()
        await until(lambda: kept.has("a", x={"size": 1}), 1)


async def test_a_failed_step_is_tried_again_ever_more_seldom() -> None:
    """It rests 1 s, then 2, and so on to 5 min; whatever needs it waits; success forgets the failures."""
    world = World()
    tried: list[float] = []

    def refuse(_: Action) -> Reply | None:
        tried.append(asyncio.get_running_loop().time())
        return Reply({}, "failed", "disk full")

    world.place("a").before_do = refuse
    broken = thing("a", "broken", size=1)
    async with keeping(Kept(world, broken, thing("b", "needs-it", broken, size=1))) as kept:
        await asyncio.sleep(3600)
        rests = [after - before for before, after in pairwise(tried)]
        assert rests[0] == pytest.approx(0.9, abs=0.3)
        assert rests[3] == pytest.approx(7, abs=1.3)
        assert all(220 <= rest <= 301 for rest in rests[10:])
        assert world.place("b").done == []
        world.place("a").before_do = lambda _: None
        await until(lambda: kept.has("b", **{"needs-it": {"size": 1}}), 400)


async def test_never_more_down_than_allowed_over_portions() -> None:
    """Services that have nothing to do with each other restart one after the other all the same."""
    world = World()
    services = [thing(place, f"s{place}", active=True, fresh=True, settle_s=60) for place in "abcd"]
    most = 0

    def restarted(action: Action) -> None:
        nonlocal most
        name = str(action.args["name"])
        world.place(name[1:]).things[name] = {"active": False, "fresh": True}
        down = [place for place in "abcd" if world.place(place).things[f"s{place}"]["active"] is False]
        most = max(most, len(down))
        asyncio.get_running_loop().call_later(5, world.place(name[1:]).things[name].update, {"active": True})

    for place in "abcd":
        world.place(place).things[f"s{place}"] = {"active": True, "fresh": False}
        world.place(place).after_do = restarted
    async with keeping(Kept(world, *services)) as kept:
        await until(lambda: all(kept.has(p, **{f"s{p}": {"active": True, "fresh": True}}) for p in "abcd"), 300)
    assert most == 1


async def test_stopping_finishes_the_step_in_hand_and_begins_none() -> None:
    """Told to stop in the middle of a step, it ends that step, and what needs it is not begun."""
    world = World()
    began = asyncio.Event()

    async def slow(_: Action) -> None:
        began.set()
        await asyncio.sleep(20)

    world.place("a").slow = slow
    first = thing("a", "first", size=1)
    kept = Kept(world, first, thing("b", "second", first, size=1))
    async with keeping(kept):
        await began.wait()
    assert kept.has("a", first={"size": 1})
    assert world.place("b").done == []


async def test_while_it_stops_nothing_is_due() -> None:
    """One step ends, another takes half an hour: nobody takes that for a keeper that is stuck, and ends it."""
    world = World()
    began: list[object] = []

    async def slow(action: Action) -> None:
        began.append(action)
        await asyncio.sleep(1800 if action.args["name"] == "slow" else 20)

    world.place("a").slow = world.place("b").slow = slow
    kept = Kept(world, thing("a", "slow", size=1), thing("b", "quick", size=1))
    async with keeping(kept):
        await until(lambda: len(began) == 2)
        kept.keeper.stop()
        await asyncio.sleep(60)
        assert kept.has("b", quick={"size": 1})
        assert not kept.keeper.inside.due


async def test_only_looking_does_nothing() -> None:
    """Observing only, it decides and never acts."""
    world = World()
    async with keeping(Kept(world, thing("a", "x", size=1), acts=False)) as kept:
        await asyncio.sleep(300)
        assert kept.looks[-1].plan.pending
    assert world.place("a").done == []


async def test_a_new_declaration_asks_only_who_is_asked_otherwise() -> None:
    """A changed document is acted on at once; hosts that it does not concern are not even asked."""
    world = World()
    other = thing("b", "y", size=1)
    async with keeping(Kept(world, thing("a", "x", size=1), other)) as kept:
        await until(lambda: kept.has("a", x={"size": 1}) and kept.has("b", y={"size": 1}), 5)
        await asyncio.sleep(1)
        asked = world.place("b").asks
        kept.keeper.declare(desired_of((thing("a", "x", size=2), thing("a", "more", size=1), other)))
        await until(lambda: kept.has("a", x={"size": 2}, more={"size": 1}), 0.5)
        assert world.place("b").asks == asked


async def test_a_thousand_hosts_are_swept_and_a_persons_change_does_not_wait() -> None:
    """While a sweep of 1,000 slow hosts goes on, a changed document reaches its host within a second; and the sweep ends."""
    world = World()
    things = [thing(f"h{number}", "x", size=1) for number in range(1000)]
    async with keeping(Kept(world, *things)) as kept:
        await until(lambda: all(kept.has(f"h{n}", x={"size": 1}) for n in range(1000)), 30)
        await asyncio.sleep(1)
        asked = {number: world.place(f"h{number}").asks for number in range(1000)}
        for number in range(999):
            world.place(f"h{number}").takes_s = 20
            kept.keeper.look_again(TargetId("ssh", f"h{number}"), Priority.SWEEP)
        await asyncio.sleep(1)
        kept.keeper.declare(desired_of((*things, thing("h999", "new", size=1))))
        await until(lambda: kept.has("h999", new={"size": 1}), 1)
        await until(lambda: all(world.place(f"h{n}").asks > asked[n] for n in range(1000)), 60)


async def test_two_hands_do_not_fight_for_ever() -> None:
    """Who undoes the same correction again and again wins after the fourth time, and the plan says when it was undone."""
    world = World()
    unit = thing("a", "x", size=1)
    async with keeping(Kept(world, unit)) as kept:
        for _ in range(4):
            await until(lambda: kept.has("a", x={"size": 1}), 5)
            await asyncio.sleep(1)
            world.place("a").things["x"] = {"size": 7}
            kept.keeper.look_again(TargetId("ssh", "a"))
            await asyncio.sleep(1)
        await asyncio.sleep(600)
        assert kept.has("a", x={"size": 7})
        (step,) = kept.looks[-1].plan.held
        assert "size was made as declared and undone again 4 times" in step.held
        kept.keeper.declare(desired_of((thing("a", "x", size=2),)))
        await until(lambda: kept.has("a", x={"size": 2}), 5)


async def test_what_failed_its_restart_and_is_well_again_holds_nobody_for_ever() -> None:
    """While it is broken no other service is interrupted; a person mends it, and the rollout goes on after a while."""
    world = World()
    for place in "ab":
        world.place(place).things[f"s{place}"] = {"active": True, "fresh": False}
    first = thing("a", "sa", active=True, fresh=True, settle_s=5)

    def breaks(_: Action) -> None:
        world.place("a").things["sa"] = {"active": False, "fresh": True}

    world.place("a").after_do = breaks
    async with keeping(Kept(world, first, thing("b", "sb", active=True, fresh=True, settle_s=5))) as kept:
        await asyncio.sleep(900)
        assert kept.has("b", sb={"active": True, "fresh": False})
        world.place("a").after_do = lambda _: None
        world.place("a").things["sa"] = {"active": True, "fresh": True}
        await until(lambda: kept.has("b", sb={"active": True, "fresh": True}), FORGIVEN_S + 2 * SWEEP_S["ssh"] + 400)


async def test_what_a_host_remembers_and_nobody_declares_goes() -> None:
    """What is asked more because of what was seen does not make what was seen unknown: the file goes, and all is quiet."""
    host = TargetId("ssh", "host")
    old, keep = WholeFile.at(host, "/etc/old", "x\n"), WholeFile.at(host, "/etc/keep", "x\n")
    claim = {"cloud": "demo", "origins": ["Thing/a"], "fields": ["exists"], "needed_by": [], "needs": [], "lodging": []}
    there = {str(old.address): {**claim, "about": {}, "wrote": "", "at": "2026-11-23T00:00:00Z"}}

    def answer(asked: Query | Action) -> Reply:
        if isinstance(asked, Action):
            there.clear()
            return Reply({})
        if asked.op == "inventory.read":
            return Reply({"claims": dict(there), "known": True})
        if asked.args["path"] == "/etc/old" and not there:
            return Reply({"exists": False})
        attributes = {"mode": "0644", "owner": "root", "group": "root", "recorded": keep.digest(), "edited": False}
        return Reply({"exists": True, "text": "x\n", "digest": "d", **attributes})

    target = FakeTarget(answer)
    units = introduce({unit.address: unit for unit in (Inventory.of(host, "demo"), keep)})
    rollouts = (RolloutFacts("demo", 1, 10, 100),)
    endpoints = {host: SshEndpoint(host, "h", 22, "root", "", "")}
    catalog = Catalog(units=units, endpoints=endpoints, resources={}, positions={}, rollouts=rollouts)
    desired = Desired(Loaded(resources={}, positions={}), catalog, build_graph(units), Redactor())

    class Only:
        """One target, whoever asks."""

        def get(self, _: TargetId) -> Target:
            """Return it."""
            return target

    kept = Kept(World())
    kept.keeper = Keeper(Reconciler(desired, Only()), kept, manner=Manner(clock=asyncio.get_running_loop().time))  # type: ignore[arg-type] # it is enough of Targets
    async with keeping(kept):
        await until(lambda: [action.op for action in target.done] == ["file.remove"], 5)
        asked = len(target.asked)
        await asyncio.sleep(20)
        assert len(target.asked) <= asked + 2


async def test_a_reverted_document_calls_back_what_was_not_begun() -> None:
    """While its first step is slow, the documents are taken back: the second one is not done, and the first one is undone."""
    world = World()
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Action) -> None:
        began.set()
        await go.wait()

    world.place("a").things["x"] = {"size": 1}
    world.place("b").things["y"] = {"size": 1}
    async with keeping(Kept(world, thing("a", "x", size=1), thing("b", "y", size=1))) as kept:
        await asyncio.sleep(5)
        world.place("a").slow = slow
        first = thing("a", "x", size=2)
        kept.keeper.declare(desired_of((first, thing("b", "y", first, size=2))))
        await began.wait()
        kept.keeper.declare(desired_of((thing("a", "x", size=1), thing("b", "y", size=1))))
        world.place("a").slow = None
        go.set()
        await until(lambda: len(world.place("a").done) >= 2, 30)
        assert kept.has("a", x={"size": 1})
        assert world.place("b").done == []
