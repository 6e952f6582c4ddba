"""A nova-compute that drives one vSphere cluster from any of several nodes, one at a time.

Everything of it is its own: configuration, state, unit. It reads nothing of the nodes' shared /etc/nova/nova.conf, and
the packaged nova-compute is masked, because an unconfigured one would register the node itself as a second compute.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.contract import Address, Need
from resources.options import literal, merged
from resources.units.compute_cluster import ComputeCluster
from resources.units.compute_service import ComputeService
from resources.units.config_file import ConfigFile
from resources.units.constraint import Constraint
from resources.units.datastores import Datastores
from resources.units.directory import Directory
from resources.units.file import WholeFile
from resources.units.package import Package
from resources.units.primitive import Primitive
from resources.units.service import Service
from resources.units.systemd_unit import SystemdUnit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.cloud import CloudFacts, NodeFacts, VCenterFacts
    from resources.contract import Unit
    from resources.options import Options, OptionValue

HYPERVISOR = "VMware vCenter Server"
"""Nova's name of the hypervisor type (nova/virt/vmwareapi/host.py takes it from vCenter's AboutInfo)."""

_CONF_ROOT = "/etc/nova/vcenter"
_STATE_ROOT = "/var/lib/nova/vcenter"
_ETC = {"mode": "0750", "owner": "root", "group": "nova"}
_STATE = {"mode": "0750", "owner": "nova", "group": "nova"}
_READABLE = {"mode": "0640", "owner": "root", "group": "nova"}
_START_S, _STOP_S = 120, 100
_RESERVE_S = 10
"""systemd gives up this much earlier than Pacemaker, so that Pacemaker learns the reason."""

_UNFENCED_STOP_S = 30
_UNFENCED_WAIT_S = 50
"""Without fencing nobody proves that a lost controller is dead. Cut off from the ring, it stops its own compute a moment
after the others notice the loss (seen: one second), and that may take `TimeoutStopSec`. So while a member of the ring is
missing, a start elsewhere waits longer than that. A ring that is whole waits for nothing."""

_GUARD = f"""\
ExecStartPre=+/bin/sh -c 'test $$(corosync-quorumtool -s | grep -E "^(Expected|Total) votes:" | tr -d "A-Za-z: " \
| sort -u | wc -l) -eq 1 || sleep {_UNFENCED_WAIT_S}'
"""

_PRIMITIVE = {
    "op monitor interval": "10s",
    "op monitor timeout": "100s",
    "op start timeout": f"{_START_S}s",
    "op stop timeout": f"{_STOP_S}s",
    "meta migration-threshold": "3",
    "meta failure-timeout": "120s",
    "meta resource-stickiness": "100",
}

_UNIT = """\
[Unit]
Description=OpenStack nova-compute {host} (a vSphere cluster)
Documentation=man:nova-compute(1)
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type={type}
NotifyAccess=all
User=nova
Group=nova
WorkingDirectory={state}
{guard}ExecStart=/usr/bin/nova-compute --config-file {conf}/nova.conf
Restart={restart}
TimeoutStartSec={start_s}
TimeoutStopSec={stop_s}
LimitNOFILE=65535
{install}"""

_INSTALL = """
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True)
class VmwareCompute:
    """What is declared about one. `host` is its identity for ever; it also names files, unit and Pacemaker resource.

    `nodes` are the candidates. Several, or `pacemaker`, mean that Pacemaker decides where it runs; else systemd starts
    it on the one node. `compute_id` is set for releases that want that file, `free` lists nodes where the packaged
    nova-compute must be masked. One that `notifies` tells systemd when it is ready; of any other it is only known that it runs.
    """

    host: str
    cluster: str
    datastore_regex: str
    compute_id: str
    vcenter: VCenterFacts
    cloud: CloudFacts
    nodes: tuple[NodeFacts, ...]
    masked: tuple[NodeFacts, ...]
    pacemaker: bool
    notifies: bool
    settings: Options

    def units(self) -> Iterator[Unit]:
        """Yield everything from what vCenter must offer to the compute that Nova knows."""
        yield from self._in_vcenter()
        prepared: list[Need] = []
        loads: list[Address] = []
        for node in self.nodes:
            units = tuple(self._on(node))
            yield from units
            prepared += (Need(unit.address, f"it must be able to start on {node.name}") for unit in units)
            loads += (unit.address for unit in units if isinstance(unit, ConfigFile | WholeFile | SystemdUnit))
        if self.pacemaker:
            yield from self._places()
        keeper = (self._primitive if self.pacemaker else self._service)(tuple(prepared), tuple(loads))
        yield keeper
        yield ComputeService(
            address=Address(self.cloud.openstack, ComputeService.type, self.host),
            desired={"registered": True, "state": "up", "hypervisor": HYPERVISOR},
            needs=(Need(keeper.address, "a compute registers itself when it runs"),),
        )

    @property
    def service(self) -> str:
        """Name of the systemd unit (without `.service`) and of the Pacemaker resource."""
        return f"nova-compute-{self.host}"

    def _in_vcenter(self) -> tuple[Unit, ...]:
        login = (self.vcenter.session,)
        cluster = ComputeCluster(
            address=Address(self.vcenter.target, ComputeCluster.type, self.cluster),
            desired={"exists": True, "usable_hosts": True},
            needs=login,
        )
        name = f"{self.cluster} {self.datastore_regex}".strip()
        datastores = Datastores(
            address=Address(self.vcenter.target, Datastores.type, name),
            desired={"matching": True},
            needs=login,
            cluster=self.cluster,
            regex=self.datastore_regex,
        )
        return (cluster, datastores)

    def _on(self, node: NodeFacts) -> Iterator[Unit]:
        package = Package.named(node.target, "nova-compute")
        installed = Need(package.address, "the package brings the program and the user nova")
        yield package
        if node in self.masked:
            yield Service.forbidden(node.target, "nova-compute", needs=(installed,))
        folders = self._folders(node, installed)
        yield from folders
        made = Need(folders[1].address, "it is in this directory")
        tried = tuple(Need(unit.address, "it is tried before it is rolled out") for unit in self._in_vcenter())
        needs = (made, self.vcenter.session, *tried)
        yield ConfigFile.at(node.target, f"{self._conf}/nova.conf", self._options(), attributes=_READABLE, needs=needs)
        if self.vcenter.ca_pem:
            yield WholeFile.at(node.target, self._ca_path, self.vcenter.ca_pem, attributes=_READABLE, needs=(made,))
        if self.compute_id:
            yield WholeFile.at(node.target, f"{self._conf}/compute_id", self.compute_id, attributes=_READABLE, needs=(made,))
        yield SystemdUnit.named(node.target, f"{self.service}.service", self._unit_file(), (installed,))

    def _folders(self, node: NodeFacts, installed: Need) -> tuple[Unit, ...]:
        parents = [
            Directory.at(node.target, path, attributes, needs=(installed,))
            for path, attributes in ((_CONF_ROOT, _ETC), (_STATE_ROOT, _STATE))
        ]
        inside = [
            Directory.at(node.target, path, attributes, needs=(Need(parent.address, "it is in this directory"),))
            for parent, path, attributes in zip(parents, (self._conf, self._state), (_ETC, _STATE), strict=True)
        ]
        return (parents[0], inside[0], parents[1], inside[1])

    def _options(self) -> Options:
        vcenter = self.vcenter
        default: dict[str, OptionValue] = {
            "host": self.host,
            "compute_driver": "vmwareapi.VMwareVCDriver",
            "state_path": self._state,
            "log_file": f"/var/log/nova/{self.service}.log",
            # Work in hand is given up before systemd would end the process by force.
            **({"graceful_shutdown_timeout": str(_UNFENCED_STOP_S - _RESERVE_S)} if self._unfenced else {}),
            # The cluster's memory is not this host's: the default of 512 MB would be taken from it for nothing.
            "reserved_host_memory_mb": "0",
        }
        vmware: dict[str, OptionValue] = {
            "host_ip": vcenter.host,
            "host_port": str(vcenter.port),
            "host_username": vcenter.username,
            "host_password": vcenter.password,
            "cluster_name": self.cluster,
            # The image cache in the datastore is found again after a failover; by default it is named after the node.
            "cache_prefix": self.host,
            **({"ca_file": self._ca_path} if vcenter.ca_pem else {}),
            **({"insecure": "True"} if vcenter.insecure else {}),
            **({"datastore_regex": self.datastore_regex} if self.datastore_regex else {}),
        }
        own: Options = {"DEFAULT": default, "vmware": vmware, "oslo_concurrency": {"lock_path": f"{self._state}/lock"}}
        return merged(self.cloud.nova_options, literal(own), self.settings)

    def _unit_file(self) -> str:
        by_systemd = not self.pacemaker
        return _UNIT.format(
            guard=_GUARD if self._unfenced else "",
            type="notify" if self.notifies else "exec",
            host=self.host,
            conf=self._conf,
            state=self._state,
            restart="on-failure" if by_systemd else "no",
            start_s=_START_S - _RESERVE_S,
            stop_s=_UNFENCED_STOP_S if self._unfenced else _STOP_S - _RESERVE_S,
            install=_INSTALL if by_systemd else "",
        )

    def _places(self) -> tuple[Unit, ...]:
        """Return one permission per candidate: in an opt-in cluster a resource runs nowhere else.

        They need the formed ring only, not its options: a permission may be given before the cluster becomes an opt-in one.
        """
        formed = self.cloud.ring[:1]
        return tuple(
            Constraint(
                address=Address(self.cloud.pacemaker, Constraint.type, f"{self.service}-on-{node.name}"),
                desired={"resource": self.service, "node": node.name, "score": "0"},
                needs=formed,
                resource=self.service,
            )
            for node in self.nodes
        )

    def _primitive(self, prepared: tuple[Need, ...], loads: tuple[Address, ...]) -> Unit:
        places = tuple(Need(unit.address, "it says where the resource may run") for unit in self._places())
        return Primitive(
            address=Address(self.cloud.pacemaker, Primitive.type, self.service),
            desired={"class": "systemd", "agent": self.service, **_PRIMITIVE, "running": True, "fresh": True},
            needs=(*prepared, *self.cloud.ring, *places),
            loads=loads,
            unit=f"{self.service}.service",
        )

    def _service(self, prepared: tuple[Need, ...], loads: tuple[Address, ...]) -> Unit:
        return Service.running(self.nodes[0].target, self.service, loads=loads, needs=prepared)

    @property
    def _unfenced(self) -> bool:
        """Tell whether Pacemaker may have to move it away from a node that nobody can prove dead."""
        return self.pacemaker and not self.cloud.fenced

    @property
    def _conf(self) -> str:
        return f"{_CONF_ROOT}/{self.host}"

    @property
    def _state(self) -> str:
        return f"{_STATE_ROOT}/{self.host}"

    @property
    def _ca_path(self) -> str:
        return f"{self._conf}/vcenter-ca.pem"


def derived_compute_id(cloud: str, host: str) -> str:
    """Return the identity that a new compute gets: the same on every candidate, whoever starts first."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{host}.{cloud}.bivisor"))
