"""A stream's daemon on the controllers: Pacemaker keeps one of three, and whoever leads is killed, stopped, cut off, frozen."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.lab import controllers, rivals
from tests.lab.controllers import NAMES, RUNNING
from tests.lab.course import UNLED_S
from tests.lab.keeping import Records, excuse_restarts, last_steps
from tests.lab.layout import HOSTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reconciler.history import PassRecord
    from tests.lab.course import Course
    from tests.lab.keeping import Kind
    from tests.lab.lab import Lab
    from tests.lab.workspace import Workspace

LOST_REST_S, LOST_MOST = 75.0, 2
"""A controller that lost its leader has none for `failure-timeout`, a minute: so many of three within that leave one."""

STILL_S = 15.0, 20.0
"""Seconds for which a host stands still: Corosync misses it, and another one leads long before the end."""

SETTLED_S = 30.0
"""Seconds after which somebody else leads for good."""


class Led:
    """The daemon, wherever it leads."""

    def __init__(self, lab: Lab, desk: Workspace) -> None:
        """Have Pacemaker start it."""
        self._lab = lab
        self._since = time.time()
        self._lost: deque[float] = deque()
        self._settled_at = 0.0
        self._hangs: set[int] = set()
        self._records = Records()
        self.folders = tuple(lab.root(name) / controllers.FOLDER.relative_to("/") / "desired" for name in NAMES)
        controllers.remove(lab)
        controllers.install(lab, desk)
        controllers.declare(lab)

    @property
    def troubles(self) -> Mapping[str, Kind]:
        """Whoever leads is lost in four ways, and loses its memory."""
        return {
            "leader killed": self._killed,
            "leader stopped": self._stopped,
            "leader cut off": self._cut_off,
            "leader's host frozen": self._frozen,
            "history lost": self._history_lost,
        }

    @property
    def leader(self) -> str:
        """The host whose daemon leads, '' while there is none, or another one still or already."""
        alive = [(host, pid) for host, found in self._lab.processes(RUNNING).items() for pid, _ in found]
        if len(alive) != 1 or alive[0][1] in self._hangs:
            return ""
        host = alive[0][0]
        told = controllers.since_it_leads(self._lab, host)
        return host if told and not any(line.get("event") == "lost_the_lead" for line in told) else ""

    def quiet(self) -> bool:
        """Ask whoever leads."""
        told = controllers.since_it_leads(self._lab, host) if (host := self.leader) else []
        decided = [line for line in told if line.get("event") == "decided"]
        return bool(decided) and decided[-1].keys() <= {"units", "event", "level", "timestamp"}

    def leads(self) -> bool:
        """Tell whether one does, and none was lost a moment ago."""
        return time.monotonic() > self._settled_at and bool(self.leader)

    def loses(self, host: str, course: Course) -> bool:
        """Take note if it is the leader's host; not within the last minute, for rollouts wait for who takes over."""
        leader = self.leader
        if leader and host != leader:
            return True
        return bool(leader) and course.end - time.monotonic() > UNLED_S and self._lost_one(course, leader)

    def _lost_one(self, course: Course, leader: str) -> bool:
        """Take note that a leader is about to be lost, unless it were one too many, or the next one could not begin now.

        A daemon that starts with documents that are none leaves its place to another controller, and so does that. And while
        Pacemaker has a start in hand, that of a compute for instance, it begins none of a leader.
        """
        now = time.monotonic()
        while self._lost and now - self._lost[0] > LOST_REST_S:
            self._lost.popleft()
        if len(self._lost) >= LOST_MOST or course.documents.broken or not controllers.at_rest(self._lab, leader):
            return False
        self._lost.append(now)
        self._unsettled(course)
        return True

    def _unsettled(self, course: Course) -> None:
        """Take note that the lead goes from one to another."""
        self._settled_at = time.monotonic() + SETTLED_S
        excuse_restarts(course)

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return them of all controllers, in the order of time."""
        found = [line for name in NAMES for line in controllers.told(self._lab, name, event)]
        return sorted(found, key=lambda line: str(line["timestamp"]))

    def stop(self) -> None:
        """Have Pacemaker stop it: it says so, and ends."""
        leader = self.leader
        controllers.stop(self._lab)
        last = controllers.lines(self._lab, leader)[-1]
        assert last["event"] == "stopped", last
        assert not any(self._lab.processes(RUNNING).values())

    def end(self) -> None:
        """Take everything away."""
        controllers.remove(self._lab)

    def passes(self) -> list[PassRecord]:
        """Return them of each controller."""
        return self._records.passes(self._histories)

    def shown(self) -> str:
        """Return all logs and files."""
        logs = (self._lab.root(name) / controllers.LOG.lstrip("/") for name in NAMES)
        return "".join(log.read_text() for log in logs if log.exists()) + self._records.shown(self._histories)

    def unrecorded(self) -> list[dict[str, Any]]:
        """Return them of all controllers."""
        return [line for name in NAMES for line in last_steps(controllers.lines(self._lab, name))]

    def rivals(self) -> list[str]:
        """Judge by what hosts, Nova and the daemons themselves have told."""
        claims = rivals.claims_of(self.lines("claimed"))
        print(f"leaders: {', '.join(claim.node for claim in claims)}")
        nova = (self._lab.root("api1") / "var/log/nova/nova-api.log").read_text(errors="replace")
        journals = {host.name: controllers.journal(self._lab, host.name, self._since) for host in HOSTS}
        found = (
            rivals.falling(claims),
            rivals.untold(journals.values()),
            rivals.sent(claims, self._since, nova.splitlines()),
            *(rivals.written(claims, name, notes) for name, notes in journals.items()),
            *(rivals.acted(claims, name, controllers.lines(self._lab, name)) for name in NAMES),
        )
        return [sentence for each in found for sentence in each]

    @property
    def _histories(self) -> list[Path]:
        state = controllers.STATE.relative_to("/")
        return [path for name in NAMES for path in (self._lab.root(name) / state).glob("*.sqlite")]

    def _send(self, host: str, number: signal.Signals) -> None:
        for pid, _ in self._lab.processes(RUNNING)[host]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            if number is signal.SIGSTOP:
                self._hangs.add(pid)

    def _killed(self, course: Course) -> str:
        """Kill it; Pacemaker misses it."""
        return self._signalled(course, signal.SIGKILL, "the leader is killed")

    def _stopped(self, course: Course) -> str:
        """Let it hang; Pacemaker ends it."""
        return self._signalled(course, signal.SIGSTOP, "the leader is stopped")

    def _signalled(self, course: Course, number: signal.Signals, what: str) -> str:
        host = self.leader
        if not host or not self._lost_one(course, host):
            return ""
        self._send(host, number)
        return f"{host}: {what}"

    def _cut_off(self, course: Course) -> str:
        """Cut it off together with its host."""
        host = self._separable(course)
        if not host or not self.loses(host, course):
            return ""
        course.cut_off(host, (8, 15))
        return f"{host}: the cable of the leader's host is pulled"

    def _frozen(self, course: Course) -> str:
        """Let its host stand still; when it goes on it takes itself for the leader."""
        host = self._separable(course)
        if not host or not self.loses(host, course):
            return ""
        course.cut.add(host)
        thaw = course.witness.freeze(host)

        def goes_on() -> None:
            thaw()
            course.cut.discard(host)
            self._unsettled(course)  # Pacemaker finds two, ends both and starts one

        course.later(STILL_S, f"{host}: goes on", goes_on)
        return f"{host}: the leader's host stands still"

    def _separable(self, course: Course) -> str:
        """Return the leader's host if it may be separated from the others: the kept compute does not live there."""
        host, kept = self.leader, course.kept_node()
        return "" if course.cut or kept in ("", host) else host

    def _history_lost(self, course: Course) -> str:
        """Delete the file of what was done while it is written to."""
        host = self.leader
        if not host or course.cut:  # who stands still holds it
            return ""
        lost = [self._records.lose(path) for path in self._histories if self._lab.root(host) in path.parents]
        return f"{host}: the history is deleted" if any(lost) else ""
