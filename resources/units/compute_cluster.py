"""A vSphere cluster that a nova-compute drives: found by name, and held on to by its MoRef."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Query, Unit, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resources.contract import Action, Change, Facts, Reply, TargetId, Value

HYPERVISOR = "VMware vCenter Server"
"""Nova's name of the hypervisor type (nova/virt/vmwareapi/host.py takes it from vCenter's AboutInfo)."""

_HOSTNAME = re.compile(r"(?P<moref>[^.(]+)(?:\.(?P<uuid>.+))?")
"""Nova's name of such a hypervisor: `MOREF.INSTANCEUUID` since Liberty (vmwareapi/driver.py), before `MOREF(NAME)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeCluster(Unit):
    """A cluster of hosts in vCenter, called after its declared name: `vcenter:vc1/compute_cluster/DC0_C0`.

    Fields: `exists` (True), `usable_hosts` (True: at least one host is connected and not in maintenance). Bivisor
    never makes clusters. Nova looks the name up when it starts and takes the first match of all datacenters, so a
    name that occurs twice is refused.

    `host` is the compute that drives it, `openstack` the cloud of that. Which cluster that compute has been driving is in
    the name of its hypervisor in Nova, as a MoRef, which no rename changes; `moref` declares it. `called` is the name that the
    cluster has now, where it was renamed. `compute_id` is the identity that the compute is about to get, for releases that want
    one: Nova has it as the hypervisor's UUID, also of a compute that is older than such releases.
    """

    type: ClassVar[str] = "compute_cluster"

    host: str
    openstack: TargetId
    moref: str = ""
    called: str = ""
    compute_id: str = ""

    def queries(self) -> tuple[Query, ...]:
        """Ask vCenter for the cluster by its name, and Nova for the clusters that it knows."""
        find = Query("cluster.find", {"name": self.called or self.address.name})
        return (find, Query("hypervisors.list", {"type": HYPERVISOR, "uuids": bool(self.compute_id)}, self.openstack))

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read whether the cluster is there and has a host to run instances on, and whether it is the one it was."""
        found, known = replies
        if not found.ok:
            raise UnreadableError(found.error)
        if not known.ok:
            raise UnreadableError(f"which cluster Nova knows as {self.host} is unknown: {known.error}")
        data = found.data
        moref, names = str(data["moref"]), data["names"]
        uuid = str(data["instance_uuid"])
        drivers = [(str(each["hostname"]), str(each["host"])) for each in known.data["hypervisors"]]
        pinned, home = _pinned(drivers, self.host, moref)
        facts: dict[str, Value] = {
            "exists": bool(data["exists"]),
            "usable_hosts": int(data["usable_hosts"]) > 0,
            "@moref": moref,
            "@matches": int(data["matches"]),
            "@known": tuple(sorted(map(str, names.values()))),
            "@pinned": self.moref or pinned,
            "@strange_vcenter": home not in ("", uuid),
            "@driver": _driver(drivers, f"{moref}.{uuid}", self.host),
            "@identities": tuple(str(each["uuid"]) for each in known.data["hypervisors"] if each["host"] == self.host),
            "@hosts": int(data["hosts"]),
        }
        return {**facts, "@called": self._called(str(facts["@pinned"]), names)}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - there are none
        """Return nothing: clusters and hosts belong to the vCenter's owner."""
        return ()

    def alias(self, facts: Facts | None) -> str:
        """Return the name that the cluster has now, where nothing has the declared one any more."""
        known = (facts or {}).get("@known")
        taken = isinstance(known, tuple) and self.address.name in known
        return "" if facts is None or taken else str(facts["@called"])

    def remarks(self, facts: Facts | None) -> tuple[str, ...]:
        """Tell that a rename is followed."""
        name = self.alias(facts)
        if not name:
            return ()
        return (f'it is called "{name}" in vCenter now, and is followed ({(facts or {})["@pinned"]}): declare cluster: {name}',)

    def blocked(self, facts: Facts | None) -> str:
        """Tell that there is no such cluster, with those that there are, several, another, or one without usable hosts."""
        if facts is None:
            return ""
        name, known, matches = self.called or self.address.name, facts["@known"], facts["@matches"]
        if isinstance(matches, int) and matches > 1:
            return f'{matches} clusters are named "{name}" in vCenter: Nova would take any of them; rename the others'
        if not facts["exists"] and isinstance(known, tuple) and not self.alias(facts):
            return f'no cluster named "{name}" in vCenter (known: {", ".join(known) or "none"})'
        return (self._another(facts) or self._empty(facts)) if facts["exists"] else ""

    def _empty(self, facts: Facts) -> str:
        """Tell that no host of it could run an instance: nova-compute does not start on such a cluster."""
        if facts["usable_hosts"]:
            return ""
        name = self.called or self.address.name
        return f'cluster "{name}" has no host that is connected and not in maintenance (hosts: {facts["@hosts"]})'

    def _another(self, facts: Facts) -> str:
        """Tell that Nova knows this cluster by another compute's name, or that compute by another cluster."""
        name, driver, pinned = self.called or self.address.name, facts["@driver"], facts["@pinned"]
        if facts["@strange_vcenter"]:
            return (
                f'Nova knows "{self.host}" in another vCenter than this (instance UUIDs differ): it was installed anew; a new '
                "vCenter needs computes with other hosts"
            )
        if driver != self.host:
            return (
                f'Nova knows this cluster as the compute "{driver}", and host never changes: with "{self.host}" its instances '
                f"would be nobody's; write host: {driver} again, or first move its instances away and declare it gone"
            )
        if not pinned or pinned == facts["@moref"]:
            return self._another_identity(facts["@identities"])
        if now := facts["@called"]:
            return (
                f'"{self.host}" drives {pinned}, which is called "{now}", and "{name}" is another cluster '
                f'({facts["@moref"]}): write cluster: {now}, and give "{name}" a compute of its own'
            )
        return (
            f'"{name}" is another cluster ({facts["@moref"]}) than the one that "{self.host}" drives ({pinned}), which is '
            f'no more: give it a compute with another host, and declare "{self.host}" gone when no instance is left of it'
        )

    def _another_identity(self, known: Value) -> str:
        """Tell that Nova knows the compute by another UUID: it would refuse to start, or make a second hypervisor of it."""
        if not self.compute_id or not isinstance(known, tuple) or not known or self.compute_id.lower() in known:
            return ""
        return f'Nova knows "{self.host}" by the identity {known[0]}, not {self.compute_id}: write computeId: {known[0]}'

    def _called(self, pinned: str, names: Mapping[str, str]) -> str:
        """Return the present name of the cluster that the compute drives, '' where there is none or it is as declared."""
        name = str(names.get(pinned, ""))
        return "" if name == self.address.name else name


def _driver(drivers: Sequence[tuple[str, str]], hostname: str, host: str) -> str:
    """Return the compute by which Nova knows that hypervisor: `host`, unless it is only known by others."""
    found = [driver for name, driver in drivers if name == hostname]
    return host if host in found or not found else found[0]


def _pinned(drivers: Sequence[tuple[str, str]], host: str, moref: str) -> tuple[str, str]:
    """Return MoRef and vCenter's instance UUID of the cluster that Nova knows by that compute, or two empty texts.

    Nova removes the row of a former hypervisor a while after it has the new one; until then the one that is there counts.
    """
    found = [match for hostname, driver in drivers if driver == host and (match := _HOSTNAME.match(hostname))]
    match = next((each for each in found if each["moref"] == moref), found[0] if found else None)
    return (match["moref"], match["uuid"] or "") if match else ("", "")
