"""Units and a world for tests of the core: small enough to be understood at a glance, no kind and no protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from reconciler.core.compile import Catalog
from reconciler.core.diff import Unobserved
from resources.cloud import Metadata, Resource, Spec
from resources.contract import Action, Address, Change, Disruption, Facts, Key, Need, Query, Reply, TargetId, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.core.diff import Observed
    from reconciler.core.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Simple(Unit):
    """A unit that can be made as declared, or only waited for, or refuses everything for the reason in `refuses`."""

    type: ClassVar[str] = "simple"

    only_waits: bool = False
    refuses: str = ""
    notes: tuple[str, ...] = ()

    def queries(self) -> tuple[Query, ...]:
        """Ask nothing: these units' facts are written down in the tests."""
        return ()

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Never called: nothing was asked."""
        raise NotImplementedError(replies)

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Return one action for all changes, none for a unit that can only be waited for."""
        del facts
        return () if self.only_waits or not changes else (Action("make", {}),)

    def remarks(self, facts: Facts | None) -> tuple[str, ...]:
        """Tell what the test notes."""
        del facts
        return self.notes

    def blocked(self, facts: Facts | None) -> str:
        """Refuse while the facts are not as declared."""
        return self.refuses if facts != self.desired else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon(Simple):
    """A service: `active` says whether it runs, `fresh` whether it runs with what is declared now."""

    type: ClassVar[str] = "service"

    forbidden: str = ""
    part_of: str = ""
    kin: str = ""

    @property
    def service(self) -> str:
        """Return its name in the words of disruptions."""
        return f"{self.address.name} on {self.address.target.name}"

    def disruption(self, changes: tuple[Change, ...], facts: Facts | None) -> Disruption | None:
        """Interrupt the service by any change while it runs."""
        runs = facts is not None and facts.get("active") is True
        return Disruption(self.service, self.forbidden) if runs and changes else None

    def exclusive(self) -> str:
        """Return what it is a part of."""
        return self.part_of

    def alike(self) -> str:
        """Return what it restarts alike with."""
        return self.kin

    def down(self, facts: Facts | None) -> str:
        """Be down while it should run and does not."""
        should = self.desired is not None and self.desired.get("active") is True
        return self.service if should and (facts is None or facts.get("active") is not True) else ""


def address(text: str) -> Address:
    """Read `ssh:ctl1/config_file//etc/nova/nova.conf`."""
    target, kind, name = text.split("/", 2)
    return Address(TargetId(*target.split(":", 1)), kind, name)


def needs(*texts: str) -> tuple[Need, ...]:
    """Return needs for these addresses, all for one reason."""
    return tuple(Need(address(text), "the test says so") for text in texts)


def catalog(units: Iterable[Unit], manage: Mapping[Key, str] | None = None) -> Catalog:
    """Return a catalogue of the units and of the resources that they originate from; `manage` annotates resources."""
    by_address = {unit.address: unit for unit in units}
    keys = sorted({origin for unit in by_address.values() for origin in unit.origins} | set(manage or {}))
    annotations = {key: {"bivisor/manage": mode} for key, mode in (manage or {}).items()}
    resources: dict[Key, Resource[Any]] = {
        key: Resource(key, Metadata(key.name, {}, annotations.get(key, {})), Spec()) for key in keys
    }
    return Catalog(units=by_address, endpoints={}, resources=resources, positions={})


def carried_out(plan: Plan, units: Mapping[Address, Unit], observed: Mapping[Address, Observed]) -> dict[Address, Observed]:
    """Return the world after all pending steps of the plan did exactly what they say."""
    world = dict(observed)
    for step in plan.pending:
        desired, facts = units[step.address].desired, world[step.address]
        assert not isinstance(facts, Unobserved), "a step about whose unit nobody knows is never pending"
        world[step.address] = None if desired is None else {**(facts or {}), **{c.field: c.after for c in step.changes}}
    return world
