"""What happens to a keeper at a bad moment, on a clock that jumps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.core.undone import QUIET_S
from reconciler.keep import SWEEP_S
from resources.contract import TargetId
from tests.drive.test_keep import Kept, keeping, until
from tests.drive.world import Place, World, desired_of, thing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reconciler.desired import Desired
    from reconciler.reconcile import Look
    from resources.contract import Action, Query, Reply

pytestmark = pytest.mark.looptime


class Rolling(Kept):
    """A keeper; at the first decision that fits, something is called before what was decided on has begun."""

    when: Callable[[Look], object] = staticmethod(lambda _: False)
    then: Callable[[], object] = staticmethod(lambda: None)

    def decided(self, look: Look) -> None:
        """Have it called as whoever else is in the event loop would."""
        super().decided(look)
        if self.when(look):
            self.when = lambda _: False
            asyncio.get_running_loop().call_soon(self.then)


async def test_a_host_that_is_replaced_while_it_is_looked_at_is_looked_at_anew() -> None:
    """The answer of the former machine is dropped: nothing is done to the new one before it was asked itself."""
    world, target = World(), TargetId("ssh", "a")
    world.place("a").things["x"] = {"size": 1}
    unit = thing("a", "x", size=1)
    async with keeping(Kept(world, unit)) as kept:
        await asyncio.sleep(5)
        former = world.place("a")
        former.things["x"] = {"size": 7}
        former.takes_s = 10.0
        kept.keeper.look_again(target)
        await asyncio.sleep(1)
        new = world.places[target] = Place(target, things={"x": {"size": 1}}, takes_s=15.0)
        kept.keeper.declare(desired_of((unit,)), frozenset({target}))
        await asyncio.sleep(120)
        assert new.asks
        assert new.done == former.done == []


async def test_documents_that_come_before_what_was_decided_on_begins() -> None:
    """Steps that were decided on and not begun belong to the former documents: none of them is done, none is a broken plan."""
    world = World()
    other = thing("b", "y", size=1)
    kept = Rolling(world, thing("a", "x", size=1), other)
    kept.when = lambda look: look.plan.pending
    declared: list[Desired] = []

    def declare() -> None:
        declared.append(desired_of((other,)))
        kept.keeper.declare(declared[0])

    kept.then = declare
    async with keeping(kept):
        await until(lambda: kept.has("b", y={"size": 1}), 10)
        await asyncio.sleep(60)
        assert declared
        assert world.place("a").done == []
        assert not kept.trouble


async def test_nothing_begins_before_a_slow_host_has_answered() -> None:
    """A host that lives and answers late may remember what must end elsewhere first: it is waited for."""
    world = World()
    world.place("slow").takes_s = 9.0
    async with keeping(Kept(world, thing("a", "x", size=1), thing("slow", "y", size=1))) as kept:
        await until(lambda: kept.has("a", x={"size": 1}), 12)
    assert world.place("a").done[0][1] >= 9.0


async def test_stopping_before_what_was_decided_on_begins() -> None:
    """Told to stop between the decision and its first step, it begins none."""
    world = World()
    kept = Rolling(world, thing("a", "x", size=1))
    kept.when, kept.then = lambda look: look.plan.pending, kept.keeper.stop
    await kept.keeper.run()
    assert world.place("a").done == []


async def test_what_failed_its_restart_and_is_declared_no_more_holds_nobody() -> None:
    """A service breaks in its restart while the documents that leave it out come: the others are restarted all the same."""
    world = World()
    for place in "ab":
        world.place(place).things[f"s{place}"] = {"active": True, "fresh": False}
    other = thing("b", "sb", active=True, fresh=True, settle_s=5)
    began = asyncio.Event()

    def breaks(_: Action) -> None:
        began.set()
        world.place("a").things["sa"] = {"active": False, "fresh": True}

    world.place("a").after_do = breaks
    async with keeping(Kept(world, thing("a", "sa", active=True, fresh=True, settle_s=30), other)) as kept:
        await began.wait()
        kept.keeper.declare(desired_of((other,)))
        await until(lambda: kept.has("b", sb={"active": True, "fresh": True}), 120)


async def test_an_old_answer_to_other_questions_is_no_look_at_what_was_done() -> None:
    """What was acted on waits for a look that began afterwards and counts, though the questions change meanwhile."""
    world = World()
    world.place("a").things["x"] = {"size": 0}
    first = thing("a", "x", size=1)
    async with keeping(Kept(world, first)) as kept:
        world.place("a").takes_s = 2.0
        await until(lambda: world.place("a").done, 60)
        await until(lambda: kept.has("a", x={"size": 1}), 60)
        await asyncio.sleep(3)  # the look that follows the step is under way
        kept.keeper.declare(desired_of((first, thing("a", "y", size=1))))
        await asyncio.sleep(60)
        assert [name for name, _ in world.place("a").done] == ["x", "y"]


async def test_what_ends_after_its_document_is_gone_is_looked_at() -> None:
    """A step of former documents that ends late is a reason to look at its host at once, though nobody declares it any more."""
    world = World()
    hang = asyncio.Event()

    async def slow(_: Action) -> None:
        await hang.wait()

    other = thing("a", "y", size=1)
    world.place("a").things["y"] = {"size": 1}
    async with keeping(Kept(world, thing("a", "x", size=1), other)) as kept:
        world.place("a").slow = slow
        await asyncio.sleep(5)
        kept.keeper.declare(desired_of((other,)))
        await asyncio.sleep(5)
        asked = world.place("a").asks
        hang.set()
        await until(lambda: world.place("a").done, 1)
        await until(lambda: world.place("a").asks > asked + 1, 1)  # the step itself looks once


async def test_a_portion_that_is_cancelled_leaves_nothing_in_hand() -> None:
    """The impatient second signal cancels what is in hand: it ends as cancelled, and everything is let go of."""
    world = World()

    async def hang(_: Action) -> None:
        await asyncio.sleep(10_000)

    world.place("a").slow = hang
    kept = Kept(world, thing("a", "x", size=1))
    task = asyncio.create_task(kept.keeper.run())
    await asyncio.sleep(10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(1):
        await kept.keeper.over()


class Terse(Place):
    """A place that answers with the very tuple of the last time where nothing has changed, as hosts do."""

    last: Sequence[Reply] = ()

    async def ask(self, queries: Sequence[Query]) -> Sequence[Reply]:
        """Answer."""
        replies = await super(Terse, self).ask(queries)  # noqa: UP008 - a dataclass with slots is made twice
        if replies != self.last:
            self.last = replies
        return self.last


async def test_what_came_undone_and_was_left_in_peace_for_an_hour_is_kept_again() -> None:
    """Left alone after the fourth time, it is made right again once it has stood as declared for long, whoever had looked."""
    target = TargetId("ssh", "a")
    world = World({target: Terse(target)})
    async with keeping(Kept(world, thing("a", "x", size=1))) as kept:
        for _ in range(4):
            await until(lambda: kept.has("a", x={"size": 1}), 5)
            await asyncio.sleep(1)
            world.place("a").things["x"] = {"size": 7}
            kept.keeper.look_again(target)
            await asyncio.sleep(1)
        await asyncio.sleep(600)
        assert kept.has("a", x={"size": 7})
        world.place("a").things["x"] = {"size": 1}
        await asyncio.sleep(QUIET_S + 2 * SWEEP_S["ssh"])
        world.place("a").things["x"] = {"size": 7}
        await until(lambda: kept.has("a", x={"size": 1}), 2 * SWEEP_S["ssh"])


@pytest.mark.parametrize("whole", ["", "ring"])
async def test_what_failed_its_restart_is_down_before_anybody_has_looked(whole: str) -> None:
    """What waited for its turn meanwhile does not get it on what was seen before that restart."""
    world = World()
    member: dict[str, Any] = {"active": True, "fresh": True, "@whole": whole}
    second = thing("b", "sb", settle_s=5, **member)
    world.place("a").things["sa"] = {"active": True, "fresh": True}
    world.place("b").things["sb"] = {"active": True, "fresh": False}

    def breaks(_: Action) -> None:
        world.place("b").things["sb"] = {"active": False, "fresh": True}
        world.place("a").things["sa"] = {"active": True, "fresh": False}
        kept.keeper.look_again(TargetId("ssh", "a"))

    world.place("b").after_do = breaks
    first = thing("a", "sa", settle_s=5, **member)
    kept = Kept(world, first, second, max_unavailable=2 if whole else 1, failure_budget=3)
    async with keeping(kept):
        await until(lambda: world.place("b").done, 5)
        await asyncio.sleep(300)
        assert not world.place("a").done


async def test_who_is_stopped_before_it_has_begun_does_not_begin() -> None:
    """Its documents have come and it is told to stop, before it has run at all."""
    world = World()
    kept = Kept(world, thing("a", "x", size=1))
    kept.keeper.stop()
    async with asyncio.timeout(1):
        await kept.keeper.run()
    assert not world.place("a").asks
