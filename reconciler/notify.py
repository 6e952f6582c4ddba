"""What systemd is told of a service of its own: that it is ready, what it does, that it still lives (sd_notify(3))."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BEAT_S = 1.0
"""Seconds between two signs of life in a file."""

PATIENCE_S = 0.1
"""Seconds that a message may wait for room: the kernel lets the sender wait for ever where systemd does not read."""


def notify(*fields: str) -> None:
    """Send fields such as `READY=1`, if systemd listens. What it does not take is lost: nothing depends on it."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if place[:1] not in ("/", "@"):
        return
    address = "\0" + place[1:] if place.startswith("@") else place
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(PATIENCE_S)
        sender.sendto("\n".join(fields).encode(), address)


def watchdog_s() -> float | None:
    """Return within how many seconds systemd wants a sign of life (WatchdogSec of the unit), None if it wants none."""
    told = os.environ.get("WATCHDOG_USEC", "")
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(told) / 1e6 if told.isdecimal() and ours else None


async def touch(beat: Path | None, ill: Callable[[], object]) -> None:
    """Give signs of life in a file, for whoever is no systemd, while the loop turns and nothing is `ill`; until cancelled."""
    while beat is not None:
        if not ill():
            with suppress(OSError):  # who misses it looks after us; by the next one there may be room again
                beat.touch()  # noqa: ASYNC240 - below /run, which is memory
        await asyncio.sleep(BEAT_S)
