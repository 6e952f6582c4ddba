"""Leaving, on real daemons: what lives there holds it, and then all that was its own is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.tenant import instance_in, volume_in
from tests.lab.test_converge import computes
from tests.lab.test_volumes import KEPT_BY_PACEMAKER, SERVICE, VOLUME_NODES, alive, kept_off_the_controllers
from tests.lab.workspace import Workspace, invocations, started

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

LIBVIRT = "    virtType: qemu\n"
ROLE = "  roles: [cinder-vmdk]\n"
NFS = "  placement: {nodes: {roles: [cinder-nfs]}}\n"


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A cloud whose vmdk backend Pacemaker keeps; what left in one test is gone in the next."""
    lab.vcenter.clear_faults()
    desk = kept_off_the_controllers(Workspace.make(tmp_path_factory.mktemp("desk"), lab))
    desk.run("apply", "--yes", "--confirm-deletes")
    return desk


def said(desk: Workspace, *arguments: str, exits: int) -> str:
    """Return what the program prints, in one line."""
    return " ".join(desk.run(*arguments, exits=exits).stdout.split())


def state_of(lab: Lab, host: str) -> tuple[str, str]:
    """Return status and state of a cinder-volume in Cinder."""
    services = lab.openstack().block_storage.services()
    (row,) = (found for found in services if (found.binary, found.host) == ("cinder-volume", host))
    return row.status, row.state


def test_a_backend_that_pacemaker_keeps_leaves(lab: Lab, desk: Workspace) -> None:
    """Resource, places, and on each node configuration and unit go; the nodes' other services are not touched."""
    (holder,) = alive(lab)
    desk.edit("desired/volumes.yaml", KEPT_BY_PACEMAKER, f"{KEPT_BY_PACEMAKER}  remove: true\n")
    with volume_in(lab.openstack(), "vcenter-az", "kept"):
        assert "1 volume lives (kept) on vmdk@vmdk" in said(desk, "apply", "--yes", exits=3)
        assert (alive(lab), state_of(lab, "vmdk@vmdk")) == ([holder], ("disabled", "up"))
    desk.run("apply", "--yes")
    assert alive(lab) == []
    assert SERVICE not in lab.exec("ctl1", "cibadmin", "--query", "--scope", "configuration").stdout
    for node in VOLUME_NODES:
        left = lab.exec(node, "find", "/etc/cinder", "/etc/systemd/system", "-name", "*vmdk*").stdout
        assert left.split() == []
    assert computes(lab) == {"kvm1": "up", "vcenter-c0": "up"}
    assert state_of(lab, "kvm@kvm") == ("enabled", "up")
    assert lab.openstack().block_storage.find_type("vmdk") is None
    assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout


def test_a_backend_of_the_packaged_service_leaves(lab: Lab, desk: Workspace) -> None:
    """Its volume holds it; then service, options, shares and type are gone, and the command for the row is told."""
    with volume_in(lab.openstack(), "kvm-az", "last"):
        desk.edit("desired/volumes.yaml", NFS, f"{NFS}  remove: true\n")
        assert "1 volume lives (last) on kvm@kvm" in said(desk, "apply", "--yes", exits=3)
        assert state_of(lab, "kvm@kvm") == ("disabled", "up")
    desk.run("apply", "--yes")
    assert state_of(lab, "kvm@kvm") == ("disabled", "down")
    assert lab.exec("vol2", "systemctl", "is-active", "cinder-volume", check=False).stdout.strip() == "inactive"
    conf = lab.exec("vol2", "cat", "/etc/cinder/cinder.conf").stdout
    assert "enabled_backends" not in conf
    assert "backend_host = kvm" not in conf
    assert lab.exec("vol2", "test", "-e", "/etc/cinder/kvm-shares", check=False).returncode
    assert lab.openstack().block_storage.find_type("kvm") is None
    page = said(desk, "plan", "--detailed-exitcode", exits=0)
    assert "No changes" in page
    command = "cinder-manage service remove cinder-volume kvm@kvm"
    assert command in page
    lab.exec("api1", *command.split())
    assert command not in said(desk, "plan", "--detailed-exitcode", exits=0)


def test_a_compute_node_joins_and_leaves(lab: Lab, desk: Workspace) -> None:
    """It is in its zone without a restart of others; its instance holds it; without, it is stopped and Nova forgets it."""
    cloud, processes = lab.openstack(), invocations(lab)
    desk.edit("desired/nodes.yaml", ROLE, ROLE.replace("]", ", compute]"))
    desk.run("apply", "--yes")
    assert started(lab, processes) == set()
    assert computes(lab) == {"kvm1": "up", "vol1": "up", "vcenter-c0": "up"}
    with instance_in(cloud, "kvm-az", "last", "vol1"):
        desk.edit("desired/zones.yaml", LIBVIRT, f"{LIBVIRT}    leaving: [vol1]\n")
        assert "1 instance lives (last) on vol1" in said(desk, "apply", "--yes", exits=3)
        assert computes(lab)["vol1"] == "up"
    desk.run("apply", "--yes")
    assert computes(lab) == {"kvm1": "up", "vcenter-c0": "up"}
    assert cloud.compute.find_aggregate("kvm-az", ignore_missing=False).hosts == ["kvm1"]
    assert lab.exec("vol1", "systemctl", "is-active", "nova-compute", check=False).stdout.strip() == "inactive"
    assert lab.exec("vol1", "systemctl", "is-enabled", "nova-compute", check=False).stdout.strip() == "disabled"
    assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout
