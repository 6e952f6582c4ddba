"""The Neutron agent that connects the instances of one vSphere compute to distributed switches.

It drives vCenter from afar, so it need not be where the compute is: what makes it that compute's is an equal `host`, by
which Neutron's mechanism driver finds the agent of a port (ML2, SimpleAgentMechanismDriverBase). Hence no colocation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.blueprints.home import Home
from resources.blueprints.kept_service import KeptService
from resources.contract import Address, Need
from resources.options import literal, merged
from resources.releases.spelling import written
from resources.units.distributed_switch import DistributedSwitch
from resources.units.package import Package
from resources.units.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.contract import Unit
    from resources.options import Options, OptionValue
    from resources.published import CloudFacts, DvsFacts, NodeFacts, VCenterFacts
    from resources.specs.dvs import DvsMaps


@dataclass(frozen=True, slots=True)
class DvsAgent:
    """What is declared about one. `host` is its compute's; `maps` says which switch carries which physical network.

    `tried` is what must be so before anything of it is rolled out: a compute that may not have this cluster has no agent.

    The options' names are those of networking-vsphere (common/vmware_conf.py, branch stable/rocky, its last one).
    """

    host: str
    maps: DvsMaps
    dvs: DvsFacts
    vcenter: VCenterFacts
    cloud: CloudFacts
    nodes: tuple[NodeFacts, ...]
    pacemaker: bool
    tried: tuple[Need, ...]

    def units(self) -> Iterator[Unit]:
        """Yield everything from what vCenter must have to the agent that runs."""
        yield from self._switches()
        prepared = tuple(unit for node in self.nodes for unit in self._on(node))
        yield from prepared
        yield from self._service.places(*self.tried)
        yield self._service.keeper(prepared, *self.tried)

    @property
    def _service(self) -> KeptService:
        return KeptService(
            name=agent_name(self.host),
            description=f"OpenStack Neutron DVS agent {self.host} (a vSphere cluster)",
            user="neutron",
            folder=self._home.state,
            command=f"{self.dvs.program} --config-file {self._home.conf_path}",
            cloud=self.cloud,
            nodes=self.nodes,
            kept=self.pacemaker,
            notifies=False,
            program="neutron-dvs-agent",
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
        tried = (
            *self.tried,
            *(Need(switch.address, "it is looked for before it is rolled out") for switch in self._switches()),
        )
        yield from self._home.furnished(node, self._options(), self.vcenter, installed=(installed,), tried=tried)
        yield from self._service.unit_files(node, (installed, *tried))

    def _options(self) -> Options:
        default: dict[str, OptionValue] = {
            "host": self.host,
            "state_path": self._home.state,
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
            **({"ca_file": self._home.ca_path} if self.vcenter.ca_pem else {}),
            "insecure": str(self.vcenter.insecure),
        }
        own: Options = {
            "DEFAULT": default,
            "ml2_vmware": vsphere,
            "oslo_concurrency": {"lock_path": f"{self._home.state}/lock"},
        }
        return merged(self.dvs.neutron_options, written(self.cloud.release, "neutron", literal(own)), self.dvs.settings)

    def _uplinks(self) -> str:
        """Return `physnet1:active1;active2:standby1`, one per physical network."""
        lists = (
            (physical, *(";".join(names) for names in (uplinks.active, uplinks.standby) if names))
            for physical, uplinks in self.maps.uplink_maps.items()
        )
        return ",".join(":".join(parts) for parts in lists)

    @property
    def _home(self) -> Home:
        return agent_home(self.host)


def agent_name(host: str) -> str:
    """Return the name of the agent's systemd unit and Pacemaker resource."""
    return f"neutron-dvs-agent-{host}"


def agent_home(host: str) -> Home:
    """Return where the agent lives."""
    return Home("neutron", host, "dvs-agent.ini")
