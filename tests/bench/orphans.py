"""Processes that outlive the session that started them: their CPU is counted as well.

A helper ends when its connection does, a moment after sshd has ended; whoever looks at sshd's accounts alone misses it.
So this process becomes the parent of all orphans below it.
"""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

PR_SET_CHILD_SUBREAPER = 36
"""From linux/prctl.h."""


def adopt() -> None:
    """Become the parent of every orphan from now on."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def wait_for_orphans(but: Collection[int], deadline_s: float) -> float:
    """Wait until all children are gone but these; return their CPU seconds, connections kept by ssh left out."""
    deadline = time.monotonic() + deadline_s
    spent = 0
    while orphans := [pid for pid in _children() if pid not in but]:
        for pid in orphans:
            name, state, *fields = _stat(pid)
            if state == "Z":
                os.waitpid(pid, 0)
                spent += sum(map(int, fields[10:14])) if name != "ssh" else 0
        if time.monotonic() > deadline:
            raise TimeoutError(f"these processes do not end: {orphans}")
        time.sleep(0.005)
    return spent / os.sysconf("SC_CLK_TCK")


def _children() -> Iterator[int]:
    for task in Path("/proc/self/task").iterdir():
        yield from map(int, (task / "children").read_text(encoding="ascii").split())


def _stat(pid: int) -> list[str]:
    """Return name, state and the further fields of proc(5)'s stat."""
    name, _, fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").partition(" (")[2].rpartition(") ")
    return [name, *fields.split()]
