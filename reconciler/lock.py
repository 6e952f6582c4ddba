"""That a folder of documents has one daemon on a machine. The lock is the kernel's: it ends with its process."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.core.errors import HistoryError, TakenError
from reconciler.history import History

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Be the only daemon of that folder while it is entered. Raises TakenError; HistoryError without a place for it."""
    path = History.place(folder).with_suffix(".lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HistoryError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(number, 32, 0).decode(errors="replace").strip() or "unknown"
            raise TakenError(f"{folder}: bivisor run keeps it already, as process {pid}: stop that one first") from None
        os.ftruncate(number, 0)
        os.pwrite(number, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(number)
