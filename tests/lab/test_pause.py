"""A rollout on real daemons that somebody pauses and resumes, and one that waits for a maintenance window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.lab.test_converge import COMPUTE, compute_node, wait_for
from tests.lab.test_run import CONF, SOON_S, running
from tests.lab.workspace import Workspace, invocations, started

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

ROLLOUT = "  rollout: {maxUnavailable: 1}\n"


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A converged cloud; the tests below leave it so."""
    return Workspace.converged(tmp_path_factory.mktemp("desk"), lab)


def test_a_paused_zone_is_left_alone_and_goes_on(lab: Lab, desk: Workspace) -> None:
    """A changed option restarts the compute of the other zone; that of the paused one only when it is resumed."""
    with running(desk) as daemon:
        before, node = invocations(lab), compute_node(lab)
        assert "heeds it within a second" in desk.run("pause", "HypervisorZone/vcenter-az", "--reason", "a new switch").stdout
        wait_for(lambda: bool(daemon.lines("permit")), "it has heard of the pause", 5)
        desk.next_interval()
        wait_for(lambda: ("kvm1", "nova-compute") in started(lab, before), "the other zone is rolled out", 90)
        wait_for(lambda: any("a new switch" in line["reason"] for line in daemon.lines("held")), "the reason is told", SOON_S)
        assert started(lab, before) == {("kvm1", "nova-compute")}
        assert "HypervisorZone/vcenter-az: paused by " in desk.run("pauses").stdout
        desk.run("resume")
        wait_for(lambda: (node, COMPUTE) in started(lab, before), "the zone goes on", 120)
        wait_for(daemon.quiet, "all is quiet", 180)
        assert started(lab, before) == {("kvm1", "nova-compute"), (node, COMPUTE)}


def test_outside_of_a_window_nothing_restarts_and_a_dead_service_is_started(lab: Lab, desk: Workspace) -> None:
    """The configuration is written and what is down is repaired; restarts wait until somebody says now."""
    day = (datetime.now(UTC) + timedelta(days=3)).strftime("%a").lower()
    window = f'{{days: [{day}], start: "01:00", end: "05:00", timeZone: UTC}}'
    desk.edit("desired/cluster.yaml", ROLLOUT, f"  rollout: {{maxUnavailable: 2, canary: true, windows: [{window}]}}\n")
    interval = desk.next_interval()
    before = invocations(lab)
    lab.exec("vol2", "systemctl", "stop", "cinder-volume")
    told = desk.run("apply", "--yes", exits=3).stdout
    assert "no maintenance window is open: the next one opens on " in " ".join(told.split())
    assert started(lab, before) == {("vol2", "cinder-volume")}
    assert f"report_interval = {interval}\n" in lab.exec("kvm1", "cat", CONF).stdout
    node = compute_node(lab)
    desk.run("apply", "--yes", "--outside-windows")
    assert started(lab, before) == {("vol2", "cinder-volume"), ("kvm1", "nova-compute"), (node, COMPUTE)}
    assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout
