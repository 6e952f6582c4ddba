"""What a person allows: the file of pauses, and a daemon that keeps to it and to maintenance windows, on a clock that jumps."""

from __future__ import annotations

import asyncio
import os
import threading
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.core.errors import PausesError
from reconciler.core.pauses import Pause, write_pauses
from reconciler.history_file import STATE
from reconciler.keep import Keeper, Manner
from reconciler.pauses_file import PausesFile, heeded
from reconciler.permits import Permits, stamp
from resources.contract import Reply
from tests.drive.test_keep import Kept, keeping, until
from tests.drive.test_windows import window
from tests.drive.world import World, thing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconciler.reconcile import Reconciler
    from resources.contract import Action
    from tests.drive.world import Thing

EVENING = datetime.fromisoformat("2026-11-27T23:50+01:00").timestamp()
"""A Friday, ten minutes before the windows of these tests open."""

MIDNIGHT = window("sat", "00:00", "00:20")
OPENS = "no maintenance window is open: the next one opens on Sat 2026-11-28 at"
STALE, WELL = {"active": True, "fresh": False}, {"active": True, "fresh": True}


def pausing(file: PausesFile, *selectors: str, until: str = "", reason: str = "") -> None:
    """Pause these and nothing else."""
    file.change(lambda _: tuple(Pause(each, "anna", "2026-11-23T00:00:00Z", until, reason) for each in selectors))


def clock() -> Callable[[], float]:
    """Return a clock that goes as the loop's does, and begins in the evening."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    return lambda: EVENING + loop.time() - begun


class Rolling(Kept):
    """A keeper over services that run with what was declared before, one on each of some places."""

    def __init__(self, world: World, places: str, permits: Permits | None = None, **rollout: Any) -> None:
        """Have them restarted; each is down for a while then."""
        super().__init__(world)
        self.restart_s = 5.0
        self.begun: dict[str, float] = {}
        self.most = 0
        self._now = clock()
        for place in places:
            world.place(place).things.setdefault(f"s{place}", dict(STALE))
            world.place(place).after_do = self._restarted
        self.keep(world.reconciler(*map(service, places), permits=permits, **rollout))

    def keep(self, reconciler: Reconciler) -> None:
        """Keep what that one declares."""
        manner = Manner(rng=Random(1), clock=asyncio.get_running_loop().time)  # noqa: S311 - jitter
        self.keeper = Keeper(reconciler, self, manner=manner)

    def _restarted(self, action: Action) -> None:
        name = str(action.args["name"])
        if "fresh" in action.args["fields"]:
            fields = self.world.place(name[-1]).things[name]
            self.begun[name[-1]] = self._now() - EVENING
            fields["active"] = False
            asyncio.get_running_loop().call_later(self.restart_s, fields.update, {"active": True})
        services = [fields for place in self.world.places.values() for s, fields in place.things.items() if s.startswith("s")]
        self.most = max(self.most, sum(fields["active"] is False for fields in services))

    def fresh(self, places: str) -> bool:
        """Tell whether the services of these places run with what is declared."""
        return all(self.has(place, **{f"s{place}": WELL}) for place in places)

    def held(self, place: str) -> str:
        """Return why the last plan holds the service of that place, or ''."""
        steps = self.looks[-1].plan.steps
        return next(step.held for step in steps if (step.address.target.name, step.address.name) == (place, f"s{place}"))


def service(place: str, *needed: Thing) -> Thing:
    """Return a service that restarts alike with those of the other places."""
    return thing(place, f"s{place}", *needed, settle_s=1800, steady_s=10, active=True, fresh=True, **{"@kin": "compute"})


@pytest.mark.looptime
async def test_a_window_opens_and_closes_over_a_rollout() -> None:
    """Nothing restarts before it opens; at its end the restart in hand is finished, and what is left waits for the next one."""
    later = window("sat", "00:40", "00:50")
    rolling = Rolling(World(), "abcd", Permits(clock=clock()), windows=(MIDNIGHT, later))
    rolling.restart_s = 500  # the third one begins before the window closes and ends after that
    async with keeping(rolling):
        await asyncio.sleep(595)
        assert rolling.begun == {}
        assert rolling.held("a") == f"{OPENS} 00:00 (Europe/Berlin)"
        await until(lambda: rolling.begun, 15)
        assert 600 <= rolling.begun["a"] < 602, "it begins within two seconds of the opening"
        await asyncio.sleep(2000)
        assert rolling.fresh("abc")
        assert list(rolling.begun) == ["a", "b", "c"]
        assert rolling.begun["c"] < 1800 < rolling.begun["c"] + rolling.restart_s
        assert rolling.held("d") == f"{OPENS} 00:40 (Europe/Berlin)"
        await until(lambda: rolling.fresh("d"), 1200)
        assert 3000 <= rolling.begun["d"] < 3002
    assert rolling.most == 1


@pytest.mark.looptime
async def test_outside_of_a_window_what_is_down_is_repaired_and_files_are_written() -> None:
    """Only interrupting waits for it; a person may say that it need not."""
    world = World()
    world.place("a").things["sa"] = {"active": False, "fresh": True}
    rolling, file = Rolling(world, "ab"), thing("b", "file", x=1)
    about: dict[str, Any] = {"max_unavailable": 2, "windows": (MIDNIGHT,)}
    rolling.keep(world.reconciler(service("a"), service("b"), file, permits=Permits(clock=clock()), **about))
    async with keeping(rolling):
        await until(lambda: rolling.fresh("a") and rolling.has("b", file={"x": 1}), 10)
        await asyncio.sleep(60)
        assert rolling.begun == {}
    now = Permits(clock=clock(), outside_windows=True)
    rolling.keep(world.reconciler(service("a"), service("b"), file, permits=now, **about))
    async with keeping(rolling):
        await until(lambda: rolling.fresh("b"), 60)


@pytest.mark.looptime
async def test_a_restart_whose_turn_comes_after_the_windows_end_does_not_begin() -> None:
    """A step of one portion that takes until the window is closed is finished; the restart behind it waits for the next one."""
    world = World()
    rolling, package = Rolling(world, "a"), thing("a", "package", x=1)
    now, opened = clock(), 600 + 900  # it closes in five minutes

    async def slow(action: Action) -> None:
        await asyncio.sleep(400 if action.args["name"] == "package" else 0)

    world.place("a").slow = slow
    permits = Permits(clock=lambda: now() + opened)
    rolling.keep(world.reconciler(package, service("a", package), permits=permits, windows=(MIDNIGHT,)))
    async with keeping(rolling):
        await asyncio.sleep(60)
        assert not rolling.held("a"), "it is the turn of the package, and then its own"
        await until(lambda: rolling.has("a", package={"x": 1}), 400)
        await asyncio.sleep(60)
        assert rolling.begun == {}
        assert rolling.held("a").startswith("no maintenance window is open")


@pytest.mark.looptime
async def test_a_pause_holds_within_a_second_and_resuming_goes_on(tmp_path: Path) -> None:
    """What is in hand is finished, nothing else is begun, whatever it is; and then it goes on where it was."""
    file = PausesFile(tmp_path / "pauses.json")
    world = World()
    rolling = Rolling(world, "abc", Permits(file, clock()))
    async with keeping(rolling):
        await until(lambda: "a" in rolling.begun, 30)
        pausing(file, "", reason="the network is being changed")
        await asyncio.sleep(1)
        assert rolling.held("b") == "paused by anna: the network is being changed"
        await until(lambda: rolling.fresh("a"), 30)
        world.place("c").things["sc"] = {"active": False, "fresh": True}
        await asyncio.sleep(600)
        assert list(rolling.begun) == ["a"]
        assert not rolling.fresh("c"), "not even what is down is repaired"
        pausing(file)
        await asyncio.sleep(1)
        assert rolling.world.place("c").things["sc"]["active"] is True
        await until(lambda: rolling.fresh("abc"), 120)
    assert rolling.most == 1


@pytest.mark.looptime
async def test_a_part_is_paused_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Only what the selector names waits; the pause ends by itself at its time."""
    file = PausesFile(tmp_path / "pauses.json")
    pausing(file, "ssh:a", until=stamp(EVENING + 900))
    rolling = Rolling(World(), "ab", Permits(file, clock()))
    async with keeping(rolling):
        await until(lambda: rolling.fresh("b"), 60)
        assert rolling.held("a") == "paused by anna until 2026-11-27T23:05:00Z"
        await until(lambda: rolling.fresh("a"), 1000)
    assert 900 <= rolling.begun["a"] < 902


@pytest.mark.looptime
async def test_a_pause_stops_a_portion_between_its_steps(tmp_path: Path) -> None:
    """What was planned before it and has not begun does not begin."""
    file = PausesFile(tmp_path / "pauses.json")
    world = World()
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Action) -> None:
        began.set()
        await go.wait()

    world.place("a").slow = slow
    first = thing("a", "first", size=1)
    kept = Kept(world)
    kept.keeper = Keeper(world.reconciler(first, thing("b", "second", first, size=1), permits=Permits(file, clock())), kept)
    async with keeping(kept):
        await began.wait()
        pausing(file, "ssh:b")
        go.set()
        await asyncio.sleep(60)
        assert kept.has("a", first={"size": 1})
        assert world.place("b").done == []
        pausing(file)
        await until(lambda: kept.has("b", second={"size": 1}), 10)


@pytest.mark.looptime
async def test_a_file_that_cannot_be_read_holds_everything(tmp_path: Path) -> None:
    """Nobody knows what is paused then; mended or deleted, it goes on."""
    file = PausesFile(tmp_path / "pauses.json")
    file.path.write_text("{")
    rolling = Rolling(World(), "a", Permits(file, clock()))
    async with keeping(rolling):
        await asyncio.sleep(60)
        assert rolling.begun == {}
        assert rolling.held("a") == (
            f"{file.path}: nobody knows what is paused: it is no JSON. Mend the file, or delete it: then nothing is paused"
        )
        file.path.unlink()
        await until(lambda: rolling.fresh("a"), 60)


@pytest.mark.looptime
async def test_the_canary_goes_alone_and_the_others_after_it() -> None:
    """There is room for all, and one goes; when it has stayed up, the others go together."""
    rolling = Rolling(World(), "abcd", max_unavailable=10, canary=1)
    rolling.restart_s = 100
    async with keeping(rolling):
        await asyncio.sleep(105)
        assert list(rolling.begun) == ["a"], "it runs again, and is watched for some seconds more"
        await until(lambda: rolling.fresh("abcd"), 600)
    assert all(rolling.begun[place] >= 110 for place in "bcd")
    assert rolling.most == 3


@pytest.mark.looptime
async def test_whoever_comes_after_a_kill_begins_with_no_second_canary() -> None:
    """Killed in the middle of its restart, the next one sees the canary down, waits for it, and then goes on."""
    world = World()
    rolling = Rolling(world, "abc", max_unavailable=10, canary=1)
    rolling.restart_s = 100
    task = asyncio.create_task(rolling.keeper.run())
    await until(lambda: rolling.begun, 30)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    world.place("a").before_do = lambda _: _starting(world)
    rolling.keep(world.reconciler(*map(service, "abc"), max_unavailable=10, canary=1))
    async with keeping(rolling):
        await asyncio.sleep(60)
        assert list(rolling.begun) == ["a"]
        assert rolling.held("b") == "canary is 1: sa is down; the other compute of Zone/one wait for that"
        await until(lambda: rolling.fresh("abc"), 600)
    assert rolling.most == 2


def _starting(world: World) -> Reply | None:
    """Refuse to start what is starting already."""
    return Reply({}, "failed", "it is starting") if world.place("a").things["sa"]["active"] is False else None


@pytest.mark.looptime
async def test_a_canary_that_does_not_come_back_goes_alone() -> None:
    """Although more may fail and more may be down, the others keep running with what they have."""
    world = World()
    rolling = Rolling(world, "abc", max_unavailable=10, failure_budget=5, canary=1)
    rolling.restart_s = 1e9
    async with keeping(rolling):
        await until(lambda: rolling.begun, 30)
        world.place("a").before_do = lambda _: Reply({}, "failed", "it does not start")
        await asyncio.sleep(1800)
    assert list(rolling.begun) == ["a"]


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Folder 0700 and file 0600, whatever the umask; no rest of writing stays behind."""
    file = PausesFile(tmp_path / "state/pauses.json")
    before = os.umask(0)
    try:
        pausing(file, "ssh:a")
    finally:
        os.umask(before)
    assert (file.path.stat().st_mode & 0o777, file.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [path.name for path in file.path.parent.iterdir()] == ["pauses.json"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_root_pauses_the_daemons_user_can_read(tmp_path: Path) -> None:
    """A service keeps its state in a folder of its user: a file of root's there could not be read, and held everything."""
    os.chown(tmp_path, 4711, 4712)
    file = PausesFile(tmp_path / "pauses.json")
    pausing(file, "ssh:a")
    there = file.path.stat()
    assert (there.st_uid, there.st_gid, there.st_mode & 0o777) == (4711, 4712, 0o600)


def test_two_who_pause_at_once_are_both_heard(tmp_path: Path) -> None:
    """Each change sees the one before it."""
    file = PausesFile(tmp_path / "pauses.json")

    def add(number: int) -> None:
        one = Pause(f"ssh:kvm{number}", "anna", "2026-11-23T00:00:00Z")
        file.change(lambda pauses: (*pauses, one))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {pause.selector for pause in file.read()} == {f"ssh:kvm{number}" for number in range(16)}


def test_what_is_damaged_is_not_written_over(tmp_path: Path) -> None:
    """Somebody's pause may stand in it."""
    file = PausesFile(tmp_path / "pauses.json")
    file.path.write_text("{")
    with pytest.raises(PausesError, match="nobody knows what is paused: it is no JSON"):
        pausing(file, "")
    assert file.path.read_text() == "{"


def test_a_time_that_is_none_is_told_and_not_believed(tmp_path: Path) -> None:
    """Somebody has mended the file by hand: it is in doubt, and what was known before stays known."""
    file = PausesFile(tmp_path / "pauses.json")
    good = Pause("", "anna", "2026-11-23T09:00:00Z")
    file.path.write_text(write_pauses([good]))
    assert file.seen() == ((good,), "")
    for times in (("", ""), ("2026-13-23T09:00:00Z", ""), ("2026-11-23T09:00:00Z", "tomorrow")):
        file.path.write_text(write_pauses([Pause("", "anna", *times)]))
        pauses, doubt = file.seen()
        assert pauses == (good,)
        assert "nobody knows what is paused" in doubt


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[]", b""])
def test_what_is_wrong_with_it_is_told(tmp_path: Path, content: bytes) -> None:
    """Whatever stands there instead, it is a reason and no crash; a folder in its place, too."""
    file = PausesFile(tmp_path / "pauses.json")
    file.path.write_bytes(content)
    assert "nobody knows what is paused" in file.seen()[1]
    assert PausesFile(file.path / "below.json").seen() == ((), ""), "where no file can be, none says that anything is paused"
    (tmp_path / "folder").mkdir()
    assert "Is a directory" in PausesFile(tmp_path / "folder").seen()[1]


def test_a_change_is_seen_at_once_and_once(tmp_path: Path) -> None:
    """Replaced, mended, deleted: the next look has it, and the same file is not read twice."""
    file, other = PausesFile(tmp_path / "pauses.json"), PausesFile(tmp_path / "pauses.json")
    assert file.seen() == ((), "")
    pausing(other, "ssh:a")
    first = file.seen()
    assert [pause.selector for pause in first[0]] == ["ssh:a"]
    assert file.seen()[0] is first[0]
    other.path.write_text("{")
    assert file.seen()[1]
    other.path.write_text(write_pauses(first[0]))
    assert file.seen() == first
    other.path.unlink()
    assert file.seen() == ((), "")


def test_somebody_heeds_it_as_long_as_they_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told while it is so, of several too, and not once they are gone."""
    monkeypatch.setenv(STATE, str(tmp_path / "state"))
    file = PausesFile.of(tmp_path / "desired")
    assert not file.is_heeded
    with heeded(tmp_path / "desired"):
        with heeded(tmp_path / "desired"):
            assert file.is_heeded
        assert file.is_heeded
    assert not file.is_heeded


def test_it_stands_beside_the_history_and_is_no_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who deletes the history resumes nothing."""
    monkeypatch.setenv(STATE, str(tmp_path))
    file = PausesFile.of(tmp_path / "desired")
    pausing(file, "")
    for path in tmp_path.glob("*.sqlite*"):
        path.unlink()
    assert Permits.of(tmp_path / "desired").now(()).pauses == file.read()
