"""Kind HypervisorZone: an availability zone of one hypervisor type, with the computes that make it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.blueprints.dvs_agent import DvsAgent, agent_home, agent_name
from resources.blueprints.leaving import stage_address
from resources.blueprints.leaving_compute import LeavingCompute, Process
from resources.blueprints.libvirt_compute import LibvirtCompute
from resources.blueprints.nova_network import multi_host_on
from resources.blueprints.vmware_compute import VmwareCompute, derived_compute_id, home_of, service_name
from resources.cloud import Compiled, Kind, Selector
from resources.contract import Address, Need, TargetId
from resources.options import from_settings
from resources.published import CloudFacts, DvsFacts, MultiHostFacts, NodeFacts, VCenterFacts, ZoneFacts
from resources.releases.table import RELEASES
from resources.specs.hypervisor_zone import HypervisorZoneSpec, Libvirt, NodesPlacement
from resources.units.aggregate import Aggregate
from resources.units.compute_cluster import ComputeCluster
from resources.units.compute_exit import ComputeExit
from resources.units.compute_service import ComputeService
from resources.units.image_property import ImageProperty
from resources.units.port_group import PortGroup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.cloud import Cloud, Resource
    from resources.contract import Unit
    from resources.specs.hypervisor_zone import Vmware, VmwareComputeSpec

_NAMED = "what it is called now is known only when it was seen"

_IMAGE_TYPES = {"libvirt": "qemu", "vmware": "vmware"}
"""An image's `hypervisor_type`, by which Nova's ImagePropertiesFilter chooses hosts; qemu means KVM as well."""


def _publish(resource: Resource[HypervisorZoneSpec], cloud: Cloud) -> tuple[ZoneFacts]:
    spec, vmware = resource.spec, resource.spec.vmware
    computes = vmware.computes if vmware else ()
    facts = ZoneFacts(
        name=resource.key.name,
        availability_zone=spec.availability_zone,
        hypervisor=spec.hypervisor,
        nodes=_chosen(spec) if spec.hypervisor == "libvirt" else Selector(),
        vcenter=vmware.vcenter if vmware else "",
        # one that leaves may stand beside the one that comes: their cluster is the same
        clusters=tuple(dict.fromkeys(cloud.called(_cluster(vmware, compute)) for compute in computes)) if vmware else (),
        found=tuple(Need(_cluster(vmware, compute), _NAMED) for compute in computes if not compute.remove) if vmware else (),
        hosts=tuple(compute.host for compute in computes),
    )
    return (facts,)


def _compile(resource: Resource[HypervisorZoneSpec], cloud: Cloud) -> Compiled:
    spec = resource.spec
    units: list[Unit] = []
    for facts in cloud.all(CloudFacts):
        aggregate = Address(facts.openstack, Aggregate.type, resource.key.name)
        compute = (
            _vmware(spec, spec.vmware, facts, aggregate, cloud) if spec.vmware else _libvirt(spec, facts, aggregate, cloud)
        )
        units += compute
        units.append(_aggregate(aggregate, spec.availability_zone, units))
        units += _images(spec, facts.openstack)
        units += _network(spec, facts, cloud)
    return Compiled(units=tuple(units))


def _libvirt(spec: HypervisorZoneSpec, facts: CloudFacts, aggregate: Address, cloud: Cloud) -> Iterator[Unit]:
    libvirt = spec.libvirt or Libvirt()
    given = {"cpu_mode": libvirt.cpu_mode, "images_type": libvirt.images_type}
    for node in cloud.nodes(_chosen(spec)):
        if node.name in libvirt.leaving:
            packaged, empty = (Process("nova-compute", "", ()),), _is_drained(node.compute_host, facts, cloud)
            leaving = LeavingCompute(
                node.compute_host, packaged, facts, (node,), pacemaker=False, empty=empty, aggregate=aggregate
            )
            yield from leaving.units()
            continue
        compute = LibvirtCompute(
            node=node,
            virt_type=libvirt.virt_type,
            cloud=facts,
            libvirt={name: value for name, value in given.items() if value is not None},
            settings=from_settings(libvirt.settings),
        )
        yield from compute.units()


def _vmware(spec: HypervisorZoneSpec, vmware: Vmware, facts: CloudFacts, aggregate: Address, cloud: Cloud) -> Iterator[Unit]:
    nodes, by_pacemaker = _candidates(spec, facts, cloud)
    release = RELEASES[facts.release]
    for compute in vmware.computes:
        if compute.remove:
            processes = _processes(compute.host, agents=bool(cloud.all(DvsFacts)))
            empty = _is_drained(compute.host, facts, cloud)
            yield from LeavingCompute(compute.host, processes, facts, nodes, by_pacemaker, empty, aggregate).units()
            continue
        identity = compute.compute_id or derived_compute_id(facts.name, compute.host)
        blueprint = VmwareCompute(
            host=compute.host,
            cluster=compute.cluster,
            called=cloud.called(_cluster(vmware, compute)),
            moref=compute.moref or "",
            program=vmware.program or "",
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


def _network(spec: HypervisorZoneSpec, facts: CloudFacts, cloud: Cloud) -> Iterator[Unit]:
    """Yield what connects the instances of the zone."""
    if spec.vmware is None:
        for multi_host in cloud.all(MultiHostFacts):
            for node in cloud.nodes(_chosen(spec)):
                yield from multi_host_on(node, multi_host.options)
        return
    vcenter = cloud.get(VCenterFacts, spec.vmware.vcenter)
    for group in spec.vmware.port_groups:
        yield PortGroup.on(vcenter.target, group.vds, group.name, vlan=group.vlan, needs=(vcenter.session,))
    nodes, by_pacemaker = _candidates(spec, facts, cloud)
    for dvs in cloud.all(DvsFacts):
        for compute in spec.vmware.computes:
            if not compute.remove and (maps := compute.dvs or spec.vmware.dvs):
                cluster = Need(_cluster(spec.vmware, compute), "its compute drives this cluster and no other")
                tried = (vcenter.session, cluster)
                yield from DvsAgent(compute.host, maps, dvs, vcenter, facts, nodes, by_pacemaker, tried).units()


def _candidates(spec: HypervisorZoneSpec, facts: CloudFacts, cloud: Cloud) -> tuple[tuple[NodeFacts, ...], bool]:
    """Return the nodes on which the zone's vSphere computes may run, and whether Pacemaker keeps them there."""
    by_pacemaker = spec.placement == "controllers"
    return cloud.nodes(facts.controllers if by_pacemaker else _chosen(spec)), by_pacemaker


def _processes(host: str, *, agents: bool) -> tuple[Process, ...]:
    """Return what runs for a compute, with all files that it may have: the compute, and its DVS agent where there are any."""
    compute = Process(service_name(host), home_of(host).folder, ("nova.conf", "vcenter-ca.pem", "compute_id"))
    agent = Process(agent_name(host), agent_home(host).folder, ("dvs-agent.ini", "vcenter-ca.pem"))
    return (compute, agent) if agents else (compute,)


def _cluster(vmware: Vmware, compute: VmwareComputeSpec) -> Address:
    return Address(TargetId("vcenter", vmware.vcenter), ComputeCluster.type, compute.cluster)


def _without_libvirt(nodes: tuple[NodeFacts, ...], cloud: Cloud) -> tuple[NodeFacts, ...]:
    """Return the nodes on which no zone wants the packaged nova-compute to run."""
    return tuple(node for node in nodes if not any(zone.nodes.chooses(node) for zone in cloud.all(ZoneFacts)))


def _is_drained(host: str, facts: CloudFacts, cloud: Cloud) -> bool:
    """Tell whether a compute that shall leave was seen to be empty."""
    return cloud.was_seen(stage_address(ComputeExit, facts.openstack, host, "empty"))


def _aggregate(address: Address, availability_zone: str, units: list[Unit]) -> Unit:
    """Return the aggregate with the zone's computes. Of one that leaves it says nothing until that is known to be empty."""
    hosts = {unit.address: True if unit.desired else None for unit in units if isinstance(unit, ComputeService)}
    registered = (
        Need(host, "Nova takes only a registered compute into an aggregate") for host, stays in hosts.items() if stays
    )
    members = {f"host {host.name}": stays for host, stays in hosts.items()}
    emptied = (
        Need(stage_address(ComputeExit, address.target, host.name, "empty"), "an instance must not lose its zone")
        for host, stays in hosts.items()
        if not stays
    )
    return Aggregate(
        address=address, desired={"availability_zone": availability_zone, **members}, needs=(*registered, *emptied)
    )


def _images(spec: HypervisorZoneSpec, openstack: TargetId) -> Iterator[Unit]:
    for image in spec.images:
        desired = {"hypervisor_type": _IMAGE_TYPES[spec.hypervisor], **image.properties}
        yield ImageProperty(address=Address(openstack, ImageProperty.type, image.name), desired=desired)


def _chosen(spec: HypervisorZoneSpec) -> Selector:
    return spec.placement.nodes if isinstance(spec.placement, NodesPlacement) else Selector()


HYPERVISOR_ZONE = Kind("HypervisorZone", HypervisorZoneSpec, _publish, _compile)
