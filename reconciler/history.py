"""What was done: the passes of every apply, newest first, from the file in which they were recorded."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.alive import runs
from reconciler.called import called
from reconciler.core.errors import HistoryError
from reconciler.core.past import ChangeRecord, StepRecord
from reconciler.followed import place_around
from reconciler.history_file import STATE, reading

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

__all__ = ["ChangeRecord", "History", "HistoryError", "PassRecord", "StepRecord"]


@dataclass(frozen=True, slots=True)
class PassRecord:
    """One pass of an apply.

    `began`       UTC, with its time zone.
    `duration_s`  None: it was interrupted, or is still running.
    `commit`      of the documents, in full, '' where they are in no git repository; `dirty` where they differed from it.
    `user`        who ran it.
    `command`     `apply` or `apply --plan`.
    `steps`       what was to be done; of a search for one key or address only the steps that have it.
    `branch`      of the documents, '' where none was checked out.
    `version`     of the program.
    `result`      converged, partial or failed; running or interrupted.
    `note`        why it failed as a whole.
    """

    number: int
    began: datetime
    duration_s: float | None
    commit: str
    dirty: bool
    user: str
    command: str
    steps: tuple[StepRecord, ...]
    branch: str = ""
    version: str = ""
    result: str = ""
    note: str = ""


class History:
    """The passes that one file holds."""

    def __init__(self, path: Path) -> None:
        """Read this file, when it is asked; it need not exist."""
        self.path = path

    @staticmethod
    def place(desired: Path) -> Path:
        """Return where the history of that folder of documents is kept, one file for each path: see `called`.

        In the first of BIVISOR_STATE, STATE_DIRECTORY (of a systemd unit), XDG_STATE_HOME/bivisor and
        ~/.local/state/bivisor. Raises HistoryError where there is none of them. Of a branch that is followed there is one,
        whatever is checked out now, beside the place of its checkouts.
        """
        if followed := place_around(desired):
            return followed.with_name(f"{followed.name}.sqlite")
        folder = called(desired)
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(folder.parts[-2:]).strip("/")) or "root"
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:10]
        return state_folder() / f"{name}-{digest}.sqlite"

    def passes(
        self, *, key: str = "", address: str = "", limit: int = 20, number: int = 0, since: datetime | None = None
    ) -> list[PassRecord]:
        """Return the last passes, newest first; none where the file does not exist.

        With `key` (`HypervisorZone/kvm-az`) or `address` (`ssh:kvm1/service/nova-compute`) only those passes that touched
        it, so that it was not only held or unknown, with these of their steps. With `number` that pass, with `since` those
        that began then or later. Raises HistoryError.
        """
        began = since.astimezone(UTC).isoformat(timespec="microseconds") if since else ""
        wanted = {"key": key, "address": address, "limit": limit, "number": number, "since": began}
        with reading(self.path) as connection:
            return [_pass(row, _steps(connection, row, wanted)) for row in connection.execute(_PASSES, wanted)]

    def names(self) -> frozenset[str]:
        """Return every key and address that a pass had something to do with. Raises HistoryError."""
        with reading(self.path) as connection:
            return frozenset(row[0] for row in connection.execute(_NAMES))

    def numbers(self) -> tuple[int, int]:
        """Return the numbers of the first and the last pass that is kept; zeros where there is none. Raises HistoryError."""
        with reading(self.path) as connection:
            first, last = connection.execute("SELECT ifnull(min(number), 0), ifnull(max(number), 0) FROM passes").fetchone()
            return first, last


_PASSES = """
    SELECT * FROM passes
    WHERE (:key = '' OR number IN (SELECT pass FROM steps JOIN origins ON step = id WHERE key = :key AND pending))
      AND (:address = '' OR number IN (SELECT pass FROM steps WHERE address = :address AND pending))
      AND (:number = 0 OR number = :number)
      AND began >= :since
    ORDER BY number DESC LIMIT :limit
"""

_STEPS = """
    SELECT * FROM steps
    WHERE pass = :pass
      AND (:key = '' OR id IN (SELECT step FROM origins WHERE key = :key))
      AND (:address = '' OR address = :address)
    ORDER BY id
"""

_NAMES = "SELECT key FROM origins UNION SELECT address FROM steps"

_ORIGINS = "SELECT key FROM origins WHERE step = ? ORDER BY rowid"


def state_folder() -> Path:
    """Return the folder of all that is kept on this machine. Raises HistoryError: nobody knows a home."""
    if given := os.environ.get(STATE) or os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given).absolute()
    base = os.environ.get("XDG_STATE_HOME", "")
    try:
        return (Path(base) if base.startswith("/") else Path.home() / ".local/state") / "bivisor"
    except RuntimeError:
        raise HistoryError(f"nobody knows a home to keep the history in. Name a folder with {STATE}") from None


def _steps(connection: sqlite3.Connection, row: sqlite3.Row, wanted: dict[str, Any]) -> Iterable[StepRecord]:
    for step in connection.execute(_STEPS, {**wanted, "pass": row["number"]}):
        yield StepRecord(
            address=step["address"],
            verb=step["verb"],
            outcome=step["outcome"],
            message=step["message"],
            reasons=tuple(json.loads(step["reasons"])),
            origins=tuple(origin["key"] for origin in connection.execute(_ORIGINS, (step["id"],))),
            changes=tuple(ChangeRecord(*change) for change in json.loads(step["changes"])),
            duration_s=step["duration_s"],
        )


def _pass(row: sqlite3.Row, steps: Iterable[StepRecord]) -> PassRecord:
    return PassRecord(
        number=row["number"],
        began=datetime.fromisoformat(row["began"]),
        duration_s=row["duration_s"],
        commit=row["commit_id"],
        dirty=bool(row["dirty"]),
        user=row["user"],
        command=row["command"],
        steps=tuple(steps),
        branch=row["branch"],
        version=row["version"],
        result=row["result"] or ("running" if runs(row["process"]) else "interrupted"),
        note=row["note"],
    )
