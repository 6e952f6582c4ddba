"""The daemon on three controllers: whatever befalls the one that leads, another goes on, and nothing of the old one counts."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager, suppress
from datetime import datetime
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
    from collections.abc import Iterator

    from tests.lab.controllers import Epoch
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

CONF = "/etc/nova/nova.conf"
OWN = "/etc/corosync/corosync.conf"
WITHIN_S = 15.0
"""Seconds in which another one goes on."""

REPAIRED_S = 30.0

ZONE = "kvm-az"
"""The aggregate of the compute host."""

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

    def drift_in_nova(self) -> None:
        """Take the compute host out of its zone by hand."""
        with self.lab.openstack() as cloud:
            (aggregate,) = [found for found in cloud.compute.aggregates() if found.name == ZONE]
            cloud.compute.remove_host_from_aggregate(aggregate, "kvm1")

    def repaired_in_nova(self) -> bool:
        """Tell whether it is there again."""
        with self.lab.openstack() as cloud:
            return any(found.name == ZONE and "kvm1" in found.hosts for found in cloud.compute.aggregates())

    def written_in_nova(self, since: float, old: Epoch) -> tuple[list[str], list[str]]:
        """Return the lines of Nova's own log on changes since then: those that an old leader sent, and those of others.

        Its host may lead again later, with another epoch: when Pacemaker finds two after a host woke up, it ends both and
        starts one. What is sent from there after that claim is another one's.
        """
        lines = (self.lab.root("api1") / "var/log/nova/nova-api.log").read_text(errors="replace").splitlines()
        changes = [line for line in lines if "requestlog" in line and "] 10.77.0.1" in line and '"GET ' not in line]
        claims = controllers.told(self.lab, old.leader, "claimed")
        again = min((_moment(line["timestamp"]) for line in claims if line["epoch"] > old.number), default=float("inf"))
        sent = f'] {host_named(old.leader).address} "'
        later = [(line, _moment(f"{line[:10]}T{line[11:23]}Z")) for line in changes]
        olds = [line for line, at in later if since < at < again and sent in line]
        return olds, [line for line, at in later if at > since and line not in olds]

    def written(self, since: float, number: int) -> list[str]:
        """Return what hosts' journals tell of writes under that epoch since then."""
        lines = [(host.name, line) for host in HOSTS for line in controllers.journal(self.lab, host.name, since)]
        return [f"{host}: {line}" for host, line in lines if f"of epoch {number} " in line and not line.startswith("refused")]


def _moment(timestamp: str) -> float:
    """Return a time of a log as Unix time."""
    return datetime.fromisoformat(timestamp).timestamp()


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


def taken_over(cloud: Cloud, old: Epoch, began: float) -> tuple[Epoch, float]:
    """Wait until another one leads and has repaired a drift; return it, and when (Unix time) it had claimed.

    It goes on when it has claimed the lead and decided. Before it acts it has asked every host once; the old leader's own,
    where the ring has lost it, is waited for a second or two.
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
    print(f"\n{new.leader} after {old.leader}: {', '.join(f'{name} {seconds:.1f}' for name, seconds in took.items())}")
    return new, at


@contextmanager
def frozen(host: str) -> Iterator[None]:
    """Stop every process of a host, those too that are made meanwhile; at the end all go on."""
    first = machines.leader(host_named(host))
    assert first is not None
    stopped: dict[int, Process] = {}
    try:
        while fresh := set(pids_in_namespace("pid", namespace_of(first.pid, "pid"))) - stopped.keys():
            for pid in fresh:
                with suppress(ProcessLookupError):
                    stopped[pid] = Process.of(pid)
                    stopped[pid].send(signal.SIGSTOP)
        yield
    finally:
        for process in stopped.values():
            process.send(signal.SIGCONT)


def test_a_killed_leader_is_followed(cloud: Cloud, leader: Epoch) -> None:
    """SIGKILL: within 15 s another one leads with a higher epoch, and repairs what came undone at that moment."""
    began = time.time()
    os.kill(cloud.process(leader.leader), signal.SIGKILL)
    cloud.drift()
    new, at = taken_over(cloud, leader, began)
    assert new.leader != leader.leader
    assert not cloud.written(at, leader.number)


def test_a_stopped_leader_is_followed(cloud: Cloud, leader: Epoch) -> None:
    """SIGSTOP of the daemon alone: Pacemaker misses its sign of life, ends it, and within 15 s another one leads."""
    began = time.time()
    pid = cloud.process(leader.leader)
    os.kill(pid, signal.SIGSTOP)
    cloud.drift()
    _, at = taken_over(cloud, leader, began)
    assert not cloud.written(at, leader.number)


def test_a_frozen_host_wakes_up_to_nothing(cloud: Cloud, leader: Epoch) -> None:
    """SIGSTOP of everything on the leader's host, Pacemaker too, and later SIGCONT: no write of the old one is accepted."""
    began = time.time()
    with frozen(leader.leader):
        cloud.drift()
        new, at = taken_over(cloud, leader, began)
        cloud.drift()  # the old one has heard of both when it wakes up
        cloud.drift_in_nova()
    wait_for(lambda: cloud.has_ended(leader), "the old one ends", 60)
    wait_for(cloud.repaired, "the new one repairs", 60)
    wait_for(cloud.repaired_in_nova, "the new one repairs what OpenStack holds", 60)
    wait_for(cloud.quiet, "all is quiet", 120)
    assert not cloud.written(at, leader.number)
    of_the_old_one, of_others = cloud.written_in_nova(at, leader)
    assert of_others
    assert not of_the_old_one
    assert cloud.epoch().number >= new.number


def test_a_leader_that_is_cut_off_is_followed(cloud: Cloud, leader: Epoch) -> None:
    """Within 15 s another one leads; the old one writes nothing any more, not on its own host either, cut off or mended."""
    mark = f"/etc/nova/vcenter/vcenter-c0/{_any_file(cloud.lab, leader.leader)}"
    before = cloud.lab.exec(leader.leader, "cat", mark).stdout
    cloud.lab.cut(leader.leader)
    began = time.time()
    try:
        cloud.drift()
        _, at = taken_over(cloud, leader, began)
        cloud.drift_in_nova()
        cloud.lab.script(leader.leader, f"sed -i 's/^\\(host *= *\\).*/\\1elsewhere/' {mark}")
        changed = cloud.lab.exec(leader.leader, "cat", mark).stdout
        assert changed != before
        wait_for(lambda: not cloud.lab.processes(RUNNING)[leader.leader], "the old one ends", 60)
        assert cloud.lab.exec(leader.leader, "cat", mark).stdout == changed, "nobody who may write can reach it"
        wait_for(cloud.repaired_in_nova, "the new one repairs what OpenStack holds", 60)
    finally:
        cloud.lab.mend(leader.leader)
    wait_for(lambda: cloud.lab.exec(leader.leader, "cat", mark).stdout == before, "the new one repairs it", 120)
    wait_for(cloud.quiet, "all is quiet", 180)
    assert not cloud.written(at, leader.number)
    of_the_old_one, of_others = cloud.written_in_nova(at, leader)
    assert of_others
    assert not of_the_old_one


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
        assert reply.code == ("deposed" if place else "fenced"), (name, reply)
        assert bool(fence.closed) == bool(place), "a number that one host has heard ends nobody's lead; the ring's word does"
    assert not cloud.written(0.0, leader.number - 1)
