"""Whether the daemon lives, on a clock that jumps."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from reconciler.heart import BEAT_S, STUCK_S, Heart
from reconciler.notify import touch

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.looptime


def beats(listener: socket.socket) -> int:
    """Return how many beats came since the last time."""
    count = 0
    while True:
        try:
            count += listener.recv(100) == b"WATCHDOG=1"
        except BlockingIOError:
            return count


@asynccontextmanager
async def beating(heart: Heart) -> AsyncIterator[None]:
    """Let the heart beat meanwhile."""
    task = asyncio.create_task(heart.run())
    yield
    task.cancel()


async def test_beats_twice_within_what_systemd_allows(systemd: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """WatchdogSec=4 is a beat every two seconds."""
    monkeypatch.setenv("WATCHDOG_USEC", "4000000")
    async with beating(Heart(lambda: False)):
        await asyncio.sleep(19)
    assert beats(systemd) == 10


async def test_no_beat_while_what_is_due_is_not_decided(systemd: socket.socket) -> None:
    """After two minutes it is told why, and the watchdog hears nothing; a decision brings it back."""
    due = True
    heart = Heart(lambda: due)
    async with beating(heart):
        for _ in range(4):
            assert heart.trouble == ""
            beats(systemd)
            await asyncio.sleep(STUCK_S / 4)
        await asyncio.sleep(2 * BEAT_S)
        assert heart.trouble.startswith("nothing was decided for 13")
        beats(systemd)
        await asyncio.sleep(10 * BEAT_S)
        assert beats(systemd) == 0
        heart.decided()
        assert heart.trouble == ""
        due = False
        await asyncio.sleep(2 * BEAT_S)
        assert beats(systemd)


async def test_decisions_one_after_the_other_are_no_trouble(systemd: socket.socket) -> None:
    """Under a constant stream something is always due; what counts is that it is decided."""
    heart = Heart(lambda: True)
    async with beating(heart):
        for _ in range(20):
            await asyncio.sleep(STUCK_S / 3)
            heart.decided()
            assert heart.trouble == ""
            assert beats(systemd) > 1


async def test_no_sign_of_life_from_who_is_ill(tmp_path: Path) -> None:
    """The file is left alone while something ails it; a file that cannot be written for a moment ends no beat."""
    ill, beat = "", tmp_path / "run/beat"
    beating = asyncio.create_task(touch(beat, lambda: ill))
    await asyncio.sleep(5)
    beat.parent.mkdir()
    await asyncio.sleep(1.5)
    assert beat.exists()
    ill = "it does not lead any more"
    beat.unlink()
    await asyncio.sleep(10)
    assert not beat.exists()
    ill = ""
    await asyncio.sleep(1.5)
    assert beat.exists()
    beating.cancel()
