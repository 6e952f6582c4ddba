"""What happens while the program waits for a person, on a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0

QUESTION = b"Carry this out? [y/N]:"

ASK = """
import typer
from reconciler.cli import session

async def ask():
    return session.confirmed("Carry this out?")

try:
    print("answer", session.run(ask()))
except typer.Abort:
    print("refused")
"""

AGREE = """
import asyncio
from reconciler.cli import apply, session
from tests.drive.world import World, thing

async def agree():
    world = World()
    cloud = session.Session(None, world.reconciler(thing("a", "x", size=1), thing("a", "y", size=2)))
    look = await cloud.reconciler.look()
    world.place("a").things["x"] = {"size": 1}
    agreed = await apply._agreed(cloud, session.press(), look)
    print("agreed to", [step.address.name for step in agreed.plan.pending])

session.run(agree())
"""

LOOK = """
import asyncio
from reconciler.cli import session
from resources.contract import Reply, TargetId
from tests.drive.world import World, thing

class Slow:
    async def ask(self, queries):
        await asyncio.get_running_loop().run_in_executor(None, input)
        return [Reply({"fields": None}) for _ in queries]

async def look():
    world = World()
    world.places[TargetId("ssh", "slow")] = Slow()
    cloud = session.Session(None, world.reconciler(thing("a", "x", size=1), thing("slow", "y", size=2)))
    print("seen", len((await cloud.look()).observed))

session.run(look())
"""

WAIT = """
import asyncio
import typer
from reconciler.cli import session

async def wait():
    try:
        print("waiting", flush=True)
        await asyncio.Event().wait()
    finally:
        print("closed")

try:
    session.run(wait())
except typer.Exit as end:
    print("code", end.exit_code)
"""


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, program: str) -> None:
        """Start it."""
        self.pid, self._fd = pty.fork()
        if not self.pid:
            os.chdir(ROOT)
            os.execv(sys.executable, [sys.executable, "-c", program])  # noqa: S606 - no shell is the point
        self._shown = b""

    def until(self, words: bytes) -> None:
        """Wait until these words stand on the terminal; what stood before them is forgotten."""
        while words not in self._shown:
            assert self._read(), f"it ended before it said {words!r}: {self._shown!r}"
        self._shown = self._shown.partition(words)[2]

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._fd, keys)

    def end(self) -> tuple[str, int]:
        """Wait for the end; return what was shown since, and how it ended."""
        while self._read():
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self._fd)
        return self._shown.decode(), os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        deadline = time.monotonic() + PATIENCE_S
        ready, _, _ = select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            os.kill(self.pid, signal.SIGKILL)
            raise AssertionError(f"nothing for {PATIENCE_S} s after {self._shown!r}")
        try:
            heard = os.read(self._fd, 65536)
        except OSError:  # how a terminal says that nobody has it open any more
            return False
        self._shown += heard
        return bool(heard)


@pytest.mark.parametrize(("keys", "end"), [(b"\x03", "refused"), (b"\x04", "refused"), (b"y\n", "True"), (b"\n", "False")])
def test_a_question_is_answered_by_the_first_key(keys: bytes, end: str) -> None:
    """Ctrl-C at the question means no, at once, and never waits for a further key that could say yes."""
    terminal = Terminal(ASK)
    terminal.until(QUESTION)
    terminal.type(keys)
    shown, code = terminal.end()
    assert end in shown
    assert code == 0


def test_sigterm_at_a_question_ends_the_program() -> None:
    """Nothing has begun, nothing has to be closed."""
    terminal = Terminal(ASK)
    terminal.until(QUESTION)
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.end()[1] == -signal.SIGTERM


def test_sigterm_closes_what_is_open() -> None:
    """Between questions SIGTERM is an interruption like Ctrl-C: the clean-up runs, and the code says what it was."""
    terminal = Terminal(WAIT)
    terminal.until(b"waiting")
    os.kill(terminal.pid, signal.SIGTERM)
    shown, _ = terminal.end()
    assert shown.split() == ["closed", "code", "143"]


def test_a_look_says_whom_it_waits_for() -> None:
    """On a terminal nobody wonders what a long look does; its line is gone when the page comes."""
    terminal = Terminal(LOOK)
    terminal.until(b"no answer yet from ssh:slow")
    terminal.type(b"\n")
    shown, code = terminal.end()
    assert "seen 2" in shown
    assert code == 0


def test_only_a_plan_that_still_holds_is_agreed_to() -> None:
    """What changed while the person thought is shown, and asked about again."""
    terminal = Terminal(AGREE)
    terminal.until(QUESTION)
    terminal.type(b"y\n")
    terminal.until(b"This is the plan now")
    terminal.until(QUESTION)
    terminal.type(b"y\n")
    assert "agreed to ['y']" in terminal.end()[0]
