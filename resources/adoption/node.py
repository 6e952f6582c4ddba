"""Nodes from hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.adoption.draft import Document

if TYPE_CHECKING:
    from resources.adoption.draft import Path
    from resources.adoption.seen import Host

TRUSTED_NOW = "trusted as it was seen first: compare it with /etc/ssh/ssh_host_*_key.pub on the host's console"
KNOWN = "no hostKey: your known_hosts file knows this host; adopt --accept-host-keys writes what it sees"


def node(host: Host, roles: tuple[str, ...], *, compute: str, user: str, port: int) -> Document:
    """Return the document of a host; `user` and `port` are the cluster's, which need not be said again.

    `compute` is what Nova calls its own compute, or ''.
    """
    ssh = {
        "user": host.user if host.user != user else None,
        "port": host.port if host.port != port else None,
        "hostKey": host.host_key or None,
    }
    spec = {
        "address": host.address,
        "ssh": ssh if any(ssh.values()) else None,
        "computeHost": compute if compute not in {"", host.node} else None,
        "roles": list(roles) or None,
    }
    notes: dict[Path, str] = {("ssh", "hostKey"): TRUSTED_NOW} if host.host_key else {("address",): KNOWN}
    if spec["computeHost"]:
        notes["computeHost",] = "its identity in Nova: never change it"
    if host.note:
        notes[()] = host.note
    return Document("Node", host.node, spec, notes)
