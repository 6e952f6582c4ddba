"""A user of the lab's cloud: boots an instance in each zone, makes volumes, attaches them, and cleans up."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openstack.exceptions import BadRequestException

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openstack.connection import Connection

ZONES = {"kvm-az": ("tiny-kvm", "kvm"), "vcenter-az": ("tiny-vmw", "vmdk")}
"""Availability zone: the image and the volume type for it."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """An instance and a volume per availability zone."""

    cloud: Connection
    servers: dict[str, Any]
    volumes: dict[str, Any]

    def attach(self, zone: str) -> None:
        """Attach the zone's volume to the zone's instance; returns when it is in use."""
        self.cloud.compute.create_volume_attachment(self.servers[zone], volume_id=self.volumes[zone].id)
        self.cloud.block_storage.wait_for_status(self.volumes[zone], "in-use", wait=120)

    def detach(self, zone: str) -> None:
        """Detach it; returns when it is available."""
        self.cloud.compute.delete(f"/servers/{self.servers[zone].id}/os-volume_attachments/{self.volumes[zone].id}")
        self.cloud.block_storage.wait_for_status(self.volumes[zone], "available", wait=120)

    def may_cross(self, server_zone: str, volume_zone: str) -> bool:
        """Tell whether the API lets a volume of one zone be attached to an instance of another."""
        try:
            self.cloud.compute.create_volume_attachment(self.servers[server_zone], volume_id=self.volumes[volume_zone].id)
        except BadRequestException:
            return False
        return True


@contextmanager
def tenant(cloud: Connection) -> Iterator[Tenant]:
    """Boot an instance and make a volume in each zone; delete all of it at the end."""
    found = Tenant(cloud, {}, {})
    try:
        for zone, (_, volume_type) in ZONES.items():
            found.servers[zone] = _boot(cloud, zone, f"test-{zone}")
            found.volumes[zone] = cloud.block_storage.create_volume(
                name=f"test-{zone}", size=1, availability_zone=zone, volume_type=volume_type
            )
        for zone in ZONES:
            found.servers[zone] = cloud.compute.wait_for_server(found.servers[zone], wait=180)
            found.volumes[zone] = cloud.block_storage.wait_for_status(found.volumes[zone], "available", wait=120)
        yield found
    finally:
        for server in found.servers.values():
            cloud.compute.delete_server(server, ignore_missing=True)
        for server in found.servers.values():
            cloud.compute.wait_for_delete(server, wait=120)
        for volume in found.volumes.values():
            cloud.block_storage.delete_volume(volume, ignore_missing=True)
        for volume in found.volumes.values():
            cloud.block_storage.wait_for_delete(volume, wait=120)


@contextmanager
def instance_in(cloud: Connection, zone: str, name: str, host: str = "") -> Iterator[Any]:
    """Boot an instance of the zone from its image, on that compute if one is named; delete it at the end."""
    server = _boot(cloud, zone, name, host)
    try:
        yield cloud.compute.wait_for_server(server, wait=180)
    finally:
        cloud.compute.delete_server(server, ignore_missing=True)
        cloud.compute.wait_for_delete(server, wait=120)


def _boot(cloud: Connection, zone: str, name: str, host: str = "") -> Any:
    return cloud.compute.create_server(
        name=name,
        image_id=cloud.image.find_image(ZONES[zone][0], ignore_missing=False).id,
        flavor_id=cloud.compute.find_flavor("tiny", ignore_missing=False).id,
        availability_zone=f"{zone}:{host}" if host else zone,
        networks="none",
    )


@contextmanager
def booted_from_volume(cloud: Connection, zone: str) -> Iterator[Any]:
    """Boot an instance of the zone from a new volume that Cinder fills with the image; delete both at the end."""
    image, volume_type = ZONES[zone]
    disk = {
        "boot_index": 0,
        "uuid": cloud.image.find_image(image, ignore_missing=False).id,
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": 1,
        "volume_type": volume_type,
        "delete_on_termination": True,
    }
    server = cloud.compute.create_server(
        name=f"test-boot-{zone}",
        flavor_id=cloud.compute.find_flavor("tiny", ignore_missing=False).id,
        availability_zone=zone,
        networks="none",
        block_device_mapping=[disk],
    )
    try:
        yield cloud.compute.wait_for_server(server, wait=240)
    finally:
        cloud.compute.delete_server(server, ignore_missing=True)
        cloud.compute.wait_for_delete(server, wait=120)


@contextmanager
def volume_in(cloud: Connection, zone: str, name: str) -> Iterator[Any]:
    """Make a volume of the zone's type; delete it at the end."""
    volume = cloud.block_storage.create_volume(name=name, size=1, availability_zone=zone, volume_type=ZONES[zone][1])
    try:
        yield cloud.block_storage.wait_for_status(volume, "available", wait=180)
    finally:
        cloud.block_storage.delete_volume(volume, ignore_missing=True)
        cloud.block_storage.wait_for_delete(volume, wait=120)
