"""Rules about nodes and what is placed on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources import landscape
from resources.contract import Key, Problem
from resources.specs.hypervisor_zone import NodesPlacement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.cloud import Selector
    from resources.landscape import Resources

    Placement = tuple[Key, tuple[str | int, ...], Selector]


def placements_choose_nodes(resources: Resources) -> Iterator[Problem]:
    """Whatever is placed by a selector has at least one node."""
    for key, path, selector in _placements(resources):
        if not landscape.chosen(resources, selector):
            yield Problem(key, path, f"chooses no node ({_offer(resources, selector)})", "placements_choose_nodes")


def nodes_have_their_own_address(resources: Resources) -> Iterator[Problem]:
    """Two Nodes are two hosts."""
    port = next((cluster.spec.ssh.port for cluster in landscape.clusters(resources)), 0)
    nodes = landscape.nodes(resources)
    for first, second in landscape.repeated(nodes, lambda node: (node.spec.address, node.spec.ssh.port or port)):
        message = f"{second.spec.address} is the address of {first.key} already"
        yield Problem(second.key, ("spec", "address"), message, "nodes_have_their_own_address")


def nodes_have_their_own_compute_host(resources: Resources) -> Iterator[Problem]:
    """Two computes of one name would be one to Nova, which does not tell a from A."""
    nodes = landscape.nodes(resources)
    for first, second in landscape.repeated(nodes, lambda node: (node.spec.compute_host or node.key.name).lower()):
        message = f'"{second.spec.compute_host or second.key.name}" is what Nova calls the compute of {first.key} already'
        yield Problem(second.key, ("spec", "computeHost"), message, "nodes_have_their_own_compute_host")


def libvirt_nodes_belong_to_one_zone(resources: Resources) -> Iterator[Problem]:
    """A host is in one availability zone, so one libvirt zone chooses it."""
    places = [
        (zone.key, name)
        for zone in landscape.zones(resources)
        if zone.spec.hypervisor == "libvirt" and isinstance(zone.spec.placement, NodesPlacement)
        for name in landscape.chosen(resources, zone.spec.placement.nodes)
    ]
    for (first, _), (second, name) in landscape.repeated(places, lambda place: place[1]):
        message = f'"{name}" is a compute of {first} already: a host is in one zone'
        yield Problem(second, ("spec", "placement", "nodes"), message, "libvirt_nodes_belong_to_one_zone")


def leaving_computes_are_chosen(resources: Resources) -> Iterator[Problem]:
    """Only of a node that its zone chooses is it known what leaves there."""
    for zone in landscape.zones(resources):
        if zone.spec.libvirt is None or not isinstance(zone.spec.placement, NodesPlacement):
            continue
        names = landscape.chosen(resources, zone.spec.placement.nodes)
        for index, name in enumerate(zone.spec.libvirt.leaving):
            if name not in names:
                message = (
                    f'the placement does not choose "{name}": it must while the compute leaves, and not any more when it has'
                )
                yield Problem(zone.key, ("spec", "libvirt", "leaving", index), message, "leaving_computes_are_chosen")


def _placements(resources: Resources) -> Iterator[Placement]:
    for cluster in landscape.clusters(resources):
        yield cluster.key, ("spec", "pacemaker", "controllers"), cluster.spec.pacemaker.controllers
        if "api" in cluster.spec.model_fields_set:
            yield cluster.key, ("spec", "api", "nodes"), cluster.spec.api.nodes
        if cluster.spec.network.dvs is not None and cluster.spec.network.dvs.api is not None:
            yield cluster.key, ("spec", "network", "dvs", "api", "nodes"), cluster.spec.network.dvs.api.nodes
    for zone in landscape.zones(resources):
        if isinstance(zone.spec.placement, NodesPlacement):
            yield zone.key, ("spec", "placement", "nodes"), zone.spec.placement.nodes
    for backend in landscape.backends(resources):
        yield backend.key, ("spec", "placement", "nodes"), backend.spec.placement.nodes
    for store in landscape.stores(resources):
        yield store.key, ("spec", "nodes"), store.spec.nodes


def _offer(resources: Resources, selector: Selector) -> str:
    """Say what there is to choose by."""
    if not (selector.roles or selector.labels or selector.names):
        return "give roles, labels or names"
    nodes = landscape.nodes(resources)
    roles = sorted({role for node in nodes for role in node.spec.roles})
    labels = sorted({f"{name}: {value}" for node in nodes for name, value in node.metadata.labels.items()})
    offers = [f"{word} of the nodes: {', '.join(found)}" for word, found in (("roles", roles), ("labels", labels)) if found]
    return "; ".join(offers) or ("no node has roles or labels" if nodes else "no Node is declared")
