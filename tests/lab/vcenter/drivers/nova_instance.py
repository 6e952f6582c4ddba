# mypy: ignore-errors
# ruff: noqa: ANN, BLE001, E402, INP001, T201
"""Nova's real VMware driver, without a cloud around it: one JSON request a line, one reply a line.

Runs on the Python of the lab's image, where nova is installed. The first request brings host, port, user,
password, cluster and ca_file of the vCenter. The image service is a function that gives zeros.
"""

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import json
import sys
import traceback
import uuid

import oslo_messaging.transport
from nova import conf, context, objects, rpc
from nova.objects.image_meta import ImageMeta
from oslo_vmware import vim_util

_IMAGE_BYTES = 1 << 20


class Images:
    """As much of the image service's client as the driver calls."""

    def get(self, _context, image, **_options):
        return {"id": image, "size": _IMAGE_BYTES, "disk_format": "vmdk", "properties": {}}

    def download(self, _context, _image, **_options):
        return iter([bytes(_IMAGE_BYTES)])


def configure(vcenter):
    """Set the options before the driver is imported: it reads them as defaults of its arguments."""
    options = conf.CONF
    options([], project="nova", default_config_files=[])
    options.register_opts(oslo_messaging.transport._transport_opts)
    options.set_override("transport_url", "fake://")
    options.set_override("lock_path", "/tmp/nova-locks", "oslo_concurrency")
    for name, value in {
        "host_ip": vcenter["host"],
        "host_port": vcenter["port"],
        "host_username": vcenter["user"],
        "host_password": vcenter["password"],
        "cluster_name": vcenter["cluster"],
        "ca_file": vcenter["ca_file"],
        "insecure": False,
        "api_retry_count": 3,
        "task_poll_interval": 0.1,
        "cache_prefix": "driver-test",
    }.items():
        options.set_override(name, value, "vmware")
    objects.register_all()
    rpc.init(options)


def new_instance(node):
    flavor = objects.Flavor(flavorid="1", name="tiny", memory_mb=64, vcpus=1, root_gb=1, ephemeral_gb=0, swap=0, extra_specs={})
    instance = objects.Instance(
        id=1, uuid=str(uuid.uuid4()), image_ref=str(uuid.uuid4()), flavor=flavor, node=node, host="driver-test",
        display_name="driver-test", hostname="driver-test", project_id="project", user_id="user",
        root_gb=1, ephemeral_gb=0, memory_mb=64, vcpus=1, metadata={}, system_metadata={}, config_drive="",
        key_data=None, os_type=None, default_ephemeral_device=None, default_swap_device=None,
        vm_state="building", task_state=None, power_state=0, cleaned=False, availability_zone=None, launched_at=None,
    )  # fmt: skip
    instance.save = lambda *_arguments, **_options: None  # there is no database
    return instance


class Nova:
    """Each public method is a request."""

    def __init__(self, vcenter):
        configure(vcenter)
        from nova.virt.vmwareapi import driver, images  # noqa: PLC0415 - after the options

        images.IMAGE_API = Images()
        self._vm_util = driver.vm_util
        self._driver = driver.VMwareVCDriver(virtapi=None)
        self._driver.init_host("driver-test")
        self._context = context.get_admin_context()
        self._instance = None

    def node(self):
        return self._driver.get_available_nodes()[0]

    def resources(self):
        told = self._driver.get_available_resource(self.node())
        return {name: told[name] for name in ("vcpus", "memory_mb", "local_gb")}

    def spawn(self):
        self._instance = instance = new_instance(self.node())
        image = ImageMeta.from_dict(
            {
                "id": instance.image_ref, "name": "tiny", "size": _IMAGE_BYTES, "status": "active",
                "disk_format": "vmdk", "container_format": "bare", "min_disk": 0, "min_ram": 0,
                "properties": {"vmware_disktype": "preallocated", "vmware_adaptertype": "lsiLogic"},
            }
        )  # fmt: skip
        self._driver.spawn(self._context, instance, image, [], "password", {}, network_info=[])
        return {"uuid": instance.uuid, "state": self._driver.get_info(instance).state}

    def connector(self):
        return self._driver.get_volume_connector(self._instance)

    def attach(self, connection):
        self._driver.attach_volume(self._context, connection, self._instance, "/dev/sdb")

    def detach(self, connection):
        self._driver.detach_volume(self._context, connection, self._instance, "/dev/sdb")

    def reboot(self):
        self._driver.reboot(self._context, self._instance, [], "HARD")

    def destroy(self):
        self._driver.destroy(self._context, self._instance, [])


def main():
    nova = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "start":
                nova, done = Nova(request["vcenter"]), None
            else:
                done = getattr(nova, request["do"])(**request.get("with", {}))
            reply = {"done": done}
        except Exception:
            reply = {"failed": traceback.format_exc()}
        print(json.dumps(reply, default=vim_util.get_moref_value), flush=True)


main()
