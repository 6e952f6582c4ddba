"""What writes asks the fence at the last moment: each target against its real protocol, on a clock of the test's own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.targets import TargetError, ssh, ssh_connection
from reconciler.targets.fence import LEASE_S, SLACK_S, WIRE_S, Fence, FencedError
from reconciler.targets.fenced_http import fenced
from reconciler.targets.openstack import OpenStackTarget
from reconciler.targets.vcenter import VCenterTarget
from resources.contract import Action, Query, TargetId
from tests.targets.small_cib import SmallCib
from tests.targets.small_openstack import Cloud, serving
from tests.targets.test_openstack_target import KVM1, MAKE
from tests.targets.test_openstack_target import endpoint as openstack
from tests.targets.test_vcenter_port_groups import CREATE
from tests.targets.test_vcenter_target import endpoint as vcenter_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import asyncssh

    from reconciler.targets.ssh_connection import ConnectGate
    from resources.endpoints import SshEndpoint
    from tests.lab.vcenter.process import Running
    from tests.targets.sshd import Connect, Sshd

HOST = TargetId("ssh", "host")
RAISE = Action("epoch.raise", {})
WAIT_S = LEASE_S + WIRE_S + SLACK_S


@dataclass
class Clock:
    """A clock that stands still until it is put on."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return the lease's clock."""
    return Clock()


@pytest.fixture
def fence(clock: Clock) -> Fence:
    """Return the right of a leader that was confirmed just now, and has waited for the former one."""
    fence = Fence("demo", 7, "ctl1", clock)
    clock.now += WAIT_S
    fence.extend(clock.now)
    return fence


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Return a small cloud."""
    with serving() as cloud:
        cloud.add_compute("kvm1", "QEMU")
        yield cloud


def test_a_lease_counts_from_the_question(clock: Clock, fence: Fence) -> None:
    """It ends so long after the question was sent, however late the answer came; an older answer shortens nothing."""
    clock.now += 2.0
    fence.extend(clock.now - 1.5)
    fence.extend(clock.now - 9.0)
    assert fence.left_s == pytest.approx(LEASE_S - 1.5)
    clock.now += LEASE_S - 1.5
    with pytest.raises(FencedError, match="nothing was sent: no majority of the ring has confirmed"):
        fence.check(HOST)


def test_who_has_lost_the_lead_has_lost_it(clock: Clock, fence: Fence) -> None:
    """No later answer gives it back, and the first reason is the one that is told."""
    fence.lose("ctl2 leads")
    fence.lose("this daemon has ended")
    fence.extend(clock.now + 100.0)
    assert fence.closed == "ctl2 leads"


async def test_a_host_hears_the_epoch(connect: Connect, sshd: Sshd, fence: Fence) -> None:
    """Each action carries it; a question does not."""
    target = connect(fence=fence)
    assert (await target.do(RAISE)).ok
    sshd.heard.clear()
    await target.ask((Query("file.stat", {"path": "/"}),))
    assert (await target.do(RAISE)).ok
    ask, do = map(json.loads, b"".join(sshd.heard).splitlines())
    assert "epoch" not in ask
    assert do == {"id": 3, "epoch": ["demo", 7, ""], "do": ["epoch.raise", {}]}


async def test_nothing_is_sent_to_a_host_after_the_lease(connect: Connect, sshd: Sshd, clock: Clock, fence: Fence) -> None:
    """Though the connection is open, not a byte of the action leaves; questions go on."""
    target = connect(fence=fence)
    await target.do(RAISE)
    sshd.heard.clear()
    clock.now += LEASE_S
    with pytest.raises(FencedError, match="ssh:host: nothing was sent"):
        await target.do(RAISE)
    assert sshd.heard == []
    assert (await target.ask((Query("file.stat", {"path": "/"}),)))[0].ok


async def test_a_host_that_has_heard_a_higher_number_refuses_for_itself(connect: Connect, clock: Clock, fence: Fence) -> None:
    """It says by which file, and what to do; whether the lead is lost the ring knows, and one host alone ends no leader."""
    newer = Fence("demo", 8, "ctl2", clock)
    newer.extend(clock.now)
    assert (await connect(fence=newer).do(RAISE)).ok
    reply = await connect(fence=fence).do(RAISE)
    assert reply.code == "fenced"
    assert reply.error.startswith("epoch 8 was here, and this is 7: another leads, or once did by a clock that was ahead; ")
    assert re.search(r"if nobody else leads demo, remove /\S+/epochs/demo there$", reply.error)
    assert not fence.closed
    assert not newer.closed


async def test_a_member_whose_cib_names_another_ends_the_lead(
    connect: Connect, sshd: Sshd, fence: Fence, tmp_path: Path
) -> None:
    """Refused by one member in the ring's name, an old leader writes to no host any more."""
    if os.geteuid():
        pytest.skip("needs root, to put programs into /usr/sbin for the helper alone")
    ring = SmallCib(tmp_path)
    member = 'mount --bind "$0" /usr/sbin && exec sh -c "$1"'
    sshd.rewrite = lambda command: shlex.join(["unshare", "-m", "sh", "-c", member, str(ring.sbin), command])
    target = connect(fence=fence, place="member")
    assert (await target.do(Action("epoch.claim", {"known": 0, "number": 7, "leader": "ctl1"}))).ok
    assert (await target.do(RAISE)).ok
    assert (await connect(place="member").do(Action("epoch.claim", {"known": 7, "number": 8, "leader": "ctl2"}))).ok
    assert (await target.do(RAISE)).code == "deposed"
    assert fence.closed == "ssh:host refuses us: ctl2 leads with epoch 8"


_LEADER = """
import asyncio, sys
from reconciler.targets.fence import Fence
from reconciler.targets.ssh import SshTarget
from resources.contract import Action, TargetId
from resources.endpoints import SshEndpoint

async def lead(port, host_key, key_file, folder, state):
    # its own clock stands still while it is stopped, as that of a paused machine does: the lease never ends
    fence = Fence("demo", 7, "ctl1", clock=lambda: 0.0)
    fence.extend(0.0)
    target = SshTarget(SshEndpoint(TargetId("ssh", "host"), "127.0.0.1", int(port), "root", host_key, key_file),
                       python=sys.executable, folder=state, fence=fence)
    for number in range(10**9):
        reply = await target.do(Action("directory.make", {"path": f"{folder}/{number}", "mode": "0755"}))
        print(number, reply.code, flush=True)
        if not reply.ok:
            return

asyncio.run(lead(*sys.argv[1:]))
"""


async def test_a_stopped_leader_wakes_up_to_a_refusal(connect: Connect, sshd: Sshd, clock: Clock, tmp_path: Path) -> None:
    """A real process that writes all the time is stopped; another leads; continued, not one of its writes is accepted."""
    made = tmp_path / "made"
    made.mkdir()
    arguments = (str(sshd.port), sshd.host_key.export_public_key().decode(), str(sshd.key_file), str(made))
    old = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _LEADER, *arguments, str(sshd.folder / "state"), stdout=asyncio.subprocess.PIPE
    )
    assert old.stdout is not None
    try:
        for _ in range(20):
            assert (await old.stdout.readline()).endswith(b" \n")
        os.kill(old.pid, signal.SIGSTOP)
        newer = Fence("demo", 8, "ctl2", clock)
        newer.extend(clock.now)
        # what the old one had begun is done before this, since the host does one thing after the other
        assert (await connect(fence=newer).do(Action("directory.make", {"path": str(made / "newer"), "mode": "0755"}))).ok
        accepted = set(made.iterdir())
        os.kill(old.pid, signal.SIGCONT)
        async with asyncio.timeout(20):
            rest = (await old.stdout.read()).splitlines()
        assert rest[-1].endswith(b" fenced")
        assert set(made.iterdir()) == accepted
    finally:
        with suppress(ProcessLookupError):
            old.kill()
        await old.wait()


async def test_openstack_hears_nothing_after_the_lease(cloud: Cloud, clock: Clock, fence: Fence) -> None:
    """A write that begins in time and comes to its sending too late is not sent: not the first request, not a later one."""
    target = OpenStackTarget(openstack(cloud), deadline_s=20, socket_timeout_s=5, fence=fence)
    try:
        assert (await target.do(MAKE)).ok
        assert [found["name"] for found in cloud.aggregates] == ["kvm-az"]
        cloud.seen.clear()
        clock.now += LEASE_S
        with pytest.raises(FencedError, match="openstack:demo: nothing was sent"):
            await target.do(Action("aggregate.delete", {"name": "kvm-az"}))
        assert not cloud.seen
        assert (await target.ask([KVM1]))[0].data["exists"], "looking is nobody's privilege"
    finally:
        await target.close()


async def test_each_request_of_a_write_is_asked_about(cloud: Cloud, clock: Clock, fence: Fence) -> None:
    """An action of several requests stops in the middle when the lease ends there."""
    target = OpenStackTarget(openstack(cloud), deadline_s=20, socket_timeout_s=5, fence=fence)
    await target.ask([KVM1])
    beats = iter((clock.now, clock.now, clock.now))
    fence._clock = lambda: next(beats, clock.now + LEASE_S)  # the moment is what is tried
    try:
        with pytest.raises(FencedError):
            await target.do(MAKE)
        assert cloud.aggregates == []
    finally:
        await target.close()


async def test_a_vcenter_hears_nothing_after_the_lease(vcenter: Running, clock: Clock, fence: Fence) -> None:
    """No port group is made by who does not lead, on a session that is open or on a new one."""
    target = VCenterTarget(vcenter_endpoint(vcenter), deadline_s=20, socket_timeout_s=5, fence=fence)
    try:
        assert (await target.do(CREATE)).ok
        clock.now += LEASE_S
        with pytest.raises(FencedError, match="nothing was sent"):
            await target.do(Action(CREATE.op, {**CREATE.args, "name": "late"}))
        assert (await target.ask([Query("session.check", {})]))[0].data["logged_in"]
    finally:
        await target.close()


def user_timeout_ms(tcp: Any) -> int:
    """Return after how long the kernel gives up what that connection could not deliver; 0: its own default."""
    found: int = tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    return found


async def test_bytes_under_way_are_given_up(connect: Connect, cloud: Cloud, fence: Fence) -> None:
    """What a leader has sent cannot arrive minutes later, when a cut cable is back; without a lead nothing is changed there."""
    led, alone = connect(fence=fence), connect()
    for target in (led, alone):
        await target.ask((Query("file.stat", {"path": "/"}),))
    assert led._connection is not None
    assert alone._connection is not None
    assert user_timeout_ms(led._connection.get_extra_info("socket")) == WIRE_S * 1000
    assert user_timeout_ms(alone._connection.get_extra_info("socket")) == 0
    host, _, port = cloud.url.rpartition("/")[2].partition(":")
    connection = fenced(HTTPConnection, fence)(host, int(port))
    connection.connect()
    assert user_timeout_ms(connection.sock) == WIRE_S * 1000
    connection.close()


async def test_a_connection_that_ends_with_the_login_is_an_error_of_its_host(
    connect: Connect, fence: Fence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no socket any more on which the kernel could be told: that is no mistake of the program, and is tried again."""

    async def short(endpoint: SshEndpoint, gate: ConnectGate) -> asyncssh.SSHClientConnection:
        connection = await ssh_connection.connect(endpoint, gate)
        connection.abort()
        return connection

    monkeypatch.setattr(ssh, "connect", short)
    with pytest.raises(TargetError, match="lets us in but opens no session") as error:
        await connect(fence=fence).do(RAISE)
    assert error.value.retry


@pytest.mark.looptime
async def test_a_new_leader_leaves_the_apis_alone_at_first() -> None:
    """Until the former one's lease and its bytes under way must be over; a host need not wait, it compares the numbers."""
    loop = asyncio.get_running_loop()
    fence = Fence("demo", 8, "ctl2", loop.time)
    began = loop.time()

    async def confirmed() -> None:
        while True:
            fence.extend(loop.time())
            await asyncio.sleep(1.0)

    confirming = asyncio.create_task(confirmed())
    await asyncio.sleep(0)
    fence.check(HOST)
    await fence.opened(TargetId("openstack", "demo"))
    assert loop.time() - began == pytest.approx(WAIT_S, abs=0.1)
    confirming.cancel()


@pytest.mark.looptime
async def test_who_loses_the_lead_while_it_waits_sends_nothing() -> None:
    """Another one's claim in that time is not missed."""
    loop = asyncio.get_running_loop()
    fence = Fence("demo", 8, "ctl2", loop.time)
    fence.extend(loop.time() + WAIT_S)
    loop.call_later(WAIT_S / 2, fence.lose, "ctl3 leads")
    with pytest.raises(FencedError, match="ctl3 leads"):
        await fence.opened(TargetId("openstack", "demo"))


def words(fence: Fence, place: str) -> Any:
    """Return what a host is told, read."""
    return json.loads(b"{%b}" % fence.words(place).rstrip(b","))


def test_hosts_are_told_what_they_are_to_the_leader(fence: Fence) -> None:
    """The host on which the leader runs has to be stricter, so it is told."""
    assert words(fence, "here") == {"epoch": ["demo", 7, "here"]}
