"""The demo's cloud made of the models, and what happens in it by itself: computes register, a ring forms, resources start."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconciler.targets.fake import FakeTarget
from resources.cib import nvpairs, parse
from resources.contract import Action, TargetId
from resources.units.compute_cluster import HYPERVISOR
from tests.units.model.host import UNITS, Daemon, Host, Node
from tests.units.model.openstack import OpenStack
from tests.units.model.pacemaker import Ring, Running
from tests.units.model.vcenter import VCenter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.targets import Target
    from resources.contract import Query, Reply

COMPUTE = "nova-compute-vcenter-c0"
MEMBERS = ("ctl1", "ctl2", "ctl3")
CONF = "/etc/nova/nova.conf"

_DATASTORE = {"name": "LocalDS_0", "type": "VMFS", "accessible": True, "maintenance": False}
_CLUSTER = {"exists": True, "moref": "domain-c8", "matches": 1, "hosts": 1, "usable_hosts": 1, "instance_uuid": "u"}
_VCENTER: Mapping[str, Mapping[str, Any]] = {
    "session.check": {"logged_in": True, "fault": "", "about": {}},
    "cluster.find": {**_CLUSTER, "names": {"domain-c8": "DC0_C0"}},
    "datastores.list": {"datastores": [_DATASTORE]},
}


@dataclass(slots=True)
class ModelledCloud:
    """All targets by their ids, as `Targets` has them. `done` are the actions, with the target's name."""

    hosts: dict[str, Host]
    openstack: OpenStack = field(default_factory=OpenStack)
    ring: Ring = field(default_factory=lambda: Ring(nodes=dict.fromkeys(MEMBERS, False), quorate=False, stopped=True))
    vcenter: VCenter = field(default_factory=lambda: VCenter(said=dict(_VCENTER)))
    done: list[tuple[str, Action]] = field(default_factory=list)

    @classmethod
    def bare(cls, names: Iterable[str]) -> ModelledCloud:
        """Return a cloud whose hosts are bare, but for the API's."""
        hosts = {name: Host(daemons={COMPUTE + ".service": Daemon(exists=False, enabled="")}) for name in names}
        for host in hosts.values():
            for service in ("corosync", "pacemaker", "nova-compute", "libvirtd", "cinder-volume"):
                host.daemons[f"{service}.service"] = Daemon()
        api = hosts["api1"]
        api.nodes |= {CONF: Node(b"[DEFAULT]\n"), "/etc/glance/glance-api.conf": Node(b"[DEFAULT]\n")}
        api.daemons |= {f"{name}.service": Daemon(active="active", enabled="enabled") for name in ("nova-api", "glance-api")}
        return cls(hosts)

    def get(self, target: TargetId) -> Target:
        """Return a target."""
        models: dict[str, Any] = {"openstack": self.openstack, "pacemaker": self.ring, "vcenter": self.vcenter}
        model = self.hosts[target.name] if target.kind == "ssh" else models[target.kind]

        def answer(asked: Query | Action) -> Reply:
            self._time_goes_by()
            if not isinstance(asked, Action):
                told: Reply = model.answer(asked)
                return told
            self.done.append((target.name, asked))
            reply: Reply = model.do(asked)
            if reply.ok and "claims" in asked.args:
                for name in (target.name,) if target.kind == "ssh" else MEMBERS:
                    self.hosts[name].remember(asked.args["claims"])
            self._time_goes_by()
            return reply

        return FakeTarget(answer)

    def restarted(self) -> list[str]:
        """Return what was restarted, in order."""
        return [str(action.args.get("unit") or action.args["id"]) for _, action in self.done if action.op.endswith(".restart")]

    def _time_goes_by(self) -> None:
        now = 10_000 + int(asyncio.get_running_loop().time())
        self.openstack.now = self.ring.now = now
        for each in self.hosts.values():
            each.now = now
        self._ring_forms()
        self._resource_starts()
        if self._runs("kvm1", "nova-compute"):
            self._registers("kvm1", "QEMU", "kvm1")
        if COMPUTE in self.ring.states:
            self._registers("vcenter-c0", HYPERVISOR, "domain-c8.u")
            self.openstack.hypervisors = [{"hostname": "domain-c8.u", "host": "vcenter-c0", "uuid": ""}]
        for host, name, zone in (("vol1", "vmdk@vmdk", "vcenter-az"), ("vol2", "kvm@kvm", "kvm-az")):
            if self._runs(host, "cinder-volume"):
                row = {"state": "up", "status": "enabled", "disabled_reason": None, "availability_zone": zone}
                self.openstack.volume_services[name] = row

    def _runs(self, host: str, service: str) -> bool:
        return self.hosts[host].daemons[f"{service}.service"].active == "active"

    def _registers(self, host: str, kind: str, hypervisor: str) -> None:
        shown = {"type": kind, "hostname": hypervisor, "state": "up"}
        row = {"id": 1, "state": "up", "status": "enabled", "disabled_reason": None, "hypervisor": shown}
        self.openstack.computes[host] = {**row, "reported_at": self.openstack.now}

    def _ring_forms(self) -> None:
        online = {name: self._runs(name, "corosync") and self._runs(name, "pacemaker") for name in MEMBERS}
        self.ring.nodes, self.ring.quorate = online, sum(online.values()) > len(MEMBERS) // 2
        self.ring.stopped = not any(online.values())

    def _resource_starts(self) -> None:
        """Start the compute where it is declared, has a place, and its unit file is there."""
        cib = parse(self.ring.cib)
        found = next((found for found in cib.iter("primitive") if found.get("id") == COMPUTE), None)
        declared = found is not None and nvpairs(found, "meta_attributes").get("target-role") != "Stopped"
        placed = any(COMPUTE in found.get("rsc-pattern", "") for found in cib.iter("rsc_location"))
        there = f"{UNITS}{COMPUTE}.service" in self.hosts["ctl1"].nodes
        self.ring.files = self.hosts["ctl1"].records
        if declared and placed and there and self.ring.quorate and COMPUTE not in self.ring.states:
            self.ring.states[COMPUTE] = Running(started=self.ring.now, loaded=dict(self.ring.files))
