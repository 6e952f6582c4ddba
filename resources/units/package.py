"""A Debian package on a host: that it is installed, in whatever version the host's archive offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from resources.contract import Action, Address, Query, Unit, UnreadableError

if TYPE_CHECKING:
    from resources.contract import Change, Facts, Need, Reply, TargetId


@dataclass(frozen=True, slots=True, kw_only=True)
class Package(Unit):
    """Address `ssh:NODE/package/NAME`. Fields: installed, and `without OTHER` for each package in whose place it comes.

    Nothing else is ever removed for it. The hidden fact `@version` tells which one is there.
    """

    type: ClassVar[str] = "package"

    replaces: tuple[str, ...] = ()

    @classmethod
    def named(cls, target: TargetId, name: str, needs: tuple[Need, ...] = (), *, replaces: tuple[str, ...] = ()) -> Self:
        """Declare that the package is installed; a daemon it brings is not started by that."""
        desired = {"installed": True, **{f"without {other}": True for other in replaces}}
        return cls(address=Address(target, cls.type, name), desired=desired, needs=needs, replaces=replaces)

    def queries(self) -> tuple[Query, ...]:
        """Ask dpkg for the version."""
        return (Query("package.query", {"names": [self.address.name, *self.replaces]}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read the versions; None when neither it nor what it replaces is installed."""
        (reply,), name = replies, self.address.name
        if not reply.ok:
            raise UnreadableError(f"{name}: {reply.error or reply.code}")
        versions = reply.data.get("versions")
        if not isinstance(versions, dict) or not versions.keys() >= {name, *self.replaces}:
            raise UnreadableError(f"{name}: half an answer")
        without = {f"without {other}": versions[other] is None for other in self.replaces}
        if versions[name] is not None:
            return {"installed": True, **without, "@version": str(versions[name])}
        return None if all(without.values()) else {"installed": False, **without}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - there is one thing to do
        """Install it."""
        return (Action("package.install", {"names": [self.address.name], "replaces": list(self.replaces)}),)
