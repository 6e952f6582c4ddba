"""What hosts remember after everything of a catalogue was made by Bivisor, and what another catalogue makes of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.core.diff import Unobserved, diff
from reconciler.core.graph import build_graph
from reconciler.core.ownership import Claims, find_former
from resources.contract import Reply, Unit
from resources.former import TAKING
from resources.units.inventory import Inventory

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from reconciler.core.compile import Catalog, Former
    from reconciler.core.diff import Observed
    from resources.contract import Address

AT = "2026-11-23T02:10:05Z"

Memory = dict[str, dict[str, Any]]
"""Host to what it remembers: address to claim."""


def remembered(catalog: Catalog) -> Memory:
    """Return what the hosts remember when each unit of the catalogue was made where nothing was."""
    claims = Claims(catalog, build_graph(catalog.units), TAKING)
    rings = {target: endpoint.members for target, endpoint in catalog.endpoints.items() if target.kind == "pacemaker"}  # type: ignore[union-attr] # the kind says so
    memory: Memory = {target.name: {} for target in catalog.endpoints if target.kind == "ssh"}
    for unit in catalog.units.values():
        target = unit.address.target
        for address, claim in (claims.of(unit, diff(unit, None), None) or {}).items():
            if claim and claim["fields"]:
                kept = {**{name: value for name, value in claim.items() if name != "without"}, "at": AT}
                for host in rings.get(target, (target.name,)):
                    memory[host][address] = kept
    return memory


def told(catalog: Catalog, memory: Mapping[str, Mapping[str, Any]], silent: Collection[str] = ()) -> dict[Address, Observed]:
    """Return what is seen of the inventories; `silent` hosts do not answer."""
    seen: dict[Address, Observed] = {}
    for address, unit in catalog.units.items():
        if isinstance(unit, Inventory):
            claims = memory.get(address.target.name, {})
            answer = unit.observe((Reply({"claims": claims, "known": True}),))
            seen[address] = Unobserved("no route to host") if address.target.name in silent else answer
    return seen


def former_of(before: Catalog, after: Catalog, silent: Collection[str] = ()) -> Former:
    """Return what goes when the first catalogue was made and the second is declared."""
    return find_former(after, told(after, remembered(before), silent), TAKING)


def needs_of(unit: Unit) -> set[str]:
    """Return what a unit needs."""
    return {str(need.address) for need in unit.needs}
