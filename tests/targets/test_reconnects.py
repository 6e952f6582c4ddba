"""Connections are lost and made again, as over months: nothing piles up in this process. The other ends are real."""

from __future__ import annotations

import asyncio
import gc
import os
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import pytest

from reconciler import watch
from reconciler.targets import BEAT_S, SILENT_BEATS, TargetError
from reconciler.targets.vcenter import VCenterTarget
from reconciler.watch import Watches
from resources.contract import Query, TargetId
from tests.targets.link import Link
from tests.targets.test_vcenter_target import FIND, VC1, endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection

    from reconciler.targets import Signal, Target
    from tests.lab.vcenter.process import Running
    from tests.targets.sshd import Connect, Sshd

HOST = TargetId("ssh", "host")
PATIENCE_S = 60.0
FEW = 60
MANY = 1000
WARM = {FEW: 30, MANY: 300}
"""So many come first, because some memory is needed once and for good."""

MOST_KIB = 4096
"""Of a thousand reconnects that is 4 KiB for each; one session that is not let go of is hundreds."""


class InUse(NamedTuple):
    """What this process holds: open files, threads, and KiB of memory."""

    files: int
    threads: int
    kib: int


def in_use() -> InUse:
    """Return what the kernel counts."""
    gc.collect()
    own = Path("/proc/self")
    pages = int((own / "statm").read_text().split()[1])
    return InUse(
        sum(1 for _ in (own / "fd").iterdir()),
        sum(1 for _ in (own / "task").iterdir()),
        pages * os.sysconf("SC_PAGE_SIZE") // 1024,
    )


class Listening:
    """Watches over one target, and how often something was heard of it."""

    def __init__(self, group: asyncio.TaskGroup, target: Target, name: TargetId) -> None:
        """Watch nothing yet."""
        self._target = target
        self.name = name
        self.heard = 0
        self.watches = Watches(group, self, self._hear, Random(1))  # type: ignore[arg-type]  # enough of Targets  # noqa: S311 - jitter

    def get(self, _: TargetId) -> Target:
        """Return the target, as `Targets` does."""
        return self._target

    def _hear(self, _: TargetId) -> None:
        self.heard += 1

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - it depends on what others do
                await asyncio.sleep(0.002)

    async def lose(self, cut: Callable[[], Awaitable[None]]) -> None:
        """Have the connection lost; wait until that was told, and it is heard again."""
        before = self.heard
        await cut()
        await self.until(lambda: self.heard >= before + 2 and not self.watches.deaf)


@asynccontextmanager
async def listening(target: Target, name: TargetId, *queries: Query) -> AsyncIterator[Listening]:
    """Watch while it lasts, from the moment when it is heard."""
    async with asyncio.TaskGroup() as group:
        heard = Listening(group, target, name)
        heard.watches.follow({name: queries})
        await heard.until(lambda: heard.heard > 0)
        yield heard
        heard.watches.stop()


@pytest.fixture(params=[FEW, pytest.param(MANY, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def times(request: pytest.FixtureRequest) -> int:
    """How often; the long run is for months."""
    found: int = request.param
    return found


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was lost is tried again at once: it is the number that counts here."""
    monkeypatch.setattr(watch, "FIRST_REST_S", 0.0)


async def measured(times: int, once: Callable[[int], Awaitable[None]]) -> InUse:
    """Return how much more is in use after so many times; what the first ones need for good does not count."""
    for number in range(WARM[times]):
        await once(number)
    before = in_use()
    for number in range(times):
        await once(number)
    after = in_use()
    return InUse(*(later - earlier for earlier, later in zip(before, after, strict=True)))


def judge(more: InUse) -> None:
    """Nothing grows with the number of times."""
    assert more.files <= 2, more
    assert more.threads <= 2, more
    assert more.kib <= MOST_KIB, more


@pytest.mark.usefixtures("_at_once")
async def test_a_vcenter_that_is_lost_again_and_again(vcenter: Running, times: int) -> None:
    """Sessions ended and connections cut, each time with a look as the daemon has one: files, threads and memory stay."""
    empty = in_use()
    target = VCenterTarget(endpoint(vcenter))

    async def cut_session() -> None:
        vcenter.control.drop_sessions()

    async def cut_connections() -> None:
        vcenter.control.close()
        vcenter.control.open()

    async with listening(target, VC1) as heard:

        async def once(number: int) -> None:
            await heard.lose(cut_session if number % 2 else cut_connections)
            assert (await target.ask([FIND]))[0].data["exists"]

        judge(await measured(times, once))
    await target.close()
    await heard.until(lambda: in_use().threads <= empty.threads)
    left = in_use()
    assert left.files <= empty.files, (left, empty)
    assert vcenter.control.state().sessions == ()


@pytest.mark.usefixtures("_at_once")
async def test_a_vcenter_that_is_listened_to_anew_again_and_again(vcenter: Running, times: int) -> None:
    """A watch that is ended, in the middle of its wait, and begun: neither here nor in vCenter does anything pile up."""
    target = VCenterTarget(endpoint(vcenter))
    async with listening(target, VC1) as heard:

        async def once(_: int) -> None:
            before = heard.heard
            heard.watches.again(VC1)
            await heard.until(lambda: heard.heard > before)

        judge(await measured(times, once))
        await heard.until(lambda: len(vcenter.control.state().sessions) == 1)
    await target.close()
    assert vcenter.control.state().sessions == ()


@pytest.mark.usefixtures("_at_once")
async def test_a_host_that_is_lost_again_and_again(connect: Connect, sshd: Sshd, tmp_path: Path, times: int) -> None:
    """Connections to a host that break off, each time with a look: files, threads and memory stay."""
    empty = in_use()
    target = connect()
    query = Query("file.stat", {"path": str(tmp_path / "a.conf")})

    async def cut() -> None:
        sshd.drop_connections()

    async with listening(target, HOST, query) as heard:

        async def once(_: int) -> None:
            await heard.lose(cut)
            assert (await target.ask([query]))[0].ok
            for process in sshd.running[:-1]:
                await process.wait()
            del sshd.running[:-1], sshd.heard[:]  # the server remembers for other tests, and it lives in this process

        judge(await measured(times, once))
    await target.close()
    await sshd.running[-1].wait()
    await heard.until(lambda: in_use().files <= empty.files + 2)


class Hasty:
    """A target whose signs of life come often, so that its silence is told soon."""

    def __init__(self, target: VCenterTarget, beat_s: float) -> None:
        """Be that target."""
        self._target = target
        self._beat_s = beat_s
        self.ask, self.do, self.close = target.ask, target.do, target.close

    def watch(
        self, paths: Collection[str], units: Collection[str], *, cib: bool = False, beat_s: float = BEAT_S
    ) -> AsyncGenerator[Signal, None]:
        """Watch it."""
        assert beat_s == BEAT_S
        return self._target.watch(paths, units, cib=cib, beat_s=self._beat_s)


@pytest.mark.parametrize("beat_s", [2.0, pytest.param(BEAT_S, marks=pytest.mark.soak)], ids=["hasty", "as the daemon"])
async def test_a_black_hole_is_told_in_time_and_heals_by_itself(vcenter: Running, beat_s: float) -> None:
    """Packets are dropped: that nothing is heard stands there in time, and then that it is heard again."""
    clock = asyncio.get_running_loop()
    async with Link(vcenter.port) as link:
        target = VCenterTarget(replace(endpoint(vcenter), port=link.port), deadline_s=5, socket_timeout_s=2)
        async with listening(Hasty(target, beat_s), VC1) as heard:
            link.cut = True
            began = clock.time()
            await heard.until(lambda: VC1 in heard.watches.deaf)
            assert clock.time() - began <= SILENT_BEATS * beat_s + 1
            assert f"no answer from 127.0.0.1:{link.port} within" in heard.watches.deaf[VC1]
            with pytest.raises(TargetError):
                await target.ask([FIND])
            link.cut = False
            before = heard.heard
            await heard.until(lambda: heard.heard > before and not heard.watches.deaf)
            assert (await target.ask([FIND]))[0].data["exists"]
        await target.close()
