"""A Debian package on a host: that it is installed, in whatever version the host's archive offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from resources.contract import Action, Address, Query, Unit, UnreadableError

if TYPE_CHECKING:
    from resources.contract import Change, Facts, Need, Reply, TargetId


@dataclass(frozen=True, slots=True, kw_only=True)
class Package(Unit):
    """Address `ssh:NODE/package/NAME`. Field: installed. The hidden fact `@version` tells which one is there."""

    type: ClassVar[str] = "package"

    @classmethod
    def named(cls, target: TargetId, name: str, needs: tuple[Need, ...] = ()) -> Self:
        """Declare that the package is installed; a daemon it brings is not started by that."""
        return cls(address=Address(target, cls.type, name), desired={"installed": True}, needs=needs)

    def queries(self) -> tuple[Query, ...]:
        """Ask dpkg for the version."""
        return (Query("package.query", {"names": [self.address.name]}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read the version; None when it is not installed."""
        (reply,), name = replies, self.address.name
        if not reply.ok:
            raise UnreadableError(f"{name}: {reply.error or reply.code}")
        versions = reply.data.get("versions")
        if not isinstance(versions, dict) or name not in versions:
            raise UnreadableError(f"{name}: half an answer")
        return None if versions[name] is None else {"installed": True, "@version": str(versions[name])}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - there is one thing to do
        """Install it."""
        return (Action("package.install", {"names": [self.address.name]}),)
