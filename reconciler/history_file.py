"""The file of what was done: SQLite, in write-ahead mode, so that readers and several writers do not wait for each other.

A cache and a history: it may be deleted at any time. It is opened here, by its owner alone, and brought to the present
version; whatever goes wrong with it becomes a HistoryError that says what, and what helps.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from reconciler.core.errors import HistoryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 1.0
"""How long a command waits for another writer; nothing else goes on meanwhile. Most writes take milliseconds."""

THREAD_PATIENCE_S = 5.0
"""How long a thread waits for that, for which nobody waits: the beginning of a pass of 20,000 steps takes seconds."""

STATE = "BIVISOR_STATE"
"""The environment variable that names the folder of such files."""

_VERSIONS = (
    """
    CREATE TABLE passes (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        began TEXT NOT NULL,                       -- UTC, ISO 8601, always of the same length: texts sort as times
        duration_s REAL,                           -- NULL: it is running, or was interrupted
        result TEXT NOT NULL DEFAULT '',
        note TEXT NOT NULL DEFAULT '',
        command TEXT NOT NULL,
        version TEXT NOT NULL,
        commit_id TEXT NOT NULL,
        branch TEXT NOT NULL,
        dirty INTEGER NOT NULL,
        user TEXT NOT NULL,
        process TEXT NOT NULL                      -- which process writes it
    );
    CREATE TABLE steps (
        id INTEGER PRIMARY KEY,
        pass INTEGER NOT NULL REFERENCES passes ON DELETE CASCADE,
        address TEXT NOT NULL,
        verb TEXT NOT NULL,
        pending INTEGER NOT NULL,                  -- whether the verb is one that is carried out
        outcome TEXT NOT NULL,
        message TEXT NOT NULL,
        reasons TEXT NOT NULL,                     -- JSON: ["…"]
        changes TEXT NOT NULL,                     -- JSON: [[field, before, after]]
        duration_s REAL,
        UNIQUE (pass, address)
    );
    CREATE INDEX steps_by_address ON steps (address, pass);
    CREATE TABLE origins (
        step INTEGER NOT NULL REFERENCES steps ON DELETE CASCADE,
        key TEXT NOT NULL
    );
    CREATE INDEX origins_by_step ON origins (step);
    CREATE INDEX origins_by_key ON origins (key, step);
    """,
    """
    CREATE TABLE keeper (                          -- the daemon that keeps the folder, or kept it last
        one INTEGER PRIMARY KEY CHECK (one = 1),
        process TEXT NOT NULL,                     -- which process it is
        ended INTEGER NOT NULL,                    -- whether it has said that it ends
        acts INTEGER NOT NULL,                     -- 0 where it only looks
        began TEXT NOT NULL,                       -- UTC, ISO 8601
        seen TEXT NOT NULL,                        -- UTC, ISO 8601, when it wrote that all this is so
        version TEXT NOT NULL,
        commit_id TEXT NOT NULL,
        branch TEXT NOT NULL,
        dirty INTEGER NOT NULL,
        conditions TEXT NOT NULL                   -- JSON, of the folder, as below
    );
    CREATE TABLE resources (
        key TEXT PRIMARY KEY,
        generation INTEGER NOT NULL,               -- rises with what its document says
        declared TEXT NOT NULL,                    -- a digest of that
        units INTEGER NOT NULL,
        ready INTEGER NOT NULL,
        remarks TEXT NOT NULL,                     -- JSON: ["…"]
        conditions TEXT NOT NULL                   -- JSON: [[type, status, reason, message, since, generation]]
    ) WITHOUT ROWID;
    CREATE TABLE events (
        number INTEGER PRIMARY KEY AUTOINCREMENT,  -- of its last occurrence: the order of numbers is that of time
        type TEXT NOT NULL,
        reason TEXT NOT NULL,
        about TEXT NOT NULL,
        message TEXT NOT NULL,
        first TEXT NOT NULL,                       -- UTC, ISO 8601, always of the same length
        last TEXT NOT NULL,
        count INTEGER NOT NULL
    );
    CREATE INDEX events_by_about ON events (about, reason);
    CREATE INDEX events_by_last ON events (last);
    CREATE TABLE concerned (
        event INTEGER NOT NULL REFERENCES events ON DELETE CASCADE,
        key TEXT NOT NULL
    );
    CREATE INDEX concerned_by_event ON concerned (event);
    CREATE INDEX concerned_by_key ON concerned (key, event);
    CREATE INDEX passes_by_began ON passes (began);
    """,
)
"""What brings a file from one version to the next, the first one from nothing. Add to it, and never change what is there."""


_MAKING = threading.Lock()
"""Held while the file is made: by then no other thread may have it open, see `_make`."""


def open_to_write(path: Path, patience_s: float = PATIENCE_S) -> sqlite3.Connection:
    """Return the file ready to be written, made where it is not there. Raises HistoryError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _MAKING:
            _make(path)
    except OSError as error:
        where = "" if error.filename in (None, str(path)) else f"{error.filename}: "
        raise HistoryError(
            f"{path}: cannot be written: {where}{error.strerror}. Name a folder of your own with {STATE}"
        ) from None
    try:
        connection = sqlite3.connect(path, timeout=patience_s, isolation_level=None)
    except sqlite3.Error as error:
        raise trouble(path, error, "written") from None
    try:
        _upgrade(path, connection)
    except (sqlite3.Error, HistoryError) as error:
        connection.close()
        raise (trouble(path, error, "written") if isinstance(error, sqlite3.Error) else error) from None
    return connection


def _make(path: Path) -> None:
    """Make the file for the folder's owner alone, unless it is there. Raises OSError.

    One that is there must not be opened here, not even for a moment: closing it would take this process's locks from it, those
    of another connection too, and the next reader would delete what that writes (sqlite.org/howtocorrupt.html, section 2.2).
    """
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if os.geteuid() == 0:  # who writes to it next may be the user of a service, whose folder this is
                whose = path.parent.stat()
                os.fchown(number, whose.st_uid, whose.st_gid)
        finally:
            os.close(number)
    except FileExistsError:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path)) from None
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path)) from None


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file in one state for all questions; an empty one where there is none. Raises HistoryError."""
    try:
        with open_to_read(path) as connection:
            connection.execute("BEGIN")
            connection.row_factory = sqlite3.Row
            yield connection
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror}") from None
    except sqlite3.Error as error:
        raise trouble(path, error, "read") from None


def has_status(connection: sqlite3.Connection) -> bool:
    """Tell whether the file has status and events: one of an older version, to which nobody has written since, has not."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version > 1


def open_to_read(path: Path) -> closing[sqlite3.Connection]:
    """Return the file to be read, closed when that is left; an empty one where there is none, or none has begun to be.

    Raises HistoryError, sqlite3.Error and OSError.
    """
    try:
        path.stat()
    except FileNotFoundError:
        return _empty()
    address = f"file:{quote(str(path))}"
    try:
        return _begun(path, f"{address}?mode=rw")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname not in _UNWRITABLE:
            raise
        # beside the file SQLite keeps what its readers share; where nothing can be written nobody writes the file either
        return _begun(path, f"{address}?mode=ro&immutable=1")


_UNWRITABLE = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_READONLY_DIRECTORY", "SQLITE_READONLY_CANTINIT")
"""What SQLite says of a file in a folder that it cannot write to, where it was once written in write-ahead mode."""


def _begun(path: Path, address: str) -> closing[sqlite3.Connection]:
    """Return the file at that address, or an empty one where nothing was ever written to it."""
    connection = sqlite3.connect(address, timeout=PATIENCE_S, isolation_level=None, uri=True)
    try:
        connection.execute("PRAGMA query_only = ON")
        begun = _check(path, connection)
    except (sqlite3.Error, HistoryError):
        connection.close()
        raise
    if begun:
        return closing(connection)
    connection.close()
    return _empty()


def _empty() -> closing[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _create(connection, 0)
    return closing(connection)


def trouble(path: Path, error: sqlite3.Error, done: str) -> HistoryError:
    """Say what SQLite has against the file, and what helps; `done` is what cannot be done with it."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return HistoryError(f"{path}: cannot be {done}, it is damaged ({error}). Delete it: only the history is lost")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return HistoryError(f"{path}: cannot be {done}: another program holds it. Find out which: fuser {path}", retry=True)
    if name.startswith("SQLITE_FULL"):
        return HistoryError(f"{path}: cannot be {done}: the disk is full. Make room, or name another folder with {STATE}")
    remedy = f"Name a folder of your own with {STATE}, or delete the file: only the history is lost"
    return HistoryError(f"{path}: cannot be {done}: {error}. {remedy}")


def _check(path: Path, connection: sqlite3.Connection) -> int:
    """Return the version of the file. Raises HistoryError for a newer one than this program knows."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(_VERSIONS):
        raise HistoryError(
            f"{path}: written by a newer bivisor (version {version} of the file, this one knows {len(_VERSIONS)}). "
            f"Upgrade this one, or name another folder with {STATE}"
        )
    return version


def _upgrade(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # a crash of the machine may cost the last passes, never the file
    connection.execute("PRAGMA foreign_keys = ON")
    if _check(path, connection) == len(_VERSIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    _create(connection, _check(path, connection))  # asked again: another one may have been first
    connection.execute("COMMIT")


def _create(connection: sqlite3.Connection, since: int) -> None:
    """Bring the tables from that version to the present one."""
    for version in range(since, len(_VERSIONS)):
        for statement in filter(str.strip, _VERSIONS[version].split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version + 1}")
