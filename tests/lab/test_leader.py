"""The daemon on three controllers: whatever befalls the one that leads, another goes on, and nothing of the old one counts."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from reconciler.targets.fence import Fence
from reconciler.targets.ssh import SshTarget
from resources.contract import Action, TargetId
from resources.endpoints import SshEndpoint
from tests.lab import controllers, keys
from tests.lab.commands import wait_until
from tests.lab.controllers import NAMES, RUNNING
from tests.lab.frozen import frozen
from tests.lab.layout import host_named
from tests.lab.led_cloud import Cloud, without_ssh
from tests.lab.test_converge import compute_node, wait_for
from tests.lab.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.controllers import Epoch
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

OWN = "/etc/corosync/corosync.conf"
WITHIN_S = 15.0
"""Seconds in which another one goes on."""

REPAIRED_S = 30.0
STILL_S = 20.0


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


def test_a_killed_leader_is_followed(cloud: Cloud, leader: Epoch) -> None:
    """SIGKILL: within 15 s another one leads with a higher epoch, and repairs what came undone at that moment."""
    began = time.time()
    os.kill(cloud.process(leader.leader), signal.SIGKILL)
    cloud.drift()
    new, at = taken_over(cloud, leader, began)
    assert new.leader != leader.leader
    assert cloud.written(began, new.number), "the journals tell of the new one"
    assert not cloud.written(at, leader.number)
    assert controllers.metric(cloud.lab, new.leader, "bivisor_lead_epoch") == new.number


def test_a_controller_without_secrets_leaves_its_place(cloud: Cloud, leader: Epoch) -> None:
    """The one that Pacemaker prefers next cannot read its documents: it claims nothing, and within 20 s the third one leads.

    Pacemaker shows why, in its 128 characters.
    """
    lacking, third = (name for name in NAMES if name != leader.leader)
    secrets = cloud.lab.root(lacking) / "srv/cloud/secrets"
    starts = len(controllers.told(cloud.lab, lacking, "starting"))
    controllers.prefer(cloud.lab, lacking, 50)
    secrets.rename(secrets.with_name("elsewhere"))
    try:
        os.kill(cloud.process(leader.leader), signal.SIGKILL)
        wait_until(lambda: cloud.epoch(but=leader.leader).leader == third, what="the third one leads", timeout_s=20)
        assert len(controllers.told(cloud.lab, lacking, "starting")) > starts, "the other one had its turn"
        (failed,) = (
            line for line in cloud.lab.exec(third, "crm_mon", "-1").stdout.splitlines() if f"start on {lacking}" in line
        )
        assert "spec.ssh.keyFile: secrets/id_ed25519 cannot be read" in failed
        cloud.drift()
        wait_for(cloud.repaired, "the third one repairs", REPAIRED_S)
    finally:
        secrets.with_name("elsewhere").rename(secrets)
        controllers.prefer(cloud.lab, lacking, 0)


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


def test_a_frozen_follower_changes_nothing(cloud: Cloud, leader: Epoch) -> None:
    """Another controller stands still for 20 s: a drift is repaired meanwhile, and the lead stays where it is, then as well."""
    other = next(name for name in NAMES if name not in (leader.leader, compute_node(cloud.lab)))
    with frozen(other):
        until = time.monotonic() + STILL_S
        cloud.drift()
        wait_for(cloud.repaired, "the drift is repaired", REPAIRED_S)
        wait_for(lambda: time.monotonic() > until, "Corosync has missed it")
    wait_for(cloud.quiet, "all is quiet", 120)
    assert cloud.epoch() == leader


def test_a_leader_without_ssh_is_followed(cloud: Cloud, leader: Epoch) -> None:
    """Corosync hears its host and SSH reaches nobody from there: its lease ends, and within 15 s another one leads."""
    with without_ssh(leader.leader):
        began = time.time()
        cloud.drift()
        _, at = taken_over(cloud, leader, began)
        wait_for(lambda: cloud.has_ended(leader), "the old one ends", 60)
    wait_for(cloud.quiet, "all is quiet", 180)
    assert not cloud.written(at, leader.number)


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
