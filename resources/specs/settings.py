"""The field `settings` of several kinds: options of one's own, by section, within what Bivisor leaves open."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from resources.specs.shapes import Shape

_RESERVED = {
    ("DEFAULT", "host"): "it is the identity of the service",
    ("DEFAULT", "compute_driver"): "the zone's hypervisor decides it",
    ("DEFAULT", "state_path"): "it belongs to the service's identity",
    ("DEFAULT", "enabled_backends"): "the resources of kind VolumeBackend or ImageStore decide it",
    ("DEFAULT", "allow_availability_zone_fallback"): "volumes must not cross hypervisors",
    ("cinder", "cross_az_attach"): "volumes must not cross hypervisors",
    ("libvirt", "virt_type"): "libvirt.virtType decides it",
    **{
        ("glance_store", name): "the resources of kind ImageStore decide it"
        for name in ("stores", "default_store", "default_backend")
    },
    **{("vmware", name): "the VCenter decides it" for name in ("host_ip", "host_port", "host_username", "ca_file", "insecure")},
    ("vmware", "cluster_name"): "the cluster of each compute decides it",
    ("vmware", "cache_prefix"): "it is the compute's host, by which the image cache is found again",
    ("vmware", "datastore_regex"): "the datastoreRegex of each compute decides it",
}

_OF_A_BACKEND = frozenset({"backend_host", "backend_availability_zone", "volume_backend_name", "volume_driver"})
"""In a backend's own section, whatever that is called: the identity of its volumes, and where they may be attached."""

_OF_A_STORE = frozenset(
    {
        "default_swift_reference",
        "filesystem_store_datadir",
        "filesystem_store_datadirs",
        "rbd_store_pool",
        "swift_store_config_file",
        "swift_store_container",
        "vmware_ca_file",
        "vmware_datastores",
        "vmware_insecure",
        "vmware_server_host",
        "vmware_server_username",
    }
)
"""In a store's own section: where its images are, and how they are reached."""

_SECRET = re.compile(r"(passw(or)?d|secret|secret_key)$|^transport_url$|^connection$")

Section: TypeAlias = Annotated[str, Shape(r"[^\[\]\s]([^\[\]\r\n]*\S)?", "the name of a section, without brackets")]
Name: TypeAlias = Annotated[str, Shape(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", "the name of an option")]
Value: TypeAlias = str | int | float | bool | tuple[str, ...]


def _open(settings: dict[str, dict[str, Value]]) -> dict[str, dict[str, Value]]:
    for section, options in settings.items():
        for name in options:
            if reason := taken(section, name):
                raise ValueError(f"[{section}] {name} cannot be set here: {reason}")
    return settings


def taken(section: str, name: str) -> str:
    """Say who decides an option, if it is not the person who writes settings."""
    if _SECRET.search(name):
        return "it holds a secret, and these documents only name Secrets"
    if name in _OF_A_BACKEND:
        return "the VolumeBackend decides it"
    if name in _OF_A_STORE:
        return "the ImageStore decides it"
    return _RESERVED.get((section, name), "")


SettingsField: TypeAlias = Annotated[dict[Section, dict[Name, Value]], AfterValidator(_open)]
"""`{DEFAULT: {report_interval: 5}}`: written as it stands, so `$my_ip` means that option; a list is a repeated option."""
