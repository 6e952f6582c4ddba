"""A unit whose truth lies in two places, and a thing that was renamed since it was declared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reconciler.core.graph import build_graph
from reconciler.core.load import Loaded
from reconciler.core.plan import Verb
from reconciler.desired import Desired
from reconciler.reconcile import Reconciler
from reconciler.redact import Redactor
from resources.contract import Query, TargetId, UnreadableError
from tests.drive.world import Thing, World, catalog_of, thing
from tests.kinds.cloud import compiled, unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.contract import Address, Facts, Reply

NOVA = TargetId("ssh", "nova")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told(Thing):
    """A thing of which another place tells whether it is heard."""

    def queries(self) -> tuple[Query, ...]:
        """Ask both."""
        (own,) = Thing.queries(self)
        return (own, replace(own, target=NOVA))

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Put both together."""
        own, other = replies
        if other.code == "unanswered":
            raise UnreadableError(f"nobody told: {other.error}")
        return {**(own.data["fields"] or {}), **(other.data["fields"] or {})}


def told(name: str, **fields: Any) -> Told:
    """Return such a thing on host `a`."""
    made = thing("a", name, **fields)
    return Told(address=made.address, desired=made.desired)


async def test_a_unit_is_read_from_two_targets_in_one_round() -> None:
    """Its replies come in the order of its queries, and each target is asked once, however many units ask it."""
    world = World()
    world.place("nova").things = {"x": {"heard": True}, "y": {"heard": False}}
    world.place("a").things = {"x": {"size": 1}, "y": {"size": 1}}
    reconciler = world.reconciler(told("x", size=1, heard=True), told("y", size=1, heard=True), thing("nova", "x", heard=True))
    look = await reconciler.look()
    assert [str(step.address) for step in look.plan.pending] == ["ssh:a/thing/y"]
    assert [change.field for step in look.plan.pending for change in step.changes] == ["heard"]
    assert (world.place("a").asks, world.place("nova").asks) == (1, 1)


async def test_another_target_that_is_silent_is_the_units_own_affair() -> None:
    """The unit reads that there was no answer, and says what that means; units that do not ask there are not concerned."""
    world = World()
    world.place("nova").silent = True
    world.place("a").things = {"x": {"size": 1, "heard": True}, "z": {"size": 1}}
    look = await world.reconciler(told("x", size=1, heard=True), thing("a", "z", size=1)).look()
    verbs = {step.address.name: (step.verb, step.held) for step in look.plan.steps}
    assert verbs == {"x": (Verb.UNKNOWN, "nobody told: no route to host"), "z": (Verb.NOTHING, "")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Named(Thing):
    """A thing whose name may be another one now."""

    def alias(self, facts: Facts | None) -> str:
        """Return its field `now`."""
        return str((facts or {}).get("now", ""))


class Renaming(Desired):
    """What is declared of `old`, and of `user`, which uses the name of that."""

    __slots__ = ()

    def following(self, aliases: Mapping[Address, str]) -> Desired:
        """Declare the same with that name."""
        return replace(self, catalog=catalog_of(things(*aliases.values()), 1), aliases=aliases)


def things(name: str = "old") -> tuple[Thing, ...]:
    """Return both things."""
    made = thing("a", "old", size=1)
    return (Named(address=made.address, desired=made.desired), thing("a", "user", uses=name))


async def test_a_rename_is_followed_in_the_same_look() -> None:
    """What is declared is compiled again with the present name; while nobody sees the thing, the last name stands."""
    world = World()
    world.place("a").things = {"old": {"size": 1, "now": "new"}, "user": {"uses": "old"}}
    catalog = catalog_of(things(), 1)
    desired = Renaming(Loaded(resources={}, positions={}), catalog, build_graph(catalog.units), Redactor())
    reconciler = Reconciler(desired, world)  # type: ignore[arg-type]  # a World is enough of Targets

    async def wanted() -> list[tuple[object, object]]:
        steps = (await reconciler.look()).plan.steps
        return [(change.before, change.after) for step in steps for change in step.changes]

    assert await wanted() == [("old", "new")]
    world.place("a").silent = True
    assert await wanted() == []
    world.place("a").silent = False
    assert await wanted() == [("old", "new")]
    world.place("a").things["old"] = {"size": 1}
    assert await wanted() == []


def test_a_unit_that_is_renamed_keeps_its_address() -> None:
    """The address is the declared name, so that its history goes on; what it asks for is the present one."""
    cluster = unit(compiled(), "vcenter:vc1/compute_cluster/DC0_C0")
    assert cluster.queries()[0].args == {"name": "DC0_C0"}
