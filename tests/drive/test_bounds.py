"""Apply carries out the steps of the plan and nothing else, on a clock that jumps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import pytest

from reconciler.apply import Applier
from reconciler.core.errors import BrokenPlanError
from reconciler.core.plan import Plan, Verb
from reconciler.core.status import Outcome
from reconciler.observe import Observer
from resources.contract import Action, Address, Disruption, TargetId
from tests.drive.world import Thing, World, thing

if TYPE_CHECKING:
    from reconciler.apply import Progress
    from resources.contract import Change, Facts

pytestmark = pytest.mark.looptime


@dataclass(frozen=True, slots=True, kw_only=True)
class Turncoat(Thing):
    """A unit that says one thing while it is planned and another when it acts: what `says` holds then."""

    type: ClassVar[str] = "thing"

    says: dict[str, str] = field(default_factory=dict)

    def disruption(self, changes: tuple[Change, ...], facts: Facts | None) -> Disruption | None:
        """Interrupt nobody, until it is told to."""
        del changes, facts
        return Disruption(self.says["disrupts"]) if "disrupts" in self.says else None

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Act, or only wait while it is told to."""
        return () if "waits" in self.says else Thing.actions(self, changes, facts)


def turncoat(place: str, name: str, says: dict[str, str], **desired: object) -> Turncoat:
    """Return such a unit at `ssh:PLACE`."""
    return Turncoat(address=Address(TargetId("ssh", place), "thing", name), desired=desired, says=says)  # type: ignore[arg-type]


def unheard(_: Progress) -> None:
    """Listen to no progress."""


async def test_a_unit_that_breaks_its_plan_ends_the_apply() -> None:
    """What would do more than it showed does nothing, is named, and nothing further is begun."""
    world = World()
    says: dict[str, str] = {}
    false = turncoat("a", "false", says, size=1)
    later = thing("b", "later", false, size=1)
    reconciler = world.reconciler(false, later)
    look = await reconciler.look()
    assert [step.verb for step in look.plan.steps] == [Verb.CREATE, Verb.CREATE]
    says["disrupts"] = "the whole house"
    with pytest.raises(
        BrokenPlanError, match=r"^ssh:a/thing/false broke its plan: would now disrupt the whole house\."
    ) as raised:
        await reconciler.carry_out(look, unheard)
    assert raised.value.exit_code == 3
    assert world.place("a").done == world.place("b").done == []


async def test_what_runs_beside_it_is_not_torn_apart() -> None:
    """A step that has begun comes to its end before the apply does; one that had not begun does nothing."""
    world = World()
    says: dict[str, str] = {}
    false, beside = turncoat("a", "false", says, size=1), thing("b", "beside", size=1, settle_s=30)
    after = thing("b", "after", beside, size=1)
    world.place("b").things["after"] = {"size": 0}
    reconciler = world.reconciler(false, beside, after)
    look = await reconciler.look()
    says["disrupts"] = "the whole house"
    with pytest.raises(BrokenPlanError):
        await reconciler.carry_out(look, unheard)
    assert world.place("a").done == []
    assert world.place("b").things["after"] == {"size": 0}


@pytest.mark.parametrize("verb", [Verb.HELD, Verb.UNKNOWN, Verb.NOTHING])
async def test_a_step_that_does_nothing_does_nothing(verb: Verb) -> None:
    """Whatever else stands in a step, one with such a verb is never handed to its unit."""
    world = World()
    unit = thing("a", "x", size=1)
    reconciler = world.reconciler(unit)
    (step,) = (await reconciler.look()).plan.steps
    applier = Applier(world, Observer(world, str), str, unheard)  # type: ignore[arg-type]  # a World is enough of Targets
    await applier.apply(Plan((replace(step, verb=verb),)), {unit.address: unit}, {unit.address: None})
    assert world.place("a").done == []


async def test_what_was_to_be_changed_is_not_made() -> None:
    """A thing that vanished after the plan is not made anew under the name of a change; the next plan says so."""
    world = World()
    first, gone = thing("a", "first", size=1), None
    gone = thing("a", "gone", first, size=1)
    world.place("a").things["gone"] = {"size": 0}

    def vanishes(_: Action) -> None:
        world.place("a").things.pop("gone", None)

    world.place("a").after_do = vanishes
    reconciler = world.reconciler(first, gone)
    done = await reconciler.carry_out(await reconciler.look(), unheard)
    assert done.results[gone.address].outcome is Outcome.SKIPPED
    assert "would now be a step to create, not to update, which the plan did not show" in done.results[gone.address].message
    assert "gone" not in world.place("a").things


async def test_another_service_is_not_interrupted() -> None:
    """Where the service has moved since the plan, its new place is left alone until a plan shows it."""
    world = World()
    says = {"disrupts": "c0 on ctl1"}
    moved = turncoat("a", "c0", says, size=1)
    world.place("a").things["c0"] = {"size": 0}
    reconciler = world.reconciler(moved)
    look = await reconciler.look()
    says["disrupts"] = "c0 on ctl2"
    done = await reconciler.carry_out(look, unheard)
    assert done.results[moved.address].outcome is Outcome.SKIPPED
    assert "would now disrupt c0 on ctl2 in place of c0 on ctl1" in done.results[moved.address].message
    assert world.place("a").done == []
