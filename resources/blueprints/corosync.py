"""The text of corosync.conf (corosync.conf(5), votequorum(5), release 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PAIR = 2
"""A ring of two has no majority when one is lost: votequorum knows that case by its own name."""


@dataclass(frozen=True, slots=True)
class Member:
    """A node of the ring. `node_id` identifies it for ever: another node must never get the same."""

    name: str
    address: str
    node_id: int


def corosync_conf(cluster: str, members: tuple[Member, ...], system: Mapping[str, str]) -> str:
    """Return the whole file; members in the order of their ids, so that it is the same text on every node."""
    ordered = sorted(members, key=lambda member: member.node_id)
    lines = [
        f"# Bivisor writes this file from Cluster/{cluster}; edits are undone.",
        *_block("totem", _totem(cluster)),
        *_block("quorum", _quorum(len(members))),
        "nodelist {",
        *(f"  {line}" for member in ordered for line in _block("node", _node(member))),
        "}",
        *_block("logging", {"to_logfile": "no", "to_syslog": "yes", "timestamp": "on"}),
        *(_block("system", system) if system else ()),
    ]
    return "".join(f"{line}\n" for line in lines)


def _totem(cluster: str) -> Mapping[str, str]:
    return {
        "version": "2",
        "cluster_name": cluster,
        "transport": "knet",
        "crypto_cipher": "aes256",
        "crypto_hash": "sha256",
    }


def _quorum(size: int) -> Mapping[str, str]:
    """Return votequorum's options.

    `two_node` lets one of two go on alone; it brings `wait_for_all` with it: after a cold start a node waits until it has
    seen the other once, else both would start alone and fight.
    """
    return {"provider": "corosync_votequorum", **({"two_node": "1"} if size == PAIR else {})}


def _node(member: Member) -> Mapping[str, str]:
    return {"name": member.name, "nodeid": str(member.node_id), "ring0_addr": member.address}


def _block(name: str, options: Mapping[str, str]) -> tuple[str, ...]:
    return (f"{name} {{", *(f"  {key}: {value}" for key, value in options.items()), "}")
