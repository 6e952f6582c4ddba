"""A nova-compute that drives the libvirt of its own host, as the distribution packages it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.contract import Address, Need
from resources.endpoints import is_ip
from resources.exits import LEFT_CLOSED
from resources.options import literal, merged
from resources.releases.spelling import written
from resources.units.compute_service import ComputeService
from resources.units.config_file import ConfigFile
from resources.units.package import Package
from resources.units.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resources.contract import Unit
    from resources.options import Options
    from resources.published import CloudFacts, NodeFacts

HYPERVISOR = "QEMU"
"""Nova's name of libvirt's hypervisor type, with hardware virtualisation or without (nova/virt/libvirt/host.py)."""

_VIRT_TYPES = ("kvm", "qemu")
"""Each has a package, which conflicts with the other's (Debian, packages nova-compute-kvm and nova-compute-qemu)."""

_SHARED = "/etc/nova/nova.conf"
_OWN = "/etc/nova/nova-compute.conf"
_READABLE = {"mode": "0640", "owner": "root", "group": "nova"}


@dataclass(frozen=True, slots=True)
class LibvirtCompute:
    """What is declared about one. `libvirt` are the options of that section, `settings` whatever else people want."""

    node: NodeFacts
    cloud: CloudFacts
    virt_type: str
    libvirt: Mapping[str, str]
    settings: Options

    def units(self) -> Iterator[Unit]:
        """Yield everything from packages to the compute that Nova knows."""
        target = self.node.target
        # The hypervisor's package first: apt would choose another one for nova-compute's dependency.
        others = tuple(f"nova-compute-{other}" for other in _VIRT_TYPES if other != self.virt_type)
        hypervisor = Package.named(target, f"nova-compute-{self.virt_type}", replaces=others)
        package = Package.named(target, "nova-compute", (Need(hypervisor.address, "it decides which hypervisor is installed"),))
        yield from (hypervisor, package)
        installed = Need(package.address, "the package brings the file and its owner")
        shared = ConfigFile.at(target, _SHARED, self.cloud.nova_options, attributes=_READABLE, needs=(installed,))
        own = ConfigFile.at(target, _OWN, self._own(), attributes=_READABLE, needs=(installed,))
        libvirtd = Service.running(target, "libvirtd", needs=(Need(hypervisor.address, "libvirt comes with the package"),))
        yield from (shared, own, libvirtd)
        needs = (
            Need(shared.address, "it connects as configured there"),
            Need(own.address, "its identity and driver stand there"),
            Need(libvirtd.address, "it drives libvirt"),
        )
        service = Service.running(target, "nova-compute", loads=(shared.address, own.address), needs=needs)
        yield service.heard_by(self.cloud.openstack, self.node.compute_host)
        yield ComputeService(
            address=Address(self.cloud.openstack, ComputeService.type, self.node.compute_host),
            desired={"registered": True, "state": "up", "hypervisor": HYPERVISOR, LEFT_CLOSED: False},
            needs=(Need(service.address, "a compute registers itself when it runs"),),
        )

    def _own(self) -> Options:
        default = {"host": self.node.compute_host, "compute_driver": "libvirt.LibvirtDriver"}
        if is_ip(self.node.address):
            default["my_ip"] = self.node.address
        own = literal({"DEFAULT": default, "libvirt": {"virt_type": self.virt_type, **self.libvirt}})
        return merged(written(self.cloud.release, "nova", own), self.settings)
