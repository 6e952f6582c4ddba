"""A vSphere cluster that a nova-compute drives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Query, Unit, UnreadableError

if TYPE_CHECKING:
    from resources.contract import Action, Change, Facts, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeCluster(Unit):
    """A cluster of hosts in vCenter, called after its name: `vcenter:vc1/compute_cluster/DC0_C0`.

    Fields: `exists` (True), `usable_hosts` (True: at least one host is connected and not in maintenance). Bivisor
    never makes clusters. Nova looks the name up when it starts and takes the first match of all datacenters, so a
    name that occurs twice is refused.
    """

    type: ClassVar[str] = "compute_cluster"

    def queries(self) -> tuple[Query, ...]:
        """Ask for the cluster by its name."""
        return (Query("cluster.find", {"name": self.address.name}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read whether the cluster is there and has a host to run instances on."""
        (reply,) = replies
        if not reply.ok:
            raise UnreadableError(reply.error)
        data = reply.data
        return {
            "exists": bool(data["exists"]),
            "usable_hosts": int(data["usable_hosts"]) > 0,
            "@moref": str(data["moref"]),
            "@matches": int(data["matches"]),
            "@hosts": int(data["hosts"]),
            "@known": tuple(map(str, data["known"])),
        }

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - there are none
        """Return nothing: clusters and hosts belong to the vCenter's owner."""
        return ()

    def blocked(self, facts: Facts | None) -> str:
        """Tell that there is no such cluster, with those that there are, that there are several, or that no host is usable."""
        if facts is None:
            return ""
        name, known, matches = self.address.name, facts["@known"], facts["@matches"]
        if not facts["exists"] and isinstance(known, tuple):
            return f'no cluster named "{name}" in vCenter (known: {", ".join(known) or "none"})'
        if isinstance(matches, int) and matches > 1:
            return f'{matches} clusters are named "{name}" in vCenter: Nova would take any of them; rename the others'
        if not facts["usable_hosts"]:
            return f'cluster "{name}" has no host that is connected and not in maintenance (hosts: {facts["@hosts"]})'
        return ""
