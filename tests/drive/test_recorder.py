"""What an apply does is recorded while it does it, without a secret, and whatever happens to the record it goes on."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.bookkeeper import Bookkeeper
from reconciler.core.errors import BrokenPlanError
from reconciler.history import ChangeRecord, History, HistoryError, PassRecord
from reconciler.recorder import Origin, Recorder
from reconciler.redact import Redactor
from reconciler.retention import RETENTION, Retention, prune_passes
from reconciler.scribe import Direct
from resources.contract import Action, Key, Reply, SecretText
from tests.drive.world import Thing, World, thing

if TYPE_CHECKING:
    from reconciler.apply import Progress
    from reconciler.reconcile import Pass, Reconciler

pytestmark = pytest.mark.looptime

SECRET = 'pa$$ "in quotes" of nobody'  # noqa: S105 - a secret to look for
ZONE, NODE = Key("HypervisorZone", "kvm-az"), Key("Node", "kvm1")
ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class Desk:
    """A folder of documents with a history, and what was warned of."""

    folder: Path
    warned: list[str] = field(default_factory=list)
    retention: Retention = RETENTION

    @property
    def history(self) -> History:
        """Its history."""
        return History(History.place(self.folder))

    async def apply(self, reconciler: Reconciler) -> list[Pass]:
        """Make it as declared, and have that recorded."""
        origin = Origin("apply", "0123456789abcdef", "main", dirty=True)
        redact = Redactor({"x": {"password": SecretText(SECRET)}})
        with Recorder(Direct(self.folder, self.warned.append), origin, redact, self.retention) as recorder:
            look = await reconciler.look()
            return [done async for done in reconciler.passes(look, unheard, recorder)]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Documents whose history nobody else shares."""
    monkeypatch.setenv("BIVISOR_STATE", str(tmp_path / "state"))
    (tmp_path / "cloud/desired").mkdir(parents=True)
    return Desk(tmp_path / "cloud/desired")


def unheard(_: Progress) -> None:
    """Listen to no progress."""


def of(declared: Thing, *origins: Key) -> Thing:
    """Return the thing as these documents declare it."""
    return replace(declared, origins=origins)


async def test_every_pass_is_recorded_with_its_steps(desk: Desk) -> None:
    """Who did what when and of which commit; per step what came of it, why, for whom, and for how long it took."""
    world = World()
    first = of(thing("a", "first", size=1), ZONE)
    second = of(thing("a", "second", first, settle_s=30, size=2), ZONE, NODE)

    def slowly(action: Action) -> None:
        if action.args["name"] == "second":
            world.place("a").things["second"] = {"size": 9}
            asyncio.get_running_loop().call_later(5, world.place("a").things["second"].update, {"size": 2})

    world.place("a").things["second"] = {"size": 9}
    world.place("a").after_do = slowly
    before = datetime.now(UTC)
    await desk.apply(world.reconciler(first, second))
    last, done = desk.history.passes()
    assert (last.number, last.result, last.steps) == (2, "converged", ())
    assert (done.number, done.result, done.command, done.commit) == (1, "converged", "apply", "0123456789abcdef")
    assert (done.branch, done.dirty, done.note) == ("main", True, "")
    assert done.user
    assert before <= done.began <= last.began <= before + timedelta(minutes=5)
    made, changed = done.steps
    assert (made.address, made.verb, made.outcome, made.origins) == (
        "ssh:a/thing/first",
        "create",
        "converged",
        ("HypervisorZone/kvm-az",),
    )
    assert made.changes == (ChangeRecord("size", None, "1"),)
    assert changed.changes == (ChangeRecord("size", "9", "2"),)
    assert changed.origins == ("HypervisorZone/kvm-az", "Node/kvm1")
    assert made.duration_s is not None
    assert changed.duration_s is not None
    assert done.duration_s is not None
    assert made.duration_s < 1
    assert 5 < changed.duration_s < done.duration_s < 10
    assert desk.warned == []


async def test_what_was_not_done_is_recorded_with_its_reason(desk: Desk) -> None:
    """A failed step keeps its message, what needs it says so, and what nobody knows is told as unknown."""
    world = World()
    broken = thing("a", "broken", size=1)
    world.place("a").before_do = lambda _: Reply({}, "failed", "no room")
    world.place("b").silent = True
    await desk.apply(world.reconciler(broken, thing("a", "needing", broken, size=1), thing("b", "silent", size=1)))
    done = desk.history.passes()[-1]
    assert done.result == "partial"
    assert {(step.address, step.verb, step.outcome, step.message) for step in done.steps} == {
        ("ssh:a/thing/broken", "create", "failed", "thing.set: no room"),
        ("ssh:a/thing/needing", "create", "skipped", "needs ssh:a/thing/broken, which is not converged"),
        ("ssh:b/thing/silent", "unknown", "skipped", "no route to host"),
    }
    assert [step.duration_s is None for step in done.steps] == [False, True, True]


async def test_a_search_finds_the_passes_of_one_resource_or_unit(desk: Desk) -> None:
    """By key or address only the passes with something to do about it are found, with those steps; also by time and number."""
    world = World()
    world.place("a").things = {"x": {"size": 1}, "y": {"size": 1}}
    for x, y in ((2, 1), (2, 2), (3, 2)):
        await desk.apply(world.reconciler(of(thing("a", "x", size=x), ZONE), of(thing("a", "y", size=y), NODE)))
    history = desk.history
    assert [one.number for one in history.passes()] == [6, 5, 4, 3, 2, 1]
    assert [one.number for one in history.passes(key="HypervisorZone/kvm-az")] == [5, 1]
    assert [one.number for one in history.passes(key="HypervisorZone/kvm-az", limit=1)] == [5]
    assert [(one.number, len(one.steps)) for one in history.passes(address="ssh:a/thing/y")] == [(3, 1)]
    assert history.passes(key="HypervisorZone/other") == []
    assert [one.number for one in history.passes(number=4)] == [4]
    assert [one.number for one in history.passes(since=history.passes(number=5)[0].began)] == [6, 5]
    assert history.numbers() == (1, 6)
    assert history.names() == {"HypervisorZone/kvm-az", "Node/kvm1", "ssh:a/thing/x", "ssh:a/thing/y"}


async def test_a_pass_stands_in_the_history_while_it_runs(desk: Desk) -> None:
    """Whoever asks during a pass sees it run, which steps are begun and which ones have not had their turn."""
    world = World()
    first = thing("a", "first", size=1)
    seen: list[PassRecord] = []

    def look(_: Action) -> None:
        seen.extend(desk.history.passes())

    world.place("a").before_do = look
    await desk.apply(world.reconciler(first, thing("a", "second", first, size=1)))
    during, after = seen[0], seen[1]
    assert (during.result, during.duration_s) == ("running", None)
    assert [step.outcome for step in during.steps] == ["begun", "planned"]
    assert [step.outcome for step in after.steps] == ["converged", "begun"]


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from reconciler.recorder import Origin, Recorder
from reconciler.scribe import Direct
from tests.drive.world import World, thing

async def main():
    world = World()
    first = thing("a", "first", size=1)
    second = thing("a", "second", first, size=1)
    third = thing("a", "third", second, size=1)
    world.place("a").before_do = lambda action: os.kill(os.getpid(), 9) if action.args["name"] == "second" else None
    reconciler = world.reconciler(first, second, third)
    with Recorder(Direct(Path(sys.argv[1]), print), Origin("apply"), str) as recorder:
        async for _ in reconciler.passes(await reconciler.look(), lambda _: None, recorder):
            pass

asyncio.run(main())
"""


def run_and_be_killed(folder: Path) -> int:
    """Run an apply in a process of its own that kills itself at its second step; return how it ended."""
    return subprocess.run([sys.executable, "-c", KILLED, folder], cwd=ROOT, timeout=60, check=False).returncode


async def test_kill_9_leaves_what_had_been_begun(desk: Desk) -> None:
    """A pass that was killed is told as interrupted, with what was done and what was begun; the next one stands beside it."""
    assert run_and_be_killed(desk.folder) == -9
    found = desk.history.passes()
    assert [(one.number, one.result, one.duration_s) for one in found] == [(1, "interrupted", None)]
    assert [step.outcome for step in found[0].steps] == ["converged", "begun", "planned"]
    await desk.apply(World().reconciler(thing("a", "x", size=1)))
    assert [one.result for one in desk.history.passes()] == ["converged", "converged", "interrupted"]


async def test_a_pass_that_is_called_off_is_interrupted(desk: Desk) -> None:
    """Ctrl-C or SIGTERM in the middle of a pass: it does not stand as running until its process ends."""
    world = World()
    task = asyncio.get_running_loop().create_task(desk.apply(world.reconciler(thing("a", "x", settle_s=30, size=1))))

    def forget(_: Action) -> None:
        world.place("a").things.clear()
        asyncio.get_running_loop().call_later(5, task.cancel)

    world.place("a").after_do = forget
    with pytest.raises(asyncio.CancelledError):
        await task
    (one,) = desk.history.passes()
    assert (one.result, one.duration_s, [step.outcome for step in one.steps]) == ("interrupted", None, ["begun"])


async def test_a_broken_plan_is_told_as_failed(desk: Desk) -> None:
    """A pass that the program itself gave up is no interrupted one: the record says why it failed."""
    world = World()
    reconciler = world.reconciler(thing("a", "x", size=1))
    look = await reconciler.look()
    another = dict.fromkeys(reconciler.desired.catalog.units, thing("a", "y", size=1))
    reconciler._desired = replace(reconciler.desired, catalog=replace(reconciler.desired.catalog, units=another))
    with Recorder(Direct(desk.folder, desk.warned.append), Origin("apply"), str) as recorder, pytest.raises(BrokenPlanError):
        await reconciler.carry_out(look, unheard, recorder)
    (done,) = desk.history.passes()
    assert done.result == "failed"
    assert "broke its plan" in done.note
    assert done.duration_s is not None


async def test_no_secret_reaches_the_disk(desk: Desk) -> None:
    """A password stands nowhere in the folder's files, be it a value, a URL's, a file's line or in the words of an error."""
    world = World()
    world.place("a").things = {"x": {"password": SecretText("the old one 1"), "conf": "db_password = found by hand\nx = 1\n"}}
    fields: dict[str, Any] = {
        "password": SecretText(SECRET),
        "url": f"rabbit://nova:{SECRET}@ctl1/",
        "conf": f"# a file\nx = {SECRET}\n",
        "list": (f"--token={SECRET}", "plain"),
        "[DEFAULT] admin_password": "set by hand",
    }
    world.place("a").before_do = lambda _: Reply({}, "failed", f"curl: denied {SECRET!r} for {SECRET}")
    await desk.apply(world.reconciler(thing("a", "x", **fields)))
    found = b"".join(path.read_bytes() for path in desk.history.path.parent.iterdir())
    assert b"denied" in found
    for text in (SECRET, "in quotes", "the old one", "found by hand", "set by hand"):
        assert text.encode() not in found
    (step,) = desk.history.passes()[-1].steps
    changes = {change.field: (change.before, change.after) for change in step.changes}
    assert changes["password"] == ("(secret)", "(another secret)")
    assert changes["url"] == (None, '"rabbit://nova:(secret)@ctl1/"')


async def test_the_history_is_for_its_owner_alone(desk: Desk) -> None:
    """The folder is made with mode 0700, the file and what SQLite puts beside it with 0600."""
    modes: set[int] = set()

    def look(_: Action) -> None:
        modes.update(stat.S_IMODE(path.stat().st_mode) for path in desk.history.path.parent.iterdir())

    world = World()
    world.place("a").before_do = look
    mask = os.umask(0o022)
    try:
        await desk.apply(world.reconciler(thing("a", "x", size=1)))
    finally:
        os.umask(mask)
    assert modes == {0o600}
    assert stat.S_IMODE(desk.history.path.parent.stat().st_mode) == 0o700


def _no_folder(path: Path) -> None:
    path.parent.write_text("a file where the folder should be")


def _no_file(path: Path) -> None:
    path.mkdir(parents=True)


def _damaged(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"these are the bytes of something else, " * 1000)


def _newer(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def _foreign(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE passes (something TEXT)")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
async def test_what_root_records_the_daemons_user_can_write(desk: Desk) -> None:
    """An apply by hand beside a service that keeps its state in a folder of its own user: the file, too, is that user's."""
    desk.history.path.parent.mkdir(mode=0o700)
    os.chown(desk.history.path.parent, 4711, 4712)
    owners: set[tuple[int, int]] = set()

    def look(_: Action) -> None:
        owners.update((path.stat().st_uid, path.stat().st_gid) for path in desk.history.path.parent.iterdir())

    world = World()
    world.place("a").before_do = look
    await desk.apply(world.reconciler(thing("a", "x", size=1)))
    assert owners == {(4711, 4712)}


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_no_folder, "state: File exists. Name a folder of your own with BIVISOR_STATE"),
        (_no_file, "cannot be written: Is a directory."),
        (_damaged, "it is damaged (file is not a database). Delete it: only the history is lost"),
        (_newer, "written by a newer bivisor (version 99 of the file, this one knows 2). Upgrade this one, or name"),
        (_foreign, "table passes already exists"),
    ],
)
async def test_apply_goes_on_without_its_history(desk: Desk, spoil: object, why: str) -> None:
    """Whatever is wrong with the file, an apply does its work, and warns once with the reason and what helps."""
    assert callable(spoil)
    spoil(desk.history.path)
    world = World()
    done = await desk.apply(world.reconciler(thing("a", "x", size=1), thing("b", "y", size=1)))
    assert done[-1].converged
    assert [len(place.done) for place in world.places.values()] == [1, 1]
    (warning,) = desk.warned
    assert warning.startswith(f"warning: what this apply does is not recorded; it goes on all the same. {desk.history.path}")
    assert why in warning


async def test_no_room_stops_nobody(desk: Desk) -> None:
    """Without room for the history the apply goes on; what was recorded before stays readable."""
    world = World()
    await desk.apply(world.reconciler(thing("a", "x", size=1)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        done = await desk.apply(world.reconciler(*(thing("a", f"x{number}", text="long" * 4_000) for number in range(20))))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert done[-1].converged
    (warning,) = desk.warned
    assert "cannot be written: disk I/O error. Name a folder of your own with BIVISOR_STATE" in warning
    assert [one.number for one in desk.history.passes()] == [2, 1]


async def test_what_could_not_be_written_at_once_is_written_at_the_end(desk: Desk) -> None:
    """Another program holds the file while a pass runs: the pass is recorded whole when it ends, after one warning."""
    world = World()
    await desk.apply(world.reconciler(thing("a", "x", size=1)))
    holder = sqlite3.connect(desk.history.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    first = thing("a", "x", size=2)

    def let_go(action: Action) -> None:
        if action.args["name"] == "y":
            holder.close()

    world.place("a").before_do = let_go
    await desk.apply(world.reconciler(first, thing("a", "y", first, size=2)))
    (warning,) = desk.warned
    assert "another program holds it" in warning
    last, done = desk.history.passes(limit=2)
    assert (last.number, done.number, done.result) == (4, 3, "converged")
    assert [(step.outcome, step.duration_s is not None) for step in done.steps] == [("converged", True)] * 2


MANY = """
import asyncio, sys
from pathlib import Path
from reconciler.recorder import Origin, Recorder
from reconciler.scribe import Direct
from tests.drive.world import World, thing

async def main():
    with Recorder(Direct(Path(sys.argv[1]), print), Origin(sys.argv[2]), str) as recorder:
        for number in range(20):
            world = World()
            reconciler = world.reconciler(*(thing("a", f"x{i}", size=number) for i in range(5)))
            await reconciler.carry_out(await reconciler.look(), lambda _: None, recorder)

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(main())
"""


def test_several_applies_record_at_once(desk: Desk) -> None:
    """Applies beside each other share one file from its making on: no pass is lost, mixed up, or in anybody's way."""
    pipe = subprocess.PIPE
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", MANY, desk.folder, name],
            cwd=ROOT,
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in ("one", "two", "three")
    ]
    for program in programs:
        assert program.stdout
        assert program.stdout.readline() == "ready\n"
    for program in programs:
        assert program.stdin
        program.stdin.write("\n")
        program.stdin.flush()
    said = [program.communicate(timeout=60)[0] for program in programs]
    assert said == [""] * 3
    found = desk.history.passes(limit=100)
    assert [one.number for one in found] == list(range(60, 0, -1))
    for name in ("one", "two", "three"):
        assert [one.result for one in found if one.command == name] == ["converged"] * 20
    assert {len(one.steps) for one in found} == {5}


async def test_old_passes_go(desk: Desk) -> None:
    """Only so many passes are kept, and nothing of those that go."""
    desk.retention = Retention(passes=3)
    world = World()
    for size in range(5):
        await desk.apply(world.reconciler(of(thing("a", "x", size=size), ZONE)))
    assert desk.history.numbers() == (8, 10)
    with closing(sqlite3.connect(desk.history.path)) as connection:
        counted = connection.execute("SELECT (SELECT count(*) FROM steps), (SELECT count(*) FROM origins)").fetchone()
    assert counted == (1, 1)


async def test_passes_go_by_age_and_by_room_too(desk: Desk) -> None:
    """What is older than it may be goes, and the oldest while they need more room than they may; what runs stays."""
    world = World()
    for size in range(4):
        await desk.apply(world.reconciler(of(thing("a", "x", size=size), ZONE)))
    now = datetime.now(UTC)
    with closing(sqlite3.connect(desk.history.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("UPDATE passes SET began = ? WHERE number <= 3", ("2020-01-01T00:00:00.000000+00:00",))
        connection.execute("UPDATE passes SET result = '' WHERE number = 5")
        assert not prune_passes(connection, Retention(passes_days=30), now)
        assert desk.history.numbers() == (4, 8)
        assert not prune_passes(connection, Retention(most_bytes=1), now)
        assert desk.history.numbers() == (5, 8)
        assert not prune_passes(connection, Retention(most_bytes=1), now + timedelta(days=2))
        assert desk.history.numbers() == (8, 8)
        assert not prune_passes(connection, Retention(passes_days=10**9), now)
        assert desk.history.numbers() == (8, 8)


async def test_an_apply_lets_nothing_go_where_a_daemon_keeps_the_books(desk: Desk) -> None:
    """How much is kept stands in the daemon's settings, which an apply does not read: it leaves that to the daemon."""
    long = Retention(passes_days=10_000)
    desk.retention = long
    await desk.apply(World().reconciler(of(thing("a", "x", size=1), ZONE)))
    with closing(sqlite3.connect(desk.history.path)) as connection, connection:
        connection.execute("UPDATE passes SET began = ?", ("2020-01-01T00:00:00.000000+00:00",))
    look = await World().reconciler(of(thing("a", "x", size=1), ZONE)).look()
    Bookkeeper(desk.folder, str, desk.warned.append, long).round(datetime.now(UTC))
    with Recorder(Direct(desk.folder, desk.warned.append), Origin("apply"), str, None) as recorder:
        recorder.not_begun(look.plan)
    assert desk.history.numbers() == (1, 3)
    with closing(sqlite3.connect(desk.history.path)) as connection, connection:
        connection.execute("DELETE FROM keeper")
    with Recorder(Direct(desk.folder, desk.warned.append), Origin("apply"), str, None) as recorder:
        recorder.not_begun(look.plan)
    assert desk.history.numbers() == (3, 4)


async def test_a_large_pass_goes_in_portions(desk: Desk) -> None:
    """However many steps a pass has, no write lets more of them go than a portion; the pass goes with the last of them."""
    world = World()
    await desk.apply(world.reconciler(*(thing("a", f"x{number}", size=1) for number in range(25))))
    await desk.apply(world.reconciler(thing("a", "x1", size=1)))
    with closing(sqlite3.connect(desk.history.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        left: list[tuple[int, int]] = []
        while prune_passes(connection, Retention(passes=1), datetime.now(UTC), 10):
            left.append(connection.execute("SELECT (SELECT count(*) FROM steps), (SELECT count(*) FROM passes)").fetchone())
    assert left == [(15, 3), (5, 3)]
    assert desk.history.numbers() == (3, 3)


@pytest.mark.parametrize("how", ["deleted", "exchanged"])
async def test_a_history_that_goes_while_it_is_written_to_is_begun_anew(desk: Desk, how: str) -> None:
    """A file that is deleted in the middle of a pass: it is told once, and the pass stands whole in the new file."""
    world = World()
    first = of(thing("a", "first", size=1), ZONE)
    path = desk.history.path

    def remove(action: Action) -> None:
        if action.args["name"] == "first":
            path.rename(path.with_suffix(".old"))
            if how == "exchanged":
                path.touch()

    world.place("a").before_do = remove
    await desk.apply(world.reconciler(first, of(thing("a", "second", first, size=1), ZONE)))
    (warning,) = desk.warned
    assert "was deleted or exchanged while it was written to: what stood there is lost, it begins anew" in warning
    last, done = desk.history.passes()
    assert (last.number, done.number, done.result) == (2, 1, "converged")
    assert [(step.address, step.outcome) for step in done.steps] == [
        ("ssh:a/thing/first", "converged"),
        ("ssh:a/thing/second", "converged"),
    ]


async def test_a_pass_that_could_do_nothing_is_recorded(desk: Desk) -> None:
    """Where nobody answers, it is known that somebody tried, and why nothing was done."""
    world = World()
    world.place("a").silent = True
    look = await world.reconciler(of(thing("a", "x", size=1), ZONE)).look()
    with Recorder(Direct(desk.folder, desk.warned.append), Origin("apply"), str) as recorder:
        recorder.not_begun(look.plan)
    (done,) = desk.history.passes()
    assert (done.result, [(step.outcome, step.message) for step in done.steps]) == (
        "partial",
        [("skipped", "no route to host")],
    )


async def test_names_that_are_no_text_are_recorded_as_escapes(desk: Desk) -> None:
    """Bytes of a host that are no UTF-8 neither stop the recording nor get lost."""
    world = World()
    world.place("a").things = {"x\udcff": {"text": "old\udcfe"}}
    await desk.apply(world.reconciler(thing("a", "x\udcff", text="new", other="\ud800")))
    assert desk.warned == []
    (step,) = desk.history.passes()[-1].steps
    assert (step.address, step.outcome) == ("ssh:a/thing/x\\udcff", "converged")


def test_a_damaged_history_is_an_error_for_whoever_reads_it(desk: Desk) -> None:
    """A history that cannot be read is told as that, never as an empty one; one that does not exist is empty."""
    assert desk.history.passes() == []
    assert desk.history.numbers() == (0, 0)
    assert not desk.history.path.parent.exists()
    _damaged(desk.history.path)
    with pytest.raises(HistoryError, match="cannot be read, it is damaged"):
        desk.history.passes()
    desk.history.path.unlink()
    desk.history.path.touch()
    assert desk.history.passes() == []


async def test_a_history_is_readable_where_nothing_can_be_written(desk: Desk) -> None:
    """Reading leaves the folder as it is."""
    await desk.apply(World().reconciler(thing("a", "x", size=1)))
    before = sorted(path.name for path in desk.history.path.parent.iterdir())
    assert desk.history.passes()
    assert sorted(path.name for path in desk.history.path.parent.iterdir()) == before == [desk.history.path.name]


def test_each_folder_has_its_own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is named after the folder, and two folders of one name have two; the environment says below what."""
    for name in ("BIVISOR_STATE", "STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    one, two = tmp_path / "one/cloud/desired", tmp_path / "two/cloud/desired"
    assert History.place(one).parent == tmp_path / ".local/state/bivisor"
    assert History.place(one).name.startswith("cloud-desired-")
    assert History.place(one) != History.place(two)
    one.mkdir(parents=True)
    monkeypatch.chdir(one.parent)
    assert History.place(Path("desired")) == History.place(one)
    for name, folder in (("XDG_STATE_HOME", "/x/bivisor"), ("STATE_DIRECTORY", "/var/lib/one"), ("BIVISOR_STATE", "/state")):
        monkeypatch.setenv(name, folder.removesuffix("/bivisor") + ":/other" * (name == "STATE_DIRECTORY"))
        assert History.place(one).parent == Path(folder)
