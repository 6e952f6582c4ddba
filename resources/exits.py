"""How far a service that has lodgers (instances, volumes) has come on its way out: closed to new ones, empty, silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from resources.contract import Action, Query, Unit, UnreadableError
from resources.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.contract import Change, Facts, Reply

LEFT_CLOSED = "left_closed"
"""The field of a service that stays: whether a leaving that was called off has left it disabled."""

_REASON = "bivisor: it leaves the cloud"


def is_left_closed(row: Mapping[str, Any]) -> bool:
    """Tell whether Bivisor disabled the service that an API tells of; what people disabled has another reason."""
    return (row["status"], row["disabled_reason"]) == ("disabled", _REASON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit(Unit):
    """One stage, called after it and the service's host.

    Fields, one for each stage: `disabled` (True: nothing new comes), the lodgers' noun in the plural (0), `state` (`down`: the
    process is gone). A service that the API does not know is disabled and down; what lives there is counted nevertheless.
    `service` is the start of the API's words for it, `lodger` what lives there, `remedy` what people do about it.
    """

    service: ClassVar[str]
    lodger: ClassVar[str]
    remedy: ClassVar[str]

    host: str

    @classmethod
    def lodgers(cls) -> str:
        """Return the field that counts what lives there."""
        return f"{cls.lodger}s"

    def queries(self) -> tuple[Query, ...]:
        """Ask for the service and for what lives there."""
        host = {"host": self.host}
        return (Query(f"{self.service}.get", host), Query(f"{self.lodgers()}.list", host))

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read all stages."""
        for reply in replies:
            if not reply.ok:
                raise UnreadableError(reply.error)
        row, names = replies[0].data, tuple(map(str, replies[1].data[self.lodgers()]))
        known = bool(row["exists"])
        return {
            "disabled": not known or row["status"] == "disabled",
            self.lodgers(): len(names),
            "state": str(row["state"]) if known else "down",
            "@known": known,
            "@names": names,
        }

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - the stage says all
        """Close it; the other stages come by themselves."""
        closes = any(change.field == "disabled" for change in changes)
        return (Action(f"{self.service}.disable", {"host": self.host, "reason": _REASON}),) if closes else ()

    def blocked(self, facts: Facts | None) -> str:
        """Tell what keeps the service in the cloud."""
        names = (facts or {}).get("@names")
        if self.lodgers() not in (self.desired or {}) or not isinstance(names, tuple) or not names:
            return ""
        return f"{counted(names, self.lodger)} on {self.host}: {self.remedy}"
