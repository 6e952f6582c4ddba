"""Rules about hypervisor zones and the computes that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources import landscape
from resources.contract import Problem
from resources.specs.hypervisor_zone import NodesPlacement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.landscape import Resources


def zones_have_their_own_availability_zone(resources: Resources) -> Iterator[Problem]:
    """One availability zone is one hypervisor, else volumes could cross. The services' databases do not tell a from A."""
    for first, second in landscape.repeated(landscape.zones(resources), lambda zone: zone.spec.availability_zone.lower()):
        message = f'"{second.spec.availability_zone}" is the zone of {first.key} already: each hypervisor has its own'
        yield Problem(second.key, ("spec", "availabilityZone"), message, "zones_have_their_own_availability_zone")


def vsphere_clusters_have_one_compute(resources: Resources) -> Iterator[Problem]:
    """Two computes that drive one cluster of one vCenter would count its capacity twice."""
    found = (
        (zone.key, index, compute.cluster, landscape.vcenter(resources, zone.spec.vmware.vcenter).spec)
        for zone, index, compute in landscape.computes(resources)
        if zone.spec.vmware is not None and not compute.remove
    )
    for first, second in landscape.repeated(found, lambda one: (one[3].host, one[3].port, one[2])):
        key, index, cluster, _ = second
        message = f'"{cluster}" has a compute in {first[0]} already: one nova-compute per vSphere cluster'
        path = ("spec", "vmware", "computes", index, "cluster")
        yield Problem(key, path, message, "vsphere_clusters_have_one_compute")


def compute_hosts_differ(resources: Resources) -> Iterator[Problem]:
    """`host` is the identity of a compute in Nova, whose database does not tell a from A."""
    for first, second in landscape.repeated(landscape.computes(resources), lambda one: one[2].host.lower()):
        zone, index, compute = second
        message = f'"{compute.host}" is the compute of cluster {first[2].cluster} in {first[0].key} already'
        yield Problem(zone.key, ("spec", "vmware", "computes", index, "host"), message, "compute_hosts_differ")


def compute_hosts_are_no_nodes(resources: Resources) -> Iterator[Problem]:
    """A node's own nova-compute has the node's name, and a vSphere compute moves between nodes."""
    names = {name for node in landscape.nodes(resources) for name in (node.key.name, (node.spec.compute_host or "").lower())}
    for zone, index, compute in landscape.computes(resources):
        if compute.host.lower() in names:
            message = f'"{compute.host}" is the name of a Node: take one of its own, the compute moves between nodes'
            path = ("spec", "vmware", "computes", index, "host")
            yield Problem(zone.key, path, message, "compute_hosts_are_no_nodes")


def zones_can_check_their_vcenter(resources: Resources) -> Iterator[Problem]:
    """Nova and Cinder check a vCenter's certificate by its CA or not at all; they know no thumbprints."""
    for zone in landscape.zones(resources):
        if zone.spec.vmware is None:
            continue
        vcenter = landscape.vcenter(resources, zone.spec.vmware.vcenter)
        if vcenter.spec.tls.thumbprint is not None:
            message = (
                f"{vcenter.key} is known by its thumbprint, which Nova cannot check: give its tls a caFile, or insecure: true"
            )
            yield Problem(zone.key, ("spec", "vmware", "vcenter"), message, "zones_can_check_their_vcenter")


def vsphere_computes_run_once(resources: Resources) -> Iterator[Problem]:
    """Off the controllers nobody keeps a vSphere compute from running twice, so it has one node."""
    for zone in landscape.zones(resources):
        if zone.spec.vmware is None or not isinstance(zone.spec.placement, NodesPlacement):
            continue
        names = landscape.chosen(resources, zone.spec.placement.nodes)
        if len(names) > 1:
            message = f"chooses {', '.join(names)}, and the computes would run on each: choose one node, or controllers"
            yield Problem(zone.key, ("spec", "placement", "nodes"), message, "vsphere_computes_run_once")
