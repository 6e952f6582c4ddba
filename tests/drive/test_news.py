"""What is worth telling: the beginning and the end of what is wrong, each once."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from reconciler.apply import Phase, Progress
from reconciler.core.errors import BivisorError
from reconciler.core.plan import Plan, Step, Verb
from reconciler.core.status import Condition, Outcome, Result, Truth
from reconciler.folder import Folder
from reconciler.news import DATA, ENDS, MEANINGS, MOST_LISTED, Event, Newsroom
from reconciler.reconcile import Look
from reconciler.recorder import Origin
from resources.contract import Address, TargetId
from tests.drive.test_keep import Kept, keeping
from tests.drive.world import World, thing

if TYPE_CHECKING:
    from reconciler.news import News
    from tests.drive.world import Thing


class Heard(list["News"]):
    """A newsroom and what it told."""

    def __init__(self) -> None:
        """Listen."""
        super().__init__()
        self.room = Newsroom(self.append, lambda: Origin("run", "c0ffee", "main"))

    def took(self) -> list[tuple[str, list[str]]]:
        """Return what was told since the last time: events, with what they are about."""
        found = [(str(news.event), [each["name"] for each in news.data.get("subjects", ())]) for news in self]
        self.clear()
        return found


def step(name: str, verb: Verb = Verb.UPDATE, held: str = "", *, later: bool = False, root: bool = False) -> Step:
    """Return a step."""
    address = Address(TargetId("ssh", "a"), "file", name)
    return Step(address, verb, held=held, later=later, root=address if root else None)


def decided(*steps: Step) -> Look:
    """Return a decision."""
    return Look({}, Plan(steps))


def ended(of: Step, outcome: Outcome) -> Progress:
    """Return the end of a step."""
    return Progress(of, Phase.FINISHED, Result(of.address, outcome, "disk full"))


@pytest.fixture
def heard() -> Heard:
    """A newsroom and what it told."""
    return Heard()


def test_a_failure_is_told_once_and_so_is_its_end(heard: Heard) -> None:
    """However often it is tried; it ends by success, by being as declared, or by being declared no more."""
    for _ in range(3):
        heard.room.step(ended(step("/x"), Outcome.FAILED))
        heard.room.decided(decided(step("/x")))
    assert heard.took() == [("step.failed", ["ssh:a/file//x"])]
    heard.room.step(ended(step("/x"), Outcome.SKIPPED))
    assert heard.took() == []
    heard.room.step(ended(step("/x"), Outcome.CONVERGED))
    assert heard.took() == [("step.recovered", ["ssh:a/file//x"])]
    heard.room.step(ended(step("/x"), Outcome.FAILED))
    heard.room.step(ended(step("/y"), Outcome.FAILED))
    heard.took()
    heard.room.decided(decided(step("/x", Verb.NOTHING)))
    assert heard.took() == [("step.recovered", ["ssh:a/file//x", "ssh:a/file//y"])]


def test_what_is_held_is_told_with_its_reason(heard: Heard) -> None:
    """Not what is held for another's sake, nor what ends by itself, nor what nobody knows; another reason is no news."""
    heard.room.decided(
        decided(
            step("/x", Verb.HELD, "no quorum"),
            step("/y", Verb.HELD, "needs /x", root=True),
            step("/z", Verb.HELD, "maxUnavailable is 1", later=True),
            step("/u", Verb.UNKNOWN, "no route to host"),
        )
    )
    assert heard[0].data["subjects"] == [{"name": "ssh:a/file//x", "reason": "no quorum"}]
    assert heard.took() == [("step.held", ["ssh:a/file//x"])]
    heard.room.decided(decided(step("/x", Verb.HELD, "in maintenance mode")))
    assert heard.took() == []
    heard.room.decided(decided(step("/x")))
    assert heard.took() == [("step.freed", ["ssh:a/file//x"])]


def test_much_at_once_is_one_piece_of_news(heard: Heard) -> None:
    """It names the first and counts all."""
    heard.room.decided(decided(*(step(f"/{number:03}", Verb.HELD, "no quorum") for number in range(500))))
    (news,) = heard
    assert news.data["count"] == 500
    assert len(news.data["subjects"]) == MOST_LISTED


async def test_documents_are_refused_once_for_each_reason(heard: Heard) -> None:
    """Their end is told as well, for a mistake that is taken back brings nothing new into force; what does, with its commit."""
    for reason in ("zones.yaml:1:1: no", "zones.yaml:1:1: no", "zones.yaml:2:1: no"):
        heard.room.folder(Folder(refused=BivisorError(reason)))
    for _ in range(2):
        heard.room.folder(Folder())
    heard.room.taken()
    assert [(str(news.event), dict(news.data)) for news in heard] == [
        ("documents.refused", {"reason": "zones.yaml:1:1: no"}),
        ("documents.refused", {"reason": "zones.yaml:2:1: no"}),
        ("documents.mended", {"reason": "zones.yaml:2:1: no"}),
        ("documents.taken", {"commit": "c0ffee", "branch": "main", "dirty": False}),
    ]


def test_a_commit_that_is_not_taken_is_refused(heard: Heard) -> None:
    """Where a branch is followed, what stands in the way of its last commit is told in the same way."""
    heard.room.folder(Folder(source=(Condition("Current", Truth.FALSE, "Unsigned", "c0ffee of main is not taken"),)))
    heard.room.folder(Folder(source=(Condition("Fetched", Truth.FALSE, "GitFailed", "no route to host"),)))
    assert [dict(news.data) for news in heard] == [{"reason": "c0ffee of main is not taken"}] * 2
    assert heard.took() == [("documents.refused", []), ("documents.mended", [])]


def test_a_commit_that_is_looked_at_is_no_end_of_a_refusal(heard: Heard) -> None:
    """One that takes long, and is refused for the same reason then, is one refusal."""
    refused = Condition("Current", Truth.FALSE, "Unsigned", "c0ffee of main is not taken")
    for condition in (refused, Condition("Current", Truth.UNKNOWN, "Unsettled", "that takes long"), refused):
        heard.room.folder(Folder(source=(condition,)))
    assert heard.took() == [("documents.refused", [])]
    heard.room.folder(Folder(source=(Condition("Current", Truth.TRUE, "InForce"),)))
    assert heard.took() == [("documents.mended", [])]


class Keeping(Kept):
    """A keeper of things whose decisions a newsroom hears."""

    def __init__(self, world: World, *things: Thing) -> None:
        """Have it hear of everything."""
        super().__init__(world, *things)
        self.heard = Heard()
        self.heard.room.keeping(self.keeper, SimpleNamespace(deaf={}))  # type: ignore[arg-type] # enough of watches

    def decided(self, look: Look) -> None:
        """Pass it on."""
        super().decided(look)
        self.heard.room.decided(look)


@pytest.mark.looptime
async def test_a_rollout_that_stops_is_told_once() -> None:
    """What waits for it is held for no reason of its own: neither told nor counted as held, one by one."""
    world = World()
    for place in "abc":
        world.place(place).things[f"s{place}"] = {"active": True, "fresh": False}
    world.place("a").after_do = lambda _: world.place("a").things.update(sa={"active": False, "fresh": True})
    services = [thing(place, f"s{place}", active=True, fresh=True, settle_s=5) for place in "abc"]
    kept = Keeping(world, *services)
    async with keeping(kept):
        await asyncio.sleep(300)
        assert kept.heard.room.standing[Event.ROLLOUT_STOPPED].keys() == {"sa"}
        assert kept.heard.room.standing[Event.STEP_HELD] == {}
        assert "step.held" not in [event for event, _ in kept.heard.took()]


def test_every_event_has_a_meaning() -> None:
    """And what lasts has an end."""
    assert set(MEANINGS) == set(Event)
    assert {*ENDS, *ENDS.values(), Event.DOCUMENTS_TAKEN} == set(Event)


async def test_the_data_of_each_event_is_as_documented(heard: Heard) -> None:
    """The reference names just the fields that a receiver finds."""
    refused = Folder(refused=BivisorError("zones.yaml:1:1: no"))
    assert DATA.keys() == set(Event)
    heard.room.folder(refused)
    heard.room.folder(Folder())
    heard.room.taken()
    heard.room.step(ended(step("a"), Outcome.FAILED))
    heard.room.step(ended(step("a"), Outcome.CONVERGED))
    heard.room.decided(decided(step("a", Verb.HELD, "it is paused")))
    heard.room.decided(decided(step("a", Verb.NOTHING)))
    assert len(heard) == 7
    for news in heard:
        fields = {*news.data, *(field for each in news.data.get("subjects", ()) for field in each)}
        assert fields == set(re.findall(r"`(\w+)`", DATA[news.event])), news.event
