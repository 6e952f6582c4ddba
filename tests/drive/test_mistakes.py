"""A mistake of the program ends one thing and never all of it, on a clock that jumps."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from reconciler import log
from reconciler.core.plan import Verb
from reconciler.desired import Desired
from reconciler.keep import Keeper
from reconciler.mistakes import mistake
from reconciler.reconcile import Entry, Reconciler
from reconciler.targets import Signal
from reconciler.watch import Watches
from resources.contract import Need, TargetId
from tests.drive.test_bounds import Turncoat
from tests.drive.test_keep import Kept, keeping, until
from tests.drive.world import Place, Thing, World, desired_of, thing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Iterator, Mapping

    from reconciler.core.compile import Former
    from reconciler.core.diff import Observed
    from reconciler.core.status import Result
    from reconciler.reconcile import Look
    from resources.contract import Action, Address, Change, Disruption, Facts, Query, Reply

pytestmark = pytest.mark.looptime
OURS = "a mistake of Bivisor's"


def fail(*_: object) -> NoReturn:
    """Fail in a way that nobody foresaw; its words are what must not be shown."""
    raise KeyError("canary")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable(Thing):
    """A thing whose answer cannot be read, by a mistake."""

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Fail."""
        fail(replies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unaskable(Thing):
    """A thing that does not know what to ask, by a mistake."""

    def queries(self) -> tuple[Query, ...]:
        """Fail."""
        fail()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplannable(Thing):
    """A thing that does not know how it is made right, by a mistake."""

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Fail."""
        fail(changes, facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unforeseeable(Thing):
    """A thing that does not know what it would interrupt, by a mistake."""

    def disruption(self, changes: tuple[Change, ...], facts: Facts | None) -> Disruption | None:
        """Fail."""
        fail(changes, facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unnameable(Thing):
    """A thing that does not know what it is called now, by a mistake."""

    def alias(self, facts: Facts | None) -> str:
        """Fail."""
        fail(facts)


@dataclass(frozen=True, slots=True)
class Forgetful(Desired):
    """Documents of which it cannot be found what they declare no more, by a mistake."""

    def former(self, observed: Mapping[Address, Observed]) -> Former:
        """Fail."""
        fail(observed)


def told(capsys: pytest.CaptureFixture[str], event: str = "mistake") -> int:
    """Return how often that event stands in the log since it was looked at last."""
    return capsys.readouterr().err.count(f"event='{event}'")


@pytest.mark.parametrize("kind", [Unreadable, Unaskable, Unplannable, Unforeseeable])
async def test_a_mistake_in_one_unit_is_unknown_and_the_others_go_on(
    kind: type[Thing], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of that one nobody knows, with a reason; its host's others are kept, and the traceback is told once, not each time."""
    good, world = thing("a", "good", size=1), World()
    bad = kind(address=thing("a", "bad").address, desired={"size": 1})
    world.place("a").things["bad"] = {"size": 2}
    async with keeping(Kept(world, good, bad, thing("b", "other", size=1))) as kept:
        await until(lambda: kept.has("a", good={"size": 1}) and kept.has("b", other={"size": 1}), 5)
        world.place("a").things["good"] = {"size": 7}
        await until(lambda: kept.has("a", good={"size": 1}), 120)
        await asyncio.sleep(300)
        (step,) = kept.looks[-1].plan.unknown
    assert (step.address, step.verb) == (bad.address, Verb.UNKNOWN)
    assert step.held.startswith(OURS)
    assert "test_mistakes.py" in step.held
    assert "canary" not in step.held
    assert not kept.trouble
    assert told(capsys) == 1


async def test_a_name_that_is_not_found_is_the_declared_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Whose name cannot be found by a mistake is called as it was before, and everything is kept."""
    bad, world = Unnameable(address=thing("a", "bad").address, desired={"size": 1}), World()
    async with keeping(Kept(world, bad, thing("b", "other", size=1))) as kept:
        await until(lambda: kept.has("a", bad={"size": 1}) and kept.has("b", other={"size": 1}), 5)
        assert not kept.trouble
    assert told(capsys) == 1


async def test_nothing_goes_while_it_cannot_be_found_what_is_declared_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake in reading what hosts remember takes nothing away, and keeps nobody from making the rest right."""
    world = World()
    kept = Kept(world, thing("a", "x", size=1))
    plain = desired_of((thing("a", "x", size=1),))
    forgetful = Forgetful(plain.loaded, plain.catalog, plain.graph, plain.redact)
    kept.keeper = Keeper(Reconciler(forgetful, world), kept)  # type: ignore[arg-type] # a World is enough of Targets
    async with keeping(kept):
        await until(lambda: kept.has("a", x={"size": 1}), 5)
        assert not kept.trouble
    assert told(capsys) == 1


async def test_a_mistake_in_asking_a_target_is_no_answer() -> None:
    """What is on that target is unknown, the target is asked again later, and all others are kept."""
    world = World()
    async with keeping(Kept(world, thing("a", "x", size=1), thing("b", "y", size=1))) as kept:
        world.place("a").on_ask = fail
        await until(lambda: kept.has("b", y={"size": 1}), 5)
        await asyncio.sleep(60)
        assert [step.held.startswith(OURS) for step in kept.looks[-1].plan.unknown] == [True]
        world.place("a").on_ask = lambda _: None
        await until(lambda: kept.has("a", x={"size": 1}), 120)


async def test_a_mistake_in_the_middle_of_a_step_fails_that_step_alone() -> None:
    """Other steps of the same portion end as they would have; the one that failed rests, and is tried again."""
    world = World()
    base = thing("a", "base", size=1)
    tries: list[float] = []

    def fails(_: Action) -> None:
        tries.append(asyncio.get_running_loop().time())
        fail()

    async def slowly(_: Action) -> None:
        await asyncio.sleep(5)

    world.place("b").before_do = fails
    world.place("c").slow = slowly
    async with keeping(Kept(world, base, thing("b", "bad", base, size=1), thing("c", "good", base, size=1))) as kept:
        await until(lambda: kept.has("c", good={"size": 1}), 20)
        assert len(world.place("c").done) == 1
        await asyncio.sleep(600)
        assert 5 < len(tries) < 15
        world.place("b").before_do = lambda _: None
        await until(lambda: kept.has("b", bad={"size": 1}), 400)


async def test_who_listens_ends_nothing_that_is_in_hand() -> None:
    """A mistake in telling what is decided, or what a step does, leaves both as they are."""
    world = World()
    kept = Kept(world, thing("a", "x", size=1))
    kept.keeper._audience = type("Broken", (), {"step": fail, "decided": fail, "undecided": fail})()
    async with keeping(kept):
        await until(lambda: kept.has("a", x={"size": 1}), 5)


@contextmanager
def ends_badly(*_: object) -> Iterator[Entry]:
    """Record a pass, and fail at its end."""
    yield Entry(lambda _: None)
    fail()


@contextmanager
def hears_badly(*_: object) -> Iterator[Entry]:
    """Record a pass, and fail whenever something is heard of it."""
    yield Entry(fail)


@pytest.mark.parametrize("one_pass", [fail, ends_badly, hears_badly])
async def test_a_mistake_in_recording_keeps_nobody_from_acting(one_pass: Any) -> None:
    """What cannot be recorded, from its beginning, in its midst or at its end, is done all the same, and once."""
    world = World()
    kept = Kept(world, thing("a", "x", size=1))
    kept.keeper._records = type("Broken", (), {"one_pass": staticmethod(one_pass)})()
    async with keeping(kept):
        await until(lambda: kept.has("a", x={"size": 1}), 5)
        await asyncio.sleep(60)
    assert len(world.place("a").done) == 1


async def test_a_mistake_around_a_portion_fails_it_and_leaves_nothing_in_hand() -> None:
    """It rests like anything that failed, and is tried again until it is done."""
    world = World()
    kept = Kept(world, thing("a", "x", size=1), thing("b", "y", size=1))
    reconciler = kept.keeper.reconciler
    act, tries = reconciler.act, list[float]()

    async def fails(look: Look, *others: Any) -> Mapping[Address, Result]:
        if {step.address.name for step in look.plan.pending} == {"y"}:
            return await act(look, *others)
        tries.append(asyncio.get_running_loop().time())
        fail()

    reconciler.act = fails  # type: ignore[method-assign,assignment] # there is no way to make a mistake there from outside
    async with keeping(kept):
        await until(lambda: kept.has("b", y={"size": 1}), 5)
        await asyncio.sleep(600)
        assert 5 < len(tries) < 15
        reconciler.act = act  # type: ignore[method-assign] # as it was
        await until(lambda: kept.has("a", x={"size": 1}), 400)


async def test_a_restart_that_failed_beside_a_mistake_stops_the_rollout() -> None:
    """A unit breaks its plan while a service beside it does not come through its restart: no other one is interrupted."""
    world = World()
    says: dict[str, str] = {}
    first = thing("a", "sa", active=True, fresh=True, settle_s=5)
    ring = thing("c", "ring", first, size=1, settle_s=5)
    false = Turncoat(address=thing("d", "false").address, desired={"size": 1}, needs=(Need(ring.address, ""),), says=says)
    other = thing("b", "sb", active=True, fresh=True)

    def breaks(_: Action) -> None:
        world.place("a").things["sa"] = {"active": False, "fresh": True}
        says["disrupts"] = "the whole house"

    world.place("a").things["sa"] = {"active": True, "fresh": False}
    world.place("a").after_do = breaks
    world.place("b").things["sb"] = {"active": True, "fresh": True}
    world.place("c").things["ring"] = {"size": 1}
    async with keeping(Kept(world, first, ring, false, other, max_unavailable=10)) as kept:
        await until(lambda: world.place("a").things["sa"]["active"] is False, 5)
        await asyncio.sleep(20)
        assert world.place("d").done == []
        world.place("b").things["sb"]["fresh"] = False
        kept.keeper.look_again(TargetId("ssh", "b"))
        await asyncio.sleep(60)
        assert kept.has("b", sb={"active": True, "fresh": False})
        assert "sa did not come through the restart" in kept.keeper.inside.stopped


async def test_a_mistake_in_deciding_is_loud_and_rests(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is begun; it is told, tried again ever more seldom; other documents end the rest at once, and it goes on."""
    world = World()
    unit = thing("a", "x", size=1)
    async with keeping(Kept(world, unit)) as kept:
        await until(lambda: kept.has("a", x={"size": 1}), 5)
        reconciler = kept.keeper.reconciler
        screen, reconciler.screen = reconciler.screen, fail
        world.place("a").things["x"] = {"size": 7}
        kept.keeper.look_again(TargetId("ssh", "a"))
        await asyncio.sleep(3600)
        assert 10 < len(kept.trouble) < 30
        assert all(each.startswith(OURS) for each in kept.trouble)
        assert told(capsys) == 1
        reconciler.screen = screen
        kept.keeper.declare(desired_of((thing("a", "x", size=2),)))
        await until(lambda: kept.has("a", x={"size": 2}), 1)


async def test_it_stops_while_nothing_can_be_decided() -> None:
    """Told to stop in the rest after a mistake, it stops at once."""
    kept = Kept(World(), thing("a", "x", size=1))
    kept.keeper.reconciler.screen = fail
    loop = asyncio.get_running_loop()
    async with keeping(kept):
        await asyncio.sleep(1000)
        told_at = loop.time()
    assert loop.time() - told_at < 1


class Voice(Place):
    """A place that is heard; the first listeners are failed."""

    listeners = 0

    async def watch(
        self,
        paths: Collection[str],
        units: Collection[str],
        *,
        cib: bool = False,  # noqa: ARG002 - as every one that is heard
        beat_s: float = 10.0,  # noqa: ARG002 - as above
    ) -> AsyncGenerator[Signal, None]:
        """Fail three times, then tell of something once."""
        Voice.listeners += 1
        if Voice.listeners <= 3:
            fail(paths, units)
        yield Signal(self.target, everything=True)
        await asyncio.sleep(3600)


async def test_a_mistake_in_a_watch_begins_it_anew() -> None:
    """While it lasts the target is deaf for that reason; then it is heard again."""
    target, heard = TargetId("ssh", "a"), list[TargetId]()
    world = World({target: Voice(target)})
    async with asyncio.TaskGroup() as group:
        watches = Watches(group, world, heard.append, Random(1))  # type: ignore[arg-type] # noqa: S311 - it is enough of Targets
        watches.follow({target: ()})
        await until(lambda: target in watches.deaf, 1)
        assert watches.deaf[target].startswith(OURS)
        await until(lambda: heard and not watches.deaf, 60)
        watches.stop()


def test_a_mistake_is_told_once_for_each_place(capsys: pytest.CaptureFixture[str]) -> None:
    """The same mistake is logged once with its traceback, masked; another one of the same kind elsewhere is logged too."""
    log.set_up(level="warning", as_json=False, redact=lambda text: text.replace("canary", "(secret)"))

    def make(address: Address) -> str:
        try:
            fail()
        except KeyError as error:
            return mistake(f"read {address}", error)

    address = thing("a", "x").address
    sentences = {make(address) for _ in range(3)}
    logged = capsys.readouterr().err
    assert len(sentences) == 1
    assert logged.count("Traceback") == 1
    assert "(secret)" in logged
    assert "canary" not in logged
    try:
        fail()
    except KeyError as error:
        mistake("do something else", error)
    assert capsys.readouterr().err.count("Traceback") == 1
    log.set_up(level="warning", as_json=False)


async def test_over_is_when_what_was_in_hand_has_ended() -> None:
    """Whoever waits for the end of what is in hand waits for that step, and not for what begins meanwhile."""
    world = World()
    ends: list[asyncio.Event] = []

    async def slow(_: Action) -> None:
        ends.append(asyncio.Event())
        await ends[-1].wait()

    world.place("a").slow = slow
    async with keeping(Kept(world, thing("a", "x", size=1), thing("a", "y", size=1))) as kept:
        await until(lambda: len(ends) == 2, 5)
        over = asyncio.create_task(kept.keeper.over())
        await asyncio.sleep(600)
        kept.keeper.declare(desired_of((thing("a", "x", size=2), thing("a", "z", size=1))))
        await asyncio.sleep(5)
        assert not over.done()
        ends[0].set()
        ends[1].set()
        await until(over.done, 1)
        await until(lambda: len(ends) > 2, 5)
        for each in ends:
            each.set()
        world.place("a").slow = None
