"""Watching a host: each watcher hears what it asked for, questions go on, and silence is an error in time."""

from __future__ import annotations

import asyncio
import fcntl
import signal
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.targets import SILENT_BEATS, Signal, TargetError, Watchable
from reconciler.targets.listeners import Listener, Mailbox
from resources.contract import Action, Query, TargetId
from tests.targets.link import Link

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.targets.sshd import Connect, Sshd

HOST = TargetId("ssh", "host")
ROOT = Query("file.stat", {"path": "/"})


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path]:
    """Return two files."""
    found = (tmp_path / "a.conf", tmp_path / "b.conf")
    for path in found:
        path.write_text("")
    return found


def open_files(shell: int | None = None) -> list[int]:
    """Return how many files this process has open, and on the host a shell and what it runs."""
    children = Path(f"/proc/{shell}/task/{shell}/children").read_text().split() if shell else []
    return [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in ("self", *([shell] if shell else []), *children)]


async def begun(signals: AsyncGenerator[Signal, None]) -> tuple[str, ...]:
    """Take the first signal, which is that everything may have changed; return what cannot be heard."""
    first = await anext(signals)
    assert first == Signal(HOST, everything=True, deaf=first.deaf)
    return first.deaf


async def test_what_was_asked_for_is_heard(connect: Connect, paths: tuple[Path, Path]) -> None:
    """First everything may have changed, then only what did; nothing of it costs a question."""
    async with aclosing(connect().watch([*map(str, paths)], ())) as signals:
        assert await begun(signals) == ()
        paths[0].write_text("now")
        assert await anext(signals) == Signal(HOST, paths=frozenset({str(paths[0])}))


@pytest.mark.skipif(Path("/run/systemd/private").exists(), reason="systemd can be heard on this machine")
async def test_what_cannot_be_heard_is_said(connect: Connect) -> None:
    """Where something on the host cannot be heard, the first signal says so, and the rest is watched."""
    async with aclosing(connect().watch((), ["a.service"])) as signals:
        assert "changes of services are not heard on this host" in (await begun(signals))[0]


async def test_each_watcher_hears_its_own(connect: Connect, sshd: Sshd, paths: tuple[Path, Path]) -> None:
    """Two watch one host over one connection; each is told of its own, and one goes on when the other has gone."""
    target = connect()
    async with aclosing(target.watch([str(paths[0])], ())) as first:
        await begun(first)
        async with aclosing(target.watch([str(paths[1])], (), cib=True, beat_s=5)) as second:
            await begun(second)
            for number, signals in ((0, first), (1, second)):
                paths[number].write_text("now")
                assert (await anext(signals)).paths == {str(paths[number])}
        assert b'"cib":true,"beat":5' in b"".join(sshd.heard)
        await sshd.until_heard(b'"cib":false,"beat":10.0}}\n{"id":')
        paths[0].write_text("again")
        assert (await anext(first)).paths == {str(paths[0])}
    assert sshd.connections == 1


async def test_questions_and_actions_go_on(connect: Connect, paths: tuple[Path, Path]) -> None:
    """While a host is watched it answers as before, the same in a word, and what an action changes is heard as well."""
    target, path = connect(), str(paths[0])
    async with aclosing(target.watch([path], ())) as signals:
        await begun(signals)
        asked = (ROOT, Query("file.read", {"path": path}))
        first = await target.ask(asked)
        assert await target.ask(asked) is first
        digest = first[1].data["digest"]
        assert (await target.do(Action("file.write", {"path": path, "text": "ours", "if_digest": digest}))).ok
        assert (await anext(signals)).paths == {path}
        assert (await target.ask(asked))[1].data["text"] == "ours"


async def test_who_is_slow_gets_one_signal(connect: Connect, paths: tuple[Path, Path]) -> None:
    """What happens while a watcher is busy is one signal when it comes back."""
    target = connect()
    watched = [*map(str, paths)]
    async with aclosing(target.watch(watched, ())) as busy, aclosing(target.watch(watched, ())) as idle:
        await begun(busy)
        await begun(idle)
        for path in (*paths, *paths):
            path.write_text("now")
            assert (await anext(idle)).paths == {str(path)}
        assert (await anext(busy)).paths == set(watched)


async def test_a_lost_connection_ends_the_watch(connect: Connect, sshd: Sshd, paths: tuple[Path, Path]) -> None:
    """Who watches is told at once that the connection was lost, and may begin anew: with everything."""
    target = connect()
    signals = target.watch([str(paths[0])], ())
    await begun(signals)
    sshd.drop_connections()
    with pytest.raises(TargetError, match="the connection to the host helper was lost") as lost:
        await anext(signals)
    assert lost.value.retry
    async with aclosing(target.watch([str(paths[0])], ())) as again:
        await begun(again)
    assert sshd.connections == 2


async def test_a_link_that_swallows_everything(connect: Connect, sshd: Sshd, paths: tuple[Path, Path]) -> None:
    """A black hole is told after two beats and a half, to who watches and to who waits for an answer; then it can heal."""
    async with Link(sshd.port) as link:
        target, clock = connect(port=link.port), asyncio.get_running_loop()
        signals = target.watch([str(paths[0])], (), beat_s=1)
        await begun(signals)
        link.cut = True
        began = clock.time()
        asking = asyncio.create_task(target.do(Action("directory.make", {"path": str(paths[0]) + ".d"})))
        with pytest.raises(TargetError, match="no sign of life for") as silent:
            await anext(signals)
        assert clock.time() - began < SILENT_BEATS + 2
        assert silent.value.retry
        with pytest.raises(TargetError, match="unknown whether it was done"):
            await asking
        link.cut = False
        async with aclosing(target.watch([str(paths[0])], ())) as again:
            await begun(again)


async def test_a_helper_that_hangs(connect: Connect, sshd: Sshd, paths: tuple[Path, Path]) -> None:
    """A helper that stands still is as lost as a link that does, though sshd is alive; the next question gets another."""
    target = connect()
    signals = target.watch([str(paths[0])], (), beat_s=1)
    await begun(signals)
    sshd.signal(signal.SIGSTOP)
    with pytest.raises(TargetError, match="no sign of life for"):
        await anext(signals)
    assert (await target.ask((ROOT,)))[0].ok


async def test_a_long_action_is_no_silence(connect: Connect, sshd: Sshd, paths: tuple[Path, Path]) -> None:
    """A host that is at work for longer than it may be silent is heard all the time."""
    target = connect()
    async with aclosing(target.watch([str(paths[0])], (), beat_s=1)) as signals:
        await begun(signals)
        (sshd.folder / "state").mkdir(exist_ok=True)
        with (sshd.folder / "state/lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            doing = asyncio.create_task(target.do(Action("directory.make", {"path": str(sshd.folder / "made")})))
            hearing = asyncio.create_task(anext(signals))
            done, _ = await asyncio.wait({doing, hearing}, timeout=SILENT_BEATS + 1.5)
            assert not done
        assert (await doing).ok
        paths[0].write_text("now")
        assert (await hearing).paths == {str(paths[0])}


async def test_again_and_again(connect: Connect, sshd: Sshd, paths: tuple[Path, Path]) -> None:
    """However often somebody begins to watch and ends it, nothing stays open, here or there."""
    target = connect()
    await target.ask((ROOT,))

    shell = sshd.running[0].pid
    before = open_files(shell)
    for _ in range(1000):
        async with aclosing(target.watch([str(paths[0])], ())) as signals:
            await begun(signals)
    await target.ask((ROOT,))
    assert open_files(shell) == before
    assert sshd.connections == 1


async def test_many_connections_later(connect: Connect, sshd: Sshd, paths: tuple[Path, Path]) -> None:
    """Connections that were lost while somebody watched leave nothing open here."""
    target = connect()
    found = []
    for _ in range(20):
        signals = target.watch([str(paths[0])], ())
        await begun(signals)
        sshd.drop_connections()
        with pytest.raises(TargetError):
            await anext(signals)
        await sshd.running[-1].wait()
        found.append(open_files()[0])
    assert max(found[-5:]) <= max(found[:5])


async def test_closing_the_target_ends_the_watch(connect: Connect, paths: tuple[Path, Path]) -> None:
    """Who still watches when the target is closed is told that it has ended."""
    target = connect()
    signals = target.watch([str(paths[0])], ())
    await begun(signals)
    await target.close()
    with pytest.raises(TargetError):
        await anext(signals)


async def test_a_refusal_is_told(connect: Connect) -> None:
    """A host that cannot be reached is told as for a question."""
    with pytest.raises(TargetError, match="has no python3"):
        await anext(connect(python="python3-that-is-not-there").watch(["/etc/hosts"], ()))


async def test_a_host_can_be_watched(connect: Connect) -> None:
    """The type says so, for those who ask which targets can."""
    assert isinstance(connect(), Watchable)


async def test_signals_add_up() -> None:
    """Two signals that nobody took in between are one that says all; what cannot be heard is what the later one says."""
    mailbox = Mailbox()
    listener = Listener(HOST, frozenset({"/a", "/b"}), frozenset({"x.service"}), cib=True, beat_s=1, mailbox=mailbox)
    nothing = {"paths": [], "units": [], "cib": False, "all": False, "deaf": []}
    listener.hear({**nothing, "paths": ["/c"], "units": ["y.service"]})
    listener.hear({**nothing, "paths": ["/a"], "deaf": ["of something"], "all": True})
    listener.hear({**nothing, "units": ["x.service"], "cib": True})
    assert await mailbox.take() == Signal(HOST, frozenset({"/a"}), frozenset({"x.service"}), cib=True, everything=True)
    listener.hear({**nothing, "paths": ["/b"]})
    mailbox.end(TargetError(HOST, "gone"))
    with pytest.raises(TargetError):
        await mailbox.take()
