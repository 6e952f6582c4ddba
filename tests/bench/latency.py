"""How soon the daemon notices a change in the lab's cloud and begins to repair it: `python -m tests.bench.latency`.

The time of a change is taken on the host right before it, noticed and begun are read in the daemon's log; hosts and
daemon share one clock. Each change is made on a quiet cloud, at a random moment of a second, and is over before the next.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.changes import PROMISED, Change, sorts
from tests.bench.report import Figure, tell
from tests.lab.lab import Lab
from tests.lab.progress import Progress
from tests.lab.test_run import Running
from tests.lab.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
NOTICED_S, BEGUN_S = 1.0, 2.0
"""What is promised of 99 in 100 changes, seconds."""

LATE_S = 120.0
"""Seconds after which a change counts as not noticed, and the benchmark ends."""

SETTLED_S = 0.5
"""The log has been silent for so long: nothing is in hand."""


@dataclass(slots=True)
class Times:
    """Seconds from the change until it was noticed, and until the repair began."""

    noticed: list[float] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)


def main() -> int:
    """Measure every sort; exits with 1 when a promise is missed."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.latency", description=__doc__)
    options.add_argument("--changes", type=int, default=100, help="of each sort that is promised (default 100)")
    options.add_argument("--sorts", default="", help="only those whose name holds this text")
    chosen = options.parse_args()
    lab = Lab.up(Progress())
    with tempfile.TemporaryDirectory(prefix="bivisor-bench-") as scratch:
        os.environ["BIVISOR_STATE"] = scratch
        desk = Workspace.converged(Path(scratch), lab)
        print(f"load of the machine at the start: {', '.join(f'{each:.1f}' for each in os.getloadavg())}", flush=True)
        found = {}
        for name, (most, changes) in sorts(lab, desk).items():
            if chosen.sorts in name:
                found[name] = _measure(desk, changes, max(1, round(chosen.changes * most)))
                print(_row(name, found[name]), flush=True)
    return 0 if _tell(found) else 1


def part(values: Sequence[float], share: float) -> float:
    """Return the least value that such a part of them does not exceed (nearest rank)."""
    return sorted(values)[max(math.ceil(len(values) * share - 1e-9) - 1, 0)]


def _measure(desk: Workspace, changes: Sequence[Change], count: int) -> Times:
    """Make so many changes, the same ones over and over. What came undone too often is held, so another daemon goes on then."""
    times, rng = Times(), random.Random(count)  # noqa: S311 - jitter
    done = 0
    while done < count:
        with _daemon(desk, done) as daemon:
            for change in (tuple(changes) * 3)[: count - done]:  # one time less than what the daemon takes for a quarrel
                _settle(daemon)
                time.sleep(rng.random())
                _take(daemon, change, times)
                done += 1
            _settle(daemon)
    return times


@contextmanager
def _daemon(desk: Workspace, number: int) -> Iterator[Running]:
    daemon = Running(desk, f"latency-{number}.log", "debug")
    try:
        _wait(daemon, daemon.quiet, "everything as declared")
        yield daemon
        daemon.process.terminate()
        daemon.process.wait(60)
    finally:
        daemon.process.kill()
        daemon.process.wait()


def _take(daemon: Running, change: Change, times: Times) -> None:
    at = change.make()
    _wait(daemon, lambda: _first(daemon, "step", at, change) is not None, f"a step after {change.what}")
    begun, heard, decided = (_first(daemon, event, at, change) for event in ("step", "noticed", "decided"))
    times.begun.append((begun or 0.0) - at)
    times.noticed.append(min(each for each in (begun, heard, decided) if each is not None) - at)


def _first(daemon: Running, event: str, at: float, change: Change) -> float | None:
    """Return when the daemon said that first since then, of what was changed."""
    found = (_when(line) for line in daemon.lines(event) if _concerns(line, change))
    return next((when for when in found if when >= at), None)


def _concerns(line: dict[str, Any], change: Change) -> bool:
    if "address" in line:
        return bool(line["address"] == change.address)
    return str(line.get("target", change.target)) == change.target


def _when(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()


def _settle(daemon: Running) -> None:
    """Wait until everything is as declared and nothing was said for a while."""
    _wait(daemon, lambda: daemon.quiet() and time.time() - daemon.log.stat().st_mtime > SETTLED_S, "all is quiet")


def _wait(daemon: Running, holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LATE_S
    while not holds():
        if time.monotonic() > deadline or daemon.process.poll() is not None:
            sys.exit(f"not within {LATE_S:g} s: {what}\n{daemon.log.read_text()[-6000:]}")
        time.sleep(0.05)


def _row(name: str, times: Times) -> str:
    cells = "  ".join(
        f"{what} " + " ".join(f"{part(values, share):7.3f}" for share in (0.5, 0.95, 0.99, 1.0))
        for what, values in (("noticed", times.noticed), ("begun", times.begun))
    )
    return f"{name:<28} {len(times.begun):>4}  {cells}"


def _tell(found: dict[str, Times]) -> bool:
    print("\nseconds: p50 p95 p99 max")
    for name, times in found.items():
        print(_row(name, times))
    figures = []
    for name, times in found.items():
        limits = (NOTICED_S, BEGUN_S) if name in PROMISED else (None, None)
        figures.append(Figure(f"{name}: noticed, p99", part(times.noticed, 0.99), "s", at_most=limits[0]))
        figures.append(Figure(f"{name}: repair begun, p99", part(times.begun, 0.99), "s", at_most=limits[1]))
    raw = {name: {"noticed": times.noticed, "begun": times.begun} for name, times in found.items()}
    (REPOSITORY / "build").mkdir(exist_ok=True)
    (REPOSITORY / "build/bench-latency-raw.json").write_text(json.dumps(raw), encoding="utf-8")
    return tell(figures, REPOSITORY / "build/bench-latency.json")


if __name__ == "__main__":
    sys.exit(main())
