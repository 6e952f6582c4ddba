"""What a folder of documents is called: by that name its history, its pauses and its lock are found.

Its own path, in which no link is followed: where `desired` or a folder above it is a link to a release, what was recorded and
what was paused stays with it when that leads to another release.
"""

from __future__ import annotations

import os
from pathlib import Path


def called(folder: Path) -> Path:
    """Return the absolute path by which a person knows that folder, though they have gone there by a link with `cd`.

    The shell remembers that as `pwd -L` does (POSIX); the kernel only knows where it led.
    """
    shell = os.environ.get("PWD", "")
    here = shell if os.path.isabs(shell) and _same(shell, os.curdir) else os.getcwd()  # noqa: PTH109, PTH117 - texts
    path = os.path.normpath(os.path.join(here, folder))  # noqa: PTH118 - it follows no link
    beyond = os.path.exists(folder) and not _same(path, folder)  # noqa: PTH110 - `link/..` is another folder for the kernel
    return Path(os.path.realpath(folder) if beyond else path)


def _same(one: str | Path, other: str | Path) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 - texts
    except OSError:
        return False
