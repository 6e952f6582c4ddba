"""How everything stands is kept while the daemon runs: in a real file, whatever happens to that, without a secret."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler import bookkeeper
from reconciler.bookkeeper import Bookkeeper
from reconciler.core.diff import Unobserved
from reconciler.core.events import Event, EventType
from reconciler.core.load import Loaded
from reconciler.core.plan import NOT_ASKED
from reconciler.core.status import Condition, Outcome, Result, Truth
from reconciler.event_file import Wanted, last_event, read_abouts, read_events
from reconciler.history import History
from reconciler.history_file import _VERSIONS, open_to_write
from reconciler.ledger import Ledger
from reconciler.outlook import Sight
from reconciler.recorder import Origin
from reconciler.redact import Redactor
from reconciler.retention import Retention
from reconciler.status_file import Kept, read_kept
from resources.cloud import Metadata, Resource
from resources.contract import Key, SecretText, TargetId
from resources.kinds.registry import KINDS
from tests.core.simple import Simple, address
from tests.core.test_status import world_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.core.diff import Observed

SECRET = "hunter2-of-nobody"  # noqa: S105 - a secret to look for
START = datetime(2026, 11, 23, 2, 10, 5, tzinfo=UTC)
NODE = Key("Node", "kvm1")
HOST = TargetId("ssh", "h")
A, B = address("ssh:h/simple/a"), address("ssh:i/simple/b")
PATIENCE_S = 30.0
ROOT = Path(__file__).parents[2]


def loaded(host: str = "10.0.0.1") -> Loaded:
    """Return the document of a Node at that address."""
    spec = KINDS["Node"].spec.model_validate({"address": host, "ssh": {"user": "root"}, "roles": ["compute"]})
    return Loaded({NODE: Resource(NODE, Metadata("kvm1", {}, {}), spec)}, {})


def sight(a: Observed, b: Observed | None = None, *, documents: Loaded | None = None) -> Sight:
    """Return what is decided when these are the facts of a, which a Node declares, and of b, which nobody does."""
    units = [(Simple(address=A, desired={"x": 1}, origins=(NODE,)), a)]
    if b is not None:
        units.append((Simple(address=B, desired={"x": 1}, origins=(Key("Node", "other"),)), b))
    world = world_of(*units, manage={NODE: "full"})
    return Sight(world.plan(), world.catalog, documents or loaded(), {}, world.rollout)


@dataclass
class Desk:
    """A folder of documents, whoever keeps its books, and what was warned of."""

    folder: Path
    retention: Retention = field(default_factory=Retention)
    warned: list[str] = field(default_factory=list)

    def books(self) -> Bookkeeper:
        """Return a bookkeeper; several of them are several runs of the daemon."""
        return Bookkeeper(self.folder, Redactor({"x": {"password": SecretText(SECRET)}}), self.warned.append, self.retention)

    @property
    def path(self) -> Path:
        """The file."""
        return History.place(self.folder)

    @property
    def kept(self) -> Kept:
        """What is kept."""
        return read_kept(self.path)

    def ready(self, key: Key = NODE) -> Condition:
        """Return whether the Node is ready."""
        return self.kept.former[key].status.condition("Ready")

    def events(self, **wanted: Any) -> list[tuple[str, str, int]]:
        """Return the reasons of events, what they are about and how often they happened."""
        return [(each.event.reason, each.event.about, each.count) for each in read_events(self.path, Wanted(**wanted))]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Documents whose history nobody else shares."""
    monkeypatch.setenv("BIVISOR_STATE", str(tmp_path / "state"))
    (tmp_path / "desired").mkdir()
    return Desk(tmp_path / "desired")


def at(seconds: int) -> datetime:
    """Return the time so long after the start."""
    return START + timedelta(seconds=seconds)


def test_status_is_kept_with_its_times_and_generations(desk: Desk) -> None:
    """A condition's time moves with its status alone, over restarts of the daemon; the generation rises with the document."""
    assert desk.kept == Kept()
    first = desk.books()
    first.decided(sight({"x": 1}))
    first.round(at(0))
    assert desk.ready() == Condition("Ready", Truth.TRUE, "AsDeclared", "", "2026-11-23T02:10:05Z", 1)
    first.decided(sight({"x": 2}))
    first.round(at(10))
    assert desk.ready() == Condition("Ready", Truth.FALSE, "Pending", f"{A}: to update", "2026-11-23T02:10:15Z", 1)
    second = desk.books()
    second.decided(sight({"x": 3}, documents=loaded("10.0.0.2")))
    second.round(at(20))
    assert (desk.ready().since, desk.ready().generation) == ("2026-11-23T02:10:15Z", 2)
    second.decided(sight({"x": 3}, documents=loaded("10.0.0.2")))
    second.round(at(30))
    assert desk.kept.former[NODE].status.generation == 2
    assert desk.warned == []


def test_only_what_differs_is_written(desk: Desk) -> None:
    """A decision that changes nothing writes nothing; a changed resource is written alone; one that is gone goes."""
    books = desk.books()
    books.decided(sight({"x": 1}, {"x": 1}))
    books.round(at(0))
    with closing(sqlite3.connect(desk.path)) as connection:
        connection.executescript(
            "CREATE TABLE written (key TEXT); "
            "CREATE TRIGGER seen AFTER INSERT ON resources BEGIN INSERT INTO written VALUES (new.key); END;"
            "CREATE TRIGGER said AFTER INSERT ON keeper BEGIN INSERT INTO written VALUES ('keeper'); END;"
        )

        def written() -> list[str]:
            found = [row[0] for row in connection.execute("SELECT key FROM written")]
            connection.execute("DELETE FROM written")
            connection.commit()
            return found

        books.decided(sight({"x": 1}, {"x": 1}))
        books.round(at(1))
        assert written() == []
        books.decided(sight({"x": 1}, {"x": 2}))
        books.round(at(2))
        assert written() == ["Node/other", "keeper"]
        books.decided(sight({"x": 1}))
        books.round(at(3))
        assert [str(key) for key in desk.kept.former] == ["Node/kvm1"]


def test_a_new_start_is_no_transition(desk: Desk) -> None:
    """Until it was looked, what was kept before stands: that a daemon knows nothing yet is no news of the cloud."""
    before = desk.books()
    before.decided(sight({"x": 1}))
    before.round(at(0))
    after = desk.books()
    after.decided(sight(NOT_ASKED))
    after.round(at(60))
    assert desk.ready().since == "2026-11-23T02:10:05Z"
    after.decided(sight({"x": 1}))
    after.round(at(61))
    assert desk.ready() == Condition("Ready", Truth.TRUE, "AsDeclared", "", "2026-11-23T02:10:05Z", 1)
    after.decided(sight(NOT_ASKED))
    after.round(at(62))
    assert desk.ready().status is Truth.TRUE
    assert [reason for reason, *_ in desk.events()] == []


def test_at_a_first_start_nothing_is_waited_for(desk: Desk) -> None:
    """Where nothing was kept that could stand meanwhile, a resource is unknown from the beginning, and not missing."""
    books = desk.books()
    books.happened(Event(EventType.NORMAL, "Started", "daemon", ""))
    books.round(at(0))
    books.decided(sight(NOT_ASKED))
    books.round(at(1))
    assert (desk.ready().status, NOT_ASKED.reason in desk.ready().message) == (Truth.UNKNOWN, True)
    books.decided(sight({"x": 1}))
    books.round(at(2))
    assert desk.ready().status is Truth.TRUE


def test_a_failed_step_degrades_until_it_is_as_declared(desk: Desk) -> None:
    """What failed last counts for as long as it is to be done again; then it is forgotten."""
    books = desk.books()
    pending = sight({"x": 2})
    books.decided(pending)
    books.step(pending.plan.steps[0], Result(A, Outcome.FAILED, "disk full"))
    books.round(at(0))
    assert desk.kept.former[NODE].status.condition("Degraded").status is Truth.TRUE
    assert desk.ready().message == f"{A}: disk full"
    books.decided(sight({"x": 1}))
    books.round(at(1))
    assert desk.ready().status is Truth.TRUE
    books.decided(sight({"x": 2}))
    books.round(at(2))
    assert desk.ready().reason == "Pending"
    assert desk.events() == [("Failed", str(A), 1)]


def test_what_failed_and_is_declared_no_more_is_forgotten(desk: Desk) -> None:
    """In months many things fail and leave the documents: nothing of them is kept in memory."""
    books = desk.books()
    both = sight({"x": 2}, {"x": 2})
    for step in both.plan.steps:
        books.step(step, Result(step.address, Outcome.FAILED, "disk full"))
    books.decided(both)
    assert books._failed.keys() == {A, B}
    books.decided(sight({"x": 2}))
    assert books._failed.keys() == {A}


def test_who_is_not_heard_is_told_without_a_decision(desk: Desk) -> None:
    """A target that falls silent is a condition of its resources and an event, though nobody decides anything meanwhile."""
    books = desk.books()
    deaf: dict[TargetId, str] = {}
    books.kinds, books.deaf = frozenset({"ssh"}), lambda: deaf
    books.decided(sight({"x": 1}, {"x": 1}))
    books.round(at(0))
    deaf[HOST] = "nothing heard for 20 s"
    books.round(at(1))
    watched = {str(key): each.status.condition("WatchHealthy").status for key, each in desk.kept.former.items()}
    assert watched == {"Node/kvm1": "False", "Node/other": "True"}
    assert desk.kept.former[NODE].status.condition("WatchHealthy").since == "2026-11-23T02:10:06Z"
    assert desk.ready().since == "2026-11-23T02:10:05Z"
    deaf.clear()
    books.round(at(2))
    assert desk.events(about="Node/kvm1") == [("Deaf", "ssh:h", 1), ("HeardAgain", "ssh:h", 1)]
    assert desk.events(about="Node/other") == []


def test_the_same_event_is_counted(desk: Desk) -> None:
    """What happens again stands once, at its last occurrence, with how often and since when; numbers never go back."""
    books = desk.books()
    for number in range(3):
        books.decided(sight(Unobserved("no answer")))
        books.round(at(2 * number))
        books.decided(sight({"x": 1}))
        books.round(at(2 * number + 1))
    found = read_events(desk.path)
    assert [(each.event.reason, each.count, each.first, each.last) for each in found] == [
        ("Unseen", 3, "2026-11-23T02:10:05Z", "2026-11-23T02:10:09Z"),
        ("SeenAgain", 3, "2026-11-23T02:10:06Z", "2026-11-23T02:10:10Z"),
    ]
    assert [each.number for each in found] == [5, 6]
    assert last_event(desk.path) == 6
    assert read_events(desk.path, Wanted(after=5)) == found[1:]
    assert read_events(desk.path, Wanted(type=EventType.WARNING)) == found[:1]
    assert read_events(desk.path, Wanted(since="2026-11-23T02:10:10Z")) == found[1:]
    assert read_events(desk.path, limit=1) == found[1:]
    assert read_events(desk.path, Wanted("Node/kvm1")) == read_events(desk.path, Wanted("ssh:h")) == found
    assert read_abouts(desk.path) == {"ssh:h", "Node/kvm1"}


def test_documents_are_told(desk: Desk) -> None:
    """Which commit is in force, and that other documents are refused: once for each reason, and when they are good again."""
    books = desk.books()
    books.folder((Condition("Ready", Truth.TRUE, "Read"), Condition("WatchHealthy", Truth.TRUE, "Watching")))
    books.taken(Origin("run", "0123456789abcdef", "main", dirty=True))
    refused = (Condition("Ready", Truth.FALSE, "Refused", f"no: {SECRET}"), Condition("WatchHealthy", Truth.TRUE, "Watching"))
    books.folder(refused)
    books.folder(refused)
    books.round(at(0))
    keeper = desk.kept.keeper
    assert keeper is not None
    assert (keeper.commit, keeper.branch, keeper.dirty, keeper.alive) == ("0123456789abcdef", "main", True, True)
    assert [(each.type, each.reason, each.message) for each in keeper.conditions] == [
        ("Ready", "Refused", "no: (secret)"),
        ("WatchHealthy", "Watching", ""),
    ]
    books.folder((Condition("Ready", Truth.TRUE, "Read"), refused[1]))
    books.round(at(1))
    assert [reason for reason, *_ in desk.events()] == ["Taken", "Refused", "Read"]
    assert read_events(desk.path)[0].event.message == "commit 0123456789ab (main) with uncommitted changes"


def test_a_branch_whose_name_is_no_text_is_kept_as_escapes(desk: Desk) -> None:
    """Git tells bytes: one branch of an old encoding does not end all that is written for as long as it is in force."""
    books = desk.books()
    books.taken(Origin("run", "0123456789abcdef", "pr\udce4d"))
    books.decided(sight({"x": 1}))
    books.round(at(0))
    assert desk.kept.keeper is not None
    assert desk.kept.keeper.branch == "pr\\udce4d"
    assert desk.ready().status is Truth.TRUE


def test_a_mistake_in_writing_lets_go_of_the_file(desk: Desk) -> None:
    """What fails in the middle of a write by a mistake of the program is taken back: no other writer waits for its lock."""

    def mistaken(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM events")
        raise KeyError("canary")

    books = desk.books()
    books.happened(Event(EventType.NORMAL, "Taken", "documents", ""))
    books.round(at(0))
    ledger = Ledger(desk.folder, desk.warned.append)
    with pytest.raises(KeyError):
        ledger.together([mistaken])
    books.happened(Event(EventType.NORMAL, "Stopped", "daemon", ""))
    books.round(at(1))
    assert [reason for reason, *_ in desk.events()] == ["Taken", "Stopped"]
    assert desk.warned == []


def test_no_secret_is_kept(desk: Desk) -> None:
    """Whatever the words of a host hold, no file has the secret; neither does the digest of a document."""
    books = desk.books()
    books.deaf = lambda: {HOST: f"denied: {SECRET}"}
    books.decided(sight(Unobserved(f"cannot log in with {SECRET}")))
    books.step(sight({"x": 2}).plan.steps[0], Result(A, Outcome.FAILED, f"http://u:{SECRET}@h failed with {SECRET}"))
    books.round(at(0))
    found = b"".join(path.read_bytes() for path in desk.path.parent.iterdir())
    assert SECRET.encode() not in found
    assert b"cannot log in with (secret)" in found
    assert len(read_events(desk.path)) == 3


@pytest.mark.parametrize("how", ["deleted", "exchanged"])
def test_a_file_that_goes_while_it_is_written_to_is_begun_anew(desk: Desk, how: str) -> None:
    """It is told, everything stands in the new file at the next write, and a generation begins at 1."""
    books = desk.books()
    books.decided(sight({"x": 1}))
    books.round(at(0))
    books.decided(sight({"x": 2}, documents=loaded("10.0.0.2")))
    books.round(at(1))
    assert desk.kept.former[NODE].status.generation == 2
    desk.path.rename(desk.path.with_suffix(".old"))
    if how == "exchanged":
        desk.path.touch()
    books.happened(Event(EventType.NORMAL, "Started", "daemon", ""))
    books.round(at(2))
    assert len(desk.warned) == 1
    assert "was deleted or exchanged while it was written to" in desk.warned[0]
    assert desk.ready() == Condition("Ready", Truth.FALSE, "Pending", f"{A}: to update", "2026-11-23T02:10:06Z", 1)
    assert desk.events() == [("Started", "daemon", 1)]


def test_what_cannot_be_written_is_written_later(desk: Desk) -> None:
    """While the file cannot be written that is told once; nothing that happened meanwhile is lost, and times are true."""
    desk.path.parent.mkdir()
    desk.path.mkdir()
    books = desk.books()
    for number in range(3):
        books.happened(Event(EventType.WARNING, "Held", "x", f"{number}"))
        books.decided(sight({"x": 2 + number}))
        books.round(at(number))
    (warning,) = desk.warned
    assert warning.startswith("warning: how everything stands is not recorded; the work goes on all the same. ")
    desk.path.rmdir()
    books.round(at(60))
    assert desk.events() == [("Held", "x", 1)] * 3
    assert desk.ready().since == "2026-11-23T02:10:07Z"


def test_a_file_of_the_version_before_is_read_and_brought_up(desk: Desk) -> None:
    """A history that an older program wrote is read as it is, and has status and events once a daemon writes to it."""
    desk.path.parent.mkdir()
    with closing(sqlite3.connect(desk.path)) as connection:
        connection.executescript(f"{_VERSIONS[0]}; PRAGMA user_version = 1")
    assert desk.kept == Kept()
    assert (desk.events(), last_event(desk.path), read_abouts(desk.path)) == ([], 0, frozenset())
    assert History(desk.path).passes() == []
    books = desk.books()
    books.decided(sight({"x": 1}))
    books.round(at(0))
    assert desk.ready().status is Truth.TRUE


READER = """
import sys
from pathlib import Path
from reconciler.status_file import read_kept
print(len(read_kept(Path(sys.argv[1])).former))
"""


def test_two_writers_of_one_process_and_readers_of_others_lose_nothing(desk: Desk) -> None:
    """That a second connection is opened takes the locks from no first one: a reader's leaving deletes nothing they write."""
    books = desk.books()
    books.decided(sight({"x": 1}))
    books.round(at(0))
    with closing(open_to_write(desk.path)):
        for number in range(2, 4):
            read = subprocess.run(
                [sys.executable, "-c", READER, desk.path], cwd=ROOT, capture_output=True, text=True, check=True
            )
            assert read.stdout == "1\n"
            books.decided(sight({"x": number}))
            books.round(at(number))
            assert desk.ready().since == "2026-11-23T02:10:07Z"
            assert desk.path.with_name(f"{desk.path.name}-wal").exists()


def until(holds: Callable[[], object]) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_writes_by_itself_and_says_when_it_ends(desk: Desk) -> None:
    """While it is entered everything is written soon; at its end it is told that nobody keeps the folder any more."""
    with desk.books() as books:
        books.decided(sight({"x": 1}))
        until(lambda: NODE in desk.kept.former)
        keeper = desk.kept.keeper
        assert keeper is not None
        assert keeper.alive
        before = threading.active_count()
    keeper = desk.kept.keeper
    assert keeper is not None
    assert (keeper.alive, keeper.ended) == (False, True)
    assert threading.active_count() == before - 1
    assert [reason for reason, *_ in desk.events()] == ["Started", "Stopped"]


def test_who_holds_the_file_delays_nobody(desk: Desk) -> None:
    """While another program holds the file the daemon's own calls return at once; what they said is written afterwards."""
    with desk.books() as books:
        until(desk.events)
        with closing(sqlite3.connect(desk.path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            books.decided(sight({"x": 2}))
            until(lambda: desk.warned)
            assert "another program holds it" in desk.warned[0]
            holder.execute("ROLLBACK")
        until(lambda: NODE in desk.kept.former)


def test_a_mistake_ends_nothing(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake of the program is told with its place, and the next thing that can be kept is."""
    with desk.books() as books:
        until(desk.events)
        books.deaf = lambda: {HOST: str(1 / len(desk.warned))}
        books.decided(sight({"x": 2}))
        until(lambda: "ZeroDivisionError" in capsys.readouterr().err)
        books.deaf = dict
    assert NODE in desk.kept.former


def test_what_is_too_old_or_too_much_goes(desk: Desk) -> None:
    """However long it runs, only so many events of so many days stay, the youngest; the file does not grow any more."""
    desk.retention = Retention(events=300, events_days=30)
    books = desk.books()
    sizes: list[int] = []

    def live(days: range) -> None:
        for day in days:
            for number in range(100):
                about = f"ssh:h/thing/{day}-{number}"
                books.happened(Event(EventType.NORMAL, "Converged", about, "update: " + "why " * 50, ("Node/kvm1",)))
            books._pruned_at = -math.inf  # as if a minute had passed
            books.round(datetime.now(UTC))
            with closing(sqlite3.connect(desk.path)) as connection:
                sizes.append(connection.execute("PRAGMA page_count").fetchone()[0])

    live(range(10))
    assert len(read_events(desk.path)) == 300
    assert {each.event.about.split("/")[2].split("-")[0] for each in read_events(desk.path)} == {"7", "8", "9"}
    live(range(10, 60))
    with closing(sqlite3.connect(desk.path)) as connection:
        assert connection.execute("SELECT count(*) FROM concerned").fetchone() == (300,)
    assert max(sizes) <= 1.2 * max(sizes[:10])
    assert sum(path.stat().st_size for path in desk.path.parent.iterdir()) < 2**23
    books._pruned_at = -math.inf
    books.round(datetime.now(UTC) + timedelta(days=31))
    assert read_events(desk.path) == ()
    assert desk.warned == []


def test_what_happens_while_it_is_written_is_not_taken_for_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So much happens during a write that the oldest no longer waits: that is not why the newest is lost."""
    monkeypatch.setenv("BIVISOR_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(bookkeeper, "MOST_EVENTS", 3)
    late = list("de")

    def meanwhile(text: str) -> str:
        while late:
            books.happened(Event(EventType.NORMAL, "Told", "it", late.pop(0)))
        return text

    books = Bookkeeper(tmp_path, meanwhile, print)
    for message in "abc":
        books.happened(Event(EventType.NORMAL, "Told", "it", message))
    for _ in range(2):
        books.round(datetime.now(UTC))
    assert [each.event.message for each in read_events(History.place(tmp_path))] == list("abcde")
