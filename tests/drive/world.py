"""A small world: targets that hold things with fields, and a unit type that declares them.

It obeys the same contract as the real ones, so that what is tested is the drive and not this file.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from reconciler.core.compile import Catalog
from reconciler.core.graph import build_graph
from reconciler.core.load import Loaded
from reconciler.desired import Desired
from reconciler.reconcile import Reconciler
from reconciler.redact import Redactor
from reconciler.targets import Target, TargetError
from resources.contract import Action, Address, Change, Disruption, Facts, Key, Need, Query, Reply, TargetId, Unit
from resources.published import RolloutFacts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from reconciler.permits import Permits


ORIGIN = Key("Zone", "one")
"""The resource that declares all things."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing(Unit):
    """A unit with any fields. One with the field `fresh` is a service: changing that restarts it."""

    type: ClassVar[str] = "thing"

    def queries(self) -> tuple[Query, ...]:
        """Ask for the thing by its name."""
        return (Query("thing.get", {"name": self.address.name}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Return its fields."""
        found: Facts | None = replies[0].data["fields"]
        return found

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Set what differs; `@waits` things can only wait, those with `@waits_until` until that field is there."""
        desired = self.desired or {}
        if "@waits" in desired or desired.get("@waits_until", "") not in {"", *(facts or {})}:
            return ()
        return (Action("thing.set", {"name": self.address.name, "fields": {c.field: c.after for c in changes}}),)

    def disruption(self, changes: tuple[Change, ...], facts: Facts | None) -> Disruption | None:
        """Restarting a running service disrupts it."""
        running = facts is not None and facts.get("active") is True
        return Disruption(self.address.name) if running and any(c.field == "fresh" for c in changes) else None

    def alike(self) -> str:
        """Services restart alike with those that have the same `@kin`."""
        return str((self.desired or {}).get("@kin", ""))

    def exclusive(self) -> str:
        """Services are members of the same `@whole`."""
        return str((self.desired or {}).get("@whole", ""))

    def down(self, facts: Facts | None) -> str:
        """A service that is declared active and is not."""
        declared = (self.desired or {}).get("active") is True
        return self.address.name if declared and (facts is None or facts.get("active") is not True) else ""


@dataclass(slots=True)
class Place:
    """A target in memory. The hooks let a test make it slow, silent, refusing or changing by itself."""

    target: TargetId
    things: dict[str, dict[str, object]] = field(default_factory=dict)
    asks: int = 0
    done: list[tuple[str, float]] = field(default_factory=list)
    silent: bool = False
    on_ask: Callable[[int], None] = lambda _: None
    before_do: Callable[[Action], Reply | None] = lambda _: None
    after_do: Callable[[Action], None] = lambda _: None
    slow: Callable[[Action], Awaitable[None]] | None = None
    takes_s: float = 0.001

    async def ask(self, queries: Sequence[Query]) -> Sequence[Reply]:
        """Answer in one round trip."""
        self.asks += 1
        self.on_ask(self.asks)
        await asyncio.sleep(self.takes_s)
        if self.silent:
            raise TargetError(self.target, "no route to host")
        return tuple(Reply({"fields": _copy(self.things.get(str(query.args["name"])))}) for query in queries)

    async def do(self, action: Action) -> Reply:
        """Set fields, unless a hook says otherwise."""
        if self.silent:
            raise TargetError(self.target, "connection lost, it is unknown whether it was done")
        if self.slow is not None:
            await self.slow(action)
        refused = self.before_do(action)
        if refused is not None:
            return refused
        name = str(action.args["name"])
        self.things.setdefault(name, {}).update(action.args["fields"])
        self.done.append((name, asyncio.get_running_loop().time()))
        self.after_do(action)
        return Reply({})

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class World:
    """Several places, and the reconciler over them."""

    places: dict[TargetId, Place] = field(default_factory=dict)

    def place(self, name: str) -> Place:
        """Return the place `ssh:NAME`, made when new."""
        target = TargetId("ssh", name)
        return self.places.setdefault(target, Place(target))

    def get(self, target: TargetId) -> Target:
        """Return the place of a target, as `Targets` does."""
        return self.places[target]

    def reconciler(
        self, *things: Thing, max_unavailable: int = 1, permits: Permits | None = None, **rollout: Any
    ) -> Reconciler:
        """Return a reconciler that declares these things, and the rest of `RolloutFacts`."""
        for thing in things:
            self.place(thing.address.target.name)
        desired = desired_of(things, max_unavailable, **rollout)
        return Reconciler(desired, self, permits=permits)  # type: ignore[arg-type]  # a World is enough of Targets


def desired_of(things: Sequence[Thing], max_unavailable: int = 1, **rollout: Any) -> Desired:
    """Return what is desired when these things are declared."""
    catalog = catalog_of(things, max_unavailable, **rollout)
    return Desired(Loaded(resources={}, positions={}), catalog, build_graph(catalog.units), Redactor())


def catalog_of(things: Sequence[Thing], max_unavailable: int, **rollout: Any) -> Catalog:
    """Return a catalog of these things."""
    return Catalog(
        units={thing.address: thing for thing in things},
        endpoints={},
        resources={},
        positions={},
        rollouts=(RolloutFacts("test", max_unavailable, **rollout),),
    )


def thing(place: str, name: str, *needs: Thing, settle_s: float = 0.0, steady_s: float = 0.0, **desired: Any) -> Thing:
    """Return a declared thing at `ssh:PLACE`."""
    return Thing(
        address=Address(TargetId("ssh", place), "thing", name),
        desired=desired,
        needs=tuple(Need(need.address, "the test says so") for need in needs),
        origins=(ORIGIN,),
        settle_s=settle_s,
        steady_s=steady_s,
    )


def _copy(fields: Mapping[str, object] | None) -> dict[str, object] | None:
    return None if fields is None else dict(fields)
