"""What a running cloud is asked, as far as it is not known yet: the next questions follow from the answers so far."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from resources.adoption.seen import asked
from resources.contract import Query, UnreadableError
from resources.ini import BrokenIniError, parse
from resources.units.compute_cluster import HYPERVISOR as VCENTER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.adoption.seen import Host, Replies

HOMES = "/etc/nova/vcenter"
AGENT_HOMES = "/etc/neutron/vcenter"
FUEL_COMPUTES = "/etc/nova/nova-compute.d"
FUEL_VOLUMES = "/etc/cinder/cinder.d"
CINDER = "/etc/cinder"
GLANCE_CONF = "/etc/glance/glance-api.conf"
ML2_CONF = "/etc/neutron/plugins/ml2/ml2_conf.ini"
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"

IDENTITIES = {"type": VCENTER, "uuids": True}
"""Which UUIDs Nova has for the hypervisors of vCenters."""

PACKAGES = (
    "nova-common",
    "nova-compute",
    "nova-compute-kvm",
    "nova-compute-qemu",
    "cinder-volume",
    "glance-api",
    "pacemaker",
    "pacemaker-remote",
    "python3-networking-vsphere",
)
NEUTRON_SERVICES = ("neutron-server", "neutron-api", "neutron-rpc-server")
SERVICES = ("nova-compute", "nova-api", "cinder-volume", "glance-api", "corosync", "pacemaker", "libvirtd", *NEUTRON_SERVICES)

CONF_FOLDERS = (
    "/etc/nova/nova.conf.d",
    "/etc/nova/nova-compute.conf.d",
    "/etc/cinder/cinder.conf.d",
    "/etc/cinder/cinder-volume.conf.d",
    "/etc/glance/glance.conf.d",
    "/etc/glance/glance-api.conf.d",
)
"""What services read after their files, whether anybody tells them to or not (oslo_config/cfg.py, `find_config_dirs`)."""

_FOLDERS = (HOMES, AGENT_HOMES, FUEL_COMPUTES, CINDER, FUEL_VOLUMES, *CONF_FOLDERS)
_FILES = (
    "/etc/nova/nova.conf",
    "/etc/nova/nova-compute.conf",
    "/etc/nova/nova-network/nova.conf",
    "/var/lib/nova/compute_id",
    "/etc/cinder/cinder.conf",
    GLANCE_CONF,
    ML2_CONF,
    "/etc/corosync/corosync.conf",
    "/etc/corosync/authkey",
    "/etc/pacemaker/authkey",
)
_VCENTERS = frozenset({"host_ip", "vmware_host_ip", "vmware_server_host"})
"""Options that say which vCenter somebody logs in to."""

_NAMED = frozenset({"ca_file", "vmware_ca_file", "nfs_shares_config", "swift_store_config_file"})
"""Options that name another file, which says what the documents must."""


def host_questions(host: Host) -> tuple[Query, ...]:
    """Return what to ask a host that has not been asked yet; nothing when all is known."""
    return _new(host.replies, _of_host(host))


def openstack_questions(replies: Replies) -> tuple[Query, ...]:
    """Return what to ask the APIs that they have not been asked yet."""
    lists = ("computes.list", "aggregates.list", "volume_services.list", "volume_types.list", "images.list")
    # last, because clouds before Pike know no UUIDs, and an API that failed is not asked again
    return _new(replies, iter((*(Query(op, {}) for op in lists), Query("hypervisors.list", IDENTITIES))))


def _new(replies: Replies, queries: Iterator[Query]) -> tuple[Query, ...]:
    wanted = {asked(query): query for query in queries}
    return tuple(query for key, query in wanted.items() if key not in replies)


def _of_host(host: Host) -> Iterator[Query]:
    yield Query("host.facts", {})
    yield Query("cib.read", {})
    yield Query("package.query", {"names": list(PACKAGES)})
    for service in SERVICES:
        yield Query("service.show", {"unit": f"{service}.service", "loads": {}})
    for folder in _FOLDERS:
        yield Query("file.list", {"path": folder})
    for path in (*_FILES, *_found(host), *_named(host)):
        yield Query("file.read", {"path": path})


def _found(host: Host) -> Iterator[str]:
    """Yield files below the folders that have been listed."""
    if ("file.list", json.dumps({"path": HOMES})) not in host.replies:
        return
    for name in host.names(HOMES):
        yield from (f"{HOMES}/{name}/nova.conf", f"{HOMES}/{name}/compute_id")
        yield f"/etc/systemd/system/nova-compute-{name}.service"
    for name in host.names(AGENT_HOMES):
        yield f"{AGENT_HOMES}/{name}/dvs-agent.ini"
        yield f"/etc/systemd/system/neutron-dvs-agent-{name}.service"
    yield from (f"{FUEL_COMPUTES}/{name}" for name in host.names(FUEL_COMPUTES) if name.endswith(".conf"))
    yield from (f"{CINDER}/{name}" for name in host.names(CINDER) if name.startswith("cinder-volume-"))


def _named(host: Host) -> Iterator[str]:
    """Yield files that the configuration read so far names; without a CA file named, the host's own trust counts."""
    for (op, args), reply in host.replies.items():
        path = json.loads(args).get("path", "")
        if op != "file.read" or not reply.ok or not path.endswith((".conf", ".ini")):
            continue
        try:
            entries = parse(host.text(path) or "").entries
        except (BrokenIniError, UnreadableError):
            continue  # whoever needs that file says so
        yield from (entry.value for entry in entries if entry.key in _NAMED and entry.value.startswith("/"))
        named = {entry.section for entry in entries if entry.key.endswith("ca_file")}
        if any(entry.key in _VCENTERS and entry.section not in named for entry in entries):
            yield TRUSTED
