"""Records what an apply does, while it does it: each pass when it begins, each step when something comes of it.

Recording never stops, fails or delays an apply for long: what cannot be written is told once, and tried again. Who writes, and
when, is the scribe's to know, and so is what a kill leaves behind: of a command all that it had begun, of a daemon all but its
last moments.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Self

from reconciler.alive import mark_of
from reconciler.apply import Phase, Progress
from reconciler.commit import branch_of, commit_of
from reconciler.core.errors import BivisorError
from reconciler.core.past import BEGUN, StepRecord, kept, planned, storable
from reconciler.core.plan import PENDING, Verb
from reconciler.core.status import GOOD
from reconciler.reconcile import Entry
from reconciler.retention import PORTION, RETENTION, Retention, prune_passes
from reconciler.status_file import read_keeper

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from reconciler.core.plan import Plan
    from reconciler.scribe import Scribe


@dataclass(frozen=True, slots=True)
class Origin:
    """Who applies what: `commit`, `branch` and `dirty` are of the documents."""

    command: str
    commit: str = ""
    branch: str = ""
    dirty: bool = False


async def origin_of(folder: Path, command: str) -> Origin:
    """Return of which state the documents are, as far as git knows."""
    commit, branch = await asyncio.gather(commit_of(folder), branch_of(folder))
    return Origin(command) if commit is None else Origin(command, commit.id, branch, bool(commit.changed))


@dataclass(slots=True)
class _Row:
    """A pass that goes on.

    `origin`  of whoever began it.
    `mark`    by which it is known, when it began and in which process; a number alone may be another's in another file.
    `steps`   what is to be done: written with its beginning, and once more where the file has been exchanged meanwhile.
    `number`  0 while it is not written.
    `began`   when its steps did (the loop's time).
    """

    origin: Origin
    mark: tuple[str, str]
    steps: Sequence[StepRecord]
    number: int = 0
    began: dict[str, float] = field(default_factory=dict)


class Recorder:
    """Writes the passes of one command; several may go on at once. `origin` is of whoever begins the next one."""

    def __init__(
        self,
        scribe: Scribe,
        origin: Origin,
        redact: Callable[[str], str],
        retention: Retention | None = RETENTION,
    ) -> None:
        """Write by that scribe.

        Whatever is kept passes `redact`. With None as `retention` whatever the daemon keeps of that folder stays: how much that
        is stands in its settings. Where there is none the usual is kept.
        """
        self.origin = origin
        self.retention = retention
        self._redact = redact
        self._scribe = scribe
        self._unnamed: list[_Row] | None = None

    def taken(self, origin: Origin) -> None:
        """Hear that other documents are in force; of which commit they are may be told later, by `named`.

        The same `origin` again is the same documents, read anew: what began before is of the same commit still.
        """
        if origin is not self.origin or self._unnamed is None:
            self._unnamed = []
        self.origin = origin

    def named(self, origin: Origin) -> None:
        """Hear of which commit the documents in force are: so are the passes that began meanwhile."""
        rows, self._unnamed, self.origin = self._unnamed or (), None, origin
        for row in rows:
            row.origin = replace(row.origin, commit=origin.commit, branch=origin.branch, dirty=origin.dirty)
            self._scribe.write(partial(_name, row=row))

    @contextmanager
    def one_pass(self, plan: Plan, report: Callable[[Progress], None]) -> Iterator[Entry]:
        """Record one pass while it is entered. It failed by an error of ours; by anything else it was interrupted."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        row = self._begin(plan)

        def heard(progress: Progress) -> None:
            self._heard(row, progress, loop.time())
            report(progress)

        entry = Entry(heard)
        try:
            yield entry
        except BivisorError as error:
            self._end(row, "failed", loop.time() - since, str(error))
            raise
        except BaseException:
            self._end(row, "interrupted", None)
            raise
        good = all(result.outcome in GOOD for result in entry.results.values())
        self._end(row, "converged" if good else "partial", loop.time() - since)

    def __enter__(self) -> Self:
        """Begin to record."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of the file."""
        self._scribe.close()

    def end(self) -> None:
        """Hear that nothing is done any more."""
        self._scribe.end()

    def not_begun(self, plan: Plan) -> None:
        """Record a pass that had nothing to carry out, and was not whole nevertheless: all is held, or nobody answers."""
        row = self._begin(plan)
        self._end(row, "partial", 0.0)

    def _begin(self, plan: Plan) -> _Row:
        now = datetime.now(UTC)
        steps = [planned(step, self._redact) for step in plan.steps if step.verb is not Verb.NOTHING]
        row = _Row(self.origin, (now.isoformat(timespec="microseconds"), mark_of(os.getpid())), steps)
        if self._unnamed is not None:
            self._unnamed.append(row)

        def begin(connection: sqlite3.Connection) -> None:
            _write(connection, row)
            if self.retention is not None or read_keeper(connection) is None:
                prune_passes(connection, self.retention or RETENTION, now, max(PORTION, 2 * len(steps)))

        self._scribe.write(begin, always=True)
        return row

    def _heard(self, row: _Row, progress: Progress, now: float) -> None:
        address, result = storable(str(progress.step.address)), progress.result
        if progress.phase is Phase.STARTED:
            row.began[address] = now
        if progress.phase is Phase.SETTLING:
            return
        outcome = BEGUN if result is None else str(result.outcome)
        message = "" if result is None else kept(result.message, self._redact)
        duration_s = now - row.began[address] if result is not None and address in row.began else None
        self._scribe.write(lambda connection: self._update(connection, row, progress, (outcome, message, duration_s, address)))

    def _update(
        self, connection: sqlite3.Connection, row: _Row, progress: Progress, what: tuple[str, str, float | None, str]
    ) -> None:
        _ensure(connection, row)
        if not connection.execute(_OUTCOME, (*what, row.number)).rowcount:
            # nothing was to be done about it; it was waited for since another step had moved it
            _insert(connection, row, planned(progress.step, self._redact))
            connection.execute(_OUTCOME, (*what, row.number))

    def _end(self, row: _Row, result: str, duration_s: float | None, note: str = "") -> None:
        ended = (result, duration_s, kept(note, self._redact))

        def write(connection: sqlite3.Connection) -> None:
            _ensure(connection, row)
            connection.execute(_END, (*ended, row.number))

        self._scribe.write(write, always=True)


_BEGIN = """
    INSERT INTO passes (began, command, commit_id, branch, version, user, process, dirty) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_STEP = "INSERT INTO steps (pass, pending, address, verb, outcome, message, reasons, changes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_ORIGIN = "INSERT INTO origins (step, key) VALUES (?, ?)"
_OUTCOME = "UPDATE steps SET outcome = ?, message = ?, duration_s = ? WHERE address = ? AND pass = ?"
_COMMIT = "UPDATE passes SET commit_id = ?, branch = ?, dirty = ? WHERE number = ?"
_THERE = "SELECT 1 FROM passes WHERE number = ? AND began = ? AND process = ?"
_END = "UPDATE passes SET result = ?, duration_s = ?, note = ? WHERE number = ?"


def _ensure(connection: sqlite3.Connection, row: _Row) -> None:
    """Have the pass stand in the file: its beginning may not have been written, or to one that is there no more."""
    if connection.execute(_THERE, (row.number, *row.mark)).fetchone() is None:
        _write(connection, row)


def _write(connection: sqlite3.Connection, row: _Row) -> None:
    origin = row.origin
    texts = (row.mark[0], origin.command, origin.commit, origin.branch, version("bivisor"), _user(), row.mark[1])
    row.number = connection.execute(_BEGIN, (*map(storable, texts), origin.dirty)).lastrowid or 0
    for step in row.steps:
        _insert(connection, row, step)


def _name(connection: sqlite3.Connection, row: _Row) -> None:
    _ensure(connection, row)
    connection.execute(_COMMIT, (*map(storable, (row.origin.commit, row.origin.branch)), row.origin.dirty, row.number))


def _insert(connection: sqlite3.Connection, row: _Row, step: StepRecord) -> None:
    changes = [(change.field, change.before, change.after) for change in step.changes]
    texts = (step.address, step.verb, step.outcome, step.message, json.dumps(step.reasons), json.dumps(changes))
    number = connection.execute(_STEP, (row.number, step.verb in PENDING, *texts)).lastrowid
    connection.executemany(_ORIGIN, [(number, key) for key in step.origins])


def _user() -> str:
    """Return who runs this, and for whom where that was said: `root (sudo by anna)`."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have a number only
        name = f"uid {os.getuid()}"
    by = os.environ.get("SUDO_USER", "")
    return f"{name} (sudo by {by})" if by and by != name else name
