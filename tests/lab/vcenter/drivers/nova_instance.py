"""One instance in the hands of Nova's real VMware driver."""

# mypy: disable-error-code="import-not-found,no-untyped-call"
# ruff: noqa: E402
from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import uuid
from typing import TYPE_CHECKING, Any

import oslo_messaging.transport
from nova import conf, context, objects, rpc
from nova.objects.image_meta import ImageMeta
from oslo_vmware import vim_util

from tests.lab.vcenter.drivers.lines import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

_IMAGE_BYTES = 1 << 20
_PASSWORD = "unused"  # noqa: S105 - of a guest that has no system


class Images:
    """As much of the image service's client as the driver calls: every image is a mebibyte of zeros."""

    def get(self, _context: object, image: str, **_options: object) -> dict[str, Any]:
        """Describe an image."""
        return {"id": image, "size": _IMAGE_BYTES, "disk_format": "vmdk", "properties": {}}

    def download(self, _context: object, _image: str, **_options: object) -> Iterator[bytes]:
        """Give an image's content."""
        return iter([bytes(_IMAGE_BYTES)])


class Nova:
    """The driver with the one instance; each public method is a request."""

    def __init__(self, **vcenter: object) -> None:
        """Log in. Takes the options of nova's section [vmware]."""
        _configure(vcenter)
        # After the options: the driver reads them as defaults of its arguments.
        from nova.virt.vmwareapi import driver, images  # noqa: PLC0415

        images.IMAGE_API = Images()
        self._driver = driver.VMwareVCDriver(virtapi=None)
        self._driver.init_host("driver-test")
        self._context = context.get_admin_context()
        self._instance: Any = None

    def node(self) -> str:
        """Name the compute node."""
        (name,) = self._driver.get_available_nodes()
        return str(name)

    def resources(self) -> dict[str, int]:
        """Tell what the scheduler would be told."""
        told = self._driver.get_available_resource(self.node())
        return {name: told[name] for name in ("vcpus", "memory_mb", "local_gb")}

    def spawn(self) -> dict[str, Any]:
        """Boot an instance; its power state is 1 when it runs."""
        self._instance = _new_instance(self.node())
        image = _image_meta(self._instance.image_ref)
        self._driver.spawn(self._context, self._instance, image, [], _PASSWORD, {}, network_info=[])
        return {"uuid": self._instance.uuid, "state": self._driver.get_info(self._instance).state}

    def connector(self) -> dict[str, Any]:
        """Tell Cinder who wants a volume."""
        told: dict[str, Any] = self._driver.get_volume_connector(self._instance)
        return told

    def attach(self, connection: dict[str, Any]) -> None:
        """Attach a volume."""
        self._driver.attach_volume(self._context, connection, self._instance, "/dev/sdb")

    def detach(self, connection: dict[str, Any]) -> None:
        """Detach a volume."""
        self._driver.detach_volume(self._context, connection, self._instance, "/dev/sdb")

    def reboot(self) -> None:
        """Reboot hard."""
        self._driver.reboot(self._context, self._instance, [], "HARD")

    def destroy(self) -> list[str]:
        """Remove the instance; return those that are left."""
        self._driver.destroy(self._context, self._instance, [])
        return list(self._driver.list_instance_uuids())


def _configure(vcenter: dict[str, Any]) -> None:
    options = conf.CONF
    options([], project="nova", default_config_files=[])
    options.register_opts(oslo_messaging.transport._transport_opts)
    options.set_override("transport_url", "fake://")
    options.set_override("lock_path", "/tmp/nova-locks", "oslo_concurrency")  # noqa: S108 - of this process's own root
    for name, value in vcenter.items():
        options.set_override(name, value, "vmware")
    objects.register_all()
    rpc.init(options)


def _new_instance(node: str) -> Any:
    flavor = objects.Flavor(
        flavorid="1", name="tiny", memory_mb=64, vcpus=1, root_gb=1, ephemeral_gb=0, swap=0, extra_specs={},
    )  # fmt: skip
    instance = objects.Instance(
        id=1, uuid=str(uuid.uuid4()), image_ref=str(uuid.uuid4()), flavor=flavor, node=node, host="driver-test",
        display_name="driver-test", hostname="driver-test", project_id="project", user_id="user",
        root_gb=1, ephemeral_gb=0, memory_mb=64, vcpus=1, metadata={}, system_metadata={}, config_drive="",
        key_data=None, os_type=None, default_ephemeral_device=None, default_swap_device=None,
        vm_state="building", task_state=None, power_state=0, cleaned=False, availability_zone=None, launched_at=None,
    )  # fmt: skip
    instance.save = lambda **_options: None  # there is no database
    return instance


def _image_meta(image: str) -> Any:
    return ImageMeta.from_dict(
        {
            "id": image, "name": "tiny", "size": _IMAGE_BYTES, "status": "active",
            "disk_format": "vmdk", "container_format": "bare", "min_disk": 0, "min_ram": 0,
            "properties": {"vmware_disktype": "preallocated", "vmware_adaptertype": "lsiLogic"},
        }
    )  # fmt: skip


if __name__ == "__main__":
    serve(Nova, vim_util.get_moref_value)
