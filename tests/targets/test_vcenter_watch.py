"""Watching a vCenter: what others change there is heard, questions go on, silence is told in time, and nothing is left open."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pyVmomi import vim

from reconciler.targets import SILENT_BEATS, Signal, TargetError, Watchable
from reconciler.targets.vcenter import VCenterTarget
from reconciler.targets.vcenter_inventory import PROPERTIES
from reconciler.targets.vcenter_watch import heard
from resources.contract import Action
from tests.lab.vcenter.process import Settings, running
from tests.targets.link import Link
from tests.targets.test_vcenter_port_groups import add_switch, network, owner, reconfigure, target
from tests.targets.test_vcenter_target import CHECK, FIND, STORES, VC1, endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from tests.lab.vcenter.certificates import Certificates
    from tests.lab.vcenter.process import Running

__all__ = ["owner", "target"]
EVERYTHING = Signal(VC1, everything=True)
BEAT_S = 2.0
PATIENCE_S = 60.0
CREATE = Action("port_group.create", {"vds": "DVS0", "name": "provider-100", "vlan": 100})
SWITCH = vim.dvs.VmwareDistributedVirtualSwitch


async def begun(signals: AsyncGenerator[Signal, None]) -> None:
    """Take the first signal, which is that everything may have changed."""
    async with asyncio.timeout(PATIENCE_S):
        assert await anext(signals) == EVERYTHING


async def next_of(signals: AsyncGenerator[Signal, None]) -> Signal:
    """Take the next signal."""
    async with asyncio.timeout(PATIENCE_S):
        return await anext(signals)


async def waiting(vcenter: Running, waits: int = 0) -> int:
    """Wait until a wait for updates has arrived after so many; return how many there were."""
    await asyncio.to_thread(vcenter.control.wait, "it waits for updates", lambda c: c.traffic("WaitForUpdatesEx").seen > waits)
    return vcenter.control.traffic("WaitForUpdatesEx").seen


def watchers() -> list[threading.Thread]:
    """Return the threads that belong to watches."""
    return [thread for thread in threading.enumerate() if thread.name == f"{VC1} watch"]


async def gone(left: Callable[[], object]) -> None:
    """Wait until nothing is left."""
    async with asyncio.timeout(PATIENCE_S):
        while left():  # noqa: ASYNC110 - threads tell no loop that they end
            await asyncio.sleep(0.02)


def add_datastore(content: Any, folder: str) -> None:
    """Give a host another datastore."""
    (host, *_) = content.rootFolder.childEntity[0].hostFolder.childEntity[0].host
    host.configManager.datastoreSystem.CreateLocalDatastore("theirs", folder)


def rename(_: Any, vcenter: Running) -> None:
    """Rename a cluster."""
    vcenter.control.rename_cluster("DC0_C0", "gold")


def lose_host(_: Any, vcenter: Running) -> None:
    """Let a host go."""
    vcenter.control.disconnect_host("DC0_C0_H1")


def maintain(_: Any, vcenter: Running) -> None:
    """Have a host maintained."""
    vcenter.control.set_maintenance("DC0_C1_H2", maintenance=True)


def add_port_group(content: Any, _: Running) -> None:
    """Make a port group by hand."""
    spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(name="theirs", type="earlyBinding")
    network(content, "DVS0").AddDVPortgroup_Task([spec])


def set_vlan(content: Any, _: Running) -> None:
    """Change a VLAN by hand."""
    vlan = SWITCH.VlanIdSpec(inherited=False, vlanId=7)
    reconfigure(network(content, "DC0_DVPG0"), defaultPortConfig=SWITCH.VmwarePortConfigPolicy(vlan=vlan))


def rename_port_group(content: Any, _: Running) -> None:
    """Give a port group another name."""
    network(content, "DC0_DVPG0").Rename_Task("theirs")


def remove_port_group(content: Any, _: Running) -> None:
    """Take a port group away."""
    network(content, "DC0_DVPG0").Destroy_Task()


def make_switch(content: Any, _: Running) -> None:
    """Make another switch."""
    add_switch(content, "theirs")


def make_datastore(content: Any, vcenter: Running) -> None:
    """Add a datastore."""
    assert vcenter.settings.home
    add_datastore(content, str(vcenter.settings.home))


CHANGES = [
    rename, lose_host, maintain, add_port_group, set_vlan, rename_port_group, remove_port_group, make_switch, make_datastore,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_what_others_change_is_heard(
    vcenter: Running, target: VCenterTarget, owner: Any, change: Callable[[Any, Running], None]
) -> None:
    """Whatever another session changes of what is asked for is told, by the MoRef of what changed."""
    async with aclosing(target.watch((), ())) as signals:
        await begun(signals)
        telling = asyncio.create_task(next_of(signals))
        await asyncio.to_thread(change, owner, vcenter)
        told = await telling
        assert told.objects
        assert told == Signal(VC1, objects=told.objects)


async def test_free_space_is_no_news(vcenter: Running, target: VCenterTarget) -> None:
    """What is never still, and decides nothing, is not told: the next signal is of what came after it."""
    async with aclosing(target.watch((), ())) as signals:
        await begun(signals)
        vcenter.control.set_datastore_free("LocalDS_0", 7)
        vcenter.control.rename_cluster("DC0_C1", "gold")
        (renamed,) = (cluster.moref for cluster in vcenter.control.state().clusters if cluster.name == "gold")
        assert (await next_of(signals)).objects == {renamed}


def test_all_that_is_asked_for_is_heard() -> None:
    """Each property of which answers are made is heard, but for the two that are never still."""
    told = heard()
    assert {
        f"{kind} {path}" for kind, paths in PROPERTIES.items() for path in set(paths) - set(told[kind])
    } == {"Datastore summary.capacity", "Datastore summary.freeSpace"}  # fmt: skip
    group = told["dvs.DistributedVirtualPortgroup"]
    assert set(group) == {"name", "parent", "config.distributedVirtualSwitch", "config.configVersion"}
    assert {"name", "parent", "config.uplinkPortgroup"} == set(told["DistributedVirtualSwitch"])
    assert set(told["Network"]) == set(told["Folder"]) == set(told["Datacenter"]) == {"name", "parent"}


async def test_a_large_vcenter_is_taken_in_pages(binary: Path, certificates: Certificates, tmp_path: Path) -> None:
    """More objects than vCenter tells at a time are one beginning, and then only what changes is told."""
    many = Settings(certificates, home=tmp_path / "home", clusters=3, hosts=35)
    with running(binary, many, tmp_path / "log") as vcenter:
        target = VCenterTarget(endpoint(vcenter))
        async with aclosing(target.watch((), ())) as signals:
            await begun(signals)
            assert vcenter.control.traffic("WaitForUpdatesEx").seen > 1
            vcenter.control.disconnect_host("DC0_C2_H34")
            (lost,) = (host.moref for host in vcenter.control.state().hosts if host.connection != "connected")
            assert (await next_of(signals)).objects == {lost}


async def test_who_is_slow_gets_one_signal(vcenter: Running, target: VCenterTarget) -> None:
    """What happens while nobody takes a signal is told by one."""
    async with aclosing(target.watch((), ())) as signals:
        await begun(signals)
        vcenter.control.rename_cluster("DC0_C0", "gold")
        vcenter.control.rename_cluster("DC0_C1", "silver")
        assert (await next_of(signals)).objects == {cluster.moref for cluster in vcenter.control.state().clusters}


async def test_several_watch_at_the_same_time(vcenter: Running, target: VCenterTarget) -> None:
    """Each hears for itself, and one goes on when the other has gone."""
    async with aclosing(target.watch((), ())) as first:
        await begun(first)
        async with aclosing(target.watch((), ())) as second:
            await begun(second)
            vcenter.control.rename_cluster("DC0_C0", "gold")
            assert (await next_of(first)).objects == (await next_of(second)).objects != frozenset()
        vcenter.control.rename_cluster("gold", "silver")
        assert (await next_of(first)).objects


async def test_questions_and_actions_go_on(vcenter: Running, target: VCenterTarget) -> None:
    """A watch that waits, for changes or in a black hole, keeps nobody from asking and doing; what we do ourselves is heard."""
    async with aclosing(target.watch((), ())) as signals:
        await begun(signals)
        telling = asyncio.create_task(next_of(signals))
        await waiting(vcenter)
        checked, found, _ = await target.ask([CHECK, FIND, STORES])
        assert checked.data["logged_in"]
        assert found.data["exists"]
        assert (await target.do(CREATE)).ok
        assert (await telling).objects
    vcenter.control.black_hole("CreateFilter")
    vcenter.control.black_hole("Login")
    opening = [asyncio.create_task(anext(target.watch((), ()))) for _ in range(2)]
    await asyncio.to_thread(vcenter.control.wait, "one logs in", lambda c: c.traffic("Login").held == 1)
    assert (await target.ask([FIND]))[0].data["exists"]
    for task in opening:
        task.cancel()
    await asyncio.gather(*opening, return_exceptions=True)
    vcenter.control.clear_faults()


async def test_a_dropped_session_is_told_and_then_everything(vcenter: Running, target: VCenterTarget) -> None:
    """Who watches hears at once that the session was ended; the next watch begins with everything, and asking lists in full."""
    signals = target.watch((), ())
    await begun(signals)
    telling = asyncio.create_task(next_of(signals))
    await waiting(vcenter, 1)
    vcenter.control.drop_sessions()
    with pytest.raises(TargetError, match="ended the session, or the connection") as lost:
        await telling
    assert lost.value.retry
    vcenter.control.rename_cluster("DC0_C0", "gold")
    async with aclosing(target.watch((), ())) as again:
        await begun(again)
        (found,) = await target.ask([FIND])
        assert (found.data["exists"], sorted(found.data["names"].values())) == (False, ["DC0_C1", "gold"])


async def test_a_session_that_somebody_terminates_is_told(vcenter: Running, target: VCenterTarget, owner: Any) -> None:
    """An administrator may end our session among all others."""
    signals = target.watch((), ())
    await begun(signals)
    theirs = owner.sessionManager.currentSession.key
    ours = [session.key for session in vcenter.control.state().sessions if session.key != theirs]
    owner.sessionManager.TerminateSession(ours)
    with pytest.raises(TargetError, match="ended the session, or the connection"):
        await next_of(signals)


async def test_a_changed_password_does_not_lock_the_account(vcenter: Running) -> None:
    """Those who ask and those who watch share one refusal a minute; afterwards a corrected password is heard again."""
    now = [0.0]
    target = VCenterTarget(endpoint(vcenter), clock=lambda: now[0])
    await target.ask([CHECK])
    signals = target.watch((), ())
    await begun(signals)
    logins = vcenter.control.traffic("Login").seen
    vcenter.control.set_password("other", drop_sessions=True)
    with pytest.raises(TargetError):
        await next_of(signals)
    for _ in range(3):
        with pytest.raises(TargetError, match=r"vCenter refuses the login \(InvalidLogin\)"):
            await anext(target.watch((), ()))
        (checked,) = await target.ask([CHECK])
        assert checked.data["fault"] == "InvalidLogin"
    assert vcenter.control.traffic("Login").seen == logins + 1
    vcenter.control.set_password(vcenter.settings.password)
    now[0] = 61.0
    async with aclosing(target.watch((), ())) as again:
        await begun(again)
    await target.close()


async def test_a_refused_watch_ends_what_the_other_session_proves(vcenter: Running) -> None:
    """Once a login was refused, nobody says any more that the credentials are good because an old session still is."""
    now = [0.0]
    target = VCenterTarget(endpoint(vcenter), clock=lambda: now[0])
    await target.ask([CHECK])
    vcenter.control.set_password("other")
    with pytest.raises(TargetError, match="refuses the login"):
        await anext(target.watch((), ()))
    for now[0] in (1.0, 61.0):
        (checked,) = await target.ask([CHECK])
        assert checked.data["fault"] == "InvalidLogin"
    assert vcenter.control.state().sessions == ()


async def test_nothing_is_left_when_the_watch_ends(vcenter: Running, target: VCenterTarget) -> None:
    """Closed between two signals: the filter is destroyed, the session logged out, and no thread is left."""
    async with aclosing(target.watch((), ())) as signals:
        await begun(signals)
        assert len(vcenter.control.state().sessions) == 1
    assert vcenter.control.state().sessions == ()
    assert vcenter.control.traffic("DestroyPropertyCollector").seen == 1
    await gone(watchers)


async def test_nothing_is_left_of_a_watch_that_is_cancelled(vcenter: Running, target: VCenterTarget) -> None:
    """Cancelled in the middle of a wait for updates: that ends as well, long before its time."""
    signals = target.watch((), (), beat_s=600)
    await begun(signals)
    told = asyncio.create_task(anext(signals))
    await waiting(vcenter, 1)
    told.cancel()
    with pytest.raises(asyncio.CancelledError):
        await told
    assert vcenter.control.state().sessions == ()
    assert vcenter.control.traffic("DestroyPropertyCollector").seen == 1
    await gone(watchers)


async def test_nothing_is_left_of_a_watch_that_is_cancelled_at_its_beginning(vcenter: Running, target: VCenterTarget) -> None:
    """Cancelled before it is begun: the session that comes of it nevertheless is logged out."""
    vcenter.control.delay("CreateFilter", 60_000)
    opening = asyncio.create_task(anext(target.watch((), ())))
    await asyncio.to_thread(vcenter.control.wait, "it is held", lambda c: c.traffic("CreateFilter").held == 1)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    vcenter.control.clear_faults()
    await gone(watchers)
    assert vcenter.control.state().sessions == ()
    assert vcenter.control.traffic("DestroyPropertyCollector").seen == 1


async def test_closing_the_target_ends_the_watch(vcenter: Running, target: VCenterTarget) -> None:
    """Who still watches when the target is closed is told that it is over, and its session is logged out."""
    signals = target.watch((), ())
    await begun(signals)
    telling = asyncio.create_task(next_of(signals))
    await waiting(vcenter, 1)
    await target.close()
    with pytest.raises(TargetError):
        await telling
    assert vcenter.control.state().sessions == ()
    await gone(watchers)


async def test_a_quiet_vcenter_is_heard_all_the_time(vcenter: Running, target: VCenterTarget) -> None:
    """Where nothing changes for longer than the silence that would be told, each end of a wait is a sign of life."""
    async with aclosing(target.watch((), (), beat_s=1)) as signals:
        await begun(signals)
        telling = asyncio.create_task(anext(signals))
        before = vcenter.control.traffic("WaitForUpdatesEx").seen
        await asyncio.to_thread(vcenter.control.wait, "four waits", lambda c: c.traffic("WaitForUpdatesEx").seen >= before + 4)
        assert not telling.done()
        vcenter.control.rename_cluster("DC0_C0", "gold")
        assert (await telling).objects


async def test_a_link_that_swallows_everything(vcenter: Running) -> None:
    """A black hole is told after two beats and a half at the latest; then it can heal."""
    async with Link(vcenter.port) as link:
        target = VCenterTarget(replace(endpoint(vcenter), port=link.port))
        signals, clock = target.watch((), (), beat_s=BEAT_S), asyncio.get_running_loop()
        await begun(signals)
        link.cut = True
        began = clock.time()
        with pytest.raises(TargetError, match=f"no answer from 127.0.0.1:{link.port} within") as silent:
            await anext(signals)
        assert clock.time() - began < SILENT_BEATS * BEAT_S + 1
        assert silent.value.retry
        with pytest.raises(TargetError, match=f"no answer from 127.0.0.1:{link.port} within"):
            await anext(target.watch((), (), beat_s=BEAT_S))
        link.cut = False
        async with aclosing(target.watch((), ())) as again:
            await begun(again)
        await gone(watchers)
        await target.close()


@pytest.mark.parametrize("method", ["Login", "CreateFilter", "WaitForUpdatesEx"])
async def test_a_request_that_is_never_answered_is_told(vcenter: Running, target: VCenterTarget, method: str) -> None:
    """One request vanishes: that is told as a silent link is, and no session stays behind."""
    vcenter.control.black_hole(method)
    with pytest.raises(TargetError, match=r"no answer from 127\.0\.0\.1"):
        await anext(target.watch((), (), beat_s=BEAT_S))
    vcenter.control.clear_faults()
    async with aclosing(target.watch((), ())) as again:
        await begun(again)
    await gone(watchers)
    assert vcenter.control.state().sessions == ()


async def test_half_an_answer_ends_the_watch(vcenter: Running, target: VCenterTarget) -> None:
    """What cannot be read may have been a change: the watch ends, and the next one begins with everything."""
    signals = target.watch((), ())
    await begun(signals)
    vcenter.control.answer_half("WaitForUpdatesEx", times=1)
    vcenter.control.rename_cluster("DC0_C0", "gold")
    with pytest.raises(TargetError, match=r"half an answer from 127\.0\.0\.1:"):
        await next_of(signals)
    assert vcenter.control.state().sessions == ()


async def test_a_vcenter_that_goes_down_is_told(vcenter: Running, target: VCenterTarget) -> None:
    """Who watches hears at once that the connection was lost; up again, vCenter is heard again."""
    signals = target.watch((), ())
    await begun(signals)
    telling = asyncio.create_task(next_of(signals))
    await waiting(vcenter, 1)
    vcenter.control.close()
    with pytest.raises(TargetError, match=r"ended the session, or the connection|the connection to"):
        await telling
    with pytest.raises(TargetError, match=r"nothing listens on|the connection to"):
        await anext(target.watch((), ()))
    vcenter.control.open()
    async with aclosing(target.watch((), ())) as again:
        await begun(again)


def test_a_vcenter_can_be_watched(vcenter: Running) -> None:
    """The type says so, for those who ask which targets can."""
    assert isinstance(VCenterTarget(endpoint(vcenter)), Watchable)
