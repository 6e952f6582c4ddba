"""Whether what is kept for a folder of documents is what its daemon writes, and whether there is such a folder at all."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from reconciler.core.errors import HistoryError
from reconciler.history import History
from reconciler.history_file import STATE
from reconciler.lock import is_taken
from reconciler.pauses_file import PausesFile

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S, AGAIN_S = 1.0, 0.1
"""Seconds that a daemon which begins may take from its lock to its files; looked at in such steps."""


def elsewhere(folder: Path) -> str:
    """Say that the daemon of that folder keeps what it knows in another place, and how to name that; '' where it does not."""
    file = PausesFile.of(folder)
    if not os.access(file.path.parent, os.X_OK) and os.path.lexists(file.path.parent):
        return ""  # whoever reads there says why it cannot
    deadline = time.monotonic() + PATIENCE_S
    while is_taken(folder) and not file.is_heeded and time.monotonic() < deadline:
        time.sleep(AGAIN_S)
    if not is_taken(folder) or file.is_heeded:
        return ""
    return (
        f"the daemon that keeps {folder} does not read this file: name its folder with {STATE} "
        "(a systemd unit with StateDirectory=bivisor-run has /var/lib/bivisor-run), and the documents with --desired by "
        "the same path as the daemon was told, links included"
    )


def missing(folder: Path) -> str:
    """Say that there is no such folder, and nothing is kept of one; '' where there is either."""
    kept = (History.place(folder), PausesFile.of(folder).path)
    if is_taken(folder) or any(map(os.path.exists, kept)) or not _is_nowhere(folder):
        return ""
    return f"{folder}: there is no such folder, and nothing is kept of one: name the folder of the documents with --desired"


def _is_nowhere(folder: Path) -> bool:
    """Tell whether there is no such folder; where nobody can tell there may be one."""
    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        pass
    return False


def check_kept(folder: Path) -> None:
    """Raise HistoryError where the daemon of that folder writes elsewhere, or where there is no such folder."""
    if why := missing(folder):
        raise HistoryError(why)
    if why := elsewhere(folder):
        raise HistoryError(f"{History.place(folder)}: {why}")
