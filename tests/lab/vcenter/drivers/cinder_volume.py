# mypy: ignore-errors
# ruff: noqa: ANN, BLE001, E402, INP001, T201
"""Cinder's real VMDK driver, without a cloud around it: one JSON request a line, one reply a line.

Runs on the Python of the lab's image, where cinder is installed. The first request brings host, port,
user, password and ca_file of the vCenter. The image service is a function that gives zeros.
"""

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import json
import sys
import traceback
import uuid

from cinder import context, objects
from cinder.image import image_utils
from cinder.volume import configuration, manager
from cinder.volume.drivers.vmware import vmdk
from oslo_config import cfg
from oslo_vmware import vim_util

_IMAGE_BYTES = 1 << 20


class Images:
    """As much of the image service's client as the driver calls."""

    def __init__(self):
        self.temp_images = image_utils.TemporaryImages(self)

    def show(self, _context, image):
        properties = {"vmware_disktype": "preallocated", "vmware_adaptertype": "lsiLogic"}
        return {
            "id": image, "size": _IMAGE_BYTES, "disk_format": "vmdk", "container_format": "bare",
            "properties": properties,
        }  # fmt: skip

    def download(self, _context, _image, data=None):
        if data is None:
            return iter([bytes(_IMAGE_BYTES)])
        data.write(bytes(_IMAGE_BYTES))
        return None


def configure(vcenter):
    options = cfg.CONF
    options([], project="cinder", default_config_files=[])
    section = configuration.Configuration(manager.volume_backend_opts + vmdk.vmdk_opts, config_group="vmdk")
    for name, value in {
        "vmware_host_ip": vcenter["host"],
        "vmware_host_port": vcenter["port"],
        "vmware_host_username": vcenter["user"],
        "vmware_host_password": vcenter["password"],
        "vmware_ca_file": vcenter["ca_file"],
        "vmware_insecure": False,
        "vmware_task_poll_interval": 0.1,
        "vmware_tmp_dir": "/tmp",  # noqa: S108 - of a root file system that lasts as long as this process
    }.items():
        options.set_override(name, value, "vmdk")
    objects.register_all()
    return section


class Cinder:
    """Each public method is a request; volumes and snapshots are named by their ids."""

    def __init__(self, vcenter):
        self._driver = vmdk.VMwareVcVmdkDriver(configuration=configure(vcenter), host="driver-test@vmdk")
        self._context = context.get_admin_context()
        self._driver.do_setup(self._context)
        self._driver.check_for_setup_error()
        self._known = {}

    def create(self):
        volume = self._new_volume()
        self._driver.create_volume(volume)
        return volume.id

    def create_from_image(self):
        volume = self._new_volume()
        volume.status = "downloading"
        self._driver.copy_image_to_volume(self._context, volume, Images(), str(uuid.uuid4()))
        return volume.id

    def create_from_snapshot(self, snapshot):
        volume = self._new_volume()
        self._driver.create_volume_from_snapshot(volume, self._known[snapshot])
        return volume.id

    def clone(self, volume):
        copy = self._new_volume()
        self._driver.create_cloned_volume(copy, self._known[volume])
        return copy.id

    def connect(self, volume, connector):
        return self._driver.initialize_connection(self._known[volume], connector)

    def disconnect(self, volume, connector):
        self._driver.terminate_connection(self._known[volume], connector)

    def extend(self, volume, size):
        self._driver.extend_volume(self._known[volume], size)

    def snapshot(self, volume):
        snapshot = objects.Snapshot(
            self._context, id=str(uuid.uuid4()), volume_id=volume, volume=self._known[volume], volume_size=1,
            display_description="", provider_location=None,
        )  # fmt: skip
        self._driver.create_snapshot(snapshot)
        self._known[snapshot.id] = snapshot
        return snapshot.id

    def delete_snapshot(self, snapshot):
        self._driver.delete_snapshot(self._known[snapshot])

    def delete(self, volume):
        self._driver.delete_volume(self._known[volume])

    def _new_volume(self):
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


def main():
    cinder = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "start":
                cinder, done = Cinder(request["vcenter"]), None
            else:
                done = getattr(cinder, request["do"])(**request.get("with", {}))
            reply = {"done": done}
        except Exception:
            reply = {"failed": traceback.format_exc()}
        print(json.dumps(reply, default=vim_util.get_moref_value), flush=True)


main()
