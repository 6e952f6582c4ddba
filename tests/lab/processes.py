"""Processes of the lab, told apart from all others by PID *and* start time.

A PID alone may belong to somebody else by the time it is used. A signal is sent through a pidfd
that was opened before the start time was compared, so it can reach nobody else.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.commands import wait_until
from tests.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A process of this machine; `started` is its start time in clock ticks since boot."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process that has this PID now; raises `ProcessLookupError` if there is none."""
        return cls(pid, _start_time(pid))

    @classmethod
    def load(cls, file: Path) -> Process | None:
        """What `save` wrote, if it is there and whole."""
        try:
            found = json.loads(file.read_text())
            return cls(int(found["pid"]), int(found["started"]))
        except (OSError, ValueError, KeyError):
            return None

    def save(self, file: Path) -> None:
        """Remember it for a later run."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"pid": self.pid, "started": self.started}))

    def alive(self) -> bool:
        """Is it still this process that runs under the PID (and no zombie)?"""
        with suppress(ProcessLookupError):
            if _start_time(self.pid) == self.started and _state(self.pid) != "Z":
                return True
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return False

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if the process is gone."""
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            try:
                if _start_time(self.pid) == self.started:
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)

    def end(self, *, grace_s: float = 0) -> None:
        """Ask it to end, for at most `grace_s`, then kill it; returns when it is gone."""
        if grace_s:
            self.send(signal.SIGTERM)
            with suppress(Exception):
                wait_until(lambda: not self.alive(), what="end", timeout_s=grace_s)
        self.send(signal.SIGKILL)
        wait_until(lambda: not self.alive(), what=f"process {self.pid} to die", timeout_s=20)


def start_detached(argv: Sequence[str], log: Path) -> Process:
    """Start a program that outlives this process, in a session of its own; output goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    program = shutil.which(argv[0])
    if program is None:
        raise LabError(f"{argv[0]} is not installed")
    writing = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        program,
        list(argv),
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), writing, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return Process.of(pid)


def all_pids() -> Iterator[int]:
    """Every process that this machine shows, those in containers included."""
    return (int(entry) for entry in os.listdir(_PROC) if entry.isdigit())  # noqa: PTH208 - quick


def arguments(pid: int) -> tuple[str, ...]:
    """Its argument vector; empty for kernel threads and for processes that are gone."""
    with suppress(OSError):
        raw = (_PROC / str(pid) / "cmdline").read_bytes()
        return tuple(part.decode(errors="replace") for part in raw.split(b"\0")[:-1])
    return ()


def namespace_of(pid: int, kind: str) -> str:
    """Identity of its namespace of that kind (`pid`, `net`, …); empty if it is gone."""
    with suppress(OSError):
        return str((_PROC / str(pid) / "ns" / kind).readlink())
    return ""


def pids_in_namespace(kind: str, identity: str) -> list[int]:
    """All processes in the namespace with that identity."""
    return [pid for pid in all_pids() if identity and namespace_of(pid, kind) == identity]


def first_child_namespace_init(parent: int) -> int | None:
    """The child of `parent` that is PID 1 in a PID namespace of its own, if there is one."""
    for pid in all_pids():
        with suppress(OSError):
            status = (_PROC / str(pid) / "status").read_text()
            above = re.search(r"^PPid:\s+(\d+)$", status, re.MULTILINE)
            inside = re.search(r"^NSpid:\s+\d+\s+(?:\d+\s+)*1$", status, re.MULTILINE)
            if inside and above and int(above[1]) == parent:
                return pid
    return None


def _start_time(pid: int) -> int:
    return int(_stat(pid)[19])


def _state(pid: int) -> str:
    return _stat(pid)[0]


def _stat(pid: int) -> list[str]:
    """The fields of `/proc/PID/stat` after the name, which may itself contain blanks."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError) as gone:
        raise ProcessLookupError(pid) from gone
    return text.rpartition(")")[2].split()
