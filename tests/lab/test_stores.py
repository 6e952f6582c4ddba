"""The cloud's own storage: Ceph and Swift work by themselves, before anything of OpenStack uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from keystoneauth1.exceptions import Unauthorized
from keystoneauth1.session import Session

from tests.lab import ceph, keys, swift
from tests.lab.errors import CommandError
from tests.lab.layout import API

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.soak]

GUEST = f"""
<domain type='qemu'>
  <name>ceph-guest</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw'/>
      <auth username='cinder'><secret type='ceph' uuid='{ceph.FSID}'/></auth>
      <source protocol='rbd' name='{ceph.VOLUMES}/guest'><host name='{API.address}'/></source>
      <target dev='sda' bus='ide'/>
    </disk>
  </devices>
</domain>
"""


@pytest.fixture(scope="module")
def bare(lab: Lab) -> Lab:
    """A lab at its beginning."""
    lab.reset()
    return lab


@pytest.fixture(scope="module")
def with_ceph(bare: Lab) -> Lab:
    """Ceph runs; a volume node and the KVM host have its user `cinder`."""
    assert not any(bare.processes(r"ceph-|swift-").values())
    bare.start_ceph()
    for host in ("vol1", "kvm1"):
        bare.hand_ceph_to(host, "cinder")
    return bare


@pytest.fixture
def guest(with_ceph: Lab) -> Iterator[str]:
    """A guest of the KVM host's libvirt with a disk in Ceph; its name."""
    with_ceph.hand_ceph_to_libvirt("kvm1", "cinder")
    with_ceph.exec("kvm1", "systemctl", "start", "libvirtd")
    with_ceph.exec("kvm1", "rbd", "--id", "cinder", "create", f"{ceph.VOLUMES}/guest", "--size", "64M")
    with_ceph.exec("kvm1", "virsh", "-q", "create", "/dev/stdin", stdin=GUEST)
    yield "ceph-guest"
    with_ceph.exec("kvm1", "virsh", "-q", "destroy", "ceph-guest")
    with_ceph.exec("kvm1", "rbd", "--id", "cinder", "--no-progress", "rm", f"{ceph.VOLUMES}/guest")
    with_ceph.exec("kvm1", "systemctl", "stop", "libvirtd", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket")


def test_a_volume_node_stores_and_reads_in_ceph(with_ceph: Lab) -> None:
    """What one program of the user `cinder` wrote into the pool is what another reads, librbd in QEMU included."""
    said = with_ceph.script(
        "vol1",
        f"""
        head -c 3000000 /dev/urandom > /tmp/sent
        qemu-img create -q -f raw rbd:{ceph.VOLUMES}/probe:id=cinder 8M
        qemu-img convert -n -O raw /tmp/sent rbd:{ceph.VOLUMES}/probe:id=cinder
        rbd --id cinder --no-progress export {ceph.VOLUMES}/probe - | cmp --bytes=3000000 - /tmp/sent
        rbd --id cinder ls {ceph.VOLUMES}
        rbd --id cinder --no-progress rm {ceph.VOLUMES}/probe
        """,
    )
    assert said.stdout.split() == ["probe"]


def test_a_volume_is_a_clone_of_an_image_and_no_user_exceeds_its_rights(with_ceph: Lab) -> None:
    """Glance's user writes images, Cinder's clones them into its own pool, and cannot write among them."""
    image = f"{ceph.IMAGES}/probe"
    with_ceph.script("api1", f"echo text | rbd --id glance --no-progress import --image-format 2 - {image}")
    with_ceph.script(
        "api1", f"rbd --id glance snap create --no-progress {image}@snap; rbd --id glance snap protect {image}@snap"
    )
    with_ceph.exec("vol1", "rbd", "--id", "cinder", "clone", f"{image}@snap", f"{ceph.VOLUMES}/clone")
    read = with_ceph.script("vol1", f"rbd --id cinder --no-progress export {ceph.VOLUMES}/clone - | head -c 5")
    assert read.stdout == "text\n"
    with pytest.raises(CommandError, match="Operation not permitted"):
        with_ceph.exec("vol1", "rbd", "--id", "cinder", "create", f"{ceph.IMAGES}/mine", "--size", "1M")
    with_ceph.exec("vol1", "rbd", "--id", "cinder", "--no-progress", "rm", f"{ceph.VOLUMES}/clone")
    with_ceph.script("api1", f"rbd --id glance snap unprotect {image}@snap; rbd --id glance --no-progress snap purge {image}")
    with_ceph.exec("api1", "rbd", "--id", "glance", "--no-progress", "rm", image)


def test_a_guest_has_a_disk_in_ceph(with_ceph: Lab, guest: str) -> None:
    """With the secret that it was given, libvirt lets QEMU log in to Ceph and open the volume."""
    watchers = with_ceph.exec("kvm1", "rbd", "--id", "cinder", "status", f"{ceph.VOLUMES}/guest").stdout
    assert "watcher=" in watchers
    assert with_ceph.exec("kvm1", "virsh", "-q", "domstate", guest).stdout.strip() == "running"


def test_starting_ceph_again_changes_nothing(with_ceph: Lab) -> None:
    """`start_ceph` is a level: what runs goes on running."""
    before = with_ceph.processes(r"ceph-")["api1"]
    with_ceph.start_ceph()
    assert with_ceph.processes(r"ceph-")["api1"] == before


def test_objects_are_stored_and_read_with_a_token_of_keystone(bare: Lab) -> None:
    """The catalogue leads to Swift; what was put is what is got; without a token there is nothing."""
    bare.start_swift()
    store = bare.openstack().object_store
    sent = bytes(range(256)) * 4096
    store.create_container("probe")
    store.upload_object("probe", "letter", data=sent)
    assert store.download_object("letter", container="probe") == sent
    assert [found.name for found in store.objects("probe")] == ["letter"]
    with pytest.raises(Unauthorized):
        Session().get(f"{store.get_endpoint()}/probe/letter")
    store.delete_object("letter", container="probe")
    store.delete_container("probe")
    assert store.get_endpoint().startswith(swift.ADDRESS)
    assert keys.PASSWORD not in store.get_endpoint()
