"""Images on real daemons: each store keeps what it is given, and each declared image says where it boots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.lab import simulated_vcenter
from tests.lab.controlplane import wait_for_apis
from tests.lab.forwarder import forwarded
from tests.lab.keys import PASSWORD
from tests.lab.layout import API, BRIDGE_ADDRESS
from tests.lab.workspace import Workspace, invocations, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openstack.connection import Connection

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

GLANCE = "ssh:api1/service/glance-api"
ON_API = {API.name: ("glance-api", "nova-api")}
CONTENT = b"not much of an image, but one of several blocks; " * 5000
"""It has to come back byte for byte."""

VCENTER_PORT = """\
apiVersion: bivisor/v1alpha1
kind: VCenter
metadata: {name: vc1-images}
spec: {host: 10.77.0.1, credentials: {secret: vc1}, tls: {caFile: ../secrets/vc1-ca.pem}}
"""
STORES = {
    "esx": VCENTER_PORT
    + """\
---
apiVersion: bivisor/v1alpha1
kind: ImageStore
metadata: {name: esx}
spec:
  driver: vmware
  nodes: {roles: [api]}
  vmware: {vcenter: vc1-images, datastores: ["DC0:LocalDS_0", "DC0:LocalDS_1:10"]}
  settings: {esx: {vmware_api_retry_count: 2, vmware_task_poll_interval: 1}}
""",
    "ceph": """\
apiVersion: bivisor/v1alpha1
kind: ImageStore
metadata: {name: ceph}
spec: {driver: rbd, nodes: {roles: [api]}}
""",
    "objects": """\
apiVersion: bivisor/v1alpha1
kind: ImageStore
metadata: {name: objects}
spec: {driver: swift, nodes: {roles: [api]}}
""",
}


@pytest.fixture(scope="module")
def vcenter_port(lab: Lab) -> Iterator[None]:
    """Let the vCenter answer at 443 as well: Glance's driver knows no other port."""
    del lab
    address, _, port = simulated_vcenter.LISTEN.rpartition(":")
    with forwarded((BRIDGE_ADDRESS, 443), (address, int(port))):
        yield


@pytest.fixture(scope="module")
def desk(lab: Lab, vcenter_port: None, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A converged cloud with the demo's one store."""
    del vcenter_port
    return Workspace.converged(tmp_path_factory.mktemp("desk"), lab)


@pytest.fixture
def cloud(lab: Lab) -> Connection:
    """The cloud's admin."""
    return lab.openstack()


@pytest.fixture(scope="module")
def stores(lab: Lab, desk: Workspace) -> dict[tuple[str, str], str]:
    """Declare all the stores beside the demo's one, and converge; returns what ran before."""
    lab.start_ceph()
    lab.start_swift()
    (desk.folder / "secrets/glance-service.yaml").write_text(f"username: glance\npassword: {PASSWORD}\n")
    document = "apiVersion: bivisor/v1alpha1\nkind: Secret\nmetadata: {name: glance-service}\n"
    (desk.folder / "desired/glance-service.yaml").write_text(f"{document}spec: {{file: ../secrets/glance-service.yaml}}\n")
    cinder = "    cinder: {secret: cinder-service}\n"
    desk.edit("desired/cluster.yaml", cinder, f"{cinder}    glance: {{secret: glance-service}}\n")
    for name, text in STORES.items():
        (desk.folder / f"desired/store-{name}.yaml").write_text(text)
    before = invocations(lab, ON_API)
    (restart,) = (step for step in desk.plan() if step["verb"] == "restart")
    assert restart["address"] == GLANCE
    desk.run("apply", "--yes")
    assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout
    wait_for_apis(["glance-api"])  # systemd calls it started before it listens
    return before


def round_trip(cloud: Connection, store: str) -> None:
    """Store an image there, read it back, find it in that store, delete it."""
    body = {"name": f"trip-{store}", "disk_format": "raw", "container_format": "bare"}
    image: dict[str, Any] = cloud.image.post("/images", json=body).json()
    try:
        headers = {"Content-Type": "application/octet-stream", "X-Image-Meta-Store": store}
        stored = cloud.image.put(f"/images/{image['id']}/file", data=CONTENT, headers=headers)
        assert stored.status_code == 204, stored.text
        shown = cloud.image.get(f"/images/{image['id']}").json()
        assert (shown["status"], shown["stores"], shown["size"]) == ("active", store, len(CONTENT))
        assert cloud.image.get(f"/images/{image['id']}/file").content == CONTENT
    finally:
        assert cloud.image.delete(f"/images/{image['id']}").status_code == 204


def test_a_file_store_keeps_images(desk: Workspace, cloud: Connection) -> None:
    """The demo's own store, as Bivisor declares it: an image comes back as it was."""
    del desk
    round_trip(cloud, "file")


def test_more_stores_cost_one_restart(lab: Lab, stores: dict[tuple[str, str], str], cloud: Connection) -> None:
    """Declared, planned, converged: Glance alone restarts, its file keeps owner and mode, and the first store its images."""
    after = invocations(lab, ON_API)
    assert {service for service in after if after[service] != stores[service]} == {(API.name, "glance-api")}
    told = lab.exec(API.name, "stat", "-c", "%a %U %G", "/etc/glance/glance-api.conf").stdout
    assert told.split() == ["640", "root", "glance"]
    round_trip(cloud, "file")


@pytest.mark.usefixtures("stores")
def test_a_vmware_store_keeps_images(lab: Lab, cloud: Connection) -> None:
    """It gives back what it got, sessions lost or not."""
    round_trip(cloud, "esx")
    lab.vcenter.drop_sessions()
    round_trip(cloud, "esx")


@pytest.mark.soak
@pytest.mark.usefixtures("stores")
def test_glance_gets_new_credentials_after_they_were_tried(lab: Lab, desk: Workspace, cloud: Connection) -> None:
    """A rotated vCenter password restarts Glance as it does the others; a wrong one reaches no host."""
    path = desk.folder / "secrets/vc1.yaml"
    old = yaml.safe_load(path.read_text())
    before = invocations(lab)
    try:
        path.write_text(yaml.safe_dump({**old, "password": "no-such-password"}))
        held = desk.run("apply", "--yes", exits=3).stdout
        assert "vCenter refuses the credentials of Secret/vc1" in held
        assert not started(lab, before)
        assert "no-such-password" not in lab.exec(API.name, "cat", "/etc/glance/glance-api.conf").stdout
        lab.vcenter.set_password("fresh-$ecret-2")
        path.write_text(yaml.safe_dump({**old, "password": "fresh-$ecret-2"}))
        restarts = {step["address"] for step in desk.plan() if step["verb"] == "restart"}
        assert GLANCE in restarts
        desk.run("apply", "--yes")
        lab.vcenter.drop_sessions()
        round_trip(cloud, "esx")
    finally:
        lab.vcenter.set_password(old["password"])
        path.write_text(yaml.safe_dump(old))
        desk.run("apply", "--yes")


@pytest.mark.usefixtures("stores")
def test_an_rbd_store_keeps_images(cloud: Connection) -> None:
    """Glance keeps an image in a pool of a real Ceph cluster."""
    round_trip(cloud, "ceph")


@pytest.mark.usefixtures("stores")
def test_a_swift_store_keeps_images(cloud: Connection) -> None:
    """Glance keeps an image in a real Swift, as its own account."""
    round_trip(cloud, "objects")


def declare_images(desk: Workspace, *names: str) -> None:
    """Let the vCenter's zone declare images of these names."""
    images = [{"name": name, "properties": {"vmware_disktype": "preallocated"}} for name in names]
    path = desk.folder / "desired/zones.yaml"
    zones = list(yaml.safe_load_all(path.read_text()))
    for zone in zones:
        if zone["spec"]["hypervisor"] == "vmware":
            zone["spec"]["images"] = images
    path.write_text(yaml.safe_dump_all(zones))


def change(cloud: Connection, image: str, *changes: dict[str, str]) -> None:
    """Change an image by hand."""
    headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    assert cloud.image.patch(f"/images/{image}", json=list(changes), headers=headers).ok


def test_a_declared_image_keeps_its_properties(desk: Workspace, cloud: Connection) -> None:
    """What was taken away or changed by hand is set again, and somebody else's property stays."""
    image = cloud.image.find_image("tiny-vmw", ignore_missing=False).id
    declare_images(desk, "tiny-vmw")
    change(
        cloud,
        image,
        {"op": "remove", "path": "/hypervisor_type"},
        {"op": "replace", "path": "/vmware_disktype", "value": "thin"},
        {"op": "add", "path": "/os_distro", "value": "none"},
    )
    desk.run("apply", "--yes")
    shown = cloud.image.get(f"/images/{image}").json()
    assert (shown["hypervisor_type"], shown["vmware_disktype"], shown["os_distro"]) == ("vmware", "preallocated", "none")
    assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout


def test_an_image_is_waited_for_and_two_of_a_name_are_nobodys(desk: Workspace, cloud: Connection) -> None:
    """An image that is not there holds only itself; uploaded, it gets its properties; a second one of that name is told."""
    declare_images(desk, "later")
    made: list[str] = []
    try:
        assert 'there is no image "later"' in desk.run("apply", "--yes", exits=3).stdout
        body = {"name": "later", "disk_format": "vmdk", "container_format": "bare", "visibility": "public"}
        made.append(cloud.image.post("/images", json=body).json()["id"])
        desk.run("apply", "--yes")
        assert cloud.image.get(f"/images/{made[0]}").json()["hypervisor_type"] == "vmware"
        made.append(cloud.image.post("/images", json=body).json()["id"])
        page = desk.run("plan", exits=3).stdout
        assert all(image in page for image in made)
    finally:
        for image in made:
            cloud.image.delete(f"/images/{image}")
        declare_images(desk)
