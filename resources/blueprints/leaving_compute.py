"""A nova-compute that leaves the cloud: drained first, then taken away, in the reverse order.

What stays is the state directory, with logs of what was, and the package, which others may use; of a libvirt compute also
its configuration, which is the package's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.blueprints.leaving import drained, silent, stopped, taken_from_pacemaker
from resources.contract import Address, Need
from resources.units.compute_exit import ComputeExit
from resources.units.compute_service import ComputeService
from resources.units.file import WholeFile
from resources.units.systemd_unit import SystemdUnit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.contract import Unit
    from resources.published import CloudFacts, NodeFacts


@dataclass(frozen=True, slots=True)
class LeavingCompute:
    """What was declared about it, as far as its parts are named after that. Without a `folder` it is the packaged service."""

    host: str
    service: str
    folder: str
    cloud: CloudFacts
    nodes: tuple[NodeFacts, ...]
    pacemaker: bool

    def units(self) -> Iterator[Unit]:
        """Yield the stages of leaving, each needing the one before."""
        openstack = self.cloud.openstack
        closed, empty = drained(ComputeExit, openstack, self.host)
        emptied = Need(empty.address, "instances would be left alone")
        ended = tuple(self._ended(emptied))
        after = tuple(Need(unit.address, "it must not run any more") for unit in ended)
        last = silent(ComputeExit, openstack, self.host, after)
        yield from (closed, empty, *ended, last)
        if self.folder:
            for node in self.nodes:
                yield from self._files(node, after)
        row = Address(openstack, ComputeService.type, self.host)
        yield ComputeService(address=row, desired=None, needs=(Need(last.address, "Nova keeps the row of one that reports"),))

    def _ended(self, emptied: Need) -> Iterator[Unit]:
        if self.pacemaker:
            return taken_from_pacemaker(self.service, self.cloud, self.nodes, emptied)
        return iter([stopped(self.service, node, emptied) for node in self.nodes])

    def _files(self, node: NodeFacts, after: tuple[Need, ...]) -> Iterator[Unit]:
        unit = Address(node.target, SystemdUnit.type, f"{self.service}.service")
        yield SystemdUnit(address=unit, desired=None, needs=after)
        for name in ("nova.conf", "vcenter-ca.pem", "compute_id"):
            path = Address(node.target, WholeFile.type, f"{self.folder}/{name}")
            yield WholeFile(address=path, desired=None, needs=after)
