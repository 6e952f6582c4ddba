"""Whether Nova has heard of a nova-compute since its process was started: what a unit that keeps one may ask besides.

A process that lives says little: one that hangs is "started" for Pacemaker and "down" for Nova, and one that was just
restarted still counts as "up" for a minute, by what its predecessor reported. All moments are Unix time. That of the
process is by its host's clock, the others are by Nova's; OpenStack needs clocks that agree, as Nova's own judgement
of up and down does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.contract import Query, UnreadableError

if TYPE_CHECKING:
    from resources.contract import Facts, Reply, TargetId, Value

HEARD = "heard"
"""The field: True when Nova has heard of the process that runs. Of none it has not: a start is to change both."""

HEARD_S = 180.0
"""Seconds that a nova-compute may take from its start until Nova has heard of it."""

GRACE_S = 180
"""Seconds of silence after which a process that Nova calls down is taken for hung. Nova calls it down after 60
(`service_down_time`); a start that waits for its vCenter may take two minutes."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """Which compute of which OpenStack a process is."""

    openstack: TargetId
    host: str

    def query(self) -> Query:
        """Ask Nova for the compute."""
        return Query("compute_service.get", {"host": self.host}, self.openstack)

    def facts(self, reply: Reply, *, runs: bool, started: int) -> dict[str, Value]:
        """Read what Nova says of a process that was started then; `started` is 0 where that is not known.

        `@hung` tells that only a restart can help, `@silence` is a sentence for people, `@deaf` says why nobody could ask.
        """
        if reply.code == "unanswered":
            return {HEARD: True, "@deaf": f"whether Nova hears of {self.host} is unknown: {reply.error}"}
        if not reply.ok:
            raise UnreadableError(reply.error)
        data = reply.data
        reported, newest = data.get("reported_at") or 0, data.get("newest_report") or 0
        up = data["exists"] and data["state"] == "up"
        if not runs or (up and (not reported or reported > started)):
            return {HEARD: runs}
        silent = newest - max(reported, started)
        late = bool(not up and started and silent >= GRACE_S)
        deserted = late and _nobody_is_heard(data.get("others_report") or 0, reported or started, newest)
        hung = late and not deserted
        silence = "it runs, and Nova has not heard of it since it was started"
        if hung and not data["exists"]:
            # a row that somebody removed is made by a start only (nova/servicegroup/drivers/db.py, ServiceNotFound)
            silence = f"it has been running for {silent} s, and Nova has no row of it: only a restart makes one"
        elif late:
            hangs = f"it runs, and Nova has not heard of it for {silent} s: it hangs"
            queue = f"it runs, and Nova has heard of no compute for {silent} s: look at its message queue, no restart helps"
            silence = hangs if hung else queue
        elif reported > started:
            silence = f"it runs, and Nova calls it {data['state']}"
        return {HEARD: False, "@hung": hung, "@silence": silence}


def _nobody_is_heard(others: int, last: int, newest: int) -> bool:
    """Tell whether all other computes fell silent as well, not long before `last`: then it is the way to Nova that fails.

    Computes report through the message queue, the conductor and the scheduler write into the database themselves, so the
    newest report goes on without the queue (nova/cmd: but for the former network.py only compute.py sets `indirection_api`).
    """
    return others >= last - GRACE_S and 0 < others <= newest - GRACE_S


def remark(facts: Facts | None) -> tuple[str, ...]:
    """Return what people should know of it."""
    return tuple(str(text) for name in ("@silence", "@deaf") if (text := (facts or {}).get(name)))
