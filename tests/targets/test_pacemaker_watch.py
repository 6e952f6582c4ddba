"""Watching a cluster: what any host of it tells, as one; and who is not heard."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.targets import BEAT_S, Signal, TargetError
from reconciler.targets.fake import FakeTarget
from reconciler.targets.listeners import Mailbox
from reconciler.targets.pacemaker import PacemakerTarget
from reconciler.targets.pacemaker_watch import watch_cluster
from resources.contract import Reply, TargetId
from resources.endpoints import PacemakerEndpoint

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection

RING = TargetId("pacemaker", "demo")
MEMBERS = ("ctl1", "ctl2")


@dataclass
class Host:
    """A host whose signals a test says. `watched` is what was asked of it, the last time it was."""

    name: str
    lost: str = ""
    quiet: bool = False
    watched: dict[str, Any] = field(default_factory=dict)
    mailbox: Mailbox = field(default_factory=Mailbox)
    watching: int = 0

    @property
    def id(self) -> TargetId:
        """Return the target's name."""
        return TargetId("ssh", self.name)

    async def watch(
        self, paths: Collection[str], units: Collection[str], *, cib: bool = False, beat_s: float = BEAT_S
    ) -> AsyncGenerator[Signal, None]:
        """Tell what the test says."""
        self.watched = {"paths": set(paths), "units": set(units), "cib": cib, "beat_s": beat_s}
        if self.lost:
            raise TargetError(self.id, self.lost)
        self.watching += 1
        try:
            if not self.quiet:
                yield Signal(self.id, everything=True)
            while True:
                yield await self.mailbox.take()
        finally:
            self.watching -= 1

    def say(self, **told: Any) -> None:
        """Say that something has changed."""
        self.mailbox.put(Signal(self.id, **told))

    def lose(self, reason: str) -> None:
        """Be lost, and stay so."""
        self.lost = reason
        self.mailbox.end(TargetError(self.id, reason))


@pytest.fixture
def hosts() -> dict[str, Host]:
    """Return two members and a remote node."""
    return {name: Host(name) for name in (*MEMBERS, "vol1")}


def watch(hosts: dict[str, Host]) -> AsyncGenerator[Signal, None]:
    """Watch them as the pacemaker target does, and try what was lost again at once."""
    watches = {name: lambda host=host: host.watch((), ("c0.service",), cib=True) for name, host in hosts.items()}
    return watch_cluster(RING, watches, MEMBERS, reopen_s=0.001)


async def settled(signals: AsyncGenerator[Signal, None], hosts: dict[str, Host]) -> Signal:
    """Take signals until all hosts are watched and none has said anything that was not taken."""
    while True:
        told = await anext(signals)
        assert (told.target, told.everything) == (RING, True)
        await asyncio.sleep(0)
        if all(host.watching for host in hosts.values()):
            hosts["vol1"].say(paths=frozenset({"/settled"}))
            while not told.paths:
                told = await anext(signals)
            return told


async def test_each_host_is_asked_for_its_part(hosts: dict[str, Host]) -> None:
    """Members tell of the configuration and of their daemons, remote nodes of theirs; all of them of what they may run."""
    ids = {name: host.id for name, host in hosts.items()}
    silent = FakeTarget(lambda _: Reply({}))
    endpoint = PacemakerEndpoint(
        RING, {name: ids[name] for name in MEMBERS}, {"vol1": ids["vol1"], "vol2": TargetId("ssh", "vol2")}
    )
    target = PacemakerTarget(endpoint, {**hosts, "vol2": silent})  # type: ignore[dict-item] # they are watched and no more
    async with aclosing(target.watch(["/a"], ["c0.service"], cib=True, beat_s=5)) as signals:
        await settled(signals, hosts)
    daemons = {"corosync.service", "pacemaker.service"}
    wanted = {"paths": {"/a"}, "beat_s": 5}
    assert hosts["ctl1"].watched == hosts["ctl2"].watched == {**wanted, "units": {"c0.service", *daemons}, "cib": True}
    assert hosts["vol1"].watched == {**wanted, "units": {"c0.service", "pacemaker_remote.service"}, "cib": False}


async def test_any_host_speaks_for_the_cluster(hosts: dict[str, Host]) -> None:
    """What one host tells is told of the cluster; that its daemons changed is news of the cluster, not of a resource."""
    async with aclosing(watch(hosts)) as signals:
        await settled(signals, hosts)
        hosts["vol1"].say(units=frozenset({"c0.service"}))
        assert await anext(signals) == Signal(RING, units=frozenset({"c0.service"}))
        hosts["ctl2"].say(cib=True, deaf=("of files",))
        assert await anext(signals) == Signal(RING, cib=True, deaf=("ctl2: of files",))
        hosts["ctl1"].say(units=frozenset({"pacemaker.service"}))
        assert await anext(signals) == Signal(RING, cib=True, deaf=("ctl2: of files",))
    assert not any(host.watching for host in hosts.values())


async def test_a_lost_member_is_news_and_the_others_go_on(hosts: dict[str, Host]) -> None:
    """When one member is not heard any more, that is said once, the others are heard, and it is heard again when it can be."""
    async with aclosing(watch(hosts)) as signals:
        await settled(signals, hosts)
        hosts["ctl1"].lose("no route to host")
        assert await anext(signals) == Signal(RING, everything=True, deaf=("ctl1: no route to host",))
        hosts["ctl2"].say(cib=True)
        assert await anext(signals) == Signal(RING, cib=True, deaf=("ctl1: no route to host",))
        hosts["ctl1"].mailbox, hosts["ctl1"].lost = Mailbox(), ""
        assert await anext(signals) == Signal(RING, everything=True)
        hosts["ctl1"].say(cib=True)
        assert await anext(signals) == Signal(RING, cib=True)


async def test_nobody_is_heard(hosts: dict[str, Host]) -> None:
    """When no member is heard, nobody knows, whatever a remote node says; each reason is told."""
    for name in MEMBERS:
        hosts[name].lose(f"{name} is off")
    signals = watch(hosts)
    with pytest.raises(TargetError, match=r"none of the cluster's members is heard \(ctl1: ctl1 is off; ctl2: ctl2 is off\)"):
        assert [told async for told in signals] == []
    assert not any(host.watching for host in hosts.values())


async def test_nothing_is_told_before_it_is_known_who_is_heard(hosts: dict[str, Host]) -> None:
    """One member is lost and a remote node speaks: that is no news yet, for the other member may be lost as well."""
    hosts["ctl1"].lost = "ctl1 is off"
    hosts["ctl2"].quiet = True
    first = asyncio.ensure_future(anext(watch(hosts)))
    for _ in range(100):
        await asyncio.sleep(0)
    assert hosts["ctl1"].watched
    assert hosts["ctl2"].watching
    assert hosts["vol1"].watching
    assert not first.done()
    hosts["ctl2"].lose("ctl2 is off")
    with pytest.raises(TargetError, match="none of the cluster's members is heard"):
        await first


async def test_a_mistake_is_not_swallowed(hosts: dict[str, Host]) -> None:
    """What nobody foresaw comes to whoever watches."""
    async with aclosing(watch(hosts)) as signals:
        await settled(signals, hosts)
        hosts["ctl1"].mailbox.end(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await anext(signals)
