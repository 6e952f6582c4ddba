"""Kind VolumeBackend: a storage of volumes for the instances of one zone, and the cinder-volume that serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.cloud import CloudFacts, Compiled, Kind, VCenterFacts, VolumeBackendFacts, ZoneFacts
from resources.contract import Need
from resources.options import from_settings, literal, merged
from resources.specs.volume_backend import VolumeBackendSpec
from resources.units.config_file import ConfigFile
from resources.units.file import WholeFile
from resources.units.package import Package
from resources.units.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.cloud import Cloud, NodeFacts, Resource
    from resources.contract import Unit
    from resources.options import OptionValue

_READABLE = {"mode": "0640", "owner": "root", "group": "cinder"}
_CONF = "/etc/cinder/cinder.conf"
_DRIVERS = {
    "vmdk": "cinder.volume.drivers.vmware.vmdk.VMwareVcVmdkDriver",
    "nfs": "cinder.volume.drivers.nfs.NfsDriver",
}


def _publish(resource: Resource[VolumeBackendSpec], cloud: Cloud) -> tuple[VolumeBackendFacts]:  # noqa: ARG001 - every kind publishes alike
    return (VolumeBackendFacts(resource.key.name, resource.spec.placement.nodes),)


def _compile(resource: Resource[VolumeBackendSpec], cloud: Cloud) -> Compiled:
    nodes = cloud.nodes(resource.spec.placement.nodes)
    return Compiled(
        tuple(unit for facts in cloud.all(CloudFacts) for node in nodes for unit in _on(node, resource, facts, cloud))
    )


def _on(node: NodeFacts, resource: Resource[VolumeBackendSpec], facts: CloudFacts, cloud: Cloud) -> Iterator[Unit]:
    name, zone = resource.key.name, cloud.get(ZoneFacts, resource.spec.zone)
    package = Package.named(node.target, "cinder-volume")
    yield package
    installed = Need(package.address, "the package brings the program and the user cinder")
    files = tuple(_files(node, resource, installed, cloud))
    yield from files
    backends = sorted(backend.name for backend in cloud.all(VolumeBackendFacts) if backend.nodes.chooses(node))
    options = merged(
        facts.cinder_options,
        literal({"DEFAULT": {"enabled_backends": ",".join(backends)}, name: _section(resource, zone, cloud)}),
        from_settings(resource.spec.settings),
    )
    tried = (cloud.get(VCenterFacts, zone.vcenter).session, *zone.found) if zone.vcenter else ()
    conf = ConfigFile.at(node.target, _CONF, options, attributes=_READABLE, needs=(installed, *tried))
    yield conf
    loads = (conf.address, *(file.address for file in files))
    needs = tuple(Need(address, "it is configured there") for address in loads)
    yield Service.running(node.target, "cinder-volume", loads=loads, needs=(installed, *needs))


def _section(resource: Resource[VolumeBackendSpec], zone: ZoneFacts, cloud: Cloud) -> dict[str, OptionValue]:
    name, spec = resource.key.name, resource.spec
    common: dict[str, OptionValue] = {
        "volume_driver": _DRIVERS[spec.driver],
        "volume_backend_name": name,
        "backend_availability_zone": zone.availability_zone,
        "backend_host": spec.backend_host or name,
    }
    if spec.nfs is not None:
        options = {"nfs_mount_options": spec.nfs.mount_options} if spec.nfs.mount_options else {}
        return {**common, "nfs_shares_config": _shares_path(name), **options}
    vcenter = cloud.get(VCenterFacts, zone.vcenter)
    return {
        **common,
        "vmware_host_ip": vcenter.host,
        "vmware_host_port": str(vcenter.port),
        "vmware_host_username": vcenter.username,
        "vmware_host_password": vcenter.password,
        "vmware_cluster_name": zone.clusters,
        **({"vmware_ca_file": _ca_path(name)} if vcenter.ca_pem else {}),
        **({"vmware_insecure": "True"} if vcenter.insecure else {}),
    }


def _files(node: NodeFacts, resource: Resource[VolumeBackendSpec], installed: Need, cloud: Cloud) -> Iterator[Unit]:
    name, nfs = resource.key.name, resource.spec.nfs
    if nfs is not None:
        shares = "".join(f"{share}\n" for share in nfs.shares)
        yield WholeFile.at(node.target, _shares_path(name), shares, attributes=_READABLE, needs=(installed,))
        return
    vcenter = cloud.get(VCenterFacts, cloud.get(ZoneFacts, resource.spec.zone).vcenter)
    if vcenter.ca_pem:
        yield WholeFile.at(node.target, _ca_path(name), vcenter.ca_pem, attributes=_READABLE, needs=(installed,))


def _shares_path(name: str) -> str:
    return f"/etc/cinder/{name}-shares"


def _ca_path(name: str) -> str:
    return f"/etc/cinder/{name}-vcenter-ca.pem"


VOLUME_BACKEND = Kind("VolumeBackend", VolumeBackendSpec, _publish, _compile)
