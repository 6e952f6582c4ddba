"""How far a nova-compute has come on its way out of Nova: closed to new instances, empty, silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resources.exits import Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeExit(Exit):
    """One stage, called after it and the compute: `openstack:demo/compute_exit/vcenter-c0 closed`.

    Fields: `disabled` (True: nothing is started there any more), beside it `instances` (0, those that are being moved from or
    to it included), and `state` (`down`: its process is gone). A compute that Nova does not know is all of that. Bivisor
    moves and deletes no instance.
    """

    type: ClassVar[str] = "compute_exit"

    service: ClassVar[str] = "compute_service"
    lodger: ClassVar[str] = "instance"
    remedy: ClassVar[str] = "move or delete them; the compute stays until then"
