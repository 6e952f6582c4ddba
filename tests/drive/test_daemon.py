"""The daemon as a whole, with real files and no hosts: what ends nobody, and what is told to systemd."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from reconciler import desired_source, log
from reconciler.apply import Phase, Progress
from reconciler.cli.chronicle import Chronicle
from reconciler.core.errors import BivisorError
from reconciler.core.events import Event, EventType
from reconciler.core.plan import NOT_ASKED, Plan, Step, Verb
from reconciler.core.status import Outcome, Result
from reconciler.daemon import _let_go
from reconciler.event_file import add_event, read_events
from reconciler.folder import Folder
from reconciler.history import History
from reconciler.history_file import open_to_write
from reconciler.keep import Keeper
from reconciler.operate import Given, Operation
from reconciler.reconcile import Look, Reconciler
from reconciler.retention import Retention
from reconciler.status_file import read_kept
from reconciler.targets.fake import FakeTarget
from reconciler.targets.fence import UNFENCED, Fence
from reconciler.targets.open import Targets
from resources.cloud import Metadata, Resource
from resources.contract import Address, Reply, TargetId
from resources.endpoints import PacemakerEndpoint, SshEndpoint
from tests.drive.test_keep import Kept, keeping, until
from tests.drive.told import NODES, node, telling, write_cloud
from tests.drive.world import ORIGIN, Place, World, desired_of, thing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reconciler.targets import Target
    from resources.contract import Action
    from resources.endpoints import Endpoint


def fail(*_: object) -> NoReturn:
    """Fail in a way that nobody foresaw."""
    raise KeyError("canary")


async def test_documents_that_bring_a_mistake_to_light_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in compiling them refuses them like any error of theirs; the last good ones stay, the next ones are read."""
    folder = write_cloud(tmp_path)
    async with telling(folder) as (_, told):
        good = (await told.nodes(*NODES)).desired
        with monkeypatch.context() as broken:
            broken.setattr(desired_source, "compiled", fail)
            (folder / "more.yaml").write_text(node("a"))
            bad = await told.until(lambda state: state.refused is not None)
            assert bad.desired is good
            assert "a mistake of Bivisor's (KeyError in test_daemon.py:" in str(bad.refused)
        await told.nodes(*NODES, "a")


async def test_a_mistake_in_looking_at_the_folder_ends_no_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as a reason why nothing is taken; when it is over, the folder is followed as before."""
    folder = write_cloud(tmp_path)
    async with telling(folder) as (_, told):
        await told.nodes(*NODES)
        with monkeypatch.context() as broken:
            broken.setattr(desired_source, "stamps_of", fail)
            (folder / "more.yaml").write_text(node("a"))
            await told.until(lambda state: "a mistake of Bivisor's" in str(state.refused))
        await told.nodes(*NODES, "a")


class Watchful(Targets):
    """Targets that are remembered when they are made."""

    def __init__(self, endpoints: Any, fence: Fence = UNFENCED) -> None:
        """Nobody is reached yet."""
        super().__init__(endpoints, fence)
        self.made: list[FakeTarget] = []

    def _make(self, _: object) -> Target:
        self.made.append(FakeTarget(lambda _: Reply({})))
        return self.made[-1]


async def test_what_is_reached_otherwise_is_closed_when_its_time_has_come() -> None:
    """A host with another address and its cluster are others at once; the former ones stay open until somebody closes them."""
    host, other, cluster = TargetId("ssh", "a"), TargetId("ssh", "b"), TargetId("pacemaker", "c")
    first = SshEndpoint(host, "one", 22, "root", "", "")
    endpoints: dict[TargetId, Endpoint] = {host: first, other: SshEndpoint(other, "b", 22, "root", "", "")}
    endpoints |= {cluster: PacemakerEndpoint(cluster, {"a": host})}
    async with Watchful(endpoints) as targets:
        before = {target: targets.get(target) for target in (host, other, cluster)}
        former = targets.replace({**endpoints, host: SshEndpoint(host, "two", 22, "root", "", "")})
        assert former == {host: before[host], cluster: before[cluster]}
        assert targets.get(host) is not before[host]
        assert targets.get(other) is before[other]
        assert [target.closed for target in targets.made] == [False] * 4
        await targets.close([before[host]])
        assert [target.closed for target in targets.made] == [True, False, False, False]
    assert all(target.closed for target in targets.made)


@pytest.mark.parametrize("fence", [Fence("c", 7, "a"), UNFENCED])
async def test_a_host_that_joins_the_ring_is_told_so(fence: Fence) -> None:
    """From then on it looks into its own CIB before a change of a leader; without one there is nothing to tell."""
    names = {name: TargetId("ssh", name) for name in "ab"}
    ring = TargetId("pacemaker", "c")
    hosts: dict[TargetId, Endpoint] = {host: SshEndpoint(host, name, 22, "root", "", "") for name, host in names.items()}
    async with Watchful({**hosts, ring: PacemakerEndpoint(ring, {"a": names["a"]})}, fence) as targets:
        before = {host: targets.get(host) for host in hosts}
        former = targets.replace({**hosts, ring: PacemakerEndpoint(ring, names)})
        assert former == ({} if fence is UNFENCED else {names["b"]: before[names["b"]]})


async def test_who_is_renewed_is_another_one() -> None:
    """A connection that is taken for dead is closed, and for good; whoever asks next has a new one."""
    host = TargetId("ssh", "a")
    async with Watchful({host: SshEndpoint(host, "one", 22, "root", "", "")}) as targets:
        await targets.renew(host)
        before = targets.get(host)
        await targets.renew(host)
        assert targets.made[0].closed
        assert targets.get(host) is not before


class Machine(Place):
    """A place that knows whether it was closed."""

    closed = False

    async def close(self) -> None:
        """Remember it."""
        self.closed = True


class Machines(Targets):
    """Targets that are places, by their address."""

    def __init__(self, endpoints: Mapping[TargetId, Endpoint], machines: Mapping[str, Machine]) -> None:
        """Reach those."""
        super().__init__(endpoints)
        self.machines = machines

    def _make(self, endpoint: Endpoint) -> Target:
        assert isinstance(endpoint, SshEndpoint)
        return self.machines[endpoint.address]


@pytest.mark.looptime
async def test_a_step_in_hand_ends_where_it_was_begun() -> None:
    """A host gets another address while a step is done there: its connection stays until that has ended, and then is closed."""
    host = TargetId("ssh", "a")
    one, two = Machine(host), Machine(host)
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Action) -> None:
        began.set()
        await go.wait()

    one.slow = slow
    desired = desired_of((thing("a", "x", size=1),))
    async with Machines({host: SshEndpoint(host, "one", 22, "root", "", "")}, {"one": one, "two": two}) as targets:
        kept = Kept(World())
        kept.keeper = Keeper(Reconciler(desired, targets), kept)
        async with keeping(kept):
            await began.wait()
            former = targets.replace({host: SshEndpoint(host, "two", 22, "root", "", "")})
            kept.keeper.declare(desired, frozenset(former))
            letting_go = asyncio.create_task(_let_go(targets, former.values(), kept.keeper))
            await asyncio.sleep(300)
            assert not one.closed
            go.set()
            await letting_go
            assert one.closed
            assert [name for name, _ in one.done] == ["x"]
            await until(lambda: [name for name, _ in two.done] == ["x"], 5)
            assert not two.closed


def told_to_systemd(systemd: socket.socket) -> list[str]:
    """Return what systemd was told since the last time."""
    found: list[str] = []
    with suppress(BlockingIOError):
        while True:
            found.append(systemd.recv(1000).decode())
    return found


async def test_nothing_is_called_as_declared_while_a_step_is_in_hand(tmp_path: Path, systemd: socket.socket) -> None:
    """A service that was restarted looks well before its step has seen that it stays so: the status tells of the step."""
    step = Step(Address(TargetId("ssh", "a"), "service", "nova-compute"), Verb.RESTART)
    with Chronicle(tmp_path) as chronicle:
        chronicle.step(Progress(step, Phase.STARTED))
        chronicle.decided(Look({}, Plan((replace(step, verb=Verb.NOTHING),))))
        assert told_to_systemd(systemd) == ["READY=1", "STATUS=1 in hand"]
        chronicle.step(Progress(step, Phase.FINISHED, Result(step.address, Outcome.CONVERGED)))
        chronicle.decided(Look({}, Plan((replace(step, verb=Verb.NOTHING),))))
        assert told_to_systemd(systemd) == ["STATUS=everything is as declared"]


def test_documents_that_do_not_settle_at_the_start_are_waited_for(tmp_path: Path, systemd: socket.socket) -> None:
    """A rebase has stopped for a person: systemd hears that the daemon is ready, and starts it not again and again."""
    with Chronicle(tmp_path) as chronicle:
        chronicle.folder(Folder())
        assert told_to_systemd(systemd) == []
        chronicle.folder(Folder(waiting="desired: git is at work"))
        assert told_to_systemd(systemd) == ["READY=1\nSTATUS=waits for documents that can be read as declared"]


def test_what_only_waits_for_its_turn_is_no_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A thousand restarts one after the other change a thousand reasons a thousand times: none of them is told."""
    step = Step(Address(TargetId("ssh", "a"), "service", "nova-compute"), Verb.HELD, held="b restarts now", later=True)
    with Chronicle(tmp_path) as chronicle:
        for held in ("b restarts now", "c restarts now"):
            chronicle.decided(Look({}, Plan((replace(step, held=held),))))
        chronicle.decided(Look({}, Plan((replace(step, held="b is down", later=False),))))
    told = capsys.readouterr().err
    assert "restarts now" not in told
    assert "b is down" in told


async def test_a_step_that_nobody_ended_is_over_with_its_pass(tmp_path: Path, systemd: socket.socket) -> None:
    """A mistake in carrying a plan out may leave steps of which nobody says what came of them: they are in hand no more."""
    step = Step(Address(TargetId("ssh", "a"), "service", "nova-compute"), Verb.RESTART)
    with Chronicle(tmp_path) as chronicle:
        operation = Operation(tmp_path, chronicle, chronicle.recorder, Given(), acts=True)
        with suppress(KeyError), operation.one_pass(Plan((step,)), operation.step):
            operation.step(Progress(step, Phase.STARTED))
            assert operation.in_hand == (str(step.address),)
            fail()
        assert operation.in_hand == ()
        operation.decided(Look({}, Plan((replace(step, verb=Verb.NOTHING),))))
        assert told_to_systemd(systemd) == ["READY=1", "STATUS=everything is as declared"]


def test_what_was_not_asked_yet_is_in_no_trouble(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At a start nobody was asked: that is no warning for each unit of the cloud, and neither is its end."""
    step = Step(Address(TargetId("ssh", "a"), "service", "nova-compute"), Verb.UNKNOWN, held=NOT_ASKED.reason)
    with Chronicle(tmp_path) as chronicle:
        chronicle.decided(Look({}, Plan((step,))))
        chronicle.decided(Look({}, Plan((replace(step, held="no route to host"),))))
        chronicle.decided(Look({}, Plan((step,))))
    told = capsys.readouterr().err
    assert NOT_ASKED.reason not in told
    assert "no route to host" in told


def test_a_target_that_does_not_answer_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not for each of its units, nor for each reason of the same silence; one unit of a target that answers is named."""

    def units(host: str, *verbs: Verb, why: str = "") -> tuple[Step, ...]:
        target = TargetId("ssh", host)
        return tuple(
            Step(Address(target, "file", f"/{number}"), verb, held=why if verb is Verb.UNKNOWN else "")
            for number, verb in enumerate(verbs)
        )

    no, yes = Verb.UNKNOWN, Verb.NOTHING
    looks = (
        (*units("a", no, no, no, why="no route"), *units("b", yes, no, why="it is no file")),
        (*units("a", no, no, no, why="no answer"), *units("b", no, no, why="no route")),
        (*units("a", yes, yes, yes), *units("b", yes, yes)),
    )
    log.set_up(level="info", as_json=True)
    with Chronicle(tmp_path) as chronicle:
        for steps in looks:
            chronicle.decided(Look({}, Plan(steps)))
    log.set_up()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    told = [(line["event"], line.get("target") or line["address"]) for line in lines if "seen" in line["event"]]
    assert told[:3] == [("unseen", "ssh:a"), ("unseen", "ssh:b/file//1"), ("unseen", "ssh:b")]
    assert sorted(told[3:]) == [("seen_again", "ssh:a"), ("seen_again", "ssh:b")]
    assert not [line for line in lines if line["event"] in ("held", "free_again")]


def test_what_is_held_and_cannot_be_seen_for_a_while_is_not_free(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told as held once, before its host went away, and as free when it is."""

    def look(verb: Verb, why: str = "") -> Look:
        return Look({}, Plan((Step(Address(TargetId("ssh", "a"), "file", "/1"), verb, held=why),)))

    log.set_up(level="info", as_json=True)
    with Chronicle(tmp_path) as chronicle:
        for verb, why in ((Verb.HELD, "paused"), (Verb.UNKNOWN, "no route"), (Verb.HELD, "paused"), (Verb.NOTHING, "")):
            chronicle.decided(look(verb, why))
    log.set_up()
    told = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    told = [event for event in told if event not in ("starting", "decided")]
    assert told == ["held", "unseen", "seen_again", "free_again"]


async def test_what_is_in_hand_is_progressing_though_it_looks_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resource is not ready while the step of one of its units is not over: it may yet be found not to stay so."""
    monkeypatch.setenv("BIVISOR_STATE", str(tmp_path / "state"))
    service = thing("a", "nova-compute", active=True)
    world = World()
    world.place("a").things["nova-compute"] = {"active": True}
    reconciler = world.reconciler(service)
    look = await reconciler.look()
    (step,) = look.plan.steps
    assert step.verb is Verb.NOTHING

    def condition(kind: str) -> str:
        former = read_kept(History.place(tmp_path)).former
        return str(former[ORIGIN].status.condition(kind).status) if ORIGIN in former else ""

    catalog = replace(reconciler.desired.catalog, resources={ORIGIN: Resource(ORIGIN, Metadata("one", {}, {}), None)})
    desired = replace(reconciler.desired, catalog=catalog)
    known = SimpleNamespace(
        desired=desired, broken={}, rollout=reconciler.rollout, permit=reconciler.permit, decide=lambda: look
    )
    chronicle = Chronicle(tmp_path)
    chronicle.keeping(SimpleNamespace(reconciler=known), SimpleNamespace(deaf={}))  # type: ignore[arg-type] # all that it asks
    chronicle.step(Progress(step, Phase.STARTED))
    chronicle.decided(look)
    chronicle.books.round(datetime.now(UTC))
    assert (condition("Ready"), condition("Progressing")) == ("False", "True")
    chronicle.step(Progress(step, Phase.FINISHED, Result(step.address, Outcome.CONVERGED)))
    chronicle.decided(look)
    chronicle.books.round(datetime.now(UTC))
    assert (condition("Ready"), condition("Progressing")) == ("True", "False")


def test_documents_that_are_refused_later_are_not_waited_for(tmp_path: Path, systemd: socket.socket) -> None:
    """Before there are any, the status says so; then the last good ones are kept, and what it says is about those."""
    with Chronicle(tmp_path) as chronicle:
        chronicle.folder(Folder(refused=BivisorError("no")))
        assert told_to_systemd(systemd) == ["READY=1\nSTATUS=waits for documents that can be read as declared"]
        desired = desired_of((thing("a", "x", size=1),))
        chronicle.folder(Folder(desired=desired))
        chronicle.decided(Look({}, Plan(())))
        chronicle.folder(Folder(desired=desired, refused=BivisorError("no")))
        assert told_to_systemd(systemd) == ["READY=1", "STATUS=everything is as declared"]


def test_nothing_goes_that_the_settings_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over is let go as soon as the books are open: by then both who write know how much is to be kept."""
    monkeypatch.setenv("BIVISOR_STATE", str(tmp_path / "state"))
    long = Retention(events=10**6, events_days=10_000)
    with closing(open_to_write(History.place(tmp_path))) as connection:
        add_event(connection, Event(EventType.NORMAL, "Taken", "documents", ""), "2020-01-01T00:00:00Z")
    with Chronicle(tmp_path, retention=long) as chronicle:
        assert chronicle.recorder.retention == long
    assert [each.event.reason for each in read_events(History.place(tmp_path))] == ["Taken", "Started", "Stopped"]


def test_systemd_hears_that_nothing_can_be_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status says so, and says what is to be done again as soon as something is decided, though that is what it was."""
    place = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, Chronicle(tmp_path) as chronicle:
        systemd.bind(place)
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", place)
        look = Look({}, Plan(()))
        chronicle.decided(look)
        chronicle.undecided("by mistake")
        chronicle.decided(look)
        heard = [systemd.recv(1000).decode() for _ in range(4)]
    assert heard == [
        "READY=1",
        "STATUS=everything is as declared",
        "STATUS=nothing is decided: by mistake",
        "STATUS=everything is as declared",
    ]
