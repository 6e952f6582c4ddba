"""Hosts off the ring on which Pacemaker runs things: pacemaker_remote there, and the ring's connection to it.

Sources: Pacemaker Remote (upstream's book), ocf_pacemaker_remote(7).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.blueprints.kept_service import places, remote_address
from resources.contract import Need
from resources.units.file import WholeFile
from resources.units.package import Package
from resources.units.primitive import Primitive
from resources.units.service import Service

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from resources.contract import Facts, SecretText, Unit
    from resources.published import CloudFacts, NodeFacts

_KEY = "/etc/pacemaker/authkey"
_KEY_ATTRIBUTES = {"mode": "0640", "owner": "root", "group": "haclient"}
"""The cluster's own daemons, which read it, run as hacluster of this group (Debian, pacemaker-common's postinst)."""

_CONNECTION = {
    "class": "ocf",
    "provider": "pacemaker",
    "agent": "remote",
    "op monitor interval": "10s",
    "op monitor timeout": "15s",
    # In vain it tries for so long, and the cluster decides nothing else meanwhile.
    "op start timeout": "30s",
    "op stop timeout": "60s",
}

_AFTER_A_LOSS = {
    # The lost node has been fenced: what ran there is forgotten, and it may come back at any time.
    True: {"param reconnect_interval": "20s"},
    # Nobody has proven that it is dead. While a lost node is being connected to in vain, Pacemaker believes that its services
    # still run there, and would restart those that took over (crm_simulate, 2.1.5). So it stays out until its failure is
    # cleaned up, which applying does as soon as the node answers and its daemon runs.
    False: {"op monitor on-fail": "stop"},
}
"""What becomes of a lost connection, with fencing and without."""


@dataclass(frozen=True, slots=True)
class RemoteNodes:
    """What is declared about them: `members` are the ring's, `authkey` is the key that both sides must hold."""

    cloud: CloudFacts
    members: tuple[NodeFacts, ...]
    remotes: tuple[NodeFacts, ...]
    authkey: SecretText

    def units(self) -> Iterator[Unit]:
        """Yield everything from packages to the established connections."""
        if not self.remotes:
            return
        keys = tuple(self._key(node, Package.named(node.target, "pacemaker")) for node in self.members)
        yield from keys
        held = tuple(Need(key.address, "whoever runs the connection needs the key") for key in keys)
        for node in self.remotes:
            service = yield from self._host(node)
            allowed = places(self.cloud, node.name, self.members)
            yield from allowed
            needs = (
                Need(service.address, "it answers the connection"),
                *held,
                *self.cloud.ring,
                *(Need(unit.address, "it says which member may hold the connection") for unit in allowed),
            )
            desired: Facts = {**_CONNECTION, **_AFTER_A_LOSS[self.cloud.fenced], "param server": node.address, "running": True}
            yield Primitive(address=remote_address(self.cloud, node), desired=desired, needs=needs)

    def _host(self, node: NodeFacts) -> Generator[Unit, None, Unit]:
        """Yield what is on a remote node; return the service."""
        packages = tuple(Package.named(node.target, name) for name in ("pacemaker-remote", "pacemaker-cli-utils"))
        yield from packages
        key = self._key(node, packages[0])
        yield key
        # It reads the key at each connection, so another key needs no restart.
        needs = (*(Need(package.address, "it comes with the package") for package in packages), Need(key.address, "its key"))
        service = Service.running(node.target, "pacemaker_remote", needs=needs)
        yield service
        return service

    def _key(self, node: NodeFacts, package: Package) -> Unit:
        needs = (Need(package.address, "the package brings the directory and the group"),)
        return WholeFile.at(node.target, _KEY, self.authkey, attributes=_KEY_ATTRIBUTES, needs=needs)
