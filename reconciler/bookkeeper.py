"""Keeps, while the daemon runs, how every resource stands and what happened; in a thread of its own.

    decided, step, folder ─▶ the latest look, the events since ─▶ fold ─▶ what differs from the file ─▶ write

Only the latest look counts, so a busy daemon is written about as often as there is time for it, and an idle one not at all.
What it costs is bounded: between two rounds it rests for a multiple of what the last one took. Nothing waits for it, and when
the file cannot be written that is told once, and tried again.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Self

from reconciler.alive import mark_of
from reconciler.core.errors import HistoryError
from reconciler.core.events import DAEMON, DOCUMENTS, Event, EventType, of_condition, of_result
from reconciler.core.past import kept, storable
from reconciler.core.plan import Verb
from reconciler.core.standing import Former, of_time
from reconciler.core.status import Hearing, Outcome, Status, Truth
from reconciler.event_file import add_event
from reconciler.history_file import THREAD_PATIENCE_S
from reconciler.ledger import Ledger
from reconciler.mistakes import outlived
from reconciler.outlook import Outlook, to_keep
from reconciler.retention import RETENTION, Retention, prune_events, prune_passes, stamp
from reconciler.status_file import Keeper, read_former, read_keeper, write_former, write_keeper

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from reconciler.core.plan import Step
    from reconciler.core.status import Condition, Result
    from reconciler.outlook import Sight, Standing
    from reconciler.recorder import Origin
    from resources.contract import Address, Key, TargetId

TICK_S = 1.0
"""Seconds after which it is looked whether somebody is not heard any more, though nothing was decided."""

REST_S, REST_SHARE, MOST_REST_S = 0.25, 10.0, 5.0
"""It rests for so many seconds after a round, or for so many times as long as the processor had to work for it, but not longer
than the last."""

SEEN_S = 15.0
"""Seconds after which it says again that all of this is so, though nothing has changed."""

PRUNE_S = 60.0
"""Seconds between two looks for what is not to be kept any more."""

PAUSE_S = 0.1
"""Seconds after each portion of that, for other writers."""

END_S = 5.0
"""Seconds for which its end is waited for."""

MOST_EVENTS = 5_000
"""So many events wait to be written; of more, the oldest are lost."""

MOST_CHARACTERS = 2_000
"""Of a longer sentence the beginning is kept."""


class Bookkeeper:
    """Writes to the file of one folder of documents while it is entered.

    `kinds` are the kinds of targets that are listened to; `deaf` tells who of them is not heard and why, and is called in the
    thread.
    """

    def __init__(
        self,
        folder: Path,
        redact: Callable[[str], str],
        warn: Callable[[str], None],
        retention: Retention = RETENTION,
        *,
        acts: bool = True,
    ) -> None:
        """Know where. Whatever is kept passes `redact`; `warn` is told once what stands against it."""
        self.retention = retention
        self.kinds: frozenset[str] = frozenset()
        self.deaf: Callable[[], Mapping[TargetId, str]] = dict
        self._redact = redact
        self._warn = warn
        self._warned = False
        self._ledger = Ledger(folder, warn, THREAD_PATIENCE_S)
        now = stamp(datetime.now(UTC))
        self._keeper = Keeper(mark_of(os.getpid()), ended=False, acts=acts, began=now, seen=now, version=version("bivisor"))
        self._sight: Sight | None = None
        self._failed: dict[Address, Result] = {}
        self._events: deque[tuple[str, Event]] = deque(maxlen=MOST_EVENTS)
        self._news = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="bookkeeper", daemon=True)
        # what follows is the thread's own
        self._outlook = Outlook()
        self._standing: Standing | None = None
        self._differs = False
        self._former: Mapping[Key, Former] | None = None
        self._said: Keeper | None = None
        self._seen_at = self._pruned_at = -math.inf

    def __enter__(self) -> Self:
        """Begin to write."""
        self.happened(Event(EventType.NORMAL, "Started", DAEMON, "" if self._keeper.acts else "it only looks"))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Write what is left and let go of the file; that is waited for, but not for long."""
        self.happened(Event(EventType.NORMAL, "Stopped", DAEMON, ""))
        self._keeper = replace(self._keeper, ended=True)
        self._ending.set()
        self._news.set()
        self._thread.join(END_S)

    def decided(self, sight: Sight) -> None:
        """Hear what is seen by now."""
        if self._failed:
            left = {step.address for step in sight.plan.steps if step.verb is not Verb.NOTHING}
            self._failed = {address: result for address, result in self._failed.items() if address in left}
        known = self._sight
        if known is None or known.plan is not sight.plan or known.loaded is not sight.loaded or known.broken != sight.broken:
            self._sight = sight
            self._news.set()

    def step(self, step: Step, result: Result) -> None:
        """Hear what came of a step."""
        others = {address: each for address, each in self._failed.items() if address != step.address}
        self._failed = {**others, step.address: result} if result.outcome is Outcome.FAILED else others
        if event := of_result(step, result):
            self.happened(event)

    def folder(self, conditions: tuple[Condition, ...]) -> None:
        """Hear what is known of the documents."""
        before = {each.type: each for each in self._keeper.conditions}
        now = stamp(datetime.now(UTC))
        self._keeper = replace(self._keeper, conditions=tuple(of_time(each, before.get(each.type), now) for each in conditions))
        for each in conditions:
            known = before.get(each.type)
            if known is None and each.status is Truth.TRUE:
                continue  # as it should be from the beginning
            if known is None or (known.status, known.reason, known.message) != (each.status, each.reason, each.message):
                self.happened(of_condition(each))
        self._news.set()

    def taking(self, origin: Origin) -> None:
        """Hear that other documents are in force now. Of which commit they are is mostly told a moment later: see `taken`."""
        self._keeper = replace(self._keeper, commit=origin.commit, branch=storable(origin.branch), dirty=origin.dirty)

    def taken(self, origin: Origin) -> None:
        """Hear of which commit the documents are that are in force now."""
        self.taking(origin)
        branch, dirty = f" ({origin.branch})" if origin.branch else "", " with uncommitted changes" if origin.dirty else ""
        told = f"commit {origin.commit[:12]}{branch}{dirty}" if origin.commit else ""
        self.happened(Event(EventType.NORMAL, "Taken", DOCUMENTS, told))

    def happened(self, event: Event) -> None:
        """Keep an event."""
        self._events.append((stamp(datetime.now(UTC)), event))
        self._news.set()

    def _work(self) -> None:
        while not self._ending.is_set():
            self._news.wait(TICK_S)
            self._news.clear()
            worked = time.thread_time()
            with outlived("write how everything stands"):
                self.round(datetime.now(UTC))
            worked = time.thread_time() - worked
            self._ending.wait(max(REST_S, min(REST_SHARE * worked, MOST_REST_S)))
        with outlived("write how everything stood at the end"):
            self.round(datetime.now(UTC))
        self._ledger.close()

    def round(self, now: datetime) -> None:
        """Write what has changed since the last round, and let go what is too old. What stands against it is told once."""
        began = time.monotonic()
        self._look(stamp(now))
        said = self._keeper
        try:
            if self._events or self._differs or said != self._said or began - self._seen_at >= SEEN_S:
                self._write(stamp(now))
                self._said, self._seen_at, self._differs = said, began, False
            if began - self._pruned_at >= PRUNE_S:
                self._prune(now)
                self._pruned_at = began
        except HistoryError as error:
            if not self._warned:
                self._warn(f"warning: how everything stands is not recorded; the work goes on all the same. {error}")
            self._warned = True
        else:
            self._warned = False

    def _look(self, now: str) -> None:
        """Take in what was decided last, if it or what else is known is not what was seen last."""
        if self._sight is None:
            return
        hearing, first = Hearing(self.kinds, dict(self.deaf())), self._former is not None and not self._former
        standing = self._outlook.seen(self._sight, self._failed, hearing, now, first=first)
        if standing is None:
            return
        self._standing = standing = replace(standing, status=self._shown(standing.status))
        self._differs = self._differs or self._former is None or to_keep(standing, self._former) != self._former
        for event in self._outlook.news:
            self._events.append((now, event))

    def _shown(self, status: Status) -> Status:
        """Return the status as it may be kept."""
        return Status(
            tuple(
                replace(
                    each,
                    remarks=tuple(map(self._kept, each.remarks)),
                    conditions=tuple(replace(one, message=self._kept(one.message)) for one in each.conditions),
                )
                for each in status.resources
            )
        )

    def _kept(self, text: str) -> str:
        return kept(text, self._redact)[:MOST_CHARACTERS] if text else ""

    def _write(self, now: str) -> None:
        """Write status and events. Raises HistoryError; nothing is lost then."""
        events = tuple(self._events)
        written: dict[Key, Former] = {}

        def write(connection: sqlite3.Connection) -> None:
            written.update(self._write_status(connection))
            conditions = tuple(replace(each, message=self._kept(each.message)) for each in self._keeper.conditions)
            write_keeper(connection, replace(self._keeper, seen=now, conditions=conditions))
            for at, event in events:
                about, keys = storable(event.about), tuple(map(storable, event.keys))
                add_event(connection, replace(event, about=about, keys=keys, message=self._kept(event.message)), at)

        self._ledger.together([write])
        self._former = written
        done = set(map(id, events))
        while self._events and id(self._events[0]) in done:  # of too many the oldest are lost meanwhile
            self._events.popleft()

    def _write_status(self, connection: sqlite3.Connection) -> Mapping[Key, Former]:
        """Write what differs; return what stands there then. A file that is not known to be ours is read first."""
        keeper, former, standing = read_keeper(connection), self._former, self._standing
        if former is None or keeper is None or keeper.process != self._keeper.process:
            former = read_former(connection)
        if standing is None:
            return former
        after = to_keep(standing, former)
        write_former(
            connection, {key: each for key, each in after.items() if former.get(key) != each}, former.keys() - after.keys()
        )
        return after

    def _prune(self, now: datetime) -> None:
        """Let go what is not to be kept any more, with a pause after each portion. Raises HistoryError."""
        more = True

        def write(connection: sqlite3.Connection) -> None:
            nonlocal more
            more = prune_events(connection, self.retention, now)
            more = prune_passes(connection, self.retention, now) or more

        while more and not self._ending.is_set():
            self._ledger.together([write])
            self._ending.wait(PAUSE_S if more else 0.0)
