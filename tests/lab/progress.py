"""What a person sees while the lab works: each step, how long it takes, how long it usually does.

The usual time is what the step took the last time on this machine; the first time it is what was
measured on two cores. Steps may overlap: each line names its own.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.lab.layout import CACHE

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMES = CACHE / "step-seconds.json"
_REMIND_AFTER_S = 15.0


class Progress:
    """Prints steps to standard error; remembers how long each took."""

    def __init__(self, *, quiet: bool = False) -> None:
        """Start the clock that stands at the front of each line."""
        self._begin = time.monotonic()
        self._quiet = quiet
        self._lock = threading.Lock()
        self._usual: dict[str, float] = _read_times()

    def say(self, text: str) -> None:
        """Print one line with the seconds since the beginning."""
        if not self._quiet:
            with self._lock:
                sys.stderr.write(f"{time.monotonic() - self._begin:7.1f}s  {text}\n")
                sys.stderr.flush()

    @contextmanager
    def step(self, name: str, *, usually_s: float) -> Iterator[None]:
        """Announce a step, remind while it lasts, and say how long it took."""
        usual = self._usual.get(name, usually_s)
        self.say(f"{name} … (usually {usual:.0f} s)")
        begin = time.monotonic()
        ended = threading.Event()
        reminder = threading.Thread(target=self._remind, args=(name, begin, usual, ended), daemon=True)
        reminder.start()
        try:
            yield
        finally:
            ended.set()
            reminder.join()
        took = time.monotonic() - begin
        self.say(f"{name}: done in {took:.1f} s")
        self._remember(name, took)

    def _remind(self, name: str, begin: float, usual: float, ended: threading.Event) -> None:
        while not ended.wait(_REMIND_AFTER_S):
            self.say(f"{name}: {time.monotonic() - begin:.0f} of about {usual:.0f} s")

    def _remember(self, name: str, took: float) -> None:
        with self._lock:
            self._usual = {**_read_times(), name: round(took, 1)}
            if _TIMES.parent.is_dir():
                _TIMES.write_text(json.dumps(self._usual, indent=1, sort_keys=True))


def _read_times() -> dict[str, float]:
    try:
        found = json.loads(_TIMES.read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): float(seconds) for name, seconds in found.items()}
