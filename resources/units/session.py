"""The login to a vCenter: proof that the declared credentials work, before anything is rolled out that uses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Query, Unit, UnreadableError

if TYPE_CHECKING:
    from resources.contract import Action, Change, Facts, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Session(Unit):
    """vCenter lets the declared account in: `vcenter:vc1/session/vc1`.

    Field: `logged_in` (True). `secret` names the Secret that holds the credentials. A refused login is a fact and
    blocks whatever needs this unit; a vCenter that does not answer leaves it unobserved.
    """

    type: ClassVar[str] = "session"

    secret: str

    def queries(self) -> tuple[Query, ...]:
        """Ask whether the login works."""
        return (Query("session.check", {}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read whether vCenter let us in, and who it says it is."""
        (reply,) = replies
        if not reply.ok:
            raise UnreadableError(reply.error)
        about = reply.data.get("about") or {}
        return {
            "logged_in": bool(reply.data["logged_in"]),
            "@fault": str(reply.data["fault"]),
            "@version": str(about.get("version", "")),
            "@instance_uuid": str(about.get("instance_uuid", "")),
        }

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - there are none
        """Return nothing: nobody but the vCenter's owner can let us in."""
        return ()

    def blocked(self, facts: Facts | None) -> str:
        """Name the Secret whose credentials are refused."""
        if facts is None or facts["logged_in"]:
            return ""
        return f"vCenter refuses the credentials of Secret/{self.secret} ({facts['@fault']})"
