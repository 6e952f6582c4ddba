"""A systemd unit file or drop-in of our own on a host, and that systemd has read it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from resources.contract import EXISTS, REMEMBERED, Action, Address, Query, Unit, UnreadableError, changed_fields, digest_facts
from resources.files import path_of, seen_file, theirs_now, write_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.claims import Claim
    from resources.contract import Change, Facts, Need, Reply, TargetId

_ATTRIBUTES = {"mode": "0644", "owner": "root", "group": "root"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemdUnit(Unit):
    """Address `ssh:NODE/systemd_unit/NAME`, the file `/etc/systemd/system/NAME`: `x.service`, or `x.service.d/y.conf`.

    Fields: content, and reloaded: systemd knows the file that is there. `readers` are the systemd units that were
    started by it. One that `was_ours` is declared no more.
    """

    type: ClassVar[str] = "systemd_unit"

    readers: tuple[str, ...] = ()
    was_ours: bool = False

    @classmethod
    def named(cls, target: TargetId, name: str, content: str, needs: tuple[Need, ...] = ()) -> Self:
        """Declare the whole file, and that systemd has read it."""
        return cls(address=Address(target, cls.type, name), desired={"content": content, "reloaded": True}, needs=needs)

    def read_by(self, processes: tuple[str, ...]) -> Self:
        """Return the unit with the systemd units that are started by it, whose freshness the host's memory of it decides."""
        desired = self.desired if self.desired is None else {**self.desired, REMEMBERED: True}
        return replace(self, readers=processes, desired=desired)

    def ownable(self, name: str) -> bool:
        """The file is ours where there was none."""
        return name == EXISTS

    def memory(self) -> Mapping[str, str]:
        """Remember what was started by it."""
        return {"readers": " ".join(self.readers)}

    @classmethod
    def former(cls, claim: Claim) -> Self:
        """Return the file as one that must not exist, unless somebody has made it theirs."""
        return cls(address=claim.address, desired=None, was_ours=True)

    def digest(self) -> str:
        """Return the SHA-256 of the declared content, as a fact."""
        return digest_facts({"content": (self.desired or {}).get("content")})

    def queries(self) -> tuple[Query, ...]:
        """Ask for the file, and whether systemd has to read it again."""
        return (
            Query("file.read", {"path": self._path()}),
            Query("service.show", {"unit": self._unit(), "loads": {}}),
        )

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read the content and systemd's own flag that a unit's files changed since it read them."""
        file, service = replies
        seen = seen_file(file, self._path())
        if seen is None:
            return None
        if not service.ok or not isinstance(service.data.get("reload_needed"), bool):
            raise UnreadableError(f"{self._unit()}: {service.error or service.code or 'half an answer'}")
        facts: Facts = {"content": seen.text, REMEMBERED: seen.recorded in (None, self.digest())}
        return {**facts, "reloaded": not service.data["reload_needed"], "@digest": seen.digest, "@edited": seen.edited}

    def blocked(self, facts: Facts | None) -> str:
        """Say so where it was ours, is declared no more, and holds what somebody else wrote."""
        return theirs_now(self._path(), facts) if self.was_ours else ""

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Write or remove the file if it is still the one that was read, and have systemd read it."""
        path, digest, reload = self._path(), (facts or {}).get("@digest"), Action("systemd.reload", {})
        if self.desired is None:
            return (Action("file.remove", {"path": path, "if_digest": digest}), reload)
        if facts is not None and changed_fields(changes) == {"reloaded"}:
            return (reload,)
        more = {"owned": self.digest(), "readers": list(self.readers)}
        return (write_file(path, str(self.desired["content"]), digest, _ATTRIBUTES, **more), reload)

    def _path(self) -> str:
        return path_of(self.address)

    def _unit(self) -> str:
        folder, _, name = self.address.name.rpartition("/")
        return folder.removesuffix(".d") or name
