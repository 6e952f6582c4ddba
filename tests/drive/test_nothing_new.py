"""What a pass does not do again when nothing new was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.drive.world import Place, World, thing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resources.contract import Query, Reply


class Sparing(Place):
    """Answers with the very same replies while they say the same, as hosts do over an open channel."""

    last: Sequence[Reply] = ()

    async def ask(self, queries: Sequence[Query]) -> Sequence[Reply]:
        """Answer."""
        replies = await super().ask(queries)
        self.last = self.last if list(replies) == list(self.last) else replies
        return self.last


async def test_nothing_new_is_not_planned_anew() -> None:
    """While no target says anything new, each look is the very one of before; what one of them sees makes a new one."""
    world = World()
    for name in "ab":
        place = Sparing(world.place(name).target)
        world.places[place.target] = place
        place.things["x"] = {"size": 1}
    reconciler = world.reconciler(thing("a", "x", size=1), thing("b", "x", size=1))
    first = await reconciler.look()
    assert await reconciler.look() is first
    world.place("b").things["x"]["size"] = 2
    second = await reconciler.look()
    assert [step.address.target.name for step in second.plan.pending] == ["b"]
    assert await reconciler.look() is second
    world.place("b").silent = True
    assert len((await reconciler.look()).plan.unknown) == 1
    world.place("b").silent = False
    assert (await reconciler.look()).plan == second.plan
