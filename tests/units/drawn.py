"""What the property tests draw: a unit with anything declared, and a world with anything in it that it might find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hypothesis import strategies as st

from reconciler.core.diff import Unobserved
from resources.contract import TargetId, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypothesis.strategies import SearchStrategy

    from reconciler.core.diff import Observed
    from resources.contract import Action, Query, Reply, Unit

KVM1 = TargetId("ssh", "kvm1")
VC1 = TargetId("vcenter", "vc1")
DEMO = TargetId("openstack", "demo")
RING = TargetId("pacemaker", "demo")


class Model(Protocol):
    """A model of a target."""

    def things(self) -> Iterable[tuple[str, str]]:
        """Yield everything that can change, by name, with its state."""

    def answer(self, query: Query) -> Reply:
        """Answer a question."""

    def do(self, action: Action) -> Reply:
        """Carry out an action."""


@dataclass(frozen=True, slots=True)
class Case:
    """A unit in a world. `owns` are the names of the things that are its own; `spoken` notes each word that was used."""

    unit: Unit
    world: Mapping[TargetId, Model]
    owns: frozenset[str] = frozenset()

    def look(self) -> Observed:
        """Ask what the unit asks, and read it."""
        unit = self.unit
        replies = tuple(self.world[query.target or unit.address.target].answer(query) for query in unit.queries())
        unsupported = [reply.error for reply in replies if reply.code == "unsupported"]
        assert not unsupported, f"the model does not know {unsupported}"
        try:
            return unit.observe(replies)
        except UnreadableError as error:
            return Unobserved(str(error))

    def do(self, action: Action) -> Reply:
        """Carry out one of the unit's actions, on its own target."""
        return self.world[self.unit.address.target].do(action)

    def things(self) -> dict[tuple[TargetId, str], str]:
        """Return all that can change anywhere."""
        return {(target, name): state for target, model in self.world.items() for name, state in model.things()}


Draw = Callable[[Any], Any]

texts = st.sampled_from(["a", "b", "10", "pa$$word"])


def some(**fields: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
    """Draw any part of these fields, the empty one included."""
    return st.fixed_dictionaries({}, optional=fields)
