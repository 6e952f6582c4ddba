"""Wall time and CPU of whole processes, as a person with a stopwatch would see them."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a program: wall time, CPU of its own processes, CPU of all hosts together, and what it printed."""

    wall_s: float
    cpu_s: float
    far_cpu_s: float
    code: int
    output: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command, and how to tell from a run of it that it looked at everything and found nothing to change.

    `check` returns what is wrong, or ''. `after` clears away what the run leaves behind (connections kept open, caches),
    so that every run begins cold; it is not measured.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    check: Callable[[Run], str]
    after: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Contest:
    """A command that takes part in so many turns, `each` times in a row."""

    command: Command
    turns: int
    each: int


def run(command: Command, far_cpu_s: Callable[[], float] = float) -> Run:
    """Run it once. Raises RuntimeError with its output if it did not do what it is measured for."""
    before = far_cpu_s()
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=command.environment,
            cwd=command.folder,
            start_new_session=True,
        )
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            command.after()
            raise
        wall_s = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    command.after()
    done = Run(wall_s, used.ru_utime + used.ru_stime, far_cpu_s() - before, process.returncode, text)
    if wrong := command.check(done):
        raise RuntimeError(f"{command.name}: {wrong}\n{text[-4000:]}")
    return done


def middle(values: Iterable[float]) -> float:
    """Return the median."""
    return median(values)
