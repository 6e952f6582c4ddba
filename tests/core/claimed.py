"""Clouds before and after a commit; what hosts remember when the first was made; what the second makes of that."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.core.claiming import Claims
from reconciler.core.diff import Unobserved, diff
from reconciler.core.graph import build_graph
from reconciler.core.ownership import find_former
from resources.contract import Reply, Unit
from resources.former import TAKING
from resources.units.inventory import Inventory
from tests.kinds.cloud import DESIRED, compiled

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from reconciler.core.compile import Catalog, Former
    from reconciler.core.diff import Observed
    from resources.contract import Address

VMDK = "cinder-volume-vmdk"
PRIMITIVE = f"pacemaker:demo/primitive/{VMDK}"
KEPT = {
    "  ha: none\n  volumeType: vmdk": "  ha: active-passive\n  volumeType: vmdk",
    "  placement: {nodes: {roles: [cinder-vmdk]}}\n": "  placement: {nodes: {roles: [controller]}}\n",
}
TWO_ON_A_NODE = {"  placement: {nodes: {roles: [cinder-nfs]}}\n": "  placement: {nodes: {roles: [cinder-vmdk]}}\n"}
ALSO_A_COMPUTE = {"roles: [cinder-nfs]\n": "roles: [cinder-nfs, compute]\n"}
ONE_OPTION_LESS = {"        vif_plugging_timeout: 0\n": ""}
LEAVES = {"virtType: qemu": "virtType: qemu\n    leaving: [kvm1]"}


@cache
def world(name: str) -> Catalog:
    """Return one of the clouds that are declared here, before or after a commit."""
    changes, *without = CLOUDS[name]
    return compiled(changes, without=without)


def _two_controllers() -> dict[str, str]:
    """Return the changes that take a node out of the ring."""
    text = (Path(DESIRED) / "nodes.yaml").read_text()
    (node,) = re.findall(r"metadata: \{name: ctl3\}.*?roles: \[controller\]", text, re.DOTALL)
    return {node: node.replace("[controller]", "[]"), "nodeIds: {ctl1: 1, ctl2: 2, ctl3: 3}": "nodeIds: {ctl1: 1, ctl2: 2}"}


CLOUDS: dict[str, tuple[dict[str, str], *tuple[str, ...]]] = {
    "demo": ({},),
    "kept": (KEPT,),
    "no backend": ({}, "VolumeBackend/vmdk"),
    "no store": ({}, "ImageStore/file"),
    "two on a node": (TWO_ON_A_NODE,),
    "one on that node": (TWO_ON_A_NODE, "VolumeBackend/vmdk"),
    "another compute": (ALSO_A_COMPUTE,),
    "one option less": (ONE_OPTION_LESS,),
    "leaves": (LEAVES,),
    "two controllers": ({**KEPT, **_two_controllers()},),
}
"""What is declared, by name: changes to the demo's documents, and documents that are deleted."""

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
