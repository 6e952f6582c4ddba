"""A cinder-volume as Cinder knows it: registered, reporting, in the zone that was meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Action, Query, Unit, UnreadableError, changed_fields
from resources.exits import LEFT_CLOSED, disabled_remarks, is_left_closed

if TYPE_CHECKING:
    from resources.contract import Change, Facts, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeService(Unit):
    """A volume service, called after its backend's host and section: `openstack:demo/volume_service/vmdk@vmdk`.

    Fields: `registered` (True), `state` (`up`), `availability_zone` (text): a service registers itself, and reports its zone
    anew when it has loaded another one, so these are only waited for. A driver that could not initialise does not report, so
    the service is `down` though its process runs. `left_closed` (False: no leaving that was called off has left it
    disabled). Whether an operator disabled it is the operator's word: told in a remark, and never touched.
    """

    type: ClassVar[str] = "volume_service"

    settle_s: float = 180.0

    def queries(self) -> tuple[Query, ...]:
        """Ask for the service by its host."""
        return (Query("volume_service.get", {"host": self.address.name}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read what Cinder knows; None while the service has never reported."""
        (reply,) = replies
        if not reply.ok:
            raise UnreadableError(reply.error)
        data = reply.data
        if not data["exists"]:
            return None
        return {
            "registered": True,
            "state": str(data["state"]),
            "availability_zone": str(data["availability_zone"]),
            LEFT_CLOSED: is_left_closed(data),
            "@status": str(data["status"]),
            "@disabled_reason": data["disabled_reason"] or "",
        }

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Enable what must not be left disabled. All else comes by itself when the service runs."""
        closed = facts is not None and LEFT_CLOSED in changed_fields(changes)
        return (Action("volume_service.enable", {"host": self.address.name}),) if closed else ()

    def remarks(self, facts: Facts | None) -> tuple[str, ...]:
        """Tell that somebody disabled it, and why."""
        if not facts or facts[LEFT_CLOSED]:
            return ()
        return disabled_remarks(facts["@status"], facts["@disabled_reason"], "volume is made")
