"""Volumes in the hands of Cinder's real VMDK and FCD drivers."""

# mypy: disable-error-code="import-not-found,no-untyped-call"
# ruff: noqa: E402
from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import uuid
from typing import TYPE_CHECKING, Any

from cinder import context, objects

objects.register_all()  # the modules below name its classes when they are loaded

from cinder.image import image_utils
from cinder.volume import configuration, manager
from cinder.volume.drivers.vmware import fcd, vmdk
from oslo_config import cfg
from oslo_vmware import vim_util

from tests.lab.vcenter.drivers.lines import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_IMAGE_BYTES = 1 << 20

_DRIVERS = {"vmdk": vmdk.VMwareVcVmdkDriver, "fcd": fcd.VMwareVStorageObjectDriver}


class Images:
    """As much of the image service's client as the driver calls: every image is a mebibyte of zeros."""

    def __init__(self) -> None:
        """Have the one attribute that the driver reads."""
        self.temp_images = image_utils.TemporaryImages(self)

    def show(self, _context: object, image: str) -> dict[str, Any]:
        """Describe an image."""
        properties = {"vmware_disktype": "preallocated", "vmware_adaptertype": "lsiLogic"}
        kind = {"disk_format": "vmdk", "container_format": "bare"}
        return {"id": image, "size": _IMAGE_BYTES, "properties": properties, **kind}

    def get_location(self, _context: object, _image: str) -> tuple[None, None]:
        """Know no other place where the content is."""
        return None, None

    def download(self, _context: object, _image: str, data: IO[bytes] | None = None) -> Iterator[bytes] | None:
        """Give an image's content, or write it into `data`."""
        if data is None:
            return iter([bytes(_IMAGE_BYTES)])
        data.write(bytes(_IMAGE_BYTES))
        return None


class Cinder:
    """The driver; each public method is a request. Volumes and snapshots are named by their ids."""

    def __init__(self, driver: str, **vcenter: object) -> None:
        """Log in with the driver of that name. Takes options of a backend's section."""
        self._driver = _DRIVERS[driver](configuration=_configure(vcenter), host="driver-test@vmdk")
        self._context = context.get_admin_context()
        self._driver.do_setup(self._context)
        self._driver.check_for_setup_error()
        self._known: dict[str, Any] = {}

    def create(self) -> str:
        """Make a volume of 1 GiB; VMware sees nothing of it before it is connected."""
        volume = self._new_volume()
        for name, value in (self._driver.create_volume(volume) or {}).items():
            setattr(volume, name, value)
        return str(volume.id)

    def create_from_image(self) -> str:
        """Make a volume of 1 GiB with an image's content."""
        volume = self._new_volume()
        volume.status = "downloading"
        self._driver.copy_image_to_volume(self._context, volume, Images(), str(uuid.uuid4()))
        return str(volume.id)

    def create_from_snapshot(self, snapshot: str) -> str:
        """Make a volume with a snapshot's content."""
        volume = self._new_volume()
        self._driver.create_volume_from_snapshot(volume, self._known[snapshot])
        return str(volume.id)

    def clone(self, volume: str) -> str:
        """Make a volume with another's content."""
        copy = self._new_volume()
        self._driver.create_cloned_volume(copy, self._known[volume])
        return str(copy.id)

    def connect(self, volume: str, connector: dict[str, Any]) -> dict[str, Any]:
        """Tell Nova what to attach."""
        told: dict[str, Any] = self._driver.initialize_connection(self._known[volume], connector)
        return told

    def disconnect(self, volume: str, connector: dict[str, Any]) -> None:
        """Forget about an attachment."""
        self._driver.terminate_connection(self._known[volume], connector)

    def extend(self, volume: str, size: int) -> None:
        """Make a volume larger, to `size` GiB."""
        self._driver.extend_volume(self._known[volume], size)

    def snapshot(self, volume: str) -> str:
        """Make a snapshot."""
        snapshot = objects.Snapshot(
            self._context, id=str(uuid.uuid4()), volume_id=volume, volume=self._known[volume], volume_size=1,
            display_description="", provider_location=None,
        )  # fmt: skip
        for name, value in (self._driver.create_snapshot(snapshot) or {}).items():
            setattr(snapshot, name, value)
        self._known[snapshot.id] = snapshot
        return str(snapshot.id)

    def delete_snapshot(self, snapshot: str) -> None:
        """Delete a snapshot."""
        self._driver.delete_snapshot(self._known.pop(snapshot))

    def delete(self, volume: str) -> None:
        """Delete a volume."""
        self._driver.delete_volume(self._known.pop(volume))

    def _new_volume(self) -> Any:
        identity = str(uuid.uuid4())
        volume = objects.Volume(
            self._context, id=identity, name_id=identity, _name_id=None, size=1, status="creating",
            host="driver-test@vmdk#vmdk", project_id="project", display_name="driver-test", display_description="",
            volume_type_id=None, volume_type=None, encryption_key_id=None, provider_location=None,
            source_volid=None, snapshot_id=None, metadata={}, admin_metadata={}, glance_metadata={},
            volume_attachment=objects.VolumeAttachmentList(objects=[]), snapshots=objects.SnapshotList(objects=[]),
        )  # fmt: skip
        self._known[identity] = volume
        return volume


def _configure(vcenter: dict[str, Any]) -> Any:
    options = cfg.CONF
    options([], project="cinder", default_config_files=[])
    section = configuration.Configuration(manager.volume_backend_opts + vmdk.vmdk_opts, config_group="vmdk")
    for name, value in vcenter.items():
        options.set_override(name, value, "vmdk")
    return section


if __name__ == "__main__":
    serve(Cinder, vim_util.get_moref_value)
