"""The lab's network: one bridge, and for each host a network namespace and a virtual cable.

Packets from the lab are not forwarded anywhere: forwarding is off on the bridge itself, whatever
the machine does with its other links.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.commands import run
from tests.lab.layout import BRIDGE, BRIDGE_ADDRESS, HOSTS, PREFIX_LENGTH

if TYPE_CHECKING:
    from tests.lab.layout import Host


def lay_network() -> None:
    """Make the bridge and everything that hangs on it; expects that none of it exists."""
    _batch(
        f"link add {BRIDGE} type bridge forward_delay 0 stp_state 0",
        f"addr add {BRIDGE_ADDRESS}/{PREFIX_LENGTH} dev {BRIDGE}",
        f"link set {BRIDGE} up",
    )
    for family in ("ipv4", "ipv6"):
        switch = Path(f"/proc/sys/net/{family}/conf/{BRIDGE}/forwarding")
        if switch.exists():
            switch.write_text("0")
    for host in HOSTS:
        _lay_cable(host)


def _lay_cable(host: Host) -> None:
    run(["ip", "netns", "add", host.namespace])
    _batch(
        f"link add {host.link} type veth peer name eth0 netns {host.namespace}",
        f"link set {host.link} master {BRIDGE} up",
    )
    _batch(
        "link set lo up",
        f"addr add {host.address}/{PREFIX_LENGTH} dev eth0",
        "link set eth0 up",
        f"route add default via {BRIDGE_ADDRESS}",
        inside=host,
    )


def remove_network() -> None:
    """Remove what `lay_network` makes, as far as it is there."""
    for name in existing_links():
        run(["ip", "link", "delete", name])
    for name in existing_namespaces():
        run(["ip", "netns", "delete", name])


def existing_namespaces() -> list[str]:
    """The lab's network namespaces that exist now."""
    folder = Path("/run/netns")
    ours = {host.namespace for host in HOSTS}
    return sorted(entry.name for entry in folder.glob("*") if entry.name in ours)


def identity(name: str) -> str:
    """What `/proc/PID/ns/net` of a process in that namespace says."""
    return f"net:[{Path('/run/netns', name).stat().st_ino}]"


def existing_links() -> list[str]:
    """The lab's links of the machine that exist now, the bridge last."""
    ours = {host.link for host in HOSTS} | {BRIDGE}
    shown = json.loads(run(["ip", "-json", "link", "show"]))
    return sorted({link["ifname"] for link in shown} & ours, key=lambda name: name == BRIDGE)


def cut_cable(host: Host) -> None:
    """Take the host off the network: its own end goes down, as if the cable were pulled."""
    _batch("link set eth0 down", inside=host)


def mend_cable(host: Host) -> None:
    """Undo `cut_cable` (a link that went down has lost its routes)."""
    _batch("link set eth0 up", f"route replace default via {BRIDGE_ADDRESS}", inside=host)


def is_plugged(host: Host) -> bool:
    """Is the host's own end of its cable up?"""
    shown = json.loads(run(["ip", "-json", "-n", host.namespace, "link", "show", "dev", "eth0"]))
    return "UP" in shown[0]["flags"]


def _batch(*lines: str, inside: Host | None = None) -> None:
    where = ["-n", inside.namespace] if inside else []
    run(["ip", *where, "-batch", "-"], stdin="\n".join([*lines, ""]))
