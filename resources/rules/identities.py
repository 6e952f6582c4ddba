"""Rules about what makes a compute the one that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources import landscape
from resources.contract import Key, Problem
from resources.specs.hypervisor_zone import NodesPlacement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.landscape import Resources


def compute_ids_differ(resources: Resources) -> Iterator[Problem]:
    """Two computes with one identity would take each other's place in Nova."""
    given = [one for one in landscape.computes(resources) if one[2].compute_id]
    for first, second in landscape.repeated(given, lambda one: (one[2].compute_id or "").lower()):
        zone, index, compute = second
        message = f"{compute.compute_id} is the identity of {first[2].host} already"
        yield Problem(zone.key, ("spec", "vmware", "computes", index, "computeId"), message, "compute_ids_differ")


def morefs_differ(resources: Resources) -> Iterator[Problem]:
    """A MoRef is one cluster, so one compute of a vCenter has it."""
    given = [one for one in landscape.computes(resources) if one[2].moref and not one[2].remove]
    for first, second in landscape.repeated(
        given, lambda one: (one[0].spec.vmware and one[0].spec.vmware.vcenter, one[2].moref)
    ):
        zone, index, compute = second
        message = f"{compute.moref} is the cluster of {first[2].host} already"
        yield Problem(zone.key, ("spec", "vmware", "computes", index, "moref"), message, "morefs_differ")


def the_gone_are_declared_nowhere(resources: Resources) -> Iterator[Problem]:
    """A compute that is said to be gone must not be declared as well."""
    declared: dict[str, Key] = {compute.host: zone.key for zone, _, compute in landscape.computes(resources)}
    for zone in landscape.zones(resources):
        if zone.spec.hypervisor == "libvirt" and isinstance(zone.spec.placement, NodesPlacement):
            declared |= dict.fromkeys(landscape.compute_hosts(resources, zone.spec.placement.nodes), zone.key)
    for cluster in landscape.clusters(resources):
        for index, host in enumerate(cluster.spec.compute.gone):
            if host in declared:
                message = f'"{host}" is a compute of {declared[host]}: take it away there, or here'
                yield Problem(cluster.key, ("spec", "compute", "gone", index), message, "the_gone_are_declared_nowhere")
