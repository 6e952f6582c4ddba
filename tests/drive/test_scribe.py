"""What a daemon does is recorded in a thread: no disk and no other program holds it up, and nothing is lost or out of order."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, NoReturn

import pytest

from reconciler import scribe
from reconciler.bookkeeper import Bookkeeper
from reconciler.history import History
from reconciler.recorder import Origin, Recorder
from reconciler.scribe import Direct, Threaded
from tests.drive.world import World, thing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reconciler.history import PassRecord

DEADLINE_S = 30.0


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have histories nobody else shares."""
    monkeypatch.setenv("BIVISOR_STATE", str(tmp_path / "state"))


@pytest.fixture
def disk() -> Iterator[threading.Event]:
    """A disk that hangs until this is set."""
    gate = threading.Event()
    yield gate
    gate.set()


def until(holds: Callable[[], object]) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def passes(folder: Path) -> list[PassRecord]:
    """Return what is recorded, the oldest first."""
    return History(History.place(folder)).passes(limit=100)[::-1]


async def act(recorder: Recorder, size: int) -> None:
    """Make one thing as declared in one pass."""
    reconciler = World().reconciler(thing("a", "x", size=size))
    await reconciler.carry_out(await reconciler.look(), lambda _: None, recorder)


async def test_a_disk_that_hangs_holds_up_no_pass(tmp_path: Path, disk: threading.Event) -> None:
    """Passes go on and end while a write does not return; when it does, all of them stand there, in their order."""
    warned: list[str] = []
    writer = Threaded(tmp_path, warned.append)
    writer.write(lambda _: disk.wait(DEADLINE_S))
    with Recorder(writer, Origin("run"), str) as recorder:
        for size in (1, 2, 3):
            await act(recorder, size)
        assert not disk.is_set()
        assert passes(tmp_path) == []
        disk.set()
    found = passes(tmp_path)
    assert [(one.number, one.result) for one in found] == [(1, "converged"), (2, "converged"), (3, "converged")]
    assert [one.steps[0].changes[0].after for one in found] == ["1", "2", "3"]
    assert [one.steps[0].outcome for one in found] == ["converged"] * 3
    assert warned == []


async def test_what_another_program_kept_from_being_written_is_written_without_another_pass(tmp_path: Path) -> None:
    """The file is held for longer than anybody waits: that is told once, and it is tried again until all stands there."""
    warned: list[str] = []
    with Recorder(Threaded(tmp_path, warned.append), Origin("run"), str) as recorder:
        await act(recorder, 1)
        until(lambda: len(passes(tmp_path)) == 1)
        with closing(sqlite3.connect(History.place(tmp_path), isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            await act(recorder, 2)
            until(lambda: warned)
        until(lambda: [one.result for one in passes(tmp_path)] == ["converged"] * 2)
    (warning,) = warned
    assert "another program holds it" in warning


def test_a_disk_that_never_answers_is_not_waited_for_at_the_end(
    tmp_path: Path, disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end comes within its limit, and the thread is none that the interpreter waits for."""
    monkeypatch.setattr(scribe, "END_S", 0.1)
    writer = Threaded(tmp_path, print)
    writer.write(lambda _: disk.wait(DEADLINE_S))
    writer.close()
    assert not disk.is_set()
    assert all(each.daemon for each in threading.enumerate() if each.name == "recorder")


def test_what_waits_for_a_disk_is_bounded(tmp_path: Path, disk: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound what waits is dropped, which is told; what comes later is written."""
    monkeypatch.setattr(scribe, "MOST_UNWRITTEN", 10)
    warned: list[str] = []
    written: list[int] = []
    entered = threading.Event()

    def hang(_: sqlite3.Connection) -> None:
        entered.set()
        disk.wait(DEADLINE_S)

    writer = Threaded(tmp_path, warned.append)
    writer.write(hang)
    assert entered.wait(DEADLINE_S)
    for number in range(13):
        writer.write(lambda _, number=number: written.append(number))  # type: ignore[misc] # its default is the number
    disk.set()
    writer.close()
    assert written == [10, 11, 12]
    assert len(warned) == 1


def test_a_thread_waits_longer_for_other_writers_than_a_command(tmp_path: Path) -> None:
    """A large pass is written for seconds: nobody waits for the thread that waits for that, but for an apply somebody does."""
    waits: list[int] = []

    def ask(connection: sqlite3.Connection) -> None:
        waits.extend(connection.execute("PRAGMA busy_timeout").fetchone())

    for writer in (Direct(tmp_path, print), Threaded(tmp_path, print)):
        writer.write(ask)
        writer.close()
    Bookkeeper(tmp_path, str, print)._ledger.together([ask])
    assert waits == [1000, 5000, 5000]


@pytest.mark.parametrize("made", [Direct, Threaded])
def test_a_record_that_fails_by_mistake_takes_no_other_along(
    tmp_path: Path, made: Callable[[Path, Callable[[str], None]], Direct | Threaded]
) -> None:
    """What the program cannot write is lost alone, though others wait with it for a file that is held."""

    def fail(_: sqlite3.Connection) -> NoReturn:
        raise KeyError("canary")

    def note(text: str) -> Callable[[sqlite3.Connection], object]:
        return lambda connection: connection.execute("INSERT INTO concerned VALUES (1, ?)", (text,))

    warned: list[str] = []
    writer = made(tmp_path, warned.append)
    writer.write(lambda connection: connection.execute("INSERT INTO events VALUES (1, '', '', '', '', '', '', 1)"))
    path = History.place(tmp_path)
    until(path.exists)

    def noted() -> list[str]:
        with closing(sqlite3.connect(path)) as connection:
            return [row[0] for row in connection.execute("SELECT key FROM concerned ORDER BY rowid")]

    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        until(lambda: holder.execute("SELECT count(*) FROM sqlite_master WHERE name = 'events'").fetchone()[0])
        until(lambda: holder.execute("SELECT count(*) FROM events").fetchone()[0])
        holder.execute("BEGIN IMMEDIATE")
        writer.write(note("one"))
        until(lambda: warned)
        writer.write(fail)
        writer.write(note("two"))
    writer.write(note("three"), always=True)
    writer.close()
    assert noted() == ["one", "two", "three"]
