"""The lessons that only real daemons can teach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.tenant import instance_in
from tests.lab.test_converge import COMPUTE, compute_node, computes, wait_for
from tests.lab.workspace import Workspace, invocations, started

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

STRAY = """\
set -e
mkdir -p /run/node-22 && chown nova /run/node-22
printf "[DEFAULT]\\nhost = node-22\\ncompute_driver = fake.SmallFakeDriver\\nstate_path = /run/node-22\\n" \\
  > /run/node-22/nova.conf
timeout 45 runuser -u nova -- nova-compute --config-file /etc/nova/nova.conf --config-file /run/node-22/nova.conf || true
rm -r /run/node-22
"""
"""A nova-compute that registers under a name of its own, and is never seen again."""


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A converged cloud."""
    return Workspace.converged(tmp_path_factory.mktemp("desk"), lab)


def disable(lab: Lab, host: str, reason: str) -> None:
    """Disable a compute as its driver or an operator does."""
    (row,) = (found for found in lab.openstack().compute.services() if found.host == host)
    lab.openstack().compute.disable_service(row, host, "nova-compute", reason)


def status(lab: Lab, host: str) -> str:
    """Return whether Nova uses a compute."""
    (row,) = (found for found in lab.openstack().compute.services() if found.host == host)
    return str(row.status)


def test_set_by_vmwareapi_host_state(lab: Lab, desk: Workspace) -> None:
    """What the driver left disabled is enabled; what an operator disabled stays so, and is told."""
    disable(lab, "vcenter-c0", "set by vmwareapi host_state")
    desk.run("apply", "--yes")
    assert status(lab, "vcenter-c0") == "enabled"
    disable(lab, "vcenter-c0", "new disks")
    page = " ".join(desk.run("apply", "--yes").stdout.split())
    assert status(lab, "vcenter-c0") == "disabled"
    assert 'it is disabled: "new disks"' in page
    (row,) = (found for found in lab.openstack().compute.services() if found.host == "vcenter-c0")
    lab.openstack().compute.enable_service(row, "vcenter-c0", "nova-compute")


@pytest.mark.soak
def test_a_hung_nova_compute(lab: Lab, desk: Workspace) -> None:
    """A compute that is stopped in its tracks is "Started" for Pacemaker; after the grace time it is restarted once."""
    node, processes = compute_node(lab), invocations(lab)
    lab.exec(node, "systemctl", "kill", "--signal=STOP", "--kill-who=main", COMPUTE)
    wait_for(lambda: computes(lab)["vcenter-c0"] == "down", "Nova misses it", 90)
    assert f"Started {node}" in lab.exec(node, "crm_mon", "-1").stdout

    def planned() -> str:
        return next((step["verb"] for step in desk.plan() if step["name"] == COMPUTE and step["type"] == "primitive"), "")

    assert planned() == "wait", "it gets its grace time"
    wait_for(lambda: planned() == "restart", "the grace time is over", 240)
    desk.run("apply", "--yes")
    assert started(lab, processes) == {(compute_node(lab), COMPUTE)}
    assert computes(lab) == {"kvm1": "up", "vcenter-c0": "up"}


@pytest.mark.soak
def test_stale_service_rows(lab: Lab, desk: Workspace) -> None:
    """The row of a compute that is no more is told in each plan, and removed when it is declared gone."""
    lab.script("kvm1", STRAY, timeout_s=90)
    wait_for(lambda: computes(lab).get("node-22") == "down", "it is missed", 90)
    page = " ".join(desk.run("plan", "--detailed-exitcode").stdout.split())
    assert 'Nova lists the compute "node-22", which is down' in page
    assert 'Nova lists the compute "node-22"' in " ".join(desk.run("status").stdout.split())
    desk.edit("desired/cluster.yaml", "  compute:\n    settings:\n", "  compute:\n    gone: [node-22]\n    settings:\n")
    desk.run("apply", "--yes")
    assert computes(lab) == {"kvm1": "up", "vcenter-c0": "up"}
    assert "node-22" not in desk.run("plan", "--detailed-exitcode").stdout


def test_an_aggregate_whose_zone_cannot_change(lab: Lab, desk: Workspace) -> None:
    """While an instance lives there the new zone is held, and the plan says which instance."""
    with instance_in(lab.openstack(), "kvm-az", "last", "kvm1"):
        desk.edit("desired/zones.yaml", "  availabilityZone: kvm-az\n", "  availabilityZone: kvm-new\n")
        try:
            page = " ".join(desk.run("plan", "--detailed-exitcode", exits=3).stdout.split())
        finally:
            desk.edit("desired/zones.yaml", "  availabilityZone: kvm-new\n", "  availabilityZone: kvm-az\n")
    assert "1 instance lives (last on kvm1)" in page


@pytest.mark.soak
def test_a_rollout_waits_until_nova_has_heard_of_what_was_restarted(lab: Lab, desk: Workspace) -> None:
    """Both computes restart, one after the other, and the second one only after Nova has heard of the first."""
    processes = invocations(lab)
    desk.next_interval()
    desk.run("apply", "--yes")
    assert started(lab, processes) == {("kvm1", "nova-compute"), (compute_node(lab), COMPUTE)}
    began = sorted(
        int(lab.exec(host, "systemctl", "show", "-p", "ExecMainStartTimestampMonotonic", "--value", unit).stdout)
        for host, unit in (("kvm1", "nova-compute"), (compute_node(lab), COMPUTE))
    )
    # a compute reports for the first time 5 s after its start, and has to live for 10 s
    assert began[1] - began[0] > 10_000_000
