"""What lives in the control plane's databases before Bivisor comes: accounts, endpoints, samples.

No aggregate, no availability zone, no compute and no volume service: those are Bivisor's.
"""

from __future__ import annotations

from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session
from openstack.connection import Connection

from tests.lab import swift
from tests.lab.controlplane_config import PORTS, REGION
from tests.lab.keys import AUTH_URL, PASSWORD
from tests.lab.layout import API

ENDPOINTS = {
    "nova": ("compute", f"http://{API.address}:{PORTS['nova-api']}/v2.1"),
    "placement": ("placement", f"http://{API.address}:{PORTS['placement-api']}"),
    "cinderv3": ("volumev3", f"http://{API.address}:{PORTS['cinder-api']}/v3/%(project_id)s"),
    "glance": ("image", f"http://{API.address}:{PORTS['glance-api']}"),
    "neutron": ("network", f"http://{API.address}:{PORTS['neutron-api']}"),
    "swift": ("object-store", f"{swift.ADDRESS}/v1/AUTH_%(project_id)s"),
}
"""Services of the catalogue by name: type and address."""

ACCOUNTS = ("nova", "placement", "cinder", "glance", "neutron", "swift")

FLAVOR = {"name": "tiny", "ram": 128, "vcpus": 1, "disk": 1}

IMAGES = {
    # a virtio disk of a guest without an operating system stays `detaching` for minutes: SCSI
    "tiny-kvm": {
        "disk_format": "qcow2",
        "hypervisor_type": "qemu",
        "hw_disk_bus": "scsi",
        "hw_scsi_model": "virtio-scsi",
    },
    "tiny-vmw": {
        "disk_format": "vmdk",
        "hypervisor_type": "vmware",
        "vmware_disktype": "preallocated",
        "vmware_adaptertype": "lsiLogic",
    },
}
"""Two blank disks of 1 MiB, one for each hypervisor, that say which one they are for."""

VOLUME_TYPES = ("kvm", "vmdk")
"""Each is bound to the backend that calls itself by the same name."""


def made_of() -> list[object]:
    """Everything that decides what this module makes."""
    return [ENDPOINTS, ACCOUNTS, FLAVOR, IMAGES, VOLUME_TYPES, REGION]


def connect() -> Connection:
    """A new connection as the cloud's admin; nothing of the environment or of `clouds.yaml` is read."""
    admin = Password(
        auth_url=AUTH_URL,
        username="admin",
        password=PASSWORD,
        project_name="admin",
        user_domain_name="Default",
        project_domain_name="Default",
    )
    return Connection(
        session=Session(auth=admin),
        region_name=REGION,
        compute_default_microversion="2.87",
        block_storage_default_microversion="3.62",
    )


def make_accounts(cloud: Connection) -> None:
    """The services' accounts, roles and endpoints."""
    identity = cloud.identity
    domain = identity.find_domain("default", ignore_missing=False).id
    project = identity.create_project(name="service", domain_id=domain)
    roles = [identity.find_role("admin", ignore_missing=False), identity.create_role(name="service")]
    for name in ACCOUNTS:
        user = identity.create_user(name=name, password=PASSWORD, domain_id=domain, default_project_id=project.id)
        for role in roles:
            identity.assign_project_role_to_user(project, user, role)
    for name, (kind, url) in ENDPOINTS.items():
        service = identity.create_service(name=name, type=kind)
        for interface in ("public", "internal", "admin"):
            identity.create_endpoint(service_id=service.id, interface=interface, url=url, region_id=REGION)


def make_samples(cloud: Connection, disks: dict[str, bytes]) -> None:
    """One flavor, an image for each hypervisor, a volume type for each backend.

    `disks` are blank disks by format (`qcow2`, `vmdk`).
    """
    cloud.compute.create_flavor(**FLAVOR)
    for name, properties in IMAGES.items():
        cloud.image.create_image(
            name=name,
            container_format="bare",
            visibility="public",
            data=disks[properties["disk_format"]],
            **properties,
        )
    for name in VOLUME_TYPES:
        cloud.block_storage.create_type(name=name, extra_specs={"volume_backend_name": name})
