"""Which units can be taken away again, and by whom instances and volumes would be left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.claims import Taking
from resources.contract import Address
from resources.units.at_rest import AtRest
from resources.units.compute_exit import ComputeExit
from resources.units.compute_service import ComputeService
from resources.units.config_file import ConfigFile
from resources.units.constraint import Constraint
from resources.units.file import WholeFile
from resources.units.primitive import Primitive
from resources.units.property import Property
from resources.units.service import Service
from resources.units.systemd_unit import SystemdUnit
from resources.units.volume_exit import VolumeExit
from resources.units.volume_service import VolumeService

if TYPE_CHECKING:
    from resources.contract import Need, TargetId, Unit

_MOVES_S = 150.0
"""Seconds within which Pacemaker has moved a resource away: as long as it may take to stop."""


def _rest(target: TargetId, process: str, needs: tuple[Need, ...]) -> AtRest:
    return AtRest(
        address=Address(target, AtRest.type, process), desired={"running": False}, needs=needs, settle_s=_MOVES_S * bool(needs)
    )


_TYPES: tuple[type[Unit], ...] = (ConfigFile, WholeFile, SystemdUnit, Service, Primitive, Constraint, Property)

TAKING = Taking(
    types={unit.type: unit for unit in _TYPES},
    paths=(ConfigFile.type, WholeFile.type),
    lodgers={ComputeService.type: "instances", VolumeService.type: "volumes"},
    exits={ComputeService.type: ComputeExit.type, VolumeService.type: VolumeExit.type},
    stores={"ImageStore": "images"},
    rest=_rest,
)
"""What is not among these stays when nobody declares it any more: packages, directories, what an API or a vCenter holds."""
