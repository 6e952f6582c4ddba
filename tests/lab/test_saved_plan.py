"""A plan that was saved is what is carried out, on real daemons: it, the whole of it, and nothing else."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from tests.lab.test_converge import COMPUTE, compute_node, wait_for
from tests.lab.workspace import Workspace, invocations, started

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

CONF = "/etc/nova/nova.conf"
ELSEWHERE = "/etc/cinder/vmdk-vcenter-ca.pem"
"""A whole file of a volume host: no compute reads it."""


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A converged cloud, in which restarts need not follow each other."""
    desk = Workspace.converged(tmp_path_factory.mktemp("desk"), lab)
    desk.hurry()
    return desk


@pytest.fixture(scope="module")
def edited(lab: Lab, desk: Workspace) -> dict[tuple[str, str], str]:
    """The documents say something new to every compute, and the plan is saved."""
    wait_for(lambda: desk.run("plan", "--detailed-exitcode", exits=None).returncode == 0, "nothing to do", 60)
    desk.next_interval()
    desk.run("plan", "--out", "plan.json")
    return invocations(lab)


def test_what_moved_refuses_the_plan(lab: Lab, desk: Workspace, edited: dict[tuple[str, str], str]) -> None:
    """Its age, a later document or a hand edit of what the plan touches ends with 4: it is named, and nothing was changed.

    With all that as it was, the same plan is good again: the next test carries it out.
    """
    expired = desk.run("apply", "--plan", "plan.json", "--max-age", "0s", exits=4)
    assert "longer ago than --max-age allows (0s)" in expired.stderr
    text = (desk.folder / "desired/cluster.yaml").read_text()
    desk.edit("desired/cluster.yaml", "service_down_time: 20", "service_down_time: 21")
    refused = desk.run("apply", "--plan", "plan.json", exits=4)
    assert "Cluster/demo is declared otherwise" in refused.stderr
    (desk.folder / "desired/cluster.yaml").write_text(text)
    before = lab.exec("kvm1", "cat", CONF).stdout
    lab.exec("kvm1", "sed", "-i", "s/^report_interval *=.*/report_interval = 17/", CONF)
    files = {host: lab.exec(host, "sha256sum", CONF).stdout for host in ("kvm1", "api1")}
    refused = desk.run("apply", "--plan", "plan.json", exits=4)
    assert f'ssh:kvm1/config_file/{CONF}: [DEFAULT] report_interval is "17"; it was ' in refused.stderr
    assert invocations(lab) == edited
    assert {host: lab.exec(host, "sha256sum", CONF).stdout for host in files} == files
    lab.exec("kvm1", "tee", CONF, stdin=before)


def test_exactly_the_plan(lab: Lab, desk: Workspace, edited: dict[tuple[str, str], str]) -> None:
    """The restarts that it named happen; what drifted elsewhere neither blocks it nor is repaired."""
    content = json.loads((desk.folder / "plan.json").read_text())
    assert stat.S_IMODE((desk.folder / "plan.json").stat().st_mode) == 0o600
    named = {step["disrupts"] for step in content["plan"]["steps"] if step["disrupts"]}
    node = compute_node(lab)
    assert named == {"nova-compute on kvm1", f"{COMPUTE} on {node}"}
    declared = lab.exec("vol1", "cat", ELSEWHERE).stdout
    lab.exec("vol1", "tee", "-a", ELSEWHERE, stdin="# somebody's line\n")
    done = desk.run("apply", "--plan", "plan.json")
    assert "All that was planned is done." in done.stdout
    assert started(lab, edited) == {("kvm1", "nova-compute"), (node, COMPUTE)}
    assert lab.exec("vol1", "cat", ELSEWHERE).stdout == declared + "# somebody's line\n"
    processes = invocations(lab)
    again = desk.run("apply", "--plan", "plan.json", exits=4)
    assert "the cloud has moved since it was made" in again.stderr
    desk.run("apply", "--yes")
    assert lab.exec("vol1", "cat", ELSEWHERE).stdout == declared
    assert invocations(lab) == processes, "repairing a foreign edit restarts nothing"
