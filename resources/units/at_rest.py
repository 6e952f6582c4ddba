"""That a process does not run on a host any more, before the files go that it was started with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Query, Unit, UnreadableError

if TYPE_CHECKING:
    from resources.contract import Action, Change, Facts, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRest(Unit):
    """Address `ssh:NODE/at_rest/NAME.service`. Field: running (False). It has no actions.

    With `settle_s`, what it needs makes it so. Without, nobody of this plan does, and the plan says who must.
    """

    type: ClassVar[str] = "at_rest"

    def queries(self) -> tuple[Query, ...]:
        """Ask systemd."""
        return (Query("service.show", {"unit": self.address.name, "loads": {}}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read whether there is a process; one that comes or goes is one."""
        (reply,) = replies
        if not reply.ok or not isinstance(reply.data.get("active"), str):
            raise UnreadableError(f"{self.address.name}: {reply.error or reply.code or 'half an answer'}")
        return {"running": reply.data["active"] not in ("inactive", "failed")}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - there are none
        """Return nothing."""
        return ()

    def blocked(self, facts: Facts | None) -> str:
        """Say whose turn it is where nothing of the plan stops it."""
        if self.settle_s or not (facts or {}).get("running"):
            return ""
        unit = self.address.name
        return f"{unit} runs and was started with it, and Bivisor did not start it: systemctl disable --now {unit}"
