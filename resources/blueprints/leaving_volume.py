"""A volume backend that leaves the cloud: closed at once, kept as it is while volumes live there, then taken away.

Its volumes need the service until the last one is deleted or migrated, so before that nothing of it is given up. Whether it
is empty decides what is declared; while nobody knows, what it has is neither changed nor taken away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resources.blueprints.cinder_volume import SHARED
from resources.blueprints.leaving import drained, silent, stopped, taken_from_pacemaker
from resources.contract import Address, Need
from resources.units.config_file import ConfigFile
from resources.units.file import WholeFile
from resources.units.service import Service
from resources.units.systemd_unit import SystemdUnit
from resources.units.volume_exit import VolumeExit
from resources.units.volume_type import VolumeType

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from resources.blueprints.cinder_volume import CinderVolume
    from resources.contract import Unit
    from resources.published import NodeFacts


@dataclass(frozen=True, slots=True)
class LeavingVolume:
    """The backend as it was declared; its `packaged` names it until it is known to be `empty`, and then no more."""

    backend: CinderVolume
    empty: bool

    def units(self) -> Iterator[Unit]:
        """Yield the first two stages, and the backend: as it is or as it shall go."""
        closed, empty = drained(VolumeExit, self.backend.cloud.openstack, self.backend.service_host)
        yield from (closed, empty)
        if self.empty:
            yield from self._going(Need(empty.address, "volumes would be left alone"))
            return
        known = Need(closed.address, "what became of it must be known")
        for unit in self.backend.units():
            yield unit if unit.address.target == closed.address.target else replace(unit, needs=(*unit.needs, known))

    def _going(self, emptied: Need) -> Iterator[Unit]:
        backend, openstack = self.backend, self.backend.cloud.openstack
        if backend.volume_type:
            yield VolumeType(address=Address(openstack, VolumeType.type, backend.volume_type), desired=None, needs=(emptied,))
        if backend.kept:
            ended = tuple(taken_from_pacemaker(backend.service.name, backend.cloud, backend.nodes, emptied))
            yield from ended
            after = tuple(Need(unit.address, "it must not run any more") for unit in ended)
        else:
            after = ()
            for node in backend.nodes:
                after += yield from self._out_of_the_shared(node, emptied)
        last = silent(VolumeExit, openstack, backend.service_host, after)
        yield last
        gone = (emptied, *after, Need(last.address, "Cinder hears of it still"))
        for node in backend.nodes:
            yield from self._files(node, gone)

    def _out_of_the_shared(self, node: NodeFacts, emptied: Need) -> Generator[Unit, None, tuple[Need, ...]]:
        """Yield how it leaves the packaged service of a node; return what must be so before its files go."""
        section = {self.backend.name: dict.fromkeys(self.backend.section_options)}
        if self.backend.packaged[node.name]:
            # What other backends say of enabled_backends names it no more; their service loads that.
            yield ConfigFile.at(node.target, SHARED, section, needs=(emptied,))
            return (Need(Address(node.target, Service.type, "cinder-volume"), "it reads them until it has restarted"),)
        service = stopped("cinder-volume", node, emptied)
        yield service
        ended = Need(service.address, "it must not run any more")
        yield ConfigFile.at(node.target, SHARED, {"DEFAULT": {"enabled_backends": None}, **section}, needs=(ended,))
        return (ended,)

    def _files(self, node: NodeFacts, gone: tuple[Need, ...]) -> Iterator[Unit]:
        paths = (*self.backend.files, *((self.backend.conf,) if self.backend.kept else ()))
        for path in paths:
            yield WholeFile(address=Address(node.target, WholeFile.type, path), desired=None, needs=gone)
        if self.backend.kept:
            for unit in self.backend.service.unit_files(node, ()):
                yield SystemdUnit(address=unit.address, desired=None, needs=gone)
