"""A cinder-volume as Cinder knows it: registered, reporting, in the zone that was meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Query, Unit, UnreadableError

if TYPE_CHECKING:
    from resources.contract import Action, Change, Facts, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeService(Unit):
    """A volume service, called after its backend's host and section: `openstack:demo/volume_service/vmdk@vmdk`.

    Fields: `registered` (True), `state` (`up`), `availability_zone` (text). It has no actions: a service registers itself,
    and reports its zone anew when it has loaded another one. A driver that could not initialise does not report, so the
    service is `down` though its process runs. Whether it is enabled is the operator's word, and not compared.
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
            "@status": str(data["status"]),
            "@disabled_reason": data["disabled_reason"] or "",
        }

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - there are none
        """Return nothing: a volume service registers itself when it runs."""
        return ()
