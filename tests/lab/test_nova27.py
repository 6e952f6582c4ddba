"""Since Nova 27 a compute has an identity, which must be the same wherever it starts: a Nova of today, moved by Pacemaker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.lab.commands import wait_until
from tests.lab.nova_layer import build_nova
from tests.lab.nova_upgrade import PROGRAM, RELEASE, upgrade_control_plane
from tests.lab.progress import Progress
from tests.lab.workspace import VCENTER_COMPUTE, Census, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openstack.compute.v2.server import Server

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.soak, pytest.mark.timeout(1800)]

CONTROLLERS = ("ctl1", "ctl2", "ctl3")
HOST = "vcenter-c0"
RESOURCE = f"nova-compute-{HOST}"
CONF = f"/etc/nova/vcenter/{HOST}"
STATE_PATH = f"/var/lib/nova/vcenter/{HOST}"


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A cloud of that release with one zone, the vCenter's, converged; the lab is bare again at the end."""
    build_nova(Progress())
    lab.reset()
    try:
        upgrade_control_plane(lab)
        found = Workspace.make(tmp_path_factory.mktemp("desk"), lab)
        declare(found)
        found.run("apply", "--yes")
        yield found
    finally:
        lab.reset()


def declare(desk: Workspace) -> None:
    """Leave of the demo what this Nova runs: the vCenter's zone, with the program that is not the package's."""
    desk.edit("desired/cluster.yaml", "release: zed", f"release: {RELEASE}")
    (desk.folder / "desired/volumes.yaml").unlink()
    zones = desk.folder / "desired/zones.yaml"
    (zone,) = (one for one in yaml.safe_load_all(zones.read_text()) if one["metadata"]["name"] == "vcenter-az")
    zone["spec"]["vmware"]["program"] = PROGRAM
    zones.write_text(yaml.safe_dump(zone, sort_keys=False))


def home(lab: Lab) -> str:
    """Return the host where the compute runs."""
    (host,) = (host for host, found in lab.processes(VCENTER_COMPUTE).items() if found)
    return host


def identity(lab: Lab) -> tuple[str, str]:
    """Return what Nova knows of the one compute: the UUID of its node and the UUID of its service."""
    cloud = lab.openstack()
    (node,) = cloud.compute.hypervisors(details=True)
    (service,) = (service for service in cloud.compute.services() if service.binary == "nova-compute")
    assert service.host == HOST
    return node.id, service.id


def wait_until_heard(lab: Lab) -> None:
    """Return when Nova has heard of the compute after this moment: a process that is gone cannot have said that."""
    begin = (datetime.now(UTC) + timedelta(seconds=1)).isoformat(timespec="seconds")

    def heard() -> bool:
        services = lab.openstack().compute.services()
        return any(
            service.host == HOST and service.state == "up" and (service.updated_at or "") > begin for service in services
        )

    wait_until(heard, what=f"Nova hears of {HOST}", timeout_s=120, every_s=0.5)


def move(lab: Lab) -> str:
    """Put the compute's controller on standby; return where it runs instead, when Nova has heard of it from there."""
    node = home(lab)

    def moved() -> bool:
        hosts = [host for host, found in lab.processes(VCENTER_COMPUTE).items() if found]
        return len(hosts) == 1 and hosts != [node]

    lab.exec(node, "crm_attribute", "--node", node, "--name", "standby", "--update", "on")
    try:
        wait_until(moved, what=f"{RESOURCE} leaves {node}", timeout_s=180, every_s=0.5)
        wait_until_heard(lab)
    finally:
        lab.exec(node, "crm_attribute", "--node", node, "--name", "standby", "--delete")
    return home(lab)


def boot(lab: Lab) -> Server:
    """Return an instance that runs in the vCenter."""
    cloud = lab.openstack()
    server = cloud.compute.create_server(
        name="stays",
        image_id=cloud.image.find_image("tiny-vmw", ignore_missing=False).id,
        flavor_id=cloud.compute.find_flavor("tiny", ignore_missing=False).id,
        availability_zone="vcenter-az",
        networks="none",
    )
    return cloud.compute.wait_for_server(server, wait=180)


def test_the_compute_takes_the_identity_that_was_laid_beside_its_configuration(lab: Lab, desk: Workspace) -> None:
    """The node's UUID in Nova is in the file of each controller, it runs the new program, and nothing is left to do."""
    node, _ = identity(lab)
    assert {lab.exec(host, "cat", f"{CONF}/compute_id").stdout for host in CONTROLLERS} == {node}
    ((_, argv),) = lab.processes(VCENTER_COMPUTE)[home(lab)]
    assert PROGRAM in argv
    wait_until_heard(lab)
    assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout


def test_moved_by_pacemaker_it_is_the_same_compute(lab: Lab, desk: Workspace) -> None:
    """On another controller it starts by the same identity: one node, one service, never two processes, its instance obeys."""
    del desk
    before, first, server = identity(lab), home(lab), boot(lab)
    with Census(lab) as census:
        second = move(lab)
    assert second != first
    assert census.most == 1, census.crowded
    assert identity(lab) == before
    cloud = lab.openstack()
    cloud.compute.stop_server(server)
    assert cloud.compute.wait_for_server(server, status="SHUTOFF", wait=60).compute_host == HOST
    cloud.compute.delete_server(server)
    cloud.compute.wait_for_delete(server, wait=60)
    # Nova would have written an identity of its own, if it had not found ours
    for host in CONTROLLERS:
        assert lab.exec(host, "test", "-e", f"{STATE_PATH}/compute_id", check=False).returncode == 1


@pytest.fixture
def bare_of_identity(lab: Lab, desk: Workspace) -> Iterator[str]:
    """Give a controller without the identity file; the compute runs nowhere, because Pacemaker was told so."""
    del desk
    host, file = next(host for host in CONTROLLERS if host != home(lab)), f"{CONF}/compute_id"
    role = ("crm_resource", "--resource", RESOURCE, "--meta")
    lab.exec(host, *role, "--set-parameter", "target-role", "--parameter-value", "Stopped")
    try:
        wait_until(lambda: not any(lab.processes(VCENTER_COMPUTE).values()), what=f"end of {RESOURCE}", timeout_s=120)
        lab.exec(host, "mv", file, f"{file}.away")
        yield host
        lab.exec(host, "mv", f"{file}.away", file)
    finally:
        lab.exec(host, *role, "--delete-parameter", "target-role")
    wait_until(lambda: any(lab.processes(VCENTER_COMPUTE).values()), what=f"start of {RESOURCE}", timeout_s=120)
    wait_until_heard(lab)


def test_without_its_identity_it_refuses_to_start(lab: Lab, bare_of_identity: str) -> None:
    """The reason for the rule: where the file is missing, Nova ends with its words, and what it knows stays as it was."""
    before = identity(lab)
    start = ("runuser", "-u", "nova", "--", PROGRAM, "--config-file", f"{CONF}/nova.conf")
    refused = lab.exec(bare_of_identity, *start, check=False, timeout_s=120)
    log = lab.exec(bare_of_identity, "cat", f"/var/log/nova/{RESOURCE}.log").stdout
    assert refused.returncode == 1
    assert "No local node identity found, but this is not our first startup on this host" in log
    assert identity(lab) == before


def test_a_lost_identity_is_laid_again_before_it_is_needed(lab: Lab, desk: Workspace) -> None:
    """A file that is gone from a controller where the compute does not run: planned, written as it was, nothing restarts."""
    node = home(lab)
    host, file = next(host for host in CONTROLLERS if host != node), f"{CONF}/compute_id"
    process, held = lab.processes(VCENTER_COMPUTE)[node], lab.exec(host, "cat", file).stdout
    lab.exec(host, "rm", file)
    assert [step["address"] for step in desk.plan()] == [f"ssh:{host}/file/{file}"]
    desk.run("apply", "--yes")
    assert lab.exec(host, "cat", file).stdout == held
    assert lab.processes(VCENTER_COMPUTE)[node] == process
