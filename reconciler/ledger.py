"""Who writes to the file of what was done: all of it or nothing, and always to the file that has this name now.

A program that runs for months may find its file deleted, put aside or exchanged for another. What it has open is then a file
that nobody can find any more, and SQLite does not say so: each write therefore begins with a look at the name.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from reconciler.history import History
from reconciler.history_file import PATIENCE_S, open_to_write, trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Write: TypeAlias = Callable[[sqlite3.Connection], object]


class Ledger:
    """The file of one folder of documents, open for writing from its first write on. One thread at a time uses it."""

    def __init__(self, folder: Path, warn: Callable[[str], None], patience_s: float = PATIENCE_S) -> None:
        """Write to the history of that folder; `warn` is told when it has to begin anew. Other writers have `patience_s`."""
        self._patience_s = patience_s
        self._folder = folder
        self._warn = warn
        self._path: Path | None = None
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def together(self, writes: Sequence[Write]) -> None:
        """Write all of it or nothing. Raises HistoryError; the next write then opens the file anew."""
        path = self._path = self._path or History.place(self._folder)
        connection = self._opened(path)
        try:
            connection.execute("BEGIN IMMEDIATE")
            for write in writes:
                write(connection)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self.close()
            raise trouble(path, error, "written") from None
        except BaseException:
            self.close()  # else it would hold the file, and everybody else would wait for it
            raise

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _opened(self, path: Path) -> sqlite3.Connection:
        """Return the file that has that name. What was opened before and is another one now is let go of first."""
        if self._connection is not None and (self._file is None or self._file != _identity(path)):
            self.close()
            self._warn(
                f"warning: {path} was deleted or exchanged while it was written to: what stood there is lost, it begins anew"
            )
        if self._connection is None:
            self._connection = open_to_write(path, self._patience_s)
            self._file = _identity(path)
        return self._connection


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what no other file has meanwhile; None where there is none of that name."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
