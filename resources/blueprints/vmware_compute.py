"""A nova-compute that drives one vSphere cluster from any of several nodes, one at a time.

Everything of it is its own: configuration, state, unit. It reads nothing of the nodes' shared /etc/nova/nova.conf, and
the packaged nova-compute is masked, because an unconfigured one would register the node itself as a second compute.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.blueprints.home import Home
from resources.blueprints.kept_service import UNFENCED_GRACE_S, KeptService
from resources.contract import Address, Need
from resources.exits import LEFT_CLOSED
from resources.options import literal, merged
from resources.releases.spelling import written
from resources.units.compute_cluster import HYPERVISOR, ComputeCluster
from resources.units.compute_service import DRIVER_DISABLED, ComputeService
from resources.units.datastores import Datastores
from resources.units.file import WholeFile
from resources.units.package import Package
from resources.units.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.contract import Unit
    from resources.options import Options, OptionValue
    from resources.published import CloudFacts, NodeFacts, VCenterFacts


@dataclass(frozen=True, slots=True)
class VmwareCompute:
    """What is declared about one. `host` is its identity for ever; it also names files, unit and Pacemaker resource.

    `nodes` are the candidates. Several, or `pacemaker`, mean that Pacemaker decides where it runs; else systemd starts
    it on the one node. `compute_id` is set for releases that want that file, `masked` lists nodes where the packaged
    nova-compute must be masked. `called` is the name that the cluster has now, `moref` its lasting one if that is declared,
    `program` a nova-compute that no package brings, or ''. One that `notifies` tells systemd when it is ready; of any
    other it is only known that it runs.
    """

    host: str
    cluster: str
    called: str
    moref: str
    program: str
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
        prepared = tuple(unit for node in self.nodes for unit in self._on(node))
        yield from prepared
        yield from self._kept.places(*self._reached())
        keeper = self._kept.keeper(prepared, *self._reached()).heard_by(self.cloud.openstack, self.host)
        yield keeper
        yield ComputeService(
            address=Address(self.cloud.openstack, ComputeService.type, self.host),
            desired={"registered": True, "state": "up", "hypervisor": HYPERVISOR, DRIVER_DISABLED: False, LEFT_CLOSED: False},
            needs=(Need(keeper.address, "a compute registers itself when it runs"), *self._reached()),
        )

    @property
    def service(self) -> str:
        """Name of the systemd unit (without `.service`) and of the Pacemaker resource."""
        return service_name(self.host)

    def _in_vcenter(self) -> tuple[Unit, ...]:
        login = (self.vcenter.session,)
        cluster = ComputeCluster(
            address=Address(self.vcenter.target, ComputeCluster.type, self.cluster),
            desired={"exists": True, "usable_hosts": True},
            needs=login,
            host=self.host,
            openstack=self.cloud.openstack,
            moref=self.moref,
            called="" if self.called == self.cluster else self.called,
            compute_id=self.compute_id,
        )
        name = f"{self.cluster} {self.datastore_regex}".strip()
        datastores = Datastores(
            address=Address(self.vcenter.target, Datastores.type, name),
            desired={"matching": True},
            needs=login,
            cluster=self.called,
            regex=self.datastore_regex,
        )
        return (cluster, datastores)

    def _reached(self) -> tuple[Need, ...]:
        """Return what must be so before the process is touched, or trusted again: its own cluster is there."""
        cluster = Need(self._in_vcenter()[0].address, "it drives this cluster and no other")
        return (self.vcenter.session, cluster)

    def _on(self, node: NodeFacts) -> Iterator[Unit]:
        installed: tuple[Need, ...] = ()
        if not self.program:
            package = Package.named(node.target, "nova-compute")
            installed = (Need(package.address, "the package brings the program and the user nova"),)
            yield package
        if node in self.masked:
            yield Service.forbidden(node.target, "nova-compute", needs=installed)
        tried = (
            self.vcenter.session,
            *(Need(unit.address, "it is tried before it is rolled out") for unit in self._in_vcenter()),
        )
        yield from self._home.furnished(node, self._options(), self.vcenter, installed=installed, tried=tried)
        if self.compute_id:
            path, needs = f"{self._home.folder}/compute_id", (self._home.made(node), *tried)
            yield WholeFile.at(node.target, path, self.compute_id, attributes=self._home.readable, needs=needs)
        yield from self._kept.unit_files(node, (*installed, *tried))

    def _options(self) -> Options:
        vcenter = self.vcenter
        default: dict[str, OptionValue] = {
            "host": self.host,
            "compute_driver": "vmwareapi.VMwareVCDriver",
            "state_path": self._home.state,
            "log_file": f"/var/log/nova/{self.service}.log",
            # Work in hand is given up before systemd would end the process by force.
            **({"graceful_shutdown_timeout": str(UNFENCED_GRACE_S)} if self._kept.unfenced else {}),
            # The cluster's memory is not this host's: the default of 512 MB would be taken from it for nothing.
            "reserved_host_memory_mb": "0",
        }
        vmware: dict[str, OptionValue] = {
            "host_ip": vcenter.host,
            "host_port": str(vcenter.port),
            "host_username": vcenter.username,
            "host_password": vcenter.password,
            "cluster_name": self.called,
            # The image cache in the datastore is found again after a failover; by default it is named after the node.
            "cache_prefix": self.host,
            **({"ca_file": self._home.ca_path} if vcenter.ca_pem else {}),
            **({"insecure": "True"} if vcenter.insecure else {}),
            **({"datastore_regex": self.datastore_regex} if self.datastore_regex else {}),
        }
        own: Options = {"DEFAULT": default, "vmware": vmware, "oslo_concurrency": {"lock_path": f"{self._home.state}/lock"}}
        return merged(self.cloud.nova_options, written(self.cloud.release, "nova", literal(own)), self.settings)

    @property
    def _kept(self) -> KeptService:
        return KeptService(
            name=self.service,
            description=f"OpenStack nova-compute {self.host} (a vSphere cluster)",
            command=f"{self.program or '/usr/bin/nova-compute'} --config-file {self._home.conf_path}",
            user="nova",
            folder=self._home.state,
            cloud=self.cloud,
            nodes=self.nodes,
            kept=self.pacemaker,
            notifies=self.notifies,
            program="nova-compute",
        )

    @property
    def _home(self) -> Home:
        return home_of(self.host)


def service_name(host: str) -> str:
    """Return the name of the compute's systemd unit and Pacemaker resource."""
    return f"nova-compute-{host}"


def home_of(host: str) -> Home:
    """Return where the compute lives."""
    return Home("nova", host, "nova.conf")


def derived_compute_id(cloud: str, host: str) -> str:
    """Return the identity that a new compute gets: the same on every candidate, whoever starts first."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{host}.{cloud}.bivisor"))
