"""A Nova host aggregate: what makes a set of computes an availability zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Action, Query, Unit, UnreadableError, changed_fields
from resources.wording import counted

if TYPE_CHECKING:
    from resources.contract import Change, Facts, Reply

_HOST = "host "


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate(Unit):
    """An aggregate, called after its name: `openstack:demo/aggregate/kvm-az`.

    Fields: `availability_zone` (text), `host NAME` (True, or None for a host that must not be in it). Other hosts
    and metadata are not touched.
    """

    type: ClassVar[str] = "aggregate"

    def dispensable(self, name: str) -> bool:
        """A member may be left to others."""
        return name.startswith(_HOST)

    def queries(self) -> tuple[Query, ...]:
        """Ask for the aggregate by its name, and, if its zone is another one, for the instances of its hosts."""
        zone = (self.desired or {}).get("availability_zone")
        return (Query("aggregate.get", {"name": self.address.name, **({"zone": zone} if zone else {})}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read the zone and the members."""
        (reply,) = replies
        if not reply.ok:
            raise UnreadableError(reply.error)
        if not reply.data["exists"]:
            return None
        facts: Facts = {_HOST + str(host): True for host in reply.data["hosts"]}
        instances = reply.data.get("instances") or {}
        housed = tuple(f"{name} on {host}" for host in sorted(instances) for name in instances[host])
        zone = reply.data["availability_zone"]
        return {**facts, "availability_zone": zone, "@id": reply.data["id"], "@instances": housed}

    def blocked(self, facts: Facts | None) -> str:
        """Tell which instances keep the zone as it is: Nova changes no zone of hosts with instances."""
        instances, wanted = (facts or {}).get("@instances"), (self.desired or {}).get("availability_zone")
        if not facts or not wanted or not isinstance(instances, tuple) or not instances:
            return ""
        return (
            f'its zone cannot become "{wanted}": {counted(instances, "instance")} in "{facts["availability_zone"]}"; move or '
            "delete them, or declare that zone"
        )

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Make the aggregate or set its zone, then let go of the hosts that must leave, then take in those that must come.

        Nova refuses a host in two zones; its answer is then the step's.
        """
        name = self.address.name
        if self.desired is None:
            return (Action("aggregate.delete", {"name": name}),)
        zone = {"name": name, "availability_zone": self.desired.get("availability_zone")}
        writes = [Action("aggregate.create", zone)] if facts is None else []
        if facts is not None and "availability_zone" in changed_fields(changes):
            writes.append(Action("aggregate.set", zone))
        members = [change for change in changes if change.field.startswith(_HOST)]
        for op, leaving in (("aggregate.remove_host", True), ("aggregate.add_host", False)):
            hosts = (change.field.removeprefix(_HOST) for change in members if (change.after is None) is leaving)
            writes.extend(Action(op, {"name": name, "host": host}) for host in hosts)
        return tuple(writes)
