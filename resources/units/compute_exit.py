"""How far a nova-compute has come on its way out of Nova: closed to new instances, empty, silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Action, Query, Unit, UnreadableError
from resources.wording import counted

if TYPE_CHECKING:
    from resources.contract import Change, Facts, Reply

_REASON = "bivisor: it leaves the cloud"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeExit(Unit):
    """One stage, called after it and the compute: `openstack:demo/compute_exit/vcenter-c0 closed`.

    Fields, one for each stage: `disabled` (True: nothing is started there any more), `instances` (0), `state` (`down`: its
    process is gone). A compute that Nova does not know is all of that. Bivisor moves and deletes no instance.
    """

    type: ClassVar[str] = "compute_exit"

    host: str

    def queries(self) -> tuple[Query, ...]:
        """Ask for the compute and for its instances."""
        host = {"host": self.host}
        return (Query("compute_service.get", host), Query("instances.list", host))

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read all stages."""
        for reply in replies:
            if not reply.ok:
                raise UnreadableError(reply.error)
        row, names = replies[0].data, tuple(map(str, replies[1].data["instances"]))
        known = bool(row["exists"])
        return {
            "disabled": not known or row["status"] == "disabled",
            "instances": len(names),
            "state": str(row["state"]) if known else "down",
            "@instances": names,
        }

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - the stage says all
        """Close it; the other stages come by themselves."""
        closes = any(change.field == "disabled" for change in changes)
        return (Action("compute_service.disable", {"host": self.host, "reason": _REASON}),) if closes else ()

    def blocked(self, facts: Facts | None) -> str:
        """Tell which instances keep the compute in the cloud."""
        instances = (facts or {}).get("@instances")
        if "instances" not in (self.desired or {}) or not isinstance(instances, tuple) or not instances:
            return ""
        return f"{counted(instances, 'instance')} on {self.host}: move or delete them; the compute stays until then"
