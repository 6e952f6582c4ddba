"""Which availability zone a compute is in, and which of Nova's host aggregates makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.adoption.draft import as_name, is_name

if TYPE_CHECKING:
    from resources.adoption.seen import Seen

_GUESSED = {"libvirt": "kvm-az", "vmware": "vcenter-az"}


@dataclass(frozen=True, slots=True)
class Zone:
    """An availability zone as Nova has it. `name` is what its document may be called.

    `aggregate` is what Nova calls the aggregate that makes it; empty where the zone is a guess, because there is none.
    `beside` are further aggregates of the same zone.
    """

    name: str
    availability_zone: str
    aggregate: str = ""
    beside: tuple[str, ...] = ()


def zone_of(seen: Seen, host: str, hypervisor: str) -> Zone:
    """Return the zone of a compute by its aggregate, that which a document can be called after before others; else a guess."""
    zoned = [
        one
        for one in seen.listed("aggregates.list", "aggregates")
        if one["availability_zone"] and one["availability_zone"] != "nova"
    ]
    mine = sorted((one for one in zoned if host in one["hosts"]), key=lambda one: not is_name(str(one["name"])))
    if not mine:
        return Zone(_GUESSED[hypervisor], _GUESSED[hypervisor])
    name, zone = str(mine[0]["name"]), str(mine[0]["availability_zone"])
    alike = (str(one["name"]) for one in zoned if one["availability_zone"] == zone)
    return Zone(name if is_name(name) else as_name(name), zone, name, tuple(sorted(set(alike) - {name})))
