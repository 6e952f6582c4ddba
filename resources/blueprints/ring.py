"""A Pacemaker cluster: packages, Corosync's files, the two services on each member, and the cluster's own options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.blueprints.corosync import Member, corosync_conf
from resources.contract import Address, Need
from resources.units.file import WholeFile
from resources.units.membership import Membership
from resources.units.package import Package
from resources.units.property import Property
from resources.units.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resources.contract import Facts, SecretText, TargetId, Unit
    from resources.published import NodeFacts

_CONF = "/etc/corosync/corosync.conf"
_KEY = "/etc/corosync/authkey"


@dataclass(frozen=True, slots=True)
class Ring:
    """What is declared about a cluster. `node_ids` may be empty: then they count from 1 in the order of names."""

    name: str
    target: TargetId
    members: tuple[NodeFacts, ...]
    authkey: SecretText
    node_ids: Mapping[str, int]
    system: Mapping[str, str]
    properties: Mapping[str, str]

    def units(self) -> tuple[Unit, ...]:
        """Return everything from packages to the options of the formed cluster."""
        return (*(unit for node in self.members for unit in self._member(node)), self._membership(), *self._properties())

    def ready(self) -> tuple[Need, ...]:
        """Return what must stand before Pacemaker is given something to run."""
        return (
            self._formed(),
            *(Need(unit.address, f"Pacemaker acts by the cluster's option {unit.address.name}") for unit in self._properties()),
        )

    def _member(self, node: NodeFacts) -> Iterator[Unit]:
        packages = tuple(Package.named(node.target, name) for name in ("corosync", "pacemaker", "pacemaker-cli-utils"))
        yield from packages
        installed = tuple(Need(package.address, "it comes with the package") for package in packages)
        conf = WholeFile.at(
            node.target, _CONF, self._conf(), attributes={"mode": "0644", "owner": "root", "group": "root"}, needs=installed[:1]
        )
        key = WholeFile.at(
            node.target, _KEY, self.authkey, attributes={"mode": "0400", "owner": "root", "group": "root"}, needs=installed[:1]
        )
        yield from (conf, key)
        files = (Need(conf.address, "it says who the members are"), Need(key.address, "members know each other by it"))
        loads, needs = (conf.address, key.address), (*files, installed[0])
        # two members that restart at once may cost a ring of three its quorum, and with that everything that it runs
        corosync = Service.running(node.target, "corosync", loads=loads, needs=needs, part_of=f"the ring of {self.name}")
        yield corosync
        above = Need(corosync.address, "Pacemaker runs on top of Corosync")
        yield Service.running(node.target, "pacemaker", needs=(above, *installed[1:]))

    def _conf(self) -> str:
        names = sorted(node.name for node in self.members)
        ids = self.node_ids or {name: index for index, name in enumerate(names, start=1)}
        members = tuple(Member(node.name, node.address, ids[node.name]) for node in self.members)
        return corosync_conf(self.name, members, self.system)

    def _formed(self) -> Need:
        return Need(Address(self.target, Membership.type, "ring"), "the ring must be formed and have quorum")

    def _membership(self) -> Unit:
        needs = tuple(
            Need(Address(node.target, Service.type, service), f"{node.name} joins when {service.capitalize()} runs there")
            for node in self.members
            for service in ("corosync", "pacemaker")
        )
        hosts = {node.name: node.target for node in sorted(self.members, key=lambda node: node.name)}
        desired: Facts = {"members": tuple(hosts), "quorate": True}
        return Membership(address=self._formed().address, desired=desired, needs=needs, hosts=hosts)

    def _properties(self) -> tuple[Unit, ...]:
        return tuple(
            Property(address=Address(self.target, Property.type, name), desired={"value": value}, needs=(self._formed(),))
            for name, value in self.properties.items()
        )
