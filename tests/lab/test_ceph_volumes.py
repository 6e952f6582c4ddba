"""Volumes in a real Ceph: two cinder-volumes share one identity, and libvirt's guests open what they make."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab import ceph
from tests.lab.tenant import instance_in
from tests.lab.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openstack.connection import Connection

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

VOLUME_NODES = ("vol1", "vol2")
BACKEND = f"""\
apiVersion: bivisor/v1alpha1
kind: VolumeBackend
metadata: {{name: ceph}}
spec:
  zone: kvm-az
  driver: rbd
  rbd: {{pool: {ceph.VOLUMES}, secretUuid: {ceph.FSID}}}
  placement: {{nodes: {{names: [{", ".join(VOLUME_NODES)}]}}}}
  ha: shared-host
  volumeType: ceph
  settings:
    DEFAULT: {{report_interval: 5, service_down_time: 20}}
"""


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The demo, converged, with a backend in Ceph beside its own; Ceph's keys are where an operator puts them."""
    lab.start_ceph()
    for host in VOLUME_NODES:
        lab.hand_ceph_to(host, "cinder")
    lab.hand_ceph_to_libvirt("kvm1", "cinder")
    desk = Workspace.converged(tmp_path_factory.mktemp("ceph"), lab)
    desk.hurry()
    (desk.folder / "desired/ceph.yaml").write_text(BACKEND)
    desk.run("apply", "--yes")
    return desk


def rows(lab: Lab) -> list[tuple[str, str]]:
    """Return Cinder's services of the backend: zone, state."""
    found = lab.openstack().block_storage.services()
    return [(one.availability_zone, one.state) for one in found if (one.binary, one.host) == ("cinder-volume", "ceph@ceph")]


@contextmanager
def volume(cloud: Connection) -> Iterator[Any]:
    """Make a volume in Ceph; delete it at the end."""
    made = cloud.block_storage.create_volume(name="in-ceph", size=1, availability_zone="kvm-az", volume_type="ceph")
    try:
        yield cloud.block_storage.wait_for_status(made, "available", wait=120)
    finally:
        cloud.block_storage.delete_volume(made, ignore_missing=True)
        cloud.block_storage.wait_for_delete(made, wait=120)


def test_both_nodes_serve_under_one_row(lab: Lab, desk: Workspace) -> None:
    """Both services run, Cinder knows one, up in its zone, and nothing is left to do."""
    for host in VOLUME_NODES:
        assert lab.exec(host, "systemctl", "is-active", "cinder-volume").stdout.strip() == "active"
    assert rows(lab) == [("kvm-az", "up")]
    assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout


@pytest.mark.usefixtures("desk")
def test_an_instance_attaches_a_volume_in_ceph_and_one_node_may_be_missed(lab: Lab) -> None:
    """While both serve, and then while one is stopped, a volume is made, opened by the guest, and given back."""
    cloud = lab.openstack()
    with instance_in(cloud, "kvm-az", "with-ceph") as server:
        attach(lab, cloud, server)
        lab.exec("vol1", "systemctl", "stop", "cinder-volume")
        attach(lab, cloud, server)
    assert rows(lab) == [("kvm-az", "up")]


def test_it_leaves_both_nodes(lab: Lab, desk: Workspace) -> None:
    """Neither node serves it any more, each goes on with the backend that it had before, and nothing is left to do."""
    desk.edit("desired/ceph.yaml", "  ha: shared-host\n", "  ha: shared-host\n  remove: true\n")
    desk.run("apply", "--yes")
    for host in VOLUME_NODES:
        conf = lab.exec(host, "cat", "/etc/cinder/cinder.conf").stdout
        assert not [line for line in conf.splitlines() if line.startswith(("rbd_", "enabled_backends")) and "ceph" in line]
        assert lab.exec(host, "systemctl", "is-active", "cinder-volume").stdout.strip() == "active"
    (desk.folder / "desired/ceph.yaml").unlink()
    assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout


def attach(lab: Lab, cloud: Connection, server: Any) -> None:
    """Attach a new volume; see in Ceph that somebody has it open; detach it."""
    with volume(cloud) as made:
        cloud.compute.create_volume_attachment(server, volume_id=made.id)
        cloud.block_storage.wait_for_status(made, "in-use", wait=120)
        opened = lab.exec("vol1", "rbd", "--id", "cinder", "status", f"{ceph.VOLUMES}/volume-{made.id}").stdout
        assert "watcher=10.77.0.21" in opened
        cloud.compute.delete(f"/servers/{server.id}/os-volume_attachments/{made.id}")
        cloud.block_storage.wait_for_status(made, "available", wait=120)
