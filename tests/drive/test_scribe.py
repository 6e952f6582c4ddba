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


class Beside:
    """Another file of SQLite's, which somebody may hold: who writes needs it too."""

    def __init__(self, folder: Path) -> None:
        """Have it, held by nobody."""
        self._path = folder / "beside.sqlite"
        self._holder = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self.tries: list[str] = []

    def hold(self) -> None:
        """Hold it."""
        self._holder.execute("BEGIN IMMEDIATE")

    def let_go(self) -> None:
        """Hold it no more."""
        self._holder.close()

    def note(self, text: str) -> Callable[[sqlite3.Connection], object]:
        """Return a write that fails while it is held, because it is."""

        def write(connection: sqlite3.Connection) -> None:
            self.tries.append(text)
            with closing(sqlite3.connect(self._path, timeout=0, isolation_level=None)) as mine:
                mine.execute("BEGIN IMMEDIATE")
            note(text)(connection)

        return write


def note(text: str) -> Callable[[sqlite3.Connection], object]:
    """Return a write of that text."""
    return lambda connection: connection.execute(
        "INSERT INTO events (type, reason, about, message, first, last, count) VALUES ('', '', '', ?, '', '', 1)", (text,)
    )


def noted(folder: Path) -> list[str]:
    """Return these texts, in the order in which they were written."""
    with closing(sqlite3.connect(History.place(folder))) as connection:
        return [row[0] for row in connection.execute("SELECT message FROM events ORDER BY number")]


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
    assert warning.startswith("warning: what is done is not recorded for now; it is kept, and tried again. ")
    assert "another program holds it" in warning


def test_a_disk_that_never_answers_is_not_waited_for_at_the_end(
    tmp_path: Path, disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end comes within its limit and says how much is lost; the thread is none that the interpreter waits for."""
    monkeypatch.setattr(scribe, "END_S", 0.1)
    warned: list[str] = []
    writer = Threaded(tmp_path, warned.append)
    writer.write(lambda _: disk.wait(DEADLINE_S))
    writer.close()
    assert not disk.is_set()
    assert warned == ["warning: what was done last is not recorded: it could not be written before the end. Records lost: 1"]
    assert all(each.daemon for each in threading.enumerate() if each.name == "recorder")


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        ({"MOST_UNWRITTEN": 10}, 0),
        ({"MOST_UNWRITTEN": 10, "HANGS_S": 0.0}, 10),
        ({"MOST_AT_ALL": 10}, 10),
    ],
    ids=["of a moment", "for long", "at all"],
)
def test_what_waits_for_a_disk_is_bounded(
    tmp_path: Path, disk: threading.Event, monkeypatch: pytest.MonkeyPatch, bounds: dict[str, float], kept: int
) -> None:
    """Many at once are no hanging disk. Beyond the bound what waits is dropped, and that is told; the rest is not."""
    for name, bound in bounds.items():
        monkeypatch.setattr(scribe, name, bound)
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
    assert written == list(range(kept, 13))
    assert [warning.startswith("warning: 10 records of what was done are dropped: ") for warning in warned] == [True] * bool(
        kept
    )


def test_what_is_kept_while_the_file_is_held_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An apply keeps many at once until its end, and tries for none of them; beyond the bound it tells how many it drops."""
    monkeypatch.setattr(scribe, "MOST_UNWRITTEN", 2)
    warned: list[str] = []
    beside = Beside(tmp_path)
    writer = Direct(tmp_path, warned.append)
    beside.hold()
    for text in "abcd":
        writer.write(beside.note(text))
    assert beside.tries == ["a"]
    assert len(warned) == 1
    monkeypatch.setattr(scribe, "MOST_AT_ALL", 5)
    writer.write(beside.note("e"))
    assert warned[1].startswith("warning: 5 records of what was done are dropped: ")
    writer.write(beside.note("f"))
    beside.let_go()
    writer.close()
    assert noted(tmp_path) == ["f"]


def test_what_an_apply_could_not_write_is_tried_once_more_at_its_end(tmp_path: Path) -> None:
    """Somebody held the file when the last was to be written, and holds it no more: nothing is left out."""
    warned: list[str] = []
    beside = Beside(tmp_path)
    writer = Direct(tmp_path, warned.append)
    beside.hold()
    for text in "ab":
        writer.write(beside.note(text), always=True)
    beside.let_go()
    writer.close()
    assert noted(tmp_path) == ["a", "b"]
    assert len(warned) == 1


def test_at_its_end_a_daemon_tries_as_long_as_it_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody holds the file when the daemon ends: it is tried until that is over."""
    monkeypatch.setattr(scribe, "END_S", DEADLINE_S)
    warned: list[str] = []
    beside = Beside(tmp_path)
    writer = Threaded(tmp_path, warned.append)
    beside.hold()
    writer.write(beside.note("a"))
    until(lambda: warned)
    writer.end()
    tries = len(beside.tries)
    until(lambda: len(beside.tries) > tries + 2)  # one may have gone on when the end came, and one would follow in any case
    beside.let_go()
    writer.close()
    assert noted(tmp_path) == ["a"]
    assert len(warned) == 1


def test_a_mistake_makes_nobody_wait_again_and_again(tmp_path: Path) -> None:
    """After a mistake each record is tried alone; where the file is held by then, only the first one is."""
    beside = Beside(tmp_path)

    def fail(_: sqlite3.Connection) -> NoReturn:
        if len(beside.tries) == 2:
            beside.hold()
        raise KeyError("canary")

    writer = Direct(tmp_path, print)
    writer.together([beside.note("a"), beside.note("b"), fail, beside.note("c"), beside.note("d")])
    assert beside.tries == ["a", "b", "a"]
    beside.let_go()
    writer.close()
    assert noted(tmp_path) == ["a", "b", "c", "d"]


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
