"""Tell the controller what has changed, without being asked: what is heard of files and of systemd, and a beat."""

import select
import time

from reconciler.targets.host.commands import Alarm, write_all
from reconciler.targets.host.wire import to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from reconciler.targets.host.file_signals import Files
    from reconciler.targets.host.serve import Session
    from reconciler.targets.host.unit_signals import Units

    Source = Files | Units

CIB = "/var/lib/pacemaker/cib/cib.xml"
"""Pacemaker replaces this file on each member when the configuration has changed; for a state it does not (cib_file.c)."""

QUIET_S = 0.05
MOST_S = 0.2
"""Seconds without news after which those are told that there are; and the longest that they wait for such quiet."""

RETRY_S = 1.0
"""Seconds until what cannot be heard is tried again."""

LISTEN_S = 1.0
"""Seconds after which the sources are listened to, at the latest, while an action is under way."""

NEVER = float("inf")

OUT = 1


def watch(args: "dict[str, Any]", session: "Session") -> "dict[str, Any]":
    """Replace what is watched by `paths`, `units` and, if `cib`, the cluster's configuration; `beat` in seconds.

    Returns in `deaf` why something cannot be heard, a sentence each. With nothing to watch, nothing is pushed any more.
    """
    if not (args["paths"] or args["units"] or args["cib"]):
        if session.signals is not None:
            session.signals.close()
        session.signals = None
        return {"deaf": []}
    if session.signals is None:
        session.signals = Signals()
    paths = {*args["paths"], CIB} if args["cib"] else set(args["paths"])
    session.signals.want(paths, set(args["units"]), args["beat"])
    return {"deaf": session.signals.deaf}


class Signals:
    """What is watched, and what of it has been heard and not been told yet: never more than one signal of it."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self.files: Files | None = None
        self.units: Units | None = None
        self.unable = ""
        self.deaf: list[str] = []
        self.heard_paths: set[str] = set()
        self.heard_units: set[str] = set()
        self.heard_all = False
        self.first = 0.0  # when the first of what was not told was heard; 0: all is told
        self.rest_until = self.retry_at = 0.0
        self.beat_s, self.beat_at, self.beats = 0.0, NEVER, 0

    def want(self, paths: "set[str]", units: "set[str]", beat_s: float) -> None:
        """Watch these from now on; what was heard of others stays to be told."""
        self._want_files(paths)
        self._want_units(units)
        before, self.deaf = self.deaf, self._deaf()
        if self.beat_s and self.deaf != before:  # who watches already does not get this answer
            self._note(set(), set(), unknown=True)
        now = time.monotonic()
        self.retry_at = now + RETRY_S
        self.beat_s, self.beat_at = beat_s, min(self.beat_at, now + beat_s)
        Alarm.between = self.meanwhile

    def wait(self, requests: int) -> None:
        """Return when there may be a request to read; until then tell what is heard. Raises BrokenPipeError.

        After each word from a source all of them are left alone for a while: however much happens, it is heard at most
        some twenty times in a second.
        """
        woken = False
        while True:
            self._work(woken=woken)
            now = time.monotonic()
            poll, due = select.poll(), self.beat_at
            poll.register(requests, select.POLLIN)
            if now < self.rest_until:
                due = min(due, self.rest_until)
            else:
                for source in self._sources():
                    if source.fd >= 0:
                        poll.register(source.fd, select.POLLIN)
                due = min(due, self.retry_at if self.deaf else NEVER)
            ready = [fd for fd, _ in poll.poll(max(due - now, 0) * 1000 + 1)]
            if requests in ready:
                return
            woken = bool(ready)

    def beat(self) -> float:
        """Give a sign of life when it is due; return after how many seconds again.

        Nothing is waited for: where the output is full, nobody reads signs of life.
        """
        now = time.monotonic()
        if now >= self.beat_at:
            self.beat_at = now + self.beat_s
            self.beats += 1
            try:
                if _writable():
                    _send({"beat": self.beats})
            except OSError:
                pass  # the end of the channel is found out by whoever reads or answers
        return self.beat_at - now

    def meanwhile(self) -> float:
        """Live on in the middle of an action, which may take long; return after how many seconds again.

        What the sources say is taken from them, lest PID 1 keep it for us; it is told when the action is answered.
        """
        self._listen()
        return min(self.beat(), LISTEN_S)

    def close(self) -> None:
        """Watch nothing any more."""
        Alarm.between = None
        for source in self._sources():
            source.close()

    def _work(self, *, woken: bool) -> None:
        """Do what is due: beat, listen, and tell what was heard when it has become quiet, or has waited for long."""
        self.beat()
        now = time.monotonic()
        if now < self.rest_until:
            return
        if self.deaf and now >= self.retry_at:
            self.retry_at = now + RETRY_S
            for source in self._sources():
                if source.deaf:
                    source.mend()
        heard = self._listen()
        if heard or woken:
            self.rest_until = now + QUIET_S
        if self.first and (not heard or now - self.first >= MOST_S):
            self._tell(now)

    def _listen(self) -> bool:
        """Take in what the sources say, also of themselves; tell whether that is news."""
        paths = self.files.read() if self.files else set()
        units = self.units.read() if self.units else set()
        before, self.deaf = self.deaf, self._deaf()
        return self._note(paths, units, unknown=paths is None or units is None or self.deaf != before)

    def _note(self, paths: "set[str] | None", units: "set[str] | None", *, unknown: bool) -> bool:
        self.heard_paths |= paths or set()
        self.heard_units |= units or set()
        self.heard_all = self.heard_all or unknown
        news = unknown or bool(paths or units)
        if news and not self.first:
            self.first = time.monotonic()
        return news

    def _tell(self, now: float) -> None:
        if not _writable():  # nobody reads; what else happens meanwhile is told together with it
            self.rest_until = now + QUIET_S
            return
        paths, units = sorted(self.heard_paths), sorted(self.heard_units)
        told = {"paths": paths, "units": units, "cib": CIB in paths, "all": self.heard_all, "deaf": self.deaf}
        self.heard_paths, self.heard_units, self.heard_all, self.first = set(), set(), False, 0.0
        _send(told)

    def _want_files(self, paths: "set[str]") -> None:
        if self.files is not None and self.files.paths == paths:
            return
        before, self.files, self.unable = self.files, None, ""
        if paths:
            try:
                from reconciler.targets.host.file_signals import Files

                self.files = Files(paths)
            except ImportError as error:
                self.unable = f"changes of files are not heard on this host: its python3 lacks a module ({error})"
        if before is not None:  # the new watches are there: nothing is lost in between
            last = before.read()
            before.close()
            self._note(last, set(), unknown=last is None)

    def _want_units(self, units: "set[str]") -> None:
        if units and self.units is None:
            from reconciler.targets.host.unit_signals import Units

            self.units = Units()
        if self.units is not None:
            self.units.want(units)
            if not units:
                self.units.close()
                self.units = None

    def _sources(self) -> "list[Source]":
        return [source for source in (self.files, self.units) if source is not None]

    def _deaf(self) -> "list[str]":
        return [why for why in (self.unable, *(source.deaf for source in self._sources())) if why]


def _writable() -> bool:
    """Tell whether the output takes something without making us wait."""
    poll = select.poll()
    poll.register(OUT, select.POLLOUT)
    return bool(poll.poll(0))


def _send(told: "dict[str, Any]") -> None:
    write_all(OUT, to_json({"signal": told}).encode() + b"\n")
