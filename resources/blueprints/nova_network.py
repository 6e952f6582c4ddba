"""nova-network, for the releases that have it (Nova before 21.0.0): one for all, or one on each libvirt compute.

The options are those of nova/conf/network.py (Nova 17.0.0 to 20.0.0); which mode has which is Fuel 6.1's (fuel-library,
osnailyfacter/modular/openstack-network). Neither is run by any release that can be installed today.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.blueprints.kept_service import KeptService
from resources.contract import Need
from resources.options import from_settings, literal, merged
from resources.releases.spelling import written
from resources.units.config_file import ConfigFile
from resources.units.directory import Directory
from resources.units.package import Package
from resources.units.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.contract import Unit
    from resources.options import Options
    from resources.published import CloudFacts, NodeFacts
    from resources.specs.network import NovaNetwork

_FOLDER = "/etc/nova/nova-network"
_SHARED = "/etc/nova/nova.conf"
_STATE = "/var/lib/nova/nova-network"
_READABLE = {"mode": "0640", "owner": "root", "group": "nova"}


def network_options(declared: NovaNetwork, release: str, *, multi_host: bool) -> Options:
    """Return what every nova-network reads, written as services read it.

    `multi_host` makes each host the gateway of its own instances; `send_arp_for_ha` tells the network where a gateway's
    address is now.
    """
    flat = declared.type == "flat-dhcp"
    given = {
        "flat_network_bridge": declared.bridge if flat else None,
        "flat_interface" if flat else "vlan_interface": declared.interface,
        "public_interface": declared.public_interface,
    }
    options = {
        "use_neutron": "False",
        "network_manager": f"nova.network.manager.{'FlatDHCPManager' if flat else 'VlanManager'}",
        "multi_host": str(multi_host),
        "send_arp_for_ha": str(multi_host),
        **{name: value for name, value in given.items() if value is not None},
    }
    return merged(written(release, "nova", literal({"DEFAULT": options})), from_settings(declared.settings))


@dataclass(frozen=True, slots=True)
class SingleHost:
    """The one nova-network of a cloud with a vCenter, on one controller at a time.

    `host` is its identity: Nova's networks name the host that serves them, so it must not be a node's. It reads nothing of
    the nodes' own nova.conf, and neither does the program that dnsmasq calls for each lease (`dhcpbridge_flagfile`).
    """

    host: str
    options: Options
    cloud: CloudFacts
    nodes: tuple[NodeFacts, ...]

    def units(self) -> Iterator[Unit]:
        """Yield everything from the package to the service that runs."""
        prepared = tuple(unit for node in self.nodes for unit in self._on(node))
        yield from prepared
        yield from self._service.places()
        yield self._service.keeper(prepared)

    @property
    def _service(self) -> KeptService:
        return KeptService(
            name="nova-network-ha",
            description=f"OpenStack nova-network {self.host}",
            user="nova",
            folder=_STATE,
            command=f"/usr/bin/nova-network --config-file {_FOLDER}/nova.conf",
            cloud=self.cloud,
            nodes=self.nodes,
            notifies=False,
        )

    def _on(self, node: NodeFacts) -> Iterator[Unit]:
        package = Package.named(node.target, "nova-network")
        installed = Need(package.address, "the package brings the program and the user nova")
        yield package
        # The packaged one would serve networks under the node's own name.
        yield Service.forbidden(node.target, "nova-network", needs=(installed,))
        folder = Directory.at(node.target, _FOLDER, {"mode": "0750", "owner": "root", "group": "nova"}, needs=(installed,))
        yield folder
        yield Directory.at(node.target, _STATE, {"mode": "0750", "owner": "nova", "group": "nova"}, needs=(installed,))
        made = Need(folder.address, "it is in this directory")
        conf = f"{_FOLDER}/nova.conf"
        log = "/var/log/nova/nova-network-ha.log"
        own = {"host": self.host, "dhcpbridge_flagfile": conf, "state_path": _STATE, "log_file": log}
        own_options = literal({"DEFAULT": own, "oslo_concurrency": {"lock_path": f"{_STATE}/lock"}})
        options = merged(self.options, written(self.cloud.release, "nova", own_options))
        yield ConfigFile.at(node.target, conf, options, attributes=_READABLE, needs=(made,))
        yield from self._service.unit_files(node, (installed,))


def multi_host_on(node: NodeFacts, options: Options) -> Iterator[Unit]:
    """Yield the packaged nova-network of a libvirt compute, and the metadata service that its instances ask."""
    packages = tuple(Package.named(node.target, name) for name in ("nova-network", "nova-api-metadata"))
    yield from packages
    installed = tuple(Need(package.address, "it comes with the package") for package in packages)
    local = literal({"DEFAULT": {"dhcpbridge_flagfile": _SHARED, "metadata_host": node.address}})
    conf = ConfigFile.at(node.target, _SHARED, merged(options, local), needs=installed)
    yield conf
    needs = (*installed, Need(conf.address, "it connects as configured there"))
    for package in packages:
        yield Service.running(node.target, package.address.name, loads=(conf.address,), needs=needs)
