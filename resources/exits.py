"""How far a service that has lodgers (instances, volumes) has come on its way out: closed to new ones, empty, silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from resources.contract import Action, Query, Unit, UnreadableError
from resources.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.contract import Change, Facts, Reply, Value

BY_DRIVER = "set by vmwareapi host_state"
"""The reason that Nova's vCenter driver gives when it disables its own service, because vCenter does not answer. When it does
again, the same process enables it, whoever disabled it before (nova/virt/vmwareapi/host.py, VCState)."""

LEFT_CLOSED = "left_closed"
"""The field of a service that stays: whether a leaving that was called off has left it disabled."""

_REASON = "bivisor: it leaves the cloud"


def is_left_closed(row: Mapping[str, Any]) -> bool:
    """Tell whether Bivisor disabled the service that an API tells of; what people disabled has another reason."""
    return (row["status"], row["disabled_reason"]) == ("disabled", _REASON)


def disabled_remarks(status: Value, reason: Value, what: str) -> tuple[str, ...]:
    """Return the sentence about a service that somebody disabled: nothing (`what`) is begun there any more."""
    if status != "disabled":
        return ()
    because = f': "{reason}"' if reason else ", without a reason"
    return (f"it is disabled{because}; no {what} there until somebody enables it",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit(Unit):
    """One stage, called after it and the service's host.

    Fields: `disabled` (True: nothing new comes), beside it, for the second stage, the lodgers' noun in the plural (0), and for
    the last one `state` (`down`: the process is gone). A service that the API does not know is disabled and down; what lives
    there is counted nevertheless. `service` is the start of the API's words for it, `lodger` what lives there, `remedy` what
    people do about it.
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
        """Ask for the service, and for what lives there where that is the stage."""
        host = {"host": self.host}
        get = Query(f"{self.service}.get", host)
        return (get, Query(f"{self.lodgers()}.list", host)) if self._counts() else (get,)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read how far it has come. What the vCenter driver disabled it enables again, so that is not closed."""
        for reply in replies:
            if not reply.ok:
                raise UnreadableError(reply.error)
        row = replies[0].data
        known = bool(row["exists"])
        closed = row["status"] == "disabled" and row["disabled_reason"] != BY_DRIVER
        facts: Facts = {"disabled": not known or closed, "state": str(row["state"]) if known else "down", "@known": known}
        if not self._counts():
            return facts
        names = tuple(map(str, replies[1].data[self.lodgers()]))
        return {**facts, self.lodgers(): len(names), "@names": names, "@namesakes": tuple(map(str, row.get("namesakes", ())))}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - the stage says all
        """Close it; the other stages come by themselves."""
        closes = not self._counts() and any(change.field == "disabled" for change in changes)
        return (Action(f"{self.service}.disable", {"host": self.host, "reason": _REASON}),) if closes else ()

    def blocked(self, facts: Facts | None) -> str:
        """Tell what keeps the service in the cloud, or that it may be another one that was meant."""
        names, namesakes = (facts or {}).get("@names"), (facts or {}).get("@namesakes")
        if isinstance(names, tuple) and names:
            return f"{counted(names, self.lodger)} on {self.host}: {self.remedy}"
        if isinstance(namesakes, tuple) and namesakes:
            return f"{self.host} is not known, but {' and '.join(namesakes)} is: is another backendHost meant?"
        return ""

    def alias(self, facts: Facts | None) -> str:
        """Tell that it is empty: what goes is declared gone then, and shown by a plan; it needs this stage, closed as well."""
        drained = self._counts() and facts is not None and facts[self.lodgers()] == 0
        return "drained" if drained and not self.blocked(facts) else ""

    def _counts(self) -> bool:
        return self.lodgers() in (self.desired or {})
