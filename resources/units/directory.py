"""A directory on a host: that it is there, and whose it is. What is in it is not its business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from resources.contract import Action, Address, Query, Unit, UnreadableError
from resources.files import attributes_of, seen_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.contract import Change, Facts, Need, Reply, TargetId


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory(Unit):
    """Address `ssh:NODE/directory/PATH`. Fields: mode ("0750"), owner, group. It is never removed."""

    type: ClassVar[str] = "directory"

    @classmethod
    def at(cls, target: TargetId, path: str, attributes: Mapping[str, str], *, needs: tuple[Need, ...] = ()) -> Self:
        """Declare the directory with its mode, owner and group; parents that are missing are made with 0755 root."""
        return cls(address=Address(target, cls.type, path), desired=attributes, needs=needs)

    def dispensable(self, name: str) -> bool:  # noqa: ARG002 - all are alike
        """Mode and owner may be left to others."""
        return True

    def queries(self) -> tuple[Query, ...]:
        """Ask what is at the path."""
        return (Query("file.stat", {"path": self.address.name}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read the attributes; something else at the path is an error, nothing to replace."""
        (reply,), path = replies, self.address.name
        if not reply.ok:
            raise UnreadableError(f"{path}: {reply.error or reply.code}")
        match reply.data:
            case {"exists": False}:
                return None
            case {"exists": True, "kind": "dir"}:
                return seen_attributes(reply, path)
            case {"exists": True, "kind": str() as kind}:
                raise UnreadableError(f"{path} is no directory ({kind}) where one is declared")
            case _:
                raise UnreadableError(f"{path}: half an answer")

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - all attributes are set together
        """Make it, or set its attributes."""
        op = "directory.make" if facts is None else "file.attributes"
        return (Action(op, {"path": self.address.name, **attributes_of(self.desired or {})}),)
