"""Rules about the Cluster and its controllers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources import landscape
from resources.contract import Problem
from resources.releases.table import RELEASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.landscape import Resources

_PARTS = frozenset({"HypervisorZone", "VolumeBackend", "ImageStore"})
_MAJORITY = 3
_PAIR = 2


def one_cluster(resources: Resources) -> Iterator[Problem]:
    """Everything belongs to the one Cluster of the folder."""
    found = landscape.clusters(resources)
    for other in found[1:]:
        message = f"{found[0].key} is there already: a folder describes one Cluster"
        yield Problem(other.key, ("metadata", "name"), message, "one_cluster")
    if not found:
        for key in resources:
            if key.kind in _PARTS:
                yield Problem(key, (), "no document declares the Cluster that it belongs to", "one_cluster")


def controllers_can_lose_one(resources: Resources) -> Iterator[Problem]:
    """Fewer than three controllers are allowed, with a warning that says what happens then."""
    for cluster in landscape.clusters(resources):
        members = landscape.chosen(resources, cluster.spec.pacemaker.controllers)
        if not 0 < len(members) < _MAJORITY:
            continue
        message = "with one controller nothing takes over the vCenter computes"
        if len(members) == _PAIR:
            message = (
                "two controllers have no majority: Corosync gets two_node, so that each goes on alone and, after a cold start, "
                "waits for the other; without fencing both may run a compute: take three"
            )
        yield Problem(cluster.key, ("spec", "pacemaker", "controllers"), message, "controllers_can_lose_one", warning=True)


def fencing_is_on(resources: Resources) -> Iterator[Problem]:
    """Without fencing nothing proves that a lost node is dead: allowed, and said each time, where services move."""
    moving = ["vCenter compute"] if any(landscape.computes(resources)) else []
    if any(backend.spec.ha == "active-passive" for backend in landscape.backends(resources)):
        moving.append("active-passive cinder-volume")
    if not moving:
        return
    who = "a lost controller" if len(moving) == 1 and "compute" in moving[0] else "a lost node"
    for cluster in landscape.clusters(resources):
        if not cluster.spec.pacemaker.stonith.enabled:
            message = f"fencing is off: {who} that cannot stop its {' or '.join(moving)} runs it beside the next one"
            path = ("spec", "pacemaker", "stonith", "enabled")
            yield Problem(cluster.key, path, message, "fencing_is_on", warning=True)


def node_ids_name_the_controllers(resources: Resources) -> Iterator[Problem]:
    """`nodeIds` names every controller or is left away: a mixture would give two nodes one id sooner or later."""
    for cluster in landscape.clusters(resources):
        given = cluster.spec.pacemaker.node_ids
        members = set(landscape.chosen(resources, cluster.spec.pacemaker.controllers))
        if not given or not members:
            continue
        path = ("spec", "pacemaker", "nodeIds")
        for name in sorted(given.keys() - members):
            message = f'"{name}" is no controller (controllers: {", ".join(sorted(members))})'
            yield Problem(cluster.key, (*path, name), message, "node_ids_name_the_controllers")
        for name in sorted(members - given.keys()):
            yield Problem(cluster.key, path, f'the controller "{name}" has no id', "node_ids_name_the_controllers")


def nova_network_only_where_it_exists(resources: Resources) -> Iterator[Problem]:
    """Nova has no nova-network from Ussuri on."""
    for cluster in landscape.clusters(resources):
        if cluster.spec.network.manager == "nova-network" and not RELEASES[cluster.spec.release].has_nova_network:
            message = f"{cluster.spec.release} has no nova-network (Ussuri removed it): write manager: neutron"
            yield Problem(cluster.key, ("spec", "network", "manager"), message, "nova_network_only_where_it_exists")


def nova_network_mode_fits_the_hypervisors(resources: Resources) -> Iterator[Problem]:
    """nova-network works single-host where a vCenter takes part (ESXi runs no nova-network), else multi-host."""
    wanted = "single-host" if any(landscape.computes(resources)) else "multi-host"
    because = "a zone has a vCenter" if wanted == "single-host" else "no zone has a vCenter"
    for cluster in landscape.clusters(resources):
        mode = cluster.spec.network.mode
        if mode is not None and mode != wanted:
            message = f"must be {wanted}, not {mode}, because {because}"
            yield Problem(cluster.key, ("spec", "network", "mode"), message, "nova_network_mode_fits_the_hypervisors")
