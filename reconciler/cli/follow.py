"""Following what the daemon keeps: look, tell what is new, wait a moment, until somebody ends it."""

from __future__ import annotations

import os
import select
import signal
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY_S = 0.5
"""Seconds between two looks; one costs about a millisecond."""

_OUTPUT = 1
"""The number of standard output."""

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def turns(every_s: float = EVERY_S) -> Iterator[None]:
    """Yield at once, and again and again, until Ctrl-C or SIGTERM: that is how following ends, and no failure.

    Raises BrokenPipeError when nobody reads the output any more: who has nothing to tell writes nothing, and would not notice.
    """
    with _ended() as ended:
        either = select.poll()
        either.register(ended, select.POLLIN)
        either.register(_OUTPUT, 0)  # that its reader has gone is told in any case
        yield
        while not (heard := dict(either.poll(every_s * 1000))):
            yield
        if ended not in heard:
            raise BrokenPipeError


@contextmanager
def _ended() -> Iterator[int]:
    """Yield a file that can be read from the first signal on; a second one does what it does to any program.

    A handler runs between any two steps of the same thread: of a lock, as `threading.Event` has one, it would wait for itself.
    """
    ended, ending = os.pipe()
    heard = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(*_: object) -> None:
        os.write(ending, b".")
        for number, handler in heard.items():
            signal.signal(number, handler)

    for number in heard:
        signal.signal(number, end)
    try:
        yield ended
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)
        os.close(ended)
        os.close(ending)


def clock(text: str) -> str:
    """Return a time of the file as people here read it: by their clock, with its offset, `2026-11-23 03:10:05+01:00`."""
    return datetime.fromisoformat(text).astimezone().isoformat(" ", "seconds")


def age(seconds: float) -> str:
    """Return `12 s`, `3 min`, `5 h`, `2 d`."""
    for least, unit in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= least:
            return f"{seconds // least:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
