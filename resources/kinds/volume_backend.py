"""Kind VolumeBackend: a storage of volumes for the instances of one zone, and the cinder-volume that serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.blueprints.cinder_volume import CinderVolume
from resources.blueprints.leaving import stage_address
from resources.blueprints.leaving_volume import LeavingVolume
from resources.cloud import Compiled, Kind
from resources.published import CloudFacts, VCenterFacts, VolumeBackendFacts, ZoneFacts
from resources.specs.volume_backend import VmwareVolumes, VolumeBackendSpec
from resources.units.volume_exit import VolumeExit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resources.cloud import Cloud, Resource
    from resources.contract import Unit
    from resources.options import OptionValue
    from resources.published import NodeFacts

    Section = Mapping[str, OptionValue]

DRIVERS = {
    "vmdk": "cinder.volume.drivers.vmware.vmdk.VMwareVcVmdkDriver",
    "fcd": "cinder.volume.drivers.vmware.fcd.VMwareVStorageObjectDriver",
    "lvm": "cinder.volume.drivers.lvm.LVMVolumeDriver",
    "rbd": "cinder.volume.drivers.rbd.RBDDriver",
    "nfs": "cinder.volume.drivers.nfs.NfsDriver",
}


def _publish(resource: Resource[VolumeBackendSpec], cloud: Cloud) -> tuple[VolumeBackendFacts]:  # noqa: ARG001 - every kind publishes alike
    spec = resource.spec
    return (
        VolumeBackendFacts(
            name=resource.key.name,
            nodes=spec.placement.nodes,
            kept=spec.ha == "active-passive",
            service_host=f"{spec.backend_host or resource.key.name}@{resource.key.name}",
            volume_type=spec.volume_type or "",
            remove=spec.remove,
        ),
    )


def _compile(resource: Resource[VolumeBackendSpec], cloud: Cloud) -> Compiled:
    return Compiled(tuple(unit for facts in cloud.all(CloudFacts) for unit in _units(resource, facts, cloud)))


def _units(resource: Resource[VolumeBackendSpec], facts: CloudFacts, cloud: Cloud) -> Iterator[Unit]:
    name, spec = resource.key.name, resource.spec
    nodes, zone = cloud.nodes(spec.placement.nodes), cloud.get(ZoneFacts, spec.zone)
    vcenter = cloud.get(VCenterFacts, zone.vcenter) if zone.vcenter else None
    backend = CinderVolume(
        name=name,
        host=spec.backend_host or name,
        availability_zone=zone.availability_zone,
        volume_type=_volume_type(resource, cloud),
        section=_section(resource, zone, nodes, vcenter),
        default={"vmdk_allowed_types": ",".join((spec.vmware or VmwareVolumes()).allowed_types)} if vcenter else {},
        settings=spec.settings,
        files=_files(resource, vcenter),
        packages=_packages(spec),
        tried=(vcenter.session, *zone.found) if vcenter else (),
        cloud=facts,
        nodes=nodes,
        remotes=tuple(node for node in nodes if not facts.controllers.chooses(node)),
        kept=spec.ha == "active-passive",
        packaged={node.name: _packaged(node, facts, cloud) for node in nodes},
        leaves=spec.remove,
    )
    if not spec.remove:
        return backend.units()
    return LeavingVolume(backend, empty=_has_left(cloud.get(VolumeBackendFacts, name), facts, cloud)).units()


def _packaged(node: NodeFacts, facts: CloudFacts, cloud: Cloud) -> tuple[str, ...]:
    """Return the backends that the packaged cinder-volume of a node serves."""
    found = (backend for backend in cloud.all(VolumeBackendFacts) if not backend.kept and backend.nodes.chooses(node))
    return tuple(backend.name for backend in found if not _has_left(backend, facts, cloud))


def _has_left(backend: VolumeBackendFacts, facts: CloudFacts, cloud: Cloud) -> bool:
    """Tell whether a backend that shall leave was seen to be empty."""
    return backend.remove and cloud.was_seen(stage_address(VolumeExit, facts.openstack, backend.service_host, "empty"))


def _volume_type(resource: Resource[VolumeBackendSpec], cloud: Cloud) -> str:
    """Return the type that the backend makes, or ''. One that leaves speaks of it only if it is not another one's."""
    wanted, name = resource.spec.volume_type or "", resource.key.name
    others = (other for other in cloud.all(VolumeBackendFacts) if other.volume_type == wanted and other.name != name)
    taken = any(not other.remove or other.name < name for other in others)
    return "" if resource.spec.remove and taken else wanted


def _packages(spec: VolumeBackendSpec) -> tuple[str, ...]:
    """Return what the driver needs beside what the package of cinder-volume depends on (Debian)."""
    if spec.rbd is not None:
        return ("ceph-common", "python3-rbd")
    return ("tgt",) if spec.lvm is not None and spec.lvm.target_helper == "tgtadm" else ()


def _section(
    resource: Resource[VolumeBackendSpec], zone: ZoneFacts, nodes: tuple[NodeFacts, ...], vcenter: VCenterFacts | None
) -> Section:
    name, spec = resource.key.name, resource.spec
    common: Section = {
        "volume_driver": DRIVERS[spec.driver],
        "volume_backend_name": name,
        "backend_availability_zone": zone.availability_zone,
        "backend_host": spec.backend_host or name,
    }
    return {**common, **(_vmware(name, spec, zone, vcenter) if vcenter else _libvirt(name, spec, nodes))}


def _vmware(name: str, spec: VolumeBackendSpec, zone: ZoneFacts, vcenter: VCenterFacts) -> Section:
    """Return the options of both drivers: fcd has none of its own (Cinder, drivers/vmware/fcd.py)."""
    folder = spec.vmware.folder if spec.vmware else None
    return {
        "vmware_host_ip": vcenter.host,
        "vmware_host_port": str(vcenter.port),
        "vmware_host_username": vcenter.username,
        "vmware_host_password": vcenter.password,
        "vmware_cluster_name": zone.clusters,
        **({"vmware_ca_file": _ca_path(name)} if vcenter.ca_pem else {}),
        **({"vmware_insecure": "True"} if vcenter.insecure else {}),
        **({"vmware_volume_folder": folder} if folder else {}),
    }


def _libvirt(name: str, spec: VolumeBackendSpec, nodes: tuple[NodeFacts, ...]) -> Section:
    if spec.lvm is not None:
        # By default the exports would be at $my_ip, which Debian's file sets to an address of documentation. A rule sees to
        # it that there is one node.
        address = {"target_ip_address": nodes[0].address} if nodes else {}
        return {
            "volume_group": spec.lvm.volume_group,
            "target_helper": spec.lvm.target_helper,
            "target_protocol": spec.lvm.target_protocol,
            **address,
        }
    if spec.rbd is not None:
        secret = {"rbd_secret_uuid": spec.rbd.secret_uuid} if spec.rbd.secret_uuid else {}
        return {"rbd_pool": spec.rbd.pool, "rbd_user": spec.rbd.user, "rbd_ceph_conf": spec.rbd.ceph_conf, **secret}
    options = {"nfs_mount_options": spec.nfs.mount_options} if spec.nfs and spec.nfs.mount_options else {}
    return {"nfs_shares_config": _shares_path(name), **options}


def _files(resource: Resource[VolumeBackendSpec], vcenter: VCenterFacts | None) -> Mapping[str, str]:
    name, nfs = resource.key.name, resource.spec.nfs
    if nfs is not None:
        return {_shares_path(name): "".join(f"{share}\n" for share in nfs.shares)}
    return {_ca_path(name): vcenter.ca_pem} if vcenter and vcenter.ca_pem else {}


def _shares_path(name: str) -> str:
    return f"/etc/cinder/{name}-shares"


def _ca_path(name: str) -> str:
    return f"/etc/cinder/{name}-vcenter-ca.pem"


VOLUME_BACKEND = Kind("VolumeBackend", VolumeBackendSpec, _publish, _compile)
