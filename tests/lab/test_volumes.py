"""Volumes, whole promises on real daemons: each hypervisor has its own, and the service of one moves when its node is lost."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.keys import write_secret
from tests.lab.tenant import ZONES, booted_from_volume, tenant, volume_in
from tests.lab.workspace import Census, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

SERVICE = "cinder-volume-vmdk"
KEPT = rf"/cinder-volume .*--config-file /etc/cinder/{SERVICE}\.conf"
"""Finds the processes of the backend that Pacemaker keeps."""

VOLUME_NODES = ("vol1", "vol2")
VMDK = "  placement: {nodes: {roles: [cinder-vmdk]}}\n  ha: none\n"
KEPT_BY_PACEMAKER = "  ha: active-passive\n  minNodes: 2\n"
USUAL, OTHERWISE = "vmware_task_poll_interval: 0.3", "vmware_task_poll_interval: 0.4"
"""What the demo declares, and what the cloud has until the test that restarts the backend declares that."""
AUTHKEY = "    authkey: {secret: corosync-authkey}\n"
KEY_DOCUMENT = """\
apiVersion: bivisor/v1alpha1
kind: Secret
metadata: {name: pacemaker-authkey}
spec: {file: ../secrets/pacemaker-authkey}
"""


def wait_for(holds: Callable[[], bool], what: str, timeout_s: float = 120) -> None:
    """Wait for a condition of the real world, with a deadline."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.5)


def rows(lab: Lab, host: str = "vmdk@vmdk") -> list[tuple[str, str, str]]:
    """Return Cinder's services of that host: host, zone, state."""
    found = lab.openstack().block_storage.services()
    return [(one.host, one.availability_zone, one.state) for one in found if one.binary == "cinder-volume" and one.host == host]


def alive(lab: Lab) -> list[str]:
    """Return the hosts on which the kept service lives."""
    return [host for host, found in lab.processes(KEPT).items() if found]


def remotes_online(lab: Lab) -> set[str]:
    """Return the remote nodes that Pacemaker is connected to."""
    said = lab.exec("ctl1", "crm_mon", "-1", "--output-as=text", check=False).stdout
    return {name for line in said.splitlines() if "RemoteOnline:" in line for name in line.split("[")[1].split("]")[0].split()}


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The demo's cloud, and then with its vmdk backend kept by Pacemaker."""
    desk = kept_off_the_controllers(Workspace.converged(tmp_path_factory.mktemp("volumes"), lab))
    desk.edit("desired/volumes.yaml", USUAL, OTHERWISE)
    return desk


def kept_off_the_controllers(desk: Workspace) -> Workspace:
    """Declare the vmdk backend active-passive on both volume nodes, off the ring."""
    desk.hurry()
    write_secret(desk.folder / "secrets/pacemaker-authkey", secrets.token_hex(128))
    (desk.folder / "desired/remote.yaml").write_text(KEY_DOCUMENT)
    desk.edit("desired/cluster.yaml", AUTHKEY, f"{AUTHKEY}    remoteAuthkey: {{secret: pacemaker-authkey}}\n")
    names = f"{{names: [{', '.join(VOLUME_NODES)}]}}"
    desk.edit("desired/volumes.yaml", VMDK, f"  placement: {{nodes: {names}}}\n{KEPT_BY_PACEMAKER}")
    return desk


@pytest.fixture
def converged(lab: Lab, desk: Workspace) -> Workspace:
    """A desk whose cloud is as declared, with both remote nodes in."""
    lab.vcenter.clear_faults()
    desk.run("apply", "--yes")
    wait_for(lambda: remotes_online(lab) == set(VOLUME_NODES), "both volume nodes are remote nodes of the ring")
    return desk


def test_one_service_is_kept_off_the_controllers(lab: Lab, converged: Workspace) -> None:
    """One apply: one process on one of the nodes, one row in Cinder, up, in its zone; then nothing is left to do."""
    (node,) = alive(lab)
    assert node in VOLUME_NODES
    assert rows(lab) == [("vmdk@vmdk", "vcenter-az", "up")]
    assert rows(lab, "kvm@kvm") == [("kvm@kvm", "kvm-az", "up")]
    assert lab.exec("vol1", "systemctl", "is-enabled", "cinder-volume", check=False).stdout.strip() == "masked"
    assert "No changes" in converged.run("plan", "--detailed-exitcode").stdout


def test_each_node_has_the_same_backend_section(lab: Lab, converged: Workspace) -> None:
    """What Pacemaker may start anywhere is the same file everywhere, byte for byte."""
    del converged
    first, second = (lab.exec(host, "cat", f"/etc/cinder/{SERVICE}.conf").stdout for host in VOLUME_NODES)
    assert first == second
    assert "backend_host = vmdk\n" in first


def test_volume_types_lead_to_a_backend_and_a_zone(lab: Lab, converged: Workspace) -> None:
    """A type that drifted is repaired, and what somebody else has set on it stays."""
    storage = lab.openstack().block_storage
    kind = storage.find_type("vmdk", ignore_missing=False)
    wanted = {"volume_backend_name": "vmdk", "RESKEY:availability_zones": "vcenter-az"}
    assert wanted.items() <= storage.get_type(kind).extra_specs.items()
    storage.update_type_extra_specs(kind, **{"RESKEY:availability_zones": "kvm-az", "theirs": "kept"})
    assert {step["address"] for step in converged.plan()} == {"openstack:demo/volume_type/vmdk"}
    converged.run("apply", "--yes")
    assert storage.get_type(kind).extra_specs == {**wanted, "theirs": "kept"}
    storage.delete_type_extra_specs(kind, ["theirs"])


@pytest.mark.soak
def test_each_hypervisor_attaches_its_own_volumes_only(lab: Lab, converged: Workspace) -> None:
    """In each zone a volume is made, attached and detached; across zones the API refuses, in both directions.

    `test_converge.py` proves that where systemd keeps the service; where Pacemaker does, the next test boots from such volumes.
    """
    del converged
    with tenant(lab.openstack()) as user:
        assert {zone: volume.availability_zone for zone, volume in user.volumes.items()} == {zone: zone for zone in ZONES}
        assert not user.may_cross("kvm-az", "vcenter-az")
        assert not user.may_cross("vcenter-az", "kvm-az")
        for zone in user.servers:
            user.attach(zone)
            user.detach(zone)


@pytest.mark.parametrize("zone", ZONES)
def test_each_hypervisor_boots_from_a_volume(lab: Lab, converged: Workspace, zone: str) -> None:
    """An instance boots from a new volume, which is in the instance's zone."""
    del converged
    cloud = lab.openstack()
    with booted_from_volume(cloud, zone) as server:
        assert server.status == "ACTIVE"
        (volume,) = cloud.compute.get_server(server).attached_volumes
        found = cloud.block_storage.get_volume(volume["id"])
        assert (found.availability_zone, found.status) == (zone, "in-use")


@pytest.mark.soak
def test_the_service_moves_when_its_node_is_cut_off(lab: Lab, converged: Workspace) -> None:
    """The other node serves under the same name: a new volume is made and attached, Cinder has one row, never two lived."""
    cloud = lab.openstack()
    (node,) = alive(lab)
    other = next(name for name in VOLUME_NODES if name != node)
    with tenant(cloud) as user:
        with Census(lab, KEPT) as census:
            lab.cut(node)
            try:
                wait_for(lambda: alive(lab) == [other], f"the service lives on {other}", 360)
                wait_for(lambda: rows(lab) == [("vmdk@vmdk", "vcenter-az", "up")], "Cinder knows it as up")
                with volume_in(cloud, "vcenter-az", "after-the-cut") as volume:
                    _attach_and_detach(cloud, user.servers["vcenter-az"], volume)
                user.attach("vcenter-az")
                user.detach("vcenter-az")
                assert rows(lab) == [("vmdk@vmdk", "vcenter-az", "up")]
            finally:
                lab.mend(node)
            converged.run("apply", "--yes")
            wait_for(lambda: remotes_online(lab) == set(VOLUME_NODES), "the node is back")
            assert alive(lab) == [other], "who has it keeps it"
        assert census.samples > 50
        assert census.most == 1, f"two alive at once: {census.crowded[:3]}"


def _attach_and_detach(cloud: Any, server: Any, volume: Any) -> None:
    cloud.compute.create_volume_attachment(server, volume_id=volume.id)
    cloud.block_storage.wait_for_status(volume, "in-use", wait=120)
    cloud.compute.delete(f"/servers/{server.id}/os-volume_attachments/{volume.id}")
    cloud.block_storage.wait_for_status(volume, "available", wait=120)


def test_a_changed_option_restarts_it_wherever_it_runs(lab: Lab, converged: Workspace) -> None:
    """On a remote node as well, the process that has not loaded what is declared ends, and Pacemaker starts one that has."""
    (before,) = (found for found in lab.processes(KEPT).values() if found)
    converged.edit("desired/volumes.yaml", OTHERWISE, USUAL)
    restarts = [step["address"] for step in converged.plan() if step["verb"] == "restart"]
    assert restarts == [f"pacemaker:demo/primitive/{SERVICE}"]
    converged.run("apply", "--yes")
    (after,) = (found for found in lab.processes(KEPT).values() if found)
    assert {pid for pid, _ in after}.isdisjoint({pid for pid, _ in before})
    assert "No changes" in converged.run("plan", "--detailed-exitcode").stdout
    assert rows(lab) == [("vmdk@vmdk", "vcenter-az", "up")]


@pytest.mark.soak
def test_in_shared_host_mode_two_live_as_one(lab: Lab, tmp_path: Any) -> None:
    """The literal mode: both nodes serve at once under one row of Cinder, and the risk is said each time."""
    lab.reset()
    desk = Workspace.make(tmp_path, lab)
    names = f"{{names: [{', '.join(VOLUME_NODES)}]}}"
    desk.edit("desired/volumes.yaml", VMDK, f"  placement: {{nodes: {names}}}\n  ha: shared-host\n")
    assert "VolumeBackend/vmdk: spec.ha: warning: with shared-host all nodes serve at once" in desk.run("plan").stderr
    desk.run("apply", "--yes")
    for host in VOLUME_NODES:
        assert lab.exec(host, "systemctl", "is-active", "cinder-volume").stdout.strip() == "active"
    assert rows(lab) == [("vmdk@vmdk", "vcenter-az", "up")]
    with volume_in(lab.openstack(), "vcenter-az", "shared") as volume:
        assert volume.status == "available"
