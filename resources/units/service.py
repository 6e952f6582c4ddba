"""A systemd service on a host: whether it runs, starts at boot, may start at all, and has loaded what is declared now."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Self

from resources import heard
from resources.contract import PROCESS, Action, Address, Disruption, Query, Unit, UnreadableError, changed_fields
from resources.files import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resources.claims import Claim
    from resources.contract import Change, Facts, Need, Reply, TargetId, Value

_RUNNING = frozenset({"active", "reloading", "refreshing"})
_AT_BOOT = frozenset({"enabled", "enabled-runtime"})
_NOT_FOR_BOOT = frozenset({"static", "indirect", "generated", "alias", "linked", "linked-runtime", "transient"})
"""States of units that nobody can enable: there is nothing to compare."""

STEADY_S = 10.0
"""Seconds within which a service that refuses its configuration has ended: Python services take a few to read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Unit):
    """Address `ssh:NODE/service/NAME` (without `.service`).

    Fields, as far as declared: masked, enabled, active, fresh, heard.

    `fresh` is a level: the running process has loaded the declared content of everything in `loads`. What does not
    run is fresh. `digests` maps the paths of `loads` to the digests of their declared content. `part_of` is what is
    exclusive: the name of what would suffer if two parts of it were down. `hearing` is set for a nova-compute: one that
    Nova has not heard of since its start is waited for, and counts as down; one that hangs is restarted. `program` is
    set where the name tells one of several processes of a program from the others.
    """

    type: ClassVar[str] = "service"

    digests: Mapping[str, str] = field(default_factory=dict)
    part_of: str = ""
    hearing: heard.Hearing | None = None
    program: str = ""

    @classmethod
    def running(
        cls, target: TargetId, name: str, *, loads: tuple[Address, ...] = (), needs: tuple[Need, ...] = (), part_of: str = ""
    ) -> Self:
        """Declare a service that starts at boot, runs, and has loaded those files."""
        desired = {"masked": False, "enabled": True, "active": True, **({"fresh": True} if loads else {})}
        address = Address(target, cls.type, name)
        return cls(address=address, desired=desired, loads=loads, needs=needs, part_of=part_of, steady_s=STEADY_S)

    def heard_by(self, openstack: TargetId, host: str) -> Self:
        """Return the service as a nova-compute that Nova must have heard of since its start."""
        desired = {**(self.desired or {}), heard.HEARD: True}
        return replace(self, desired=desired, hearing=heard.Hearing(openstack, host), settle_s=heard.HEARD_S)

    @classmethod
    def refreshed(cls, target: TargetId, name: str, *, loads: tuple[Address, ...], needs: tuple[Need, ...] = ()) -> Self:
        """Declare of a service, run by others, only that it has loaded those files, if it runs."""
        address = Address(target, cls.type, name)
        return cls(address=address, desired={"fresh": True}, loads=loads, needs=needs, steady_s=STEADY_S)

    @classmethod
    def forbidden(cls, target: TargetId, name: str, *, needs: tuple[Need, ...] = ()) -> Self:
        """Declare a service that does not run and cannot be started."""
        desired = {"masked": True, "active": False}
        return cls(address=Address(target, cls.type, name), desired=desired, needs=needs)

    def ownable(self, name: str) -> bool:
        """A service that we configure and have started or enabled is ours; one that we only started is not."""
        return bool(self.loads) and name in ("active", "enabled")

    def dispensable(self, name: str) -> bool:
        """Whether it starts at boot may be left to others."""
        return name == "enabled"

    def memory(self) -> Mapping[str, str]:
        """Remember what would suffer from its end."""
        return {"part_of": self.part_of} if self.part_of else {}

    @classmethod
    def former(cls, claim: Claim) -> Self:
        """Return the service as one that does not run and does not start at boot. A mask stays: it starts nothing."""
        desired = {"enabled": False, "active": False}
        return cls(address=claim.address, desired=desired, part_of=claim.remembered("part_of"))

    def loading(self, digests: Mapping[Address, str]) -> Self:
        """Return the unit with the digests of the files that it loads."""
        return replace(self, digests={path_of(address): digests[address] for address in self.loads if address in digests})

    def process(self) -> str:
        """Return the systemd unit, if it loads anything."""
        return self._unit() if self.loads else ""

    def queries(self) -> tuple[Query, ...]:
        """Ask systemd, and the host's memory of what the process was started with; of a nova-compute ask Nova as well."""
        return (Query("service.show", self._args()), *((self.hearing.query(),) if self.hearing else ()))

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read the states; a unit that systemd does not know is neither running nor enabled nor masked."""
        reply = replies[0]
        if not reply.ok:
            raise UnreadableError(f"{self._unit()}: {reply.error or reply.code}")
        match reply.data:
            case {"load": str() as load, "active": str() as active, "enabled": str() as enabled, "stale": [*stale]}:
                facts: dict[str, Value] = {
                    "masked": load == "masked" or enabled.startswith("masked"),
                    "enabled": self._at_boot(enabled),
                    "active": active in _RUNNING,
                    "fresh": not stale,
                }
                later = tuple(map(str, reply.data.get("stale_if_written", ())))
                hidden: dict[str, Value] = {"@stale": tuple(map(str, stale)), "@stale_if_written": later}
                process = str(reply.data.get("invocation", ""))
                if self.hearing:
                    runs, started = bool(facts["active"]), int(reply.data.get("started", 0))
                    facts |= self.hearing.facts(replies[1], runs=runs, started=started)
                return {**facts, **hidden, "@load": load, "@state": active, PROCESS: process}
            case _:
                raise UnreadableError(f"{self._unit()}: half an answer")

    def foreseen(self, facts: Facts | None, rewritten: frozenset[Address]) -> Facts | None:
        """Return the facts with the service stale where the process would not have loaded what is about to be written."""
        later = (facts or {}).get("@stale_if_written")
        if facts is None or not isinstance(later, tuple) or not any(path_of(address) in later for address in rewritten):
            return facts
        return {**facts, "fresh": False}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Take away what forbids it, stop it, forbid it, set what happens at boot; start or restart it last."""
        return tuple(self._actions(changes, facts or {}))

    def disruption(self, changes: tuple[Change, ...], facts: Facts | None) -> Disruption | None:
        """Name the service when it runs and is stopped or restarted; a start disrupts nobody."""
        stops = any(action.op in ("service.stop", "service.restart") for action in self.actions(changes, facts))
        running = facts or {}
        return Disruption(self._service(), str(running.get("@deaf", ""))) if stops and running.get("active") else None

    def exclusive(self) -> str:
        """Return what it is a part of."""
        return self.part_of

    def alike(self) -> str:
        """Return the program that reads the files; what loads nothing never restarts for what is declared."""
        return (self.program or self.address.name) if self.loads else ""

    def down(self, facts: Facts | None) -> str:
        """Name the service when it is declared to run and does not, or is a compute that Nova has not heard of."""
        declared = (self.desired or {}).get("active")
        works = facts is None or (facts["active"] and facts.get(heard.HEARD, True))
        return self._service() if declared is True and not works else ""

    def remarks(self, facts: Facts | None) -> tuple[str, ...]:
        """Tell what Nova does not hear."""
        return heard.remark(facts)

    def _actions(self, changes: tuple[Change, ...], facts: Facts) -> Iterator[Action]:
        wanted, changed, unit = self.desired or {}, changed_fields(changes), {"unit": self._unit()}
        if "masked" in changed and not wanted["masked"]:
            yield Action("service.unmask", unit)
        if "active" in changed and not wanted["active"]:
            yield Action("service.stop", self._args())
        if "masked" in changed and wanted["masked"]:
            yield Action("service.mask", unit)
        if "enabled" in changed:
            yield Action("service.enable" if wanted["enabled"] else "service.disable", unit)
        if "active" in changed and wanted["active"]:
            yield Action("service.start", self._args())
        elif facts.get("active") and ("fresh" in changed or (heard.HEARD in changed and facts.get("@hung"))):
            # of the very process that was observed: whoever comes second restarts nothing
            yield Action("service.restart", {**self._args(), "if_invocation": facts.get(PROCESS) or None})

    def _args(self) -> Mapping[str, object]:
        return {"unit": self._unit(), "loads": dict(self.digests)}

    def _unit(self) -> str:
        return f"{self.address.name}.service"

    def _service(self) -> str:
        return f"{self.address.name} on {self.address.target.name}"

    def _at_boot(self, enabled: str) -> Value:
        return (self.desired or {}).get("enabled", False) if enabled in _NOT_FOR_BOOT else enabled in _AT_BOOT
