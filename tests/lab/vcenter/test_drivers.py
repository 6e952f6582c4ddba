"""Nova's and Cinder's real VMware drivers, taken from the lab's image, against the simulator.

Nothing of a cloud is needed: no database, no messages, no hosts. Whatever the simulator lacks for an
instance or a volume shows here first, within seconds.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.lab.vcenter.drivers.program import Driver, program
from tests.lab.vcenter.process import Running, Settings, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.vcenter.certificates import Certificates

pytestmark = [pytest.mark.lab, pytest.mark.image, pytest.mark.timeout(1200)]
"""The first test builds the image, if the lab has not been up yet."""


@pytest.fixture
def vcenter(binary: Path, certificates: Certificates, wsdl: Path, tmp_path: Path) -> Iterator[Running]:
    """A simulator that serves its schema."""
    settings = Settings(certificates, wsdl=wsdl, home=tmp_path / "home")
    with running(binary, settings, tmp_path / "vcenter.log") as vcenter:
        yield vcenter


@pytest.fixture
def nova(image: Path, vcenter: Running, tmp_path: Path) -> Iterator[Driver]:
    """Nova's driver, logged in, for cluster DC0_C0."""
    with program("nova_instance", image, vcenter, tmp_path) as driver:
        driver.ask(
            "start",
            host_ip=vcenter.host,
            host_port=vcenter.port,
            host_username=vcenter.settings.user,
            host_password=vcenter.settings.password,
            cluster_name="DC0_C0",
            ca_file="/root/ca.pem",
            insecure=False,
            api_retry_count=2,
            task_poll_interval=0.1,
            cache_prefix="driver-test",
        )
        yield driver


@contextmanager
def _cinder(driver: str, image: Path, vcenter: Running, folder: Path) -> Iterator[Driver]:
    with program("cinder_volume", image, vcenter, folder) as running:
        running.ask(
            "start",
            driver=driver,
            vmware_host_ip=vcenter.host,
            vmware_host_port=vcenter.port,
            vmware_host_username=vcenter.settings.user,
            vmware_host_password=vcenter.settings.password,
            vmware_ca_file="/root/ca.pem",
            vmware_insecure=False,
            vmware_task_poll_interval=0.1,
            vmware_tmp_dir="/tmp",  # noqa: S108 - inside the copy-on-write root
        )
        yield running


@pytest.fixture
def cinder(image: Path, vcenter: Running, tmp_path: Path) -> Iterator[Driver]:
    """Cinder's VMDK driver, logged in."""
    with _cinder("vmdk", image, vcenter, tmp_path) as driver:
        yield driver


def _machines(vcenter: Running) -> dict[str, str]:
    """Power state by name."""
    return {machine.name: machine.power for machine in vcenter.control.state().machines}


def test_nova_describes_the_cluster(nova: Driver) -> None:
    """Nova names its node by the cluster's MoRef and the vCenter's UUID, and sees the hosts' resources."""
    assert nova.ask("node") == "domain-c15.dbed6e0c-bd88-4ef6-b594-21283e1c677f"
    assert nova.ask("resources") == {"vcpus": 6, "memory_mb": 12285, "local_gb": 1024}


def test_instance_lives_and_dies(nova: Driver, vcenter: Running) -> None:
    """An instance is spawned from an image, runs, reboots, and is gone after its deletion."""
    spawned = nova.ask("spawn")
    assert spawned["state"] == 1
    assert list(_machines(vcenter).values()) == ["poweredOn"]
    nova.ask("reboot")
    assert list(_machines(vcenter).values()) == ["poweredOn"]
    assert nova.ask("destroy") == []
    assert _machines(vcenter) == {}


def test_volume_is_attached_and_detached(nova: Driver, cinder: Driver, vcenter: Running) -> None:
    """A volume of Cinder is attached to an instance of Nova, detached, attached again, and deleted with it."""
    nova.ask("spawn")
    connector = nova.ask("connector")
    volume = cinder.ask("create")
    for _ in range(2):
        connection = cinder.ask("connect", volume=volume, connector=connector)
        nova.ask("attach", connection=connection)
        (disks,) = [m.disks for m in vcenter.control.state().machines if m.moref == connector["instance"]]
        assert len(disks) == 2
        assert volume in disks[1]
        nova.ask("detach", connection=connection)
        cinder.ask("disconnect", volume=volume, connector=connector)
        (disks,) = [m.disks for m in vcenter.control.state().machines if m.moref == connector["instance"]]
        assert len(disks) == 1
    nova.ask("destroy")
    assert _machines(vcenter) == {f"volume-{volume}": "poweredOff"}
    cinder.ask("delete", volume=volume)
    assert _machines(vcenter) == {}


def test_volumes_from_all_sources(cinder: Driver, vcenter: Running) -> None:
    """Volumes come from nothing, an image, a snapshot and another volume; they grow; all can be deleted."""
    first = cinder.ask("create")
    cinder.ask("connect", volume=first, connector={})
    snapshot = cinder.ask("snapshot", volume=first)
    volumes = [
        first,
        cinder.ask("create_from_image"),
        cinder.ask("create_from_snapshot", snapshot=snapshot),
        cinder.ask("clone", volume=first),
    ]
    cinder.ask("extend", volume=first, size=2)
    assert {f"volume-{volume}" for volume in volumes} <= set(_machines(vcenter))
    cinder.ask("delete_snapshot", snapshot=snapshot)
    for volume in volumes:
        cinder.ask("delete", volume=volume)
    assert _machines(vcenter) == {}


def test_drivers_survive_dropped_sessions(nova: Driver, cinder: Driver, vcenter: Running) -> None:
    """When all sessions are dropped, the drivers log in again by themselves."""
    vcenter.control.drop_sessions()
    assert nova.ask("spawn")["state"] == 1
    volume = cinder.ask("create")
    vcenter.control.drop_sessions()
    assert cinder.ask("connect", volume=volume, connector={})["driver_volume_type"] == "vmdk"


def test_wrong_password_is_told(nova: Driver, vcenter: Running) -> None:
    """With the password changed and the session gone, Nova's driver fails with the reason."""
    vcenter.control.set_password("changed", drop_sessions=True)
    with pytest.raises(AssertionError, match=r"InvalidLogin|Login failure"):
        nova.ask("resources")


def test_a_first_class_disk_is_attached_and_detached(nova: Driver, image: Path, vcenter: Running, tmp_path: Path) -> None:
    """Cinder's FCD driver makes a volume; vCenter takes Nova's word to attach and detach it; then it is deleted.

    The simulator knows who has the disk, but shows no device of it in the instance.
    """
    nova.ask("spawn")
    connector = nova.ask("connector")
    with _cinder("fcd", image, vcenter, tmp_path) as cinder:
        volume = cinder.ask("create")
        connection = cinder.ask("connect", volume=volume, connector=connector)
        assert connection["driver_volume_type"] == "vstorageobject"
        for _ in range(2):
            nova.ask("attach", connection=connection)
            nova.ask("detach", connection=connection)
        cinder.ask("delete", volume=volume)
        with pytest.raises(AssertionError, match="attach"):
            nova.ask("attach", connection=connection)
