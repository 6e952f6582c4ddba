"""A service with one identity that may live on several nodes, one at a time: its unit file, and who keeps it running."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.contract import Address, Need
from resources.units.config_file import ConfigFile
from resources.units.constraint import Constraint
from resources.units.file import WholeFile
from resources.units.primitive import Primitive
from resources.units.service import Service
from resources.units.systemd_unit import SystemdUnit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from resources.cloud import CloudFacts, NodeFacts
    from resources.contract import Unit

_START_S, _STOP_S = 60, 60
_RESERVE_S = 10
"""systemd gives up this much earlier than Pacemaker, so that Pacemaker learns the reason."""

_UNFENCED_STOP_S = 30
_UNFENCED_WAIT_S = 50
"""Without fencing nobody proves that a lost controller is dead: while a member of the ring is missing, a start elsewhere
waits longer than the lost one may take to stop. A ring that is whole waits for nothing."""

_GUARD = f"""\
ExecStartPre=+/bin/sh -c 'test $$(corosync-quorumtool -s | grep -E "^(Expected|Total) votes:" | tr -d "A-Za-z: " \
| sort -u | wc -l) -eq 1 || sleep {_UNFENCED_WAIT_S}'
"""

_PRIMITIVE = {
    "op monitor interval": "20s",
    "op monitor timeout": "60s",
    "op start timeout": f"{_START_S + _UNFENCED_WAIT_S}s",
    "op stop timeout": f"{_STOP_S}s",
    "meta migration-threshold": "3",
    "meta failure-timeout": "120s",
    "meta resource-stickiness": "100",
}

_UNIT = """\
[Unit]
Description={description}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=simple
User={user}
Group={user}
WorkingDirectory={folder}
{guard}ExecStart={command}
Restart={restart}
TimeoutStartSec={start_s}
TimeoutStopSec={stop_s}
LimitNOFILE=65535
{install}"""

_INSTALL = """
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True)
class KeptService:
    """Such a service: `name` is that of its systemd unit (without `.service`) and of its Pacemaker resource.

    With `pacemaker` it is kept on the `nodes` by Pacemaker, else by systemd on the only one. systemd cannot tell of a
    service of type simple whether it works; who wants to know asks the API that it reports to.
    """

    name: str
    description: str
    user: str
    folder: str
    command: str
    cloud: CloudFacts
    nodes: tuple[NodeFacts, ...]
    pacemaker: bool

    def unit_on(self, node: NodeFacts, installed: Need) -> SystemdUnit:
        """Return the unit file, which is the same on every node."""
        unfenced = self.pacemaker and not self.cloud.fenced
        content = _UNIT.format(
            description=self.description,
            user=self.user,
            folder=self.folder,
            command=self.command,
            guard=_GUARD if unfenced else "",
            restart="no" if self.pacemaker else "on-failure",
            start_s=_START_S + _UNFENCED_WAIT_S - _RESERVE_S,
            stop_s=_UNFENCED_STOP_S if unfenced else _STOP_S - _RESERVE_S,
            install="" if self.pacemaker else _INSTALL,
        )
        return SystemdUnit.named(node.target, f"{self.name}.service", content, (installed,))

    def kept(self, prepared: Iterable[Unit]) -> Iterator[Unit]:
        """Yield what keeps it running, once everything that it starts with is prepared on every node."""
        units = tuple(prepared)
        needs = tuple(Need(unit.address, f"it must be able to start on {unit.address.target.name}") for unit in units)
        loads = tuple(unit.address for unit in units if isinstance(unit, ConfigFile | WholeFile | SystemdUnit))
        if not self.pacemaker:
            yield Service.running(self.nodes[0].target, self.name, loads=loads, needs=needs)
            return
        places = tuple(self._place(node) for node in self.nodes)
        yield from places
        allowed = tuple(Need(place.address, "it says where the resource may run") for place in places)
        yield Primitive(
            address=Address(self.cloud.pacemaker, Primitive.type, self.name),
            desired={"class": "systemd", "agent": self.name, **_PRIMITIVE, "running": True, "fresh": True},
            needs=(*needs, *self.cloud.ring, *allowed),
            loads=loads,
            unit=f"{self.name}.service",
        )

    def _place(self, node: NodeFacts) -> Unit:
        """Return the permission to run there: in an opt-in cluster a resource runs nowhere else. It needs only the ring."""
        return Constraint(
            address=Address(self.cloud.pacemaker, Constraint.type, f"{self.name}-on-{node.name}"),
            desired={"resource": self.name, "node": node.name, "score": "0"},
            needs=self.cloud.ring[:1],
            resource=self.name,
        )
