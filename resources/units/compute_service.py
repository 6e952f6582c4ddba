"""A nova-compute as Nova knows it: registered, reporting, with the hypervisor that was meant; or gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resources.contract import Action, Query, Unit, UnreadableError, changed_fields
from resources.exits import BY_DRIVER, LEFT_CLOSED, disabled_remarks, is_left_closed
from resources.wording import counted

if TYPE_CHECKING:
    from resources.contract import Change, Facts, Reply

DRIVER_DISABLED = "driver_disabled"
"""The field of a vSphere compute: its driver has left it disabled. Only the process that did so enables it again: one that
was restarted meanwhile does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeService(Unit):
    """A compute, called after its `host` option: `openstack:demo/compute_service/kvm1`.

    Fields: `registered` (True), `state` (`up`), `hypervisor` (Nova's name of the type: `QEMU`, `VMware vCenter
    Server`): a compute registers itself, so these are only waited for. `driver_disabled` (False: the vCenter driver has not
    left it disabled), `left_closed` (False: nor has a leaving that was called off). Whether an operator disabled it is the
    operator's word: told in a remark, and never touched.

    Declared absent, the row of a dead compute is removed, but not while it reports (what it then needs may stop it) or
    instances live there.
    """

    type: ClassVar[str] = "compute_service"

    settle_s: float = 180.0

    def queries(self) -> tuple[Query, ...]:
        """Ask for the compute by its host; of one that must go ask for its instances as well."""
        host = {"host": self.address.name}
        get = Query("compute_service.get", host)
        return (get,) if self.desired is not None else (get, Query("instances.list", host))

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read what Nova knows; None while the compute has never reported."""
        for reply in replies:
            if not reply.ok:
                raise UnreadableError(reply.error)
        data = replies[0].data
        if not data["exists"]:
            return None
        hypervisor, reason = data["hypervisor"] or {}, data["disabled_reason"] or ""
        disabled = data["status"] == "disabled"
        return {
            "registered": True,
            "state": str(data["state"]),
            "hypervisor": hypervisor.get("type"),
            DRIVER_DISABLED: disabled and reason == BY_DRIVER,
            LEFT_CLOSED: is_left_closed(data),
            "@hypervisor_hostname": hypervisor.get("hostname"),
            "@status": str(data["status"]),
            "@disabled_reason": reason,
            "@id": str(data["id"]),
            "@instances": tuple(map(str, replies[1].data["instances"])) if self.desired is None else None,
        }

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Enable what must not be left disabled; remove what must go. All else comes by itself when the service runs."""
        host = {"host": self.address.name}
        if self.desired is None:
            return (Action("compute_service.delete", host),)
        closed = facts is not None and changed_fields(changes) & {DRIVER_DISABLED, LEFT_CLOSED}
        return (Action("compute_service.enable", host),) if closed else ()

    def blocked(self, facts: Facts | None) -> str:
        """Tell why the row of a compute that is declared gone must stay."""
        if self.desired is not None or facts is None:
            return ""
        if facts["state"] == "up" and not self.needs:
            return "it is declared gone, and reports to Nova: stop it first"
        instances = facts["@instances"]
        if isinstance(instances, tuple) and instances:
            return f"it is declared gone, and {counted(instances, 'instance')} there: evacuate or delete them first"
        return ""

    def remarks(self, facts: Facts | None) -> tuple[str, ...]:
        """Tell that somebody disabled it, and why."""
        if not facts or self.desired is None or facts[DRIVER_DISABLED] or facts[LEFT_CLOSED]:
            return ()
        return disabled_remarks(facts["@status"], facts["@disabled_reason"], "instance is started")
