"""The file of what is paused: small, beside the history and no part of it, so that deleting that resumes nothing.

It is replaced as a whole, never edited in place; whoever reads it has one state of it. What cannot be read holds everything:
nobody knows then what somebody wanted left alone.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from reconciler.core.errors import HistoryError, PausesError
from reconciler.core.pauses import Pause, read_pauses, write_pauses
from reconciler.history import History
from reconciler.history_file import STATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_BYTES = 1_000_000
"""A larger file is none of ours."""


class PausesFile:
    """The pauses for one folder of documents."""

    def __init__(self, path: Path) -> None:
        """Keep them in this file, which need not exist."""
        self.path = path
        self._stamp: tuple[int, ...] = ()
        self._seen: tuple[tuple[Pause, ...], str] = ((), "")

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Return that of a folder of documents, beside its history. Raises HistoryError where there is no place for one."""
        return cls(History.place(folder).with_suffix(".pauses.json"))

    def seen(self) -> tuple[tuple[Pause, ...], str]:
        """Return the pauses, those that are over included, and '' or why nobody knows them: then those known last.

        Reads only what has changed.
        """
        try:
            there = self.path.stat()
            now = (there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns, there.st_ctime_ns)
            if now != self._stamp:
                self._stamp, self._seen = (), (self.read(), "")
                self._stamp = now
        except (FileNotFoundError, NotADirectoryError):
            self._stamp, self._seen = (), ((), "")
        except OSError as error:
            self._stamp, self._seen = (), (self._seen[0], str(self._trouble(error.strerror or str(error))))
        except PausesError as error:
            self._stamp, self._seen = (), (self._seen[0], str(error))
        return self._seen

    def read(self) -> tuple[Pause, ...]:
        """Return the pauses, those that are over included. Raises PausesError."""
        try:
            with self.path.open("rb") as file:
                return _dated(read_pauses(file.read(_MOST_BYTES).decode()))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise self._trouble(error.strerror or str(error)) from None
        except ValueError as error:
            raise self._trouble("it is no UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)) from None

    def change(self, change: Callable[[tuple[Pause, ...]], tuple[Pause, ...]]) -> None:
        """Replace the file by what `change` makes of it; two who do so at once follow each other. Raises PausesError."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(self.path.parent):
                self._replace(write_pauses(change(self.read())))
        except OSError as error:
            where = "" if error.filename in (None, str(self.path)) else f"{error.filename}: "
            raise PausesError(
                f"{self.path}: cannot be written: {where}{error.strerror}. Name a folder of your own with {STATE}"
            ) from None

    @property
    def is_heeded(self) -> bool:
        """Tell whether a daemon keeps to this file now."""
        try:
            number = os.open(self.mark, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(number)
        return False

    @property
    def mark(self) -> Path:
        """The file that a daemon locks while it keeps to this one."""
        return self.path.with_suffix(".heeded")

    def _replace(self, text: str) -> None:
        number, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                if os.geteuid() == 0:  # who keeps to it may be the user of a service, whose folder this is
                    whose = self.path.parent.stat()
                    os.fchown(file.fileno(), whose.st_uid, whose.st_gid)
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _trouble(self, why: str) -> PausesError:
        return PausesError(
            f"{self.path}: nobody knows what is paused: {why}. Mend the file, or delete it: then nothing is paused"
        )


def _dated(pauses: tuple[Pause, ...]) -> tuple[Pause, ...]:
    """Return them if their times are such: people may have mended the file by hand. Raises ValueError."""
    for pause in pauses:
        for text in (pause.at, *([pause.until] if pause.until else [])):
            if not text.endswith("Z"):
                raise ValueError(f'"{text}" is no time such as 2026-11-23T09:00:00Z')
            datetime.fromisoformat(text)
    return pauses


@contextmanager
def heeded(folder: Path) -> Iterator[None]:
    """Keep to the pauses for that folder while it is entered, so that whoever pauses can be told that somebody does."""
    number = -1
    with suppress(OSError, HistoryError):  # where nothing can be written, nothing can be paused either
        mark = PausesFile.of(folder).mark
        mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(number, fcntl.LOCK_SH)
    try:
        yield
    finally:
        if number >= 0:
            os.close(number)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Be the only one who changes a file of pauses in that folder while it is entered. Raises OSError."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)
