"""A service of our own that Pacemaker keeps running on one of several nodes: its systemd unit, its places, its resource.

The nodes are members of the ring, or pacemaker_remote nodes, which the ring's members connect to and run things on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resources.contract import Address, Need
from resources.units.config_file import ConfigFile
from resources.units.constraint import Constraint
from resources.units.file import WholeFile
from resources.units.primitive import Primitive
from resources.units.service import Service
from resources.units.systemd_unit import SystemdUnit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resources.contract import Unit
    from resources.published import CloudFacts, NodeFacts

_START_S, _STOP_S = 120, 100
_RESERVE_S = 10
"""systemd gives up this much earlier than Pacemaker, so that Pacemaker learns the reason."""

_UNFENCED_STOP_S = 30
UNFENCED_GRACE_S = _UNFENCED_STOP_S - _RESERVE_S
"""Seconds in which a service should give up its work in hand, before systemd would end it by force."""

_UNFENCED_WAIT_S = 50
"""Without fencing nobody proves that a lost controller is dead. Cut off from the ring, it stops its own service a moment
after the others notice the loss (seen: one second), and that may take `TimeoutStopSec`. So while a member of the ring is
missing, a start elsewhere waits longer than that. A ring that is whole waits for nothing."""

_GUARD = f"""\
ExecStartPre=+/bin/sh -c 'test $$(corosync-quorumtool -s | grep -E "^(Expected|Total) votes:" | tr -d "A-Za-z: " \
| sort -u | wc -l) -eq 1 || sleep {_UNFENCED_WAIT_S}'
"""

_LIFELINE_S = 20
"""A remote node that is cut off knows nothing of quorum and would go on. So beside the service there a lifeline asks for the
cluster, and ends when nobody has answered for so long; a controller that dies may take the connection along and the next
one has it again after some eight seconds. systemd then stops the service, which is bound to its lifeline."""

_ASK_S, _PAUSE_S = 5, 2
_REMOTE_WAIT_S = _LIFELINE_S + _ASK_S + _PAUSE_S + _UNFENCED_STOP_S + 5
"""So while any node is missing, a start elsewhere waits until a lost one has surely noticed and stopped."""

_REMOTE_GUARD = f"""\
ExecStartPre=+/bin/sh -c 'seen=$$(crm_mon -1 --output-as=xml) && ! echo "$$seen" | grep -q "<node .*online=.false." \
|| sleep {_REMOTE_WAIT_S}'
"""

_LIFELINE = f"""\
[Unit]
Description=Stops {{name}} when the Pacemaker cluster is lost
StopWhenUnneeded=yes

[Service]
ExecStart=/bin/sh -c 'last=$$(date +%%s); while test $$(($$(date +%%s) - last)) -lt {_LIFELINE_S}; do \
timeout {_ASK_S} cibadmin --query --scope nodes >/dev/null 2>&1 && last=$$(date +%%s); sleep {_PAUSE_S}; done; exit 1'
"""

_BOUND = """\
BindsTo={name}-lifeline.service
After={name}-lifeline.service
"""

_PRIMITIVE = {
    "op monitor interval": "10s",
    "op monitor timeout": "100s",
    "op start timeout": f"{_START_S}s",
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
{bound}StartLimitIntervalSec=0

[Service]
{type}User={user}
Group={user}
WorkingDirectory={folder}
{guard}ExecStart={command}
Restart={restart}
TimeoutStartSec={start_s}
TimeoutStopSec={stop_s}
LimitNOFILE=65535
{install}"""

_NOTIFIES = """\
Type=notify
NotifyAccess=all
"""
_SILENT = "Type=exec\n"

_INSTALL = """
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True)
class KeptService:
    """What is declared about one. `name` is that of its systemd unit (without `.service`) and of the Pacemaker resource.

    `nodes` are the candidates, `remotes` those of them that are no members of the ring. Not `kept`, it is on the
    only node, where systemd starts it at boot and again when it fails. A service that `notifies` tells systemd when it
    works; of another one only the API that it reports to can tell. `program` is set where there are several of it.
    """

    name: str
    description: str
    command: str
    user: str
    folder: str
    cloud: CloudFacts
    nodes: tuple[NodeFacts, ...]
    remotes: tuple[NodeFacts, ...] = ()
    kept: bool = True
    notifies: bool = True
    program: str = ""

    @property
    def unfenced(self) -> bool:
        """Tell whether Pacemaker may have to move it away from a node that nobody can prove dead."""
        return self.kept and not self.cloud.fenced

    def unit_files(self, node: NodeFacts, installed: tuple[Need, ...]) -> tuple[SystemdUnit, ...]:
        """Return the service's unit file, and its lifeline's if it has one; the same on every node."""
        files = {f"{self.name}.service": self._unit_file()}
        if self._has_lifeline:
            files[f"{self.name}-lifeline.service"] = _LIFELINE.format(name=self.name)
        return tuple(SystemdUnit.named(node.target, name, text, installed) for name, text in files.items())

    def places(self, *also: Need) -> tuple[Unit, ...]:
        """Return one permission per candidate: in an opt-in cluster a resource runs nowhere else."""
        return places(self.cloud, self.name, self.nodes, *also) if self.kept else ()

    def keeper(self, prepared: Iterable[Unit], *also: Need) -> Primitive | Service:
        """Return what keeps it running, once everything that it starts with is prepared on every node."""
        units = tuple(prepared)
        needs = (*(Need(unit.address, f"it must be able to start on {unit.address.target.name}") for unit in units), *also)
        loads = tuple(unit.address for unit in units if isinstance(unit, ConfigFile | WholeFile | SystemdUnit))
        if self.kept:
            return self._primitive(needs, loads)
        return replace(Service.running(self.nodes[0].target, self.name, loads=loads, needs=needs), program=self.program)

    def _primitive(self, prepared: tuple[Need, ...], loads: tuple[Address, ...]) -> Primitive:
        allowed = tuple(Need(unit.address, "it says where the resource may run") for unit in self.places())
        reached = tuple(
            Need(remote_address(self.cloud, node), f"Pacemaker runs things on {node.name} over this connection")
            for node in self.remotes
        )
        return Primitive(
            address=Address(self.cloud.pacemaker, Primitive.type, self.name),
            desired={"class": "systemd", "agent": self.name, **_PRIMITIVE, "running": True, "fresh": True},
            needs=(*prepared, *self.cloud.ring, *allowed, *reached),
            loads=loads,
            unit=f"{self.name}.service",
            program=self.program,
        )

    @property
    def _has_lifeline(self) -> bool:
        return self.unfenced and bool(self.remotes)

    def _unit_file(self) -> str:
        return _UNIT.format(
            description=self.description,
            bound=_BOUND.format(name=self.name) if self._has_lifeline else "",
            guard=(_REMOTE_GUARD if self._has_lifeline else _GUARD) if self.unfenced else "",
            user=self.user,
            folder=self.folder,
            command=self.command,
            type=_NOTIFIES if self.notifies else _SILENT,
            restart="no" if self.kept else "on-failure",
            start_s=_START_S - _RESERVE_S,
            stop_s=_UNFENCED_STOP_S if self.unfenced else _STOP_S - _RESERVE_S,
            install="" if self.kept else _INSTALL,
        )


def places(cloud: CloudFacts, resource: str, nodes: tuple[NodeFacts, ...], *also: Need) -> tuple[Unit, ...]:
    """Return the permissions of a resource to run on these nodes.

    They need the formed ring only, not its options: a permission may be given before the cluster becomes an opt-in one.
    """
    return tuple(
        Constraint(
            address=Address(cloud.pacemaker, Constraint.type, f"{resource}-on-{node.name}"),
            desired={"resource": resource, "node": node.name, "score": "0"},
            needs=(*cloud.ring[:1], *also),
            resource=resource,
        )
        for node in nodes
    )


def remote_address(cloud: CloudFacts, node: NodeFacts) -> Address:
    """Return the address of the connection to a remote node: Pacemaker calls the resource as the node is called."""
    return Address(cloud.pacemaker, Primitive.type, node.name)
