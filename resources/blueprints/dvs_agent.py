"""The Neutron agent that connects the instances of one vSphere compute to distributed switches.

It drives vCenter from afar, so it need not be where the compute is: what makes it that compute's is an equal `host`, by
which Neutron's mechanism driver finds the agent of a port (ML2, SimpleAgentMechanismDriverBase). Hence no colocation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.blueprints.kept_service import KeptService
from resources.contract import Address, Need
from resources.options import literal, merged
from resources.releases.spelling import written
from resources.units.config_file import ConfigFile
from resources.units.directory import Directory
from resources.units.distributed_switch import DistributedSwitch
from resources.units.file import WholeFile
from resources.units.package import Package
from resources.units.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.contract import Unit
    from resources.options import Options, OptionValue
    from resources.published import CloudFacts, DvsFacts, NodeFacts, VCenterFacts
    from resources.specs.dvs import DvsMaps

_CONF_ROOT = "/etc/neutron/vcenter"
_STATE_ROOT = "/var/lib/neutron/vcenter"
_ETC = {"mode": "0750", "owner": "root", "group": "neutron"}
_STATE = {"mode": "0750", "owner": "neutron", "group": "neutron"}
_READABLE = {"mode": "0640", "owner": "root", "group": "neutron"}


@dataclass(frozen=True, slots=True)
class DvsAgent:
    """What is declared about one. `host` is its compute's; `maps` says which switch carries which physical network.

    The options' names are those of networking-vsphere (common/vmware_conf.py, branch stable/rocky, its last one).
    """

    host: str
    maps: DvsMaps
    dvs: DvsFacts
    vcenter: VCenterFacts
    cloud: CloudFacts
    nodes: tuple[NodeFacts, ...]
    pacemaker: bool

    def units(self) -> Iterator[Unit]:
        """Yield everything from what vCenter must have to the agent that runs."""
        yield from self._switches()
        prepared = tuple(unit for node in self.nodes for unit in self._on(node))
        yield from prepared
        yield from self._service.places()
        yield self._service.keeper(prepared)

    @property
    def _service(self) -> KeptService:
        return KeptService(
            name=agent_name(self.host),
            description=f"OpenStack Neutron DVS agent {self.host} (a vSphere cluster)",
            user="neutron",
            folder=self._state,
            command=f"{self.dvs.program} --config-file {self._conf}/dvs-agent.ini",
            cloud=self.cloud,
            nodes=self.nodes,
            kept=self.pacemaker,
            notifies=False,
        )

    def _switches(self) -> tuple[Unit, ...]:
        return tuple(
            DistributedSwitch(
                address=Address(self.vcenter.target, DistributedSwitch.type, name),
                desired={"exists": True},
                needs=(self.vcenter.session,),
            )
            for name in self.maps.network_maps.values()
        )

    def _on(self, node: NodeFacts) -> Iterator[Unit]:
        package = Package.named(node.target, self.dvs.package)
        installed = Need(package.address, "the package brings the program and the user neutron")
        yield package
        # An unconfigured agent would report under the node's own name.
        yield Service.forbidden(node.target, "neutron-dvs-agent", needs=(installed,))
        folders = tuple(self._folders(node, installed))
        yield from folders
        made = Need(folders[1].address, "it is in this directory")
        tried = tuple(Need(switch.address, "it is looked for before it is rolled out") for switch in self._switches())
        ini, needs = f"{self._conf}/dvs-agent.ini", (made, self.vcenter.session, *tried)
        yield ConfigFile.at(node.target, ini, self._options(), attributes=_READABLE, needs=needs)
        if self.vcenter.ca_pem:
            yield WholeFile.at(node.target, self._ca_path, self.vcenter.ca_pem, attributes=_READABLE, needs=(made,))
        yield from self._service.unit_files(node, (installed,))

    def _folders(self, node: NodeFacts, installed: Need) -> Iterator[Unit]:
        for root, path, attributes in ((_CONF_ROOT, self._conf, _ETC), (_STATE_ROOT, self._state, _STATE)):
            parent = Directory.at(node.target, root, attributes, needs=(installed,))
            yield parent
            yield Directory.at(node.target, path, attributes, needs=(Need(parent.address, "it is in this directory"),))

    def _options(self) -> Options:
        default: dict[str, OptionValue] = {
            "host": self.host,
            "state_path": self._state,
            "log_file": f"/var/log/neutron/{agent_name(self.host)}.log",
        }
        vsphere: dict[str, OptionValue] = {
            "vsphere_hostname": self.vcenter.host,
            "host_port": str(self.vcenter.port),
            "vsphere_login": self.vcenter.username,
            "vsphere_password": self.vcenter.password,
            "network_maps": ",".join(f"{physical}:{switch}" for physical, switch in self.maps.network_maps.items()),
            **({"uplink_maps": self._uplinks()} if self.maps.uplink_maps else {}),
            # Said in any case: without a CA file the agent would check nothing, or everything, by its own default.
            **({"ca_file": self._ca_path} if self.vcenter.ca_pem else {}),
            "insecure": str(self.vcenter.insecure),
        }
        own: Options = {"DEFAULT": default, "ml2_vmware": vsphere, "oslo_concurrency": {"lock_path": f"{self._state}/lock"}}
        return merged(self.dvs.neutron_options, written(self.cloud.release, "neutron", literal(own)), self.dvs.settings)

    def _uplinks(self) -> str:
        """Return `physnet1:active1;active2:standby1`, one per physical network."""
        lists = (
            (physical, *(";".join(names) for names in (uplinks.active, uplinks.standby) if names))
            for physical, uplinks in self.maps.uplink_maps.items()
        )
        return ",".join(":".join(parts) for parts in lists)

    @property
    def _conf(self) -> str:
        return agent_folder(self.host)

    @property
    def _state(self) -> str:
        return f"{_STATE_ROOT}/{self.host}"

    @property
    def _ca_path(self) -> str:
        return f"{self._conf}/vcenter-ca.pem"


def agent_name(host: str) -> str:
    """Return the name of the agent's systemd unit and Pacemaker resource."""
    return f"neutron-dvs-agent-{host}"


def agent_folder(host: str) -> str:
    """Return the directory of the agent's configuration."""
    return f"{_CONF_ROOT}/{host}"
