"""A nova-compute as Nova knows it: registered, reporting, with the hypervisor that was meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Query, Unit, UnreadableError

if TYPE_CHECKING:
    from resources.contract import Action, Change, Facts, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeService(Unit):
    """A compute, called after its `host` option: `openstack:demo/compute_service/kvm1`.

    Fields: `registered` (True), `state` (`up`), `hypervisor` (Nova's name of the type: `QEMU`, `VMware vCenter
    Server`). It has no actions: a compute registers itself. Whether it is enabled is the operator's word; it is
    shown in `@status` and `@disabled_reason`.
    """

    type: ClassVar[str] = "compute_service"

    settle_s: float = 180.0

    def queries(self) -> tuple[Query, ...]:
        """Ask for the compute by its host."""
        return (Query("compute_service.get", {"host": self.address.name}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read what Nova knows; None while the compute has never reported."""
        (reply,) = replies
        if not reply.ok:
            raise UnreadableError(reply.error)
        data = reply.data
        if not data["exists"]:
            return None
        hypervisor = data["hypervisor"] or {}
        return {
            "registered": True,
            "state": str(data["state"]),
            "hypervisor": hypervisor.get("type"),
            "@hypervisor_hostname": hypervisor.get("hostname"),
            "@status": str(data["status"]),
            "@disabled_reason": data["disabled_reason"] or "",
            "@id": str(data["id"]),
        }

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - there are none
        """Return nothing: a compute registers itself when its service runs."""
        return ()
