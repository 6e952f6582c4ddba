"""The daemon on three controllers: whatever befalls the one that leads, another goes on, and nothing of the old one counts."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.targets.fence import Fence
from reconciler.targets.ssh import SshTarget
from resources.contract import Action, TargetId
from resources.endpoints import SshEndpoint
from tests.lab import controllers, keys, machines
from tests.lab.commands import wait_until
from tests.lab.layout import CONTROLLERS, HOSTS, host_named
from tests.lab.processes import Process, namespace_of, pids_in_namespace
from tests.lab.test_converge import wait_for
from tests.lab.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.controllers import Epoch
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

CONF = "/etc/nova/nova.conf"
OWN = "/etc/corosync/corosync.conf"
WITHIN_S = 15.0
"""Seconds in which another one goes on."""

REPAIRED_S = 30.0

RUNNING = r"/opt/bivisor/bin/bivisor .*run --leader"
"""Finds the daemons by their arguments."""

NAMES = tuple(host.name for host in CONTROLLERS)


class Cloud:
    """The demo's cloud, kept by a daemon on its controllers."""

    def __init__(self, lab: Lab) -> None:
        """Speak to it from outside."""
        self.lab = lab

    def epoch(self, *, but: str = "") -> Epoch:
        """Return the newest epoch that any controller knows, but for that one."""
        return max((controllers.epoch(self.lab, name) for name in NAMES if name != but), key=lambda found: found.number)

    def quiet(self) -> bool:
        """Tell whether the leader's last decision was that everything is as declared."""
        leader = self.epoch().leader
        decided = self.since_it_leads(leader, "decided") if leader else []
        return bool(decided) and not _left(decided[-1])

    def since_it_leads(self, host: str, event: str) -> list[dict[str, Any]]:
        """Return the lines of that event in the log of a host's daemon since it took the lead last."""
        began = controllers.told(self.lab, host, "leads")
        return [
            line for line in controllers.told(self.lab, host, event) if began and line["timestamp"] > began[-1]["timestamp"]
        ]

    def process(self, host: str) -> int:
        """Return the daemon's number on the machine."""
        ((pid, _),) = self.lab.processes(RUNNING)[host]
        return pid

    def has_ended(self, old: Epoch) -> bool:
        """Tell whether a former leader runs no more, or has found out that it leads no more."""
        lost = controllers.told(self.lab, old.leader, "lost_the_lead")
        return not self.lab.processes(RUNNING)[old.leader] or any(line["epoch"] == old.number for line in lost)

    def drift(self) -> None:
        """Edit an option on a compute host by hand."""
        self.lab.exec("kvm1", "sed", "-i", "s/^vif_plugging_timeout.*/vif_plugging_timeout = 3/", CONF)

    def repaired(self) -> bool:
        """Tell whether it is as declared."""
        return "vif_plugging_timeout = 0" in self.lab.exec("kvm1", "cat", CONF).stdout

    def written(self, since: float, number: int) -> list[str]:
        """Return what hosts' journals tell of writes under that epoch since then."""
        lines = [(host.name, line) for host in HOSTS for line in controllers.journal(self.lab, host.name, since)]
        return [f"{host}: {line}" for host, line in lines if f"of epoch {number} " in line and not line.startswith("refused")]


def _left(decided: dict[str, object]) -> set[str]:
    return decided.keys() - {"units", "event", "level", "timestamp"}


@pytest.fixture(scope="module")
def cloud(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A converged cloud whose controllers keep it; afterwards nobody does."""
    desk = Workspace.converged(tmp_path_factory.mktemp("desk"), lab)
    controllers.remove(lab)
    controllers.install(lab, desk)
    controllers.declare(lab)
    try:
        yield Cloud(lab)
    finally:
        controllers.remove(lab)


@pytest.fixture
def leader(cloud: Cloud) -> Epoch:
    """Who leads a quiet cloud."""
    for name in NAMES:
        cloud.lab.exec(name, "crm_resource", "--cleanup", "--resource", "bivisor", check=False)
    wait_for(cloud.quiet, "a leader finds everything as declared", 120)
    return cloud.epoch()


def taken_over(cloud: Cloud, old: Epoch, began: float, report: Callable[[str, object], None]) -> tuple[Epoch, float]:
    """Wait until another one leads and has repaired a drift; return it, and when (Unix time) it had claimed.

    It goes on when it has claimed the lead and decided. Before it acts it has asked every host once, and one that does not
    answer, the old leader's own, takes the ten seconds of a connection.
    """

    def claimed() -> bool:
        return cloud.epoch(but=old.leader).number > old.number

    def decided() -> bool:
        return bool(cloud.since_it_leads(cloud.epoch(but=old.leader).leader, "decided"))

    wait_until(claimed, what="another one claims the lead", timeout_s=WITHIN_S, every_s=0.1)
    at = time.time()
    wait_until(decided, what="it decides", timeout_s=WITHIN_S - (at - began), every_s=0.1)
    took = {"claimed_s": at - began, "decided_s": time.time() - began}
    wait_until(cloud.repaired, what="it repairs the drift", timeout_s=REPAIRED_S, every_s=0.1)
    took["repaired_s"] = time.time() - began
    new = cloud.epoch(but=old.leader)
    for name, seconds in took.items():
        report(name, round(seconds, 1))
    print(f"\n{new.leader} after {old.leader}: {', '.join(f'{name} {seconds:.1f}' for name, seconds in took.items())}")
    return new, at


def test_a_killed_leader_is_followed(cloud: Cloud, leader: Epoch, record_property: Callable[[str, object], None]) -> None:
    """SIGKILL: within 15 s another one leads with a higher epoch, and repairs what came undone at that moment."""
    began = time.time()
    os.kill(cloud.process(leader.leader), signal.SIGKILL)
    cloud.drift()
    new, at = taken_over(cloud, leader, began, record_property)
    assert new.leader != leader.leader
    assert not cloud.written(at, leader.number)


def test_a_stopped_leader_is_followed(cloud: Cloud, leader: Epoch, record_property: Callable[[str, object], None]) -> None:
    """SIGSTOP of the daemon alone: Pacemaker misses its sign of life, ends it, and within 15 s another one leads."""
    began = time.time()
    pid = cloud.process(leader.leader)
    os.kill(pid, signal.SIGSTOP)
    cloud.drift()
    _, at = taken_over(cloud, leader, began, record_property)
    assert not cloud.written(at, leader.number)


def test_a_frozen_host_wakes_up_to_nothing(cloud: Cloud, leader: Epoch, record_property: Callable[[str, object], None]) -> None:
    """SIGSTOP of everything on the leader's host, Pacemaker too, and later SIGCONT: no write of the old one is accepted."""
    first = machines.leader(host_named(leader.leader))
    assert first is not None
    frozen = [Process.of(pid) for pid in pids_in_namespace("pid", namespace_of(first.pid, "pid"))]
    began = time.time()
    try:
        for process in frozen:
            process.send(signal.SIGSTOP)
        cloud.drift()
        new, at = taken_over(cloud, leader, began, record_property)
        cloud.drift()  # the old one has heard of both when it wakes up
    finally:
        for process in frozen:
            process.send(signal.SIGCONT)
    wait_for(lambda: cloud.has_ended(leader), "the old one ends", 60)
    wait_for(cloud.repaired, "the new one repairs", 60)
    wait_for(cloud.quiet, "all is quiet", 120)
    assert not cloud.written(at, leader.number)
    assert cloud.epoch().number >= new.number


def test_a_leader_that_is_cut_off_is_followed(
    cloud: Cloud, leader: Epoch, record_property: Callable[[str, object], None]
) -> None:
    """Within 15 s another one leads; the old one writes nothing any more, not on its own host either, cut off or mended."""
    mark = f"/etc/nova/vcenter/vcenter-c0/{_any_file(cloud.lab, leader.leader)}"
    before = cloud.lab.exec(leader.leader, "cat", mark).stdout
    cloud.lab.cut(leader.leader)
    began = time.time()
    try:
        cloud.drift()
        _, at = taken_over(cloud, leader, began, record_property)
        cloud.lab.script(leader.leader, f"sed -i 's/^\\(host *= *\\).*/\\1elsewhere/' {mark}")
        changed = cloud.lab.exec(leader.leader, "cat", mark).stdout
        assert changed != before
        wait_for(lambda: not cloud.lab.processes(RUNNING)[leader.leader], "the old one ends", 60)
        assert cloud.lab.exec(leader.leader, "cat", mark).stdout == changed, "nobody who may write can reach it"
    finally:
        cloud.lab.mend(leader.leader)
    wait_for(lambda: cloud.lab.exec(leader.leader, "cat", mark).stdout == before, "the new one repairs it", 120)
    wait_for(cloud.quiet, "all is quiet", 180)
    assert not cloud.written(at, leader.number)


def _any_file(lab: Lab, host: str) -> str:
    return lab.script(host, "cd /etc/nova/vcenter/vcenter-c0 && grep -l '^host *=' -r . | head -1").stdout.strip()


async def test_hosts_and_the_cib_refuse_an_older_epoch(cloud: Cloud, leader: Epoch) -> None:
    """Even one whose own clock stands still, so that its lease never ends, writes nothing: the number alone is enough."""
    for name, place, action in (
        ("kvm1", "", Action("directory.make", {"path": "/root/by-an-old-leader", "mode": "0700"})),
        ("vol2", "", Action("file.remove", {"path": "/etc/hostname", "if_digest": ""})),
        ("ctl1", "member", Action("crm.cleanup", {"resource": "bivisor"})),
        ("ctl2", "", Action("cib.push", {"base": "", "edited": ""})),
    ):
        host = host_named(name)
        key = keys.public_text(keys.host_key(name))
        endpoint = SshEndpoint(TargetId("ssh", name), host.address, 22, host.user, key, str(keys.CLIENT_KEY))
        fence = Fence("demo", leader.number - 1, "nowhere", clock=lambda: 0.0)
        fence.extend(0.0)
        target = SshTarget(endpoint, fence=fence, place=place)
        try:
            reply = await target.do(action)
        finally:
            await target.close()
        assert reply.code == "fenced", (name, reply)
        assert fence.closed
    assert not cloud.written(0.0, leader.number - 1)
