"""A distributed switch that a DVS agent shall work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Query, Unit, UnreadableError

if TYPE_CHECKING:
    from resources.contract import Action, Change, Facts, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributedSwitch(Unit):
    """A switch in vCenter, called after its name: `vcenter:vc1/distributed_switch/DVS0`.

    Field: `exists` (True). Bivisor never makes switches.
    """

    type: ClassVar[str] = "distributed_switch"

    def queries(self) -> tuple[Query, ...]:
        """Ask for the switch by its name."""
        return (Query("switch.find", {"name": self.address.name}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read whether there is one of that name."""
        (reply,) = replies
        if not reply.ok:
            raise UnreadableError(reply.error)
        return {"exists": int(reply.data["switches"]) > 0, "@known": tuple(map(str, reply.data["known"]))}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - there are none
        """Return nothing: switches and their uplinks belong to the vCenter's owner."""
        return ()

    def blocked(self, facts: Facts | None) -> str:
        """Tell that there is no such switch, with those that there are."""
        if facts is None or facts["exists"]:
            return ""
        known = facts["@known"]
        names = ", ".join(known) if isinstance(known, tuple) and known else "none"
        return f'no distributed switch named "{self.address.name}" in vCenter (known: {names})'
