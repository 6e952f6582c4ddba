"""A nova-compute of a vSphere cluster that leaves the cloud: drained first, then taken away, in the reverse order.

What stays is the state directory, with logs of what was, and the package, which others may use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.contract import Address, Need
from resources.units.compute_exit import ComputeExit
from resources.units.compute_service import ComputeService
from resources.units.constraint import Constraint
from resources.units.file import WholeFile
from resources.units.primitive import Primitive
from resources.units.service import Service
from resources.units.systemd_unit import SystemdUnit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.contract import Unit
    from resources.published import CloudFacts, NodeFacts


@dataclass(frozen=True, slots=True)
class Process:
    """One that leaves: its systemd unit and Pacemaker resource, and the files in its directory of configuration."""

    service: str
    folder: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeavingCompute:
    """What was declared about it, as far as its parts are named after that; `processes` are it and what was beside it."""

    host: str
    processes: tuple[Process, ...]
    cloud: CloudFacts
    nodes: tuple[NodeFacts, ...]
    pacemaker: bool

    def units(self) -> Iterator[Unit]:
        """Yield the stages of leaving, each needing the one before."""
        closed = self._stage("closed", {"disabled": True})
        empty = self._stage("empty", {"instances": 0}, Need(closed.address, "nothing new must come while it is emptied"))
        drained = Need(empty.address, "instances would be left alone")
        stopped = tuple(unit for process in self.processes for unit in self._stopped(process.service, drained))
        after = tuple(Need(unit.address, "it must not run any more") for unit in stopped)
        silent = self._stage("silent", {"state": "down"}, *after)
        yield from (closed, empty, *stopped, silent)
        for process in self.processes:
            for node in self.nodes:
                yield from self._files(process, node, after)
        row = Address(self.cloud.openstack, ComputeService.type, self.host)
        yield ComputeService(address=row, desired=None, needs=(Need(silent.address, "Nova keeps the row of one that reports"),))

    def _stage(self, name: str, desired: dict[str, str | int | bool], *needs: Need) -> Unit:
        settle_s = 180.0 if name == "silent" else 0.0
        return ComputeExit(address=self._address(name), desired=desired, needs=needs, host=self.host, settle_s=settle_s)

    def _address(self, stage: str) -> Address:
        return Address(self.cloud.openstack, ComputeExit.type, f"{self.host} {stage}")

    def _stopped(self, service: str, drained: Need) -> Iterator[Unit]:
        if not self.pacemaker:
            for node in self.nodes:
                address = Address(node.target, Service.type, service)
                yield Service(address=address, desired={"enabled": False, "active": False}, needs=(drained,))
            return
        resource = Address(self.cloud.pacemaker, Primitive.type, service)
        yield Primitive(address=resource, desired=None, needs=(drained, *self.cloud.ring))
        removed = Need(resource, "the resource goes before its places")
        for node in self.nodes:
            place = Address(self.cloud.pacemaker, Constraint.type, f"{service}-on-{node.name}")
            yield Constraint(address=place, desired=None, needs=(removed,), resource=service)

    def _files(self, process: Process, node: NodeFacts, after: tuple[Need, ...]) -> Iterator[Unit]:
        unit = Address(node.target, SystemdUnit.type, f"{process.service}.service")
        yield SystemdUnit(address=unit, desired=None, needs=after)
        for name in process.files:
            path = Address(node.target, WholeFile.type, f"{process.folder}/{name}")
            yield WholeFile(address=path, desired=None, needs=after)
