"""Rules about how instances of both hypervisors are connected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources import landscape
from resources.contract import Problem
from resources.releases.table import RELEASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.landscape import Resources

_TUNNELS = frozenset({"vxlan", "gre", "geneve"})


def dvs_agents_have_network_maps(resources: Resources) -> Iterator[Problem]:
    """Where vSphere instances are connected by DVS agents, each compute's agent knows its switches."""
    if not any(cluster.spec.network.dvs for cluster in landscape.clusters(resources)):
        return
    for zone, index, compute in landscape.computes(resources):
        if zone.spec.vmware is not None and not (compute.dvs or zone.spec.vmware.dvs):
            message = (
                "the Cluster has DVS agents, and nothing says on which switch: write dvs: {networkMaps: {physnet1: SWITCH}}"
            )
            yield Problem(zone.key, ("spec", "vmware", "computes", index), message, "dvs_agents_have_network_maps")


def network_maps_have_an_agent(resources: Resources) -> Iterator[Problem]:
    """Network maps are read by DVS agents: without them they mean nothing."""
    if any(cluster.spec.network.dvs for cluster in landscape.clusters(resources)):
        return
    message = "the Cluster has no DVS agents that would read it: its network.dvs names their package"
    for zone in landscape.zones(resources):
        if zone.spec.vmware is not None and zone.spec.vmware.dvs:
            yield Problem(zone.key, ("spec", "vmware", "dvs"), message, "network_maps_have_an_agent")
    for zone, index, compute in landscape.computes(resources):
        if compute.dvs:
            yield Problem(zone.key, ("spec", "vmware", "computes", index, "dvs"), message, "network_maps_have_an_agent")


def port_groups_are_declared_once(resources: Resources) -> Iterator[Problem]:
    """A port group of a switch has one VLAN, and one document that says which."""
    found = (
        (zone.key, index, group, landscape.vcenter(resources, zone.spec.vmware.vcenter).spec)
        for zone in landscape.zones(resources)
        if zone.spec.vmware is not None
        for index, group in enumerate(zone.spec.vmware.port_groups)
    )
    for first, second in landscape.repeated(found, lambda one: (one[3].host, one[3].port, one[2].vds, one[2].name)):
        key, index, group, _ = second
        message = f'"{group.name}" on {group.vds} is declared in {first[0]} already'
        path = ("spec", "vmware", "portGroups", index, "name")
        yield Problem(key, path, message, "port_groups_are_declared_once")


def tunnels_end_before_vcenter(resources: Resources) -> Iterator[Problem]:
    """A distributed switch carries VLANs: a tenant's tunnelled network connects libvirt instances only. Allowed, and said."""
    if not any(landscape.computes(resources)):
        return
    for cluster in landscape.clusters(resources):
        api = cluster.spec.network.dvs.api if cluster.spec.network.dvs else None
        if api and (tunnels := [name for name in api.tenant_network_types if name in _TUNNELS]):
            message = (
                f"a distributed switch carries no {' and no '.join(tunnels)}: instances of the vCenter "
                "cannot be in such networks, those of both hypervisors are of type vlan"
            )
            path = ("spec", "network", "dvs", "api", "tenantNetworkTypes")
            yield Problem(cluster.key, path, message, "tunnels_end_before_vcenter", warning=True)


def nova_network_stands_alone(resources: Resources) -> Iterator[Problem]:
    """From Ocata on nova-network ends at once where Cells v1 is off, and Bivisor sets up no cells: allowed, and said."""
    for cluster in landscape.clusters(resources):
        release = RELEASES[cluster.spec.release]
        if cluster.spec.network.manager == "nova-network" and release.has_nova_network and release.nova_network_wants_cells:
            message = (
                f"nova-network of {cluster.spec.release} runs only under Cells v1 ([cells] enable), which you set up yourself; "
                "Neutron needs none"
            )
            yield Problem(cluster.key, ("spec", "network", "manager"), message, "nova_network_stands_alone", warning=True)
