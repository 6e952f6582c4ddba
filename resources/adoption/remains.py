"""Why a line of the first plan after adopting remains: what Bivisor would do otherwise than whoever made the cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.files import ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resources.contract import Change

_TYPES = {
    "package": "Bivisor wants this package there; another one that excludes it (nova-compute-qemu or -kvm) goes when it comes",
    "directory": "services of Bivisor's layout live in directories of their own",
    "systemd_unit": "Bivisor writes the whole unit file of a service that it runs",
    "file": "Bivisor writes the whole file, and it is not there, or not as it would write it",
    "membership": "not every member is online, or there is no quorum",
    "property": "an option of Pacemaker that Bivisor decides (Cluster.spec.pacemaker.properties says otherwise)",
    "inventory": "what a host remembers as Bivisor's",
    "constraint": "Pacemaker runs a resource of Bivisor's only where a constraint of its own allows it",
    "primitive": "Bivisor keeps this service as a resource of its own",
    "aggregate": "a zone of its own makes volumes and instances stay on one hypervisor",
    "volume_type": "a type is bound to its backend and to its zone, so that no volume crosses hypervisors",
    "image_property": "an image says which hypervisor it is for",
    "port_group": "declared in the zone, and not so in vCenter",
    "compute_service": "Nova does not have the compute as it is declared",
    "volume_service": "Cinder does not have the service as it is declared, or in another zone",
    "session": "the vCenter does not let the account in that its services use",
    "compute_cluster": "the vCenter does not have the cluster as it is declared",
    "datastores": "no datastore of the cluster is usable",
    "image_datastores": "the vCenter does not have the datastores that Glance keeps images in",
    "distributed_switch": "the vCenter does not have the switch that a DVS agent works on",
}

_FIELDS = {
    ("service", "fresh"): "a file that it reads was changed after it was started, and nobody knows which content it has "
    "loaded: one restart settles it",
    ("primitive", "fresh"): "a file that it reads was changed after it was started, and nobody knows which content it has "
    "loaded: one restart settles it",
    ("service", "masked"): "the packaged service must not start beside Bivisor's own, as a second compute or a second writer",
    ("service", "enabled"): "it would not come back after a boot",
    ("service", "active"): "it does not run, or must not",
    ("service", "heard"): "Nova has not heard of it since it was started",
    ("config_file", "[cinder] cross_az_attach"): "with the default, volumes of one hypervisor can be attached on the other",
    ("config_file", "[DEFAULT] host"): "the compute's identity is written down, as Nova has it already",
    ("config_file", "[DEFAULT] glance_api_servers"): "unset, Cinder finds Glance in Keystone's catalogue",
    ("config_file", "[DEFAULT] my_ip"): "the address of its Node: name the host by the one that should stand there",
}

_OPTIONS = {
    "volume_backend_name": "a backend is called as its section; volume types that name it otherwise find it no more",
    "target_ip_address": "the address of its Node: settings of the backend say otherwise",
}
"""By the name of an option, in whatever section."""


_READS = "it has to load a file that has a line of its own here"


def why(unit_type: str, changes: Iterable[Change], *, reads: bool = False) -> tuple[str, ...]:
    """Return the reasons of a step's changes, each once; every change has one.

    `reads` tells that the step is there because something else of the plan changes what its process loads.
    """
    said = (_READS if reads and change.field == "fresh" else _why(unit_type, change) for change in changes)
    return tuple(dict.fromkeys(said))


def _why(unit_type: str, change: Change) -> str:
    known = _FIELDS.get((unit_type, change.field)) or _OPTIONS.get(change.field.rpartition("] ")[2])
    if known:
        return known
    if change.field in ATTRIBUTES and change.before is not None:
        return f"{change.field}: who may read what holds a secret"
    if unit_type == "config_file" and change.before is None:
        return f"{change.field}: not set there; Bivisor says it in every such file"
    if unit_type == "config_file" and change.after is None:
        return f"{change.field}: it has another name in this release, or must not be set"
    if unit_type == "config_file":
        return f"{change.field}: other services say otherwise, and one value is declared for all, or Bivisor decides it"
    return _TYPES.get(unit_type, "not as it is declared")
