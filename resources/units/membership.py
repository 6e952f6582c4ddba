"""The Corosync ring as Pacemaker sees it: which nodes are in, and whether they may decide anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Query, Unit, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.contract import Action, Change, Facts, Reply, TargetId


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership(Unit):
    """All declared controllers are online in one quorate partition: `pacemaker:demo/membership/ring`.

    Fields: `members` (tuple of node names, sorted), `quorate` (True). It has no actions: the members' own services
    form the ring, and this unit is where everything else waits for it. `hosts` are the targets of the members, by name.
    """

    type: ClassVar[str] = "membership"

    settle_s: float = 90.0
    hosts: Mapping[str, TargetId] = field(default_factory=dict)

    def queries(self) -> tuple[Query, ...]:
        """Ask for the cluster as a whole."""
        return (Query("cluster.show", {}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read who is online; a cluster that runs nowhere has no members."""
        (reply,) = replies
        if not reply.ok:
            raise UnreadableError(reply.error)
        nodes = reply.data["nodes"]
        online = tuple(sorted(name for name, state in nodes.items() if state["online"] and not state["unclean"]))
        offline = tuple(sorted(name for name, state in nodes.items() if not state["online"] and not state["unclean"]))
        return {"members": online, "quorate": bool(reply.data["quorate"]), "@offline": offline}

    def lost(self, facts: Facts | None) -> tuple[TargetId, ...]:
        """Return the members that are offline, if who says so has quorum.

        One that is unclean is none of them: it is still to be fenced, and may go on meanwhile.
        """
        if not facts or not facts["quorate"]:
            return ()
        offline: tuple[str, ...] = facts["@offline"]  # type: ignore[assignment] # as `observe` made it
        return tuple(host for name, host in self.hosts.items() if name in offline)

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - there are none
        """Return nothing: a ring forms by itself when its services run."""
        return ()
