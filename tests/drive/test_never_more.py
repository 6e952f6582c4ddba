"""Whatever the world does between a plan and its end, nothing is done that the plan did not show."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import looptime
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from reconciler import plan_file
from reconciler.cli import saved, session
from reconciler.core import seal
from reconciler.core.errors import StalePlanError
from reconciler.core.saved import touched
from reconciler.core.shown import Paper
from tests.drive.world import Thing, World, thing

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from hypothesis.strategies import DrawFn

    from reconciler.apply import Progress
    from reconciler.core.plan import Plan
    from resources.contract import Action

State = dict[str, Any] | None
ENOUGH = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

fields = st.fixed_dictionaries({}, optional={"size": st.integers(0, 2), "active": st.booleans(), "fresh": st.booleans()})
states = st.none() | fields


@dataclass
class Story:
    """Things, how they are found, how they are after the plan was made, and what happens when one is acted on."""

    things: list[Thing]
    found: list[State]
    drift: Mapping[int, State]
    sparks: Mapping[int, tuple[int, State]]
    world: World = field(default_factory=World)
    acts: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    interrupted: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Set the world up, and note every action."""
        for number, state in enumerate(self.found):
            self.set(number, state)
        for place in self.world.places.values():
            place.before_do, place.after_do = self.notice, self.note

    def set(self, number: int, state: State) -> None:
        """Let a thing be so."""
        address = self.things[number].address
        things = self.world.place(address.target.name).things
        things.pop(address.name, None)
        if state is not None:
            things[address.name] = dict(state)

    def notice(self, action: Action) -> None:
        """Note whom an action is about to interrupt."""
        name, fields = str(action.args["name"]), action.args["fields"]
        running = any((place.things.get(name) or {}).get("active") is True for place in self.world.places.values())
        if running and "fresh" in fields:
            self.interrupted.add(name)

    def note(self, action: Action) -> None:
        """Note what was done, bringing up what it interrupted aside, and let happen what follows from it."""
        name = str(action.args["name"])
        ours = {"active"} if name in self.interrupted else set()
        self.acts.append((name, frozenset(action.args["fields"]) - ours))
        if (number := int(name[1:])) in self.sparks:
            self.set(*self.sparks[number])

    def within(self, plan: Plan) -> bool:
        """Tell whether all that was done stands in the plan: the thing, and each field."""
        shown = {step.address.name: {change.field for change in step.changes} for step in touched(plan).values()}
        return all(names <= shown.get(name, set()) for name, names in self.acts)


@st.composite
def stories(draw: DrawFn) -> Story:
    """Draw one."""
    things: list[Thing] = []
    for number in range(draw(st.integers(1, 5))):
        needs = draw(st.lists(st.sampled_from(things), unique_by=lambda each: each.address, max_size=2)) if things else []
        things.append(thing(draw(st.sampled_from("ab")), f"t{number}", *needs, **draw(fields)))
    numbers = st.integers(0, len(things) - 1)
    # most things are found as they should be, so that plans are small and much lies outside of them
    found = [draw(st.sampled_from([dict(each.desired or {}), draw(states)])) for each in things]
    drift = draw(st.dictionaries(numbers, states, max_size=2))
    sparks = {number: (draw(numbers), draw(states)) for number in range(len(things)) if draw(st.booleans())}
    return Story(things, found, drift, sparks)


def run(story: Coroutine[Any, Any, None]) -> None:
    """Run it on a clock that jumps."""
    loop = looptime.new_event_loop()
    try:
        loop.run_until_complete(story)
    finally:
        loop.close()


def unheard(_: Progress) -> None:
    """Listen to no progress."""


@given(stories())
@ENOUGH
def test_a_pass_never_does_more_than_its_plan(story: Story) -> None:
    """Of each thing at most the fields that the pass's own plan showed are set, whatever moves meanwhile."""

    async def once() -> None:
        reconciler = story.world.reconciler(*story.things)
        story.begin()
        look = await reconciler.look()
        for number, state in story.drift.items():
            story.set(number, state)
        await reconciler.carry_out(look, unheard)
        assert story.within(look.plan), (story.acts, look.plan)
        event(f"{min(len(story.acts), 3)} actions")

    run(once())


@given(stories())
@ENOUGH
def test_a_saved_plan_never_does_more_in_all_its_passes(story: Story) -> None:
    """Nothing at all where something that it touches has moved; else, in all passes together, only what the file showed."""

    async def once(path: Path) -> None:
        reconciler = story.world.reconciler(*story.things)
        story.begin()
        look = await reconciler.look()
        await plan_file.write_plan(path, path.parent, reconciler.desired, look)
        for number, state in story.drift.items():
            story.set(number, state)
        another = story.world.reconciler(*story.things)
        cloud, file = session.Session(another.desired, another), plan_file.read_plan(path)
        try:
            within, again = await saved.look_again(path, file, cloud, timedelta(1), session.Press(Paper()))
        except StalePlanError as stale:
            event("stale")
            named = {line.partition(":")[0] + ":" + line.partition(":")[2].partition(":")[0] for line in stale.moved}
            assert named <= file.units.keys()
            assert not story.acts
            return
        if again is not None:
            async for _ in within.reconciler.passes(again, unheard):
                assert story.within(look.plan), (story.acts, look.plan)
        event(f"{min(len(story.acts), 3)} actions")

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(seal, "_COST", 2)  # what makes guessing slow makes a hundred plans slow as well
        run(once(Path(folder, "plan.json")))


@given(stories())
@ENOUGH
def test_drift_elsewhere_neither_blocks_nor_is_repaired(story: Story) -> None:
    """Where nothing moves that the plan touches or rests on, it is never stale."""

    async def once(path: Path) -> None:
        story.sparks = {}
        reconciler = story.world.reconciler(*story.things)
        story.begin()
        look = await reconciler.look()
        await plan_file.write_plan(path, path.parent, reconciler.desired, look)
        file = plan_file.read_plan(path)
        elsewhere = [n for n in story.drift if str(story.things[n].address) not in file.units]
        for number in elsewhere:
            story.set(number, story.drift[number])
        another = story.world.reconciler(*story.things)
        cloud = session.Session(another.desired, another)
        within, again = await saved.look_again(path, file, cloud, timedelta(1), session.Press(Paper()))
        if again is not None:
            async for _ in within.reconciler.passes(again, unheard):
                pass
        assert {name for name, _ in story.acts}.isdisjoint(story.things[number].address.name for number in elsewhere)
        event(f"{len(elsewhere)} elsewhere")

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(seal, "_COST", 2)  # as above
        run(once(Path(folder, "plan.json")))
