"""How far a volume backend has come on its way out of Cinder: closed to new volumes, empty, silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.exits import Exit

if TYPE_CHECKING:
    from resources.contract import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeExit(Exit):
    """One stage, called after it and the service's host: `openstack:demo/volume_exit/vmdk@vmdk closed`.

    Fields: `disabled` (True: the scheduler makes no volume there any more), beside it `volumes` (0, of any project), and
    `state` (`down`: its process is gone). Bivisor moves and deletes no volume. Cinder's API cannot forget a
    service: its row stays, and the command that removes it is told.

    Until it is known to be empty the backend is declared as ever and kept running: volumes are detached and deleted by it.
    """

    type: ClassVar[str] = "volume_exit"

    service: ClassVar[str] = "volume_service"
    lodger: ClassVar[str] = "volume"
    remedy: ClassVar[str] = "delete or migrate them; the backend runs on until then"

    def remarks(self, facts: Facts | None) -> tuple[str, ...]:
        """Tell how the row of a service that is silent is removed."""
        if "state" not in (self.desired or {}) or not facts or not facts["@known"] or facts["state"] != "down":
            return ()
        command = f"cinder-manage service remove cinder-volume {self.host}"
        return (f"Cinder still lists {self.host}, and its API cannot forget a service: where that runs, say {command}",)
