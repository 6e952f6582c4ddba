"""That a folder of documents has one daemon on a machine. The lock is the kernel's: it ends with its process."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.core.errors import TakenError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Be the only daemon of that folder while it is entered. Raises TakenError.

    The folder itself is locked, so it does not matter whose history is kept where.
    """
    try:
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise TakenError(
            f"{folder}: cannot be read: {error.strerror}: name the folder of the documents with --desired"
        ) from None
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TakenError(f"{folder}: another bivisor run keeps it already: stop that one first") from None
        yield
    finally:
        os.close(number)


def is_taken(folder: Path) -> bool:
    """Tell whether a daemon keeps that folder on this machine now."""
    try:
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(number)
    return False
