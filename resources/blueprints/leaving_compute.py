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
class Process:
    """One that leaves: its systemd unit and Pacemaker resource, and the files in its directory of configuration.

    Without a `folder` it is a packaged service: its unit and its configuration stay.
    """

    service: str
    folder: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeavingCompute:
    """What was declared about it, as far as its parts are named after that; `processes` are it and what was beside it.

    Once it was seen to be `empty`, its `aggregate` lets it go, and then its row goes.
    """

    host: str
    processes: tuple[Process, ...]
    cloud: CloudFacts
    nodes: tuple[NodeFacts, ...]
    pacemaker: bool
    empty: bool
    aggregate: Address

    def units(self) -> Iterator[Unit]:
        """Yield the stages of leaving; Nova forgets the compute last, when it is out of its aggregate."""
        openstack = self.cloud.openstack
        closed, empty = drained(ComputeExit, openstack, self.host)
        emptied = Need(empty.address, "instances would be left alone")
        ended = tuple(unit for process in self.processes for unit in self._ended(process.service, emptied))
        after = tuple(Need(unit.address, "it must not run any more") for unit in ended)
        last = silent(ComputeExit, openstack, self.host, after)
        gone = (emptied, *after, Need(last.address, "Nova hears of it still"))
        yield from (closed, empty, *ended, last)
        for process in self.processes:
            for node in self.nodes if process.folder else ():
                yield from self._files(process, node, gone)
        if self.empty:
            row, left = Address(openstack, ComputeService.type, self.host), "Nova lets only a known host out of an aggregate"
            yield ComputeService(address=row, desired=None, needs=(*gone, Need(self.aggregate, left)))

    def _ended(self, service: str, emptied: Need) -> Iterator[Unit]:
        if self.pacemaker:
            yield from taken_from_pacemaker(service, self.cloud, self.nodes, emptied)
        else:
            yield from (stopped(service, node, emptied) for node in self.nodes)

    def _files(self, process: Process, node: NodeFacts, gone: tuple[Need, ...]) -> Iterator[Unit]:
        unit = Address(node.target, SystemdUnit.type, f"{process.service}.service")
        yield SystemdUnit(address=unit, desired=None, needs=gone)
        for name in process.files:
            path = Address(node.target, WholeFile.type, f"{process.folder}/{name}")
            yield WholeFile(address=path, desired=None, needs=gone)
