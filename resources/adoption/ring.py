"""The ring of the controllers, by corosync.conf(5), and why Bivisor's own file must not take its place unasked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.contract import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resources.adoption.seen import Host, Seen

_TOTEM = {"transport": "knet", "crypto_cipher": "aes256", "crypto_hash": "sha256"}
"""How members of Bivisor's ring talk to each other; those who talk otherwise are no ring with them."""

_TOTEM_DEFAULT = {"transport": "knet", "crypto_cipher": "none", "crypto_hash": "none"}
"""What is so where the file says nothing (corosync.conf(5), release 3)."""

_SPLIT = (
    "observed only: the members of this ring talk otherwise ({strange}) than Bivisor's corosync.conf lets them, so while they "
    "restart one after the other they are two rings. Take the annotation away when what Pacemaker runs may be interrupted"
)

_RENAMED = (
    "observed only: Pacemaker calls its members otherwise than the Nodes are called ({renamed}), and would take them for new "
    "ones. Give the hosts names that a Node can have, in corosync.conf as well, when what Pacemaker runs may be interrupted"
)


@dataclass(frozen=True)
class RingFound:
    """What corosync.conf says. `nodes` are its members' blocks by their names there, `hosts` the hosts by the same names.

    `device` is the quorum device that has a vote, or ''.
    """

    name: str
    nodes: Mapping[str, Mapping[str, str]]
    totem: Mapping[str, str]
    system: Mapping[str, str]
    device: str
    hosts: Mapping[str, Host]

    @property
    def ids(self) -> dict[str, int]:
        """The id of each member, by its Node."""
        numbers = enumerate(self.nodes.items(), start=1)
        return {self.hosts[name].node: int(node.get("nodeid", number)) for number, (name, node) in numbers}

    def risk(self) -> str:
        """Say what Bivisor's corosync.conf would tear apart, or ''."""
        if strange := ", ".join(self._strange()):
            return _SPLIT.format(strange=strange)
        renamed = ", ".join(self._renamed())
        return _RENAMED.format(renamed=renamed) if renamed else ""

    def _strange(self) -> Iterator[str]:
        """Yield how they talk, where Bivisor's would do it otherwise: by one link, to the addresses of the Nodes."""
        totem = {**_TOTEM_DEFAULT, **self.totem}
        yield from (f"{name}: {totem[name]}" for name, ours in _TOTEM.items() if totem[name] != ours)
        if self.device:
            yield f"quorum device: {self.device}"
        for name, node in self.nodes.items():
            host = self.hosts[name]
            address = node.get("ring0_addr", "")
            if address != host.address:
                yield f"{host.node} by {address or 'no address'}, and its Node has {host.address}"
            more = sorted(key for key in node if key.startswith("ring") and key.endswith("_addr") and key != "ring0_addr")
            yield from (f"{host.node} by a further link, {key}: {node[key]}" for key in more)

    def _renamed(self) -> Iterator[str]:
        """Yield which member is which Node; one without a name in the file is called as its host."""
        for name, host in self.hosts.items():
            known = self.nodes[name].get("name") or host.hostname
            if known != host.node:
                yield f"{known} is Node/{host.node}"


def ring_of(seen: Seen) -> RingFound | None:
    """Return the ring, or None. Raises UnreadableError for a member that was not named.

    Debian's package brings a ring of node1 alone, on the loopback, which is none.
    """
    for host in seen.hosts:
        text = host.text("/etc/corosync/corosync.conf")
        if text and (host.runs("corosync") or host.at_boot("corosync")):
            nodes, sections = _read(text)
            if {node.get("ring0_addr", "") for node in nodes.values()} != {"127.0.0.1"}:
                totem = sections.get("totem", {})
                device = sections.get("device", {}).get("model", "")
                hosts = _members(nodes, seen)
                return RingFound(totem.get("cluster_name", ""), nodes, totem, sections.get("system", {}), device, hosts)
    return None


def _members(nodes: Mapping[str, Mapping[str, str]], seen: Seen) -> dict[str, Host]:
    """Return the hosts by the names that the ring has for them. Raises UnreadableError."""
    found: dict[str, Host] = {}
    for name, node in nodes.items():
        address = node.get("ring0_addr", "")
        by_name = [host for host in seen.hosts if name in (host.node, host.hostname)]
        by_address = [host for host in seen.hosts if address in (host.address, host.node, host.hostname)]
        if known := by_name or by_address:
            found[name] = known[0]
    if missing := sorted(nodes.keys() - found.keys()):
        raise UnreadableError(f"the ring has members that were not named: {', '.join(missing)}; name each as NAME=ADDRESS")
    return found


def _read(text: str) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """Return the blocks of the members and all other ones, by name: sections of `key: value`, one inside the other."""
    nodes: dict[str, dict[str, str]] = {}
    found: dict[str, dict[str, str]] = {}
    stack: list[tuple[str, dict[str, str]]] = []
    for line in (line.strip() for line in text.splitlines()):
        if line.endswith("{"):
            stack.append((line[:-1].strip(), {}))
        elif line == "}" and stack:
            section, values = stack.pop()
            if section == "node":
                nodes[values.get("name") or values.get("ring0_addr", "")] = values
            else:
                found[section] = values
        elif stack and not line.startswith("#") and ":" in line:
            key, _, value = line.partition(":")
            stack[-1][1][key.strip()] = value.strip()
    return nodes, found
