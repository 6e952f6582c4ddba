"""A whole file on a host: every byte of it is declared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from resources.contract import EXISTS, REMEMBERED, Action, Address, Query, SecretText, Unit, digest_facts
from resources.files import ATTRIBUTES, attributes_of, seen_file, theirs_now, write_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.claims import Claim
    from resources.contract import Change, Facts, Need, Reply, TargetId


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeFile(Unit):
    """Address `ssh:NODE/file/PATH`. Fields: content (text or secret), and mode ("0640"), owner, group where given.

    `readers` are the systemd units that load it, as for a configuration file. One that `was_ours` is declared no more.
    """

    type: ClassVar[str] = "file"

    readers: tuple[str, ...] = ()
    was_ours: bool = False

    @classmethod
    def at(
        cls,
        target: TargetId,
        path: str,
        content: str | SecretText,
        *,
        attributes: Mapping[str, str] | None = None,
        needs: tuple[Need, ...] = (),
    ) -> Self:
        """Declare the content, and any of mode, owner and group."""
        return cls(address=Address(target, cls.type, path), desired={"content": content, **(attributes or {})}, needs=needs)

    def read_by(self, processes: tuple[str, ...]) -> Self:
        """Return the unit with the systemd units that load it, whose freshness the host's memory of the file decides."""
        desired = self.desired if self.desired is None else {**self.desired, REMEMBERED: True}
        return replace(self, readers=processes, desired=desired)

    def ownable(self, name: str) -> bool:
        """The file is ours where there was none; one that was there before us stays."""
        return name == EXISTS

    def dispensable(self, name: str) -> bool:
        """Mode and owner may be left to others; a file without its content would be none."""
        return name in ATTRIBUTES

    def memory(self) -> Mapping[str, str]:
        """Remember who reads it."""
        return {"readers": " ".join(self.readers)}

    @classmethod
    def former(cls, claim: Claim) -> Self:
        """Return the file as one that must not exist, unless somebody has made it theirs."""
        return cls(address=claim.address, desired=None, was_ours=True)

    def digest(self) -> str:
        """Return the SHA-256 of the declared content, as a fact."""
        return digest_facts({"content": (self.desired or {}).get("content")})

    def queries(self) -> tuple[Query, ...]:
        """Ask for the file."""
        return (Query("file.read", {"path": self.address.name}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read content and attributes; the content is a secret where the declared one is."""
        seen = seen_file(replies[0], self.address.name)
        if seen is None:
            return None
        secret = isinstance((self.desired or {}).get("content"), SecretText)
        content = SecretText(seen.text) if secret else seen.text
        remembered = seen.recorded in (None, self.digest())
        return {**seen.attributes, "content": content, REMEMBERED: remembered, "@digest": seen.digest, "@edited": seen.edited}

    def blocked(self, facts: Facts | None) -> str:
        """Say so where it was ours, is declared no more, and holds what somebody else wrote."""
        return theirs_now(self.address.name, facts) if self.was_ours else ""

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Write it if it is still the one that was read; remove it; or change its attributes alone."""
        path, digest = self.address.name, (facts or {}).get("@digest")
        if self.desired is None:
            return (Action("file.remove", {"path": path, "if_digest": digest}),)
        if facts is not None and all(change.field in ATTRIBUTES for change in changes):
            return (Action("file.attributes", {"path": path, **attributes_of(self.desired)}),)
        content = self.desired["content"]
        text = content.reveal if isinstance(content, SecretText) else str(content)
        return (write_file(path, text, digest, self.desired, owned=self.digest(), readers=list(self.readers)),)
