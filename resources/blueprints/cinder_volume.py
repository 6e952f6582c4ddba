"""The cinder-volume of a backend, on one node or on several.

Without high availability, and in the literal shared-host mode, it is the packaged service, which the backends of a node
share. Kept by Pacemaker it is a process of its own per backend, with its own configuration and unit; the packaged service
is masked there unless another backend needs it, because one that starts by itself would be a second live process.

A backend's section is the same text on every node and in every mode: volumes belong to `backend_host@section`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.blueprints.kept_service import UNFENCED_GRACE_S, KeptService
from resources.contract import Address, Need
from resources.exits import LEFT_CLOSED
from resources.options import from_settings, literal, merged
from resources.releases.spelling import written
from resources.units.config_file import ConfigFile
from resources.units.file import WholeFile
from resources.units.package import Package
from resources.units.service import Service
from resources.units.volume_service import VolumeService
from resources.units.volume_type import VolumeType

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from resources.contract import Unit
    from resources.options import Options, OptionValue, Settings
    from resources.published import CloudFacts, NodeFacts

SHARED = "/etc/cinder/cinder.conf"
"""What the packaged service of a node reads, with a section for each backend."""

_STATE = "/var/lib/cinder"
_READABLE = {"mode": "0640", "owner": "root", "group": "cinder"}

_CATALOGUE: Options = {"DEFAULT": {"glance_api_servers": None}}
"""Debian's file says that Glance is on the volume node itself; unset, Cinder finds it in Keystone's catalogue."""


@dataclass(frozen=True, slots=True)
class CinderVolume:
    """What is declared about one.

    `host` is the identity of its volumes, `section` the options of its section, `default` those of [DEFAULT] that its
    driver wants, `files` path to text of what the section names, `tried` what must hold before anything is rolled out.
    `remotes` are those of its nodes that are no controllers, `packaged` names, per node, the backends that the packaged
    service serves there. While one `leaves` it is run as ever, but closed.
    """

    name: str
    host: str
    availability_zone: str
    volume_type: str
    section: Mapping[str, OptionValue]
    default: Mapping[str, OptionValue]
    settings: Settings
    files: Mapping[str, str]
    packages: tuple[str, ...]
    tried: tuple[Need, ...]
    cloud: CloudFacts
    nodes: tuple[NodeFacts, ...]
    remotes: tuple[NodeFacts, ...]
    kept: bool
    packaged: Mapping[str, tuple[str, ...]]
    leaves: bool

    def units(self) -> Iterator[Unit]:
        """Yield everything from packages to the service that Cinder knows and the type that users choose."""
        keepers = tuple(
            Need(unit.address, "a volume service registers itself when it runs") for unit in (yield from self._run())
        )
        yield VolumeService(
            address=Address(self.cloud.openstack, VolumeService.type, self.service_host),
            desired={
                "registered": True,
                "state": "up",
                "availability_zone": self.availability_zone,
                **({} if self.leaves else {LEFT_CLOSED: False}),
            },
            needs=keepers,
        )
        if self.volume_type:
            specs = {"volume_backend_name": self.name, "RESKEY:availability_zones": self.availability_zone}
            yield VolumeType(
                address=Address(self.cloud.openstack, VolumeType.type, self.volume_type),
                desired={"public": True, **{f"spec {name}": value for name, value in specs.items()}},
            )

    def _run(self) -> Generator[Unit, None, tuple[Unit, ...]]:
        """Yield what makes it run; return what keeps it running."""
        prepared = tuple(unit for node in self.nodes for unit in (self._own(node) if self.kept else self._shared(node)))
        yield from prepared
        if not self.kept:
            return tuple(unit for unit in prepared if isinstance(unit, Service))
        yield from self.service.places()
        released = (
            Need(
                Address(node.target, Service.type, "cinder-volume"), "it must have let go of this backend, if it had it before"
            )
            for node in self.nodes
            if self.packaged[node.name]
        )
        keeper = self.service.keeper(prepared, *released)
        yield keeper
        return (keeper,)

    def _shared(self, node: NodeFacts) -> Iterator[Unit]:
        """Yield a node's share of the packaged service."""
        installed = yield from self._installed(node)
        configured = yield from self._configuration(node, SHARED, self._options(self.packaged[node.name]), installed)
        needs = (*installed, *(Need(address, "it is configured there") for address in configured))
        yield Service.running(node.target, "cinder-volume", loads=configured, needs=needs)

    def _own(self, node: NodeFacts) -> Iterator[Unit]:
        """Yield a process of its own, ready to be started by Pacemaker."""
        installed = yield from self._installed(node)
        if not self.packaged[node.name]:
            yield Service.forbidden(node.target, "cinder-volume", needs=installed)
        default: dict[str, OptionValue] = {
            "state_path": _STATE,
            "log_file": f"/var/log/cinder/{self.service.name}.log",
            # Work in hand is given up before systemd would end the process by force.
            **({"graceful_shutdown_timeout": str(UNFENCED_GRACE_S)} if self.service.unfenced else {}),
        }
        own: Options = {"DEFAULT": default, "oslo_concurrency": {"lock_path": f"{_STATE}/lock"}}
        options = merged(written(self.cloud.release, "cinder", literal(own)), self._options((self.name,)))
        yield from self._configuration(node, self.conf, options, installed)
        yield from self.service.unit_files(node, installed[:1])

    def _installed(self, node: NodeFacts) -> Generator[Unit, None, tuple[Need, ...]]:
        """Yield the packages; return that they are there, first the one of the program."""
        packages = tuple(Package.named(node.target, name) for name in ("cinder-volume", *self.packages))
        yield from packages
        program, *drivers = packages
        return (
            Need(program.address, "the package brings the program and the user cinder"),
            *(Need(package.address, "the driver uses it") for package in drivers),
        )

    def _configuration(
        self, node: NodeFacts, path: str, options: Options, installed: tuple[Need, ...]
    ) -> Generator[Unit, None, tuple[Address, ...]]:
        """Yield configuration and files; return their addresses."""
        files = tuple(
            WholeFile.at(node.target, name, text, attributes=_READABLE, needs=installed[:1])
            for name, text in self.files.items()
        )
        conf = ConfigFile.at(node.target, path, options, attributes=_READABLE, needs=(installed[0], *self.tried))
        yield from (conf, *files)
        return (conf.address, *(file.address for file in files))

    def _options(self, backends: tuple[str, ...]) -> Options:
        declared = {"DEFAULT": {**self.default, "enabled_backends": ",".join(backends)}, self.name: self.section}
        own = written(self.cloud.release, "cinder", literal(declared), own=self.name)
        return merged(_CATALOGUE, self.cloud.cinder_options, own, from_settings(self.settings))

    @property
    def service_host(self) -> str:
        """Return what Cinder calls the service."""
        return f"{self.host}@{self.name}"

    @property
    def section_options(self) -> tuple[str, ...]:
        """Return the names of the options in the backend's own section."""
        return tuple(self._options(())[self.name])

    @property
    def service(self) -> KeptService:
        """Return the process of its own that Pacemaker keeps."""
        return KeptService(
            name=f"cinder-volume-{self.name}",
            description=f"OpenStack cinder-volume of the backend {self.name}",
            command=f"/usr/bin/cinder-volume --config-file {self.conf}",
            user="cinder",
            folder=_STATE,
            cloud=self.cloud,
            nodes=self.nodes,
            remotes=self.remotes,
        )

    @property
    def conf(self) -> str:
        """Return the path of that process's configuration."""
        return f"/etc/cinder/cinder-volume-{self.name}.conf"
