"""An upgrade is looked at on a cloud that runs, and nothing of it happens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab.workspace import Workspace, invocations

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

IDENTITY = "/etc/nova/vcenter/vcenter-c0/compute_id"


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A desk whose cloud is as declared."""
    return Workspace.converged(tmp_path_factory.mktemp("desk"), lab)


def test_what_the_next_release_wants_is_shown_and_not_made(lab: Lab, desk: Workspace) -> None:
    """From Zed to 2023.1 the identity files come, no option changes; hosts and processes are the same, and so is the plan."""
    before, processes = {host.name: lab.digest(host.name) for host in lab.hosts}, invocations(lab)
    page = desk.run("plan", "--release", "2023.1", exits=None).stdout
    assert page.startswith("As if the release were Antelope (2023.1); Cluster/demo is Zed.\nOnly to look at: ")
    shown = json.loads(desk.run("plan", "--release", "2023.1", "-o", "json", exits=None).stdout)
    assert shown["supposed"] == "As if the release were Antelope (2023.1); Cluster/demo is Zed."
    made = {step["address"] for step in shown["steps"] if step["intended"] == "create"}
    assert made == {f"ssh:ctl{number}/file/{IDENTITY}" for number in (1, 2, 3)}
    assert not [step for step in shown["steps"] if step["type"] == "config_file"]
    assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout
    assert {host.name: lab.digest(host.name) for host in lab.hosts} == before
    assert invocations(lab) == processes
