"""Kind HypervisorZone: an availability zone of one hypervisor type, with the computes that make it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.blueprints.libvirt_compute import LibvirtCompute
from resources.blueprints.vmware_compute import VmwareCompute, derived_compute_id
from resources.cloud import CloudFacts, Compiled, Kind, NodeFacts, Selector, VCenterFacts, ZoneFacts
from resources.contract import Address, Need
from resources.options import from_settings
from resources.releases.table import RELEASES
from resources.specs.hypervisor_zone import HypervisorZoneSpec, Libvirt, NodesPlacement
from resources.units.aggregate import Aggregate
from resources.units.compute_service import ComputeService

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.cloud import Cloud, Resource
    from resources.contract import TargetId, Unit
    from resources.specs.hypervisor_zone import Vmware


def _publish(resource: Resource[HypervisorZoneSpec], cloud: Cloud) -> tuple[ZoneFacts]:  # noqa: ARG001 - every kind publishes alike
    spec, vmware = resource.spec, resource.spec.vmware
    facts = ZoneFacts(
        name=resource.key.name,
        availability_zone=spec.availability_zone,
        hypervisor=spec.hypervisor,
        nodes=_chosen(spec) if spec.hypervisor == "libvirt" else Selector(),
        vcenter=vmware.vcenter if vmware else "",
        clusters=tuple(compute.cluster for compute in vmware.computes) if vmware else (),
    )
    return (facts,)


def _compile(resource: Resource[HypervisorZoneSpec], cloud: Cloud) -> Compiled:
    spec = resource.spec
    units: list[Unit] = []
    for facts in cloud.all(CloudFacts):
        compute = _vmware(spec, spec.vmware, facts, cloud) if spec.vmware else _libvirt(spec, facts, cloud)
        units += compute
        units.append(_aggregate(resource, facts.openstack, units))
    return Compiled(units=tuple(units))


def _libvirt(spec: HypervisorZoneSpec, facts: CloudFacts, cloud: Cloud) -> Iterator[Unit]:
    libvirt = spec.libvirt or Libvirt()
    given = {"cpu_mode": libvirt.cpu_mode, "images_type": libvirt.images_type}
    for node in cloud.nodes(_chosen(spec)):
        compute = LibvirtCompute(
            node=node,
            openstack=facts.openstack,
            virt_type=libvirt.virt_type,
            nova_options=facts.nova_options,
            libvirt={name: value for name, value in given.items() if value is not None},
            settings=from_settings(libvirt.settings),
        )
        yield from compute.units()


def _vmware(spec: HypervisorZoneSpec, vmware: Vmware, facts: CloudFacts, cloud: Cloud) -> Iterator[Unit]:
    by_pacemaker = spec.placement == "controllers"
    nodes = cloud.nodes(facts.controllers if by_pacemaker else _chosen(spec))
    release = RELEASES[facts.release]
    for compute in vmware.computes:
        identity = compute.compute_id or derived_compute_id(facts.name, compute.host)
        blueprint = VmwareCompute(
            host=compute.host,
            cluster=compute.cluster,
            datastore_regex=compute.datastore_regex,
            compute_id=identity if release.has_compute_id else "",
            vcenter=cloud.get(VCenterFacts, vmware.vcenter),
            cloud=facts,
            nodes=nodes,
            masked=_without_libvirt(nodes, cloud),
            pacemaker=by_pacemaker,
            notifies=release.has_compute_notify,
            settings=from_settings(vmware.settings),
        )
        yield from blueprint.units()


def _without_libvirt(nodes: tuple[NodeFacts, ...], cloud: Cloud) -> tuple[NodeFacts, ...]:
    """Return the nodes on which no zone wants the packaged nova-compute to run."""
    return tuple(node for node in nodes if not any(zone.nodes.chooses(node) for zone in cloud.all(ZoneFacts)))


def _aggregate(resource: Resource[HypervisorZoneSpec], openstack: TargetId, units: list[Unit]) -> Unit:
    hosts = [unit.address for unit in units if isinstance(unit, ComputeService)]
    return Aggregate(
        address=Address(openstack, Aggregate.type, resource.key.name),
        desired={"availability_zone": resource.spec.availability_zone, **{f"host {host.name}": True for host in hosts}},
        needs=tuple(Need(host, "Nova takes only a registered compute into an aggregate") for host in hosts),
    )


def _chosen(spec: HypervisorZoneSpec) -> Selector:
    return spec.placement.nodes if isinstance(spec.placement, NodesPlacement) else Selector()


HYPERVISOR_ZONE = Kind("HypervisorZone", HypervisorZoneSpec, _publish, _compile)
