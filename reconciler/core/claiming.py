"""What hosts have to remember of what is done: that it is ours, what needs it, and what lives by it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.core.compile import order_of
from resources.claims import Claim, written
from resources.contract import EXISTS, REMEMBERED, Unit, digest_facts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from reconciler.core.compile import Catalog
    from reconciler.core.graph import Graph
    from resources.claims import Taking
    from resources.contract import Address, Change, Facts, TargetId

REMEMBERING = ("ssh", "pacemaker")
"""The kinds of targets on which something can be ours: hosts remember it, and the ring's members what the cluster holds."""


class Claims:
    """Says what the hosts have to remember of what is done to a unit, for the cloud of this catalogue."""

    def __init__(self, catalog: Catalog, graph: Graph, taking: Taking) -> None:
        """Know the units; the inventories are called after the cloud."""
        self.catalog = catalog
        self.graph = graph
        self.taking = taking
        self.cloud = next((unit.address.name for unit in catalog.units.values() if tells(unit)), "")

    def of(self, unit: Unit, changes: tuple[Change, ...], facts: Facts | None) -> Mapping[str, Any] | None:
        """Return the claims that go with the actions for these changes, as `inventory.claim` takes them; None for none.

        A claim of None is for what is gone afterwards, or declared in another way from now on.
        """
        if not self.cloud or unit.address.target.kind not in REMEMBERING or type(unit).ownable is Unit.ownable:
            return None
        if unit.desired is None or unit.address in self.catalog.former.units:
            return {str(address): None for address in same_thing(unit.address, self.taking)}
        wrote = {change.field for change in changes if change.after is not None and change.after is not False}
        wrote |= {EXISTS} if facts is None else set()
        gone = {change.field for change in changes} - wrote
        if taken := self.catalog.former.without.get(unit.address):
            gone |= taken.fields  # those as well that somebody else had removed already
        if all(value is None for value in unit.desired.values()):
            gone |= {EXISTS}
        claim = Claim(
            address=unit.address,
            cloud=self.cloud,
            origins=unit.origins,
            fields=frozenset(filter(unit.ownable, wrote)),
            needed_by=self.graph.needed_by(unit.address),
            needs=tuple(need.address for need in self.graph.needs(unit.address) if need.address.target.kind in REMEMBERING),
            lodging=self._lodging(unit.address),
            about=unit.memory(),
            wrote=declared_digest(unit),
        )
        others = (other for other in same_thing(unit.address, self.taking) if other != unit.address)
        before = {str(other): None for other in others if other in self.catalog.former.claims}
        return {**before, str(unit.address): written(claim, frozenset(gone))}

    def _lodging(self, address: Address) -> tuple[Address, ...]:
        """Return the services with lodgers that the unit keeps, or whose process reads it."""
        first = self.graph.needed_by(address)
        readers = (each for each in first if address in self.catalog.units[each].loads)
        second = (other for each in readers for other in self.graph.needed_by(each))
        found = (each for each in (*first, *second) if each.type in self.taking.lodgers)
        return tuple(sorted(set(found), key=order_of))


def declared_digest(unit: Unit) -> str:
    """Return the digest of what is declared of a unit, bookkeeping left out."""
    desired = (unit.desired or {}).items()
    return digest_facts({name: value for name, value in desired if value is not None and name != REMEMBERED})


def same_thing(address: Address, taking: Taking) -> tuple[Address, ...]:
    """Return the addresses of the same thing: a file may be declared whole or by its options."""
    types = taking.paths if address.type in taking.paths else (address.type,)
    return tuple(replace(address, type=each) for each in types)


def tells(unit: Unit) -> bool:
    """Tell whether the unit reads an inventory."""
    return type(unit).claims is not Unit.claims


def tellers(catalog: Catalog, target: TargetId) -> tuple[TargetId, ...]:
    """Return the hosts that remember what is ours on a target: the host itself, or the members of the ring."""
    return tuple(getattr(catalog.endpoints.get(target), "members", {}).values()) or (target,)
