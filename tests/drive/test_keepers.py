"""A backend changes its keeper, from the boot link to Pacemaker and back: never two at once, and nothing is left behind."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.core.compile import introduce
from reconciler.core.graph import build_graph
from reconciler.core.load import Loaded
from reconciler.core.plan import Verb
from reconciler.desired import Desired
from reconciler.reconcile import Reconciler
from reconciler.redact import Redactor
from reconciler.targets.fake import FakeTarget
from reconciler.targets.host.claim_changes import inventory_claim
from reconciler.targets.host.inventory import Inventory
from resources.contract import Action, Key, Query, Reply, TargetId
from tests.core.claimed import PRIMITIVE, VMDK, world

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.apply import Progress
    from reconciler.reconcile import Pass
    from reconciler.targets import Target

pytestmark = pytest.mark.looptime

MEMBERS = ("ctl1", "ctl2", "ctl3")
PACKAGED = ("vol1", "cinder-volume.service")
CLUSTER = {"running": True, "quorate": True, "maintenance": False, "managed": True, "failed": False, "blocked": False}


@dataclass
class Hosts:
    """Hosts with files and services, a ring with a CIB, a Cinder that hears of whatever lives. `order` is what was done.

    What Pacemaker stops takes its time: `ending` says where it lives on, and until systemd was asked about it how often.
    """

    folder: Path
    files: dict[tuple[str, str], str] = field(default_factory=dict)
    owned: dict[tuple[str, str], str] = field(default_factory=dict)
    active: set[tuple[str, str]] = field(default_factory=set)
    cib: dict[str, str] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    ending: dict[str, int] = field(default_factory=dict)

    def get(self, target: TargetId) -> Target:
        """Return a target."""

        def answer(asked: Query | Action) -> Reply:
            args = dict(asked.args)
            if isinstance(asked, Query):
                return Reply(self._told(asked.op, args, target.name))
            claims = args.pop("claims", {})
            hosts = MEMBERS if target.kind == "pacemaker" else (target.name,)
            self._remember(hosts, {a: {**claim, "without": []} for a, claim in claims.items() if claim})
            self._do(asked.op, args, target.name)
            self._remember(hosts, claims)
            assert len(self.alive()) <= 1, self.order
            return Reply({})

        return FakeTarget(answer)

    def alive(self) -> list[tuple[str, str]]:
        """Return where a cinder-volume of the backend lives, and as what."""
        kept = [(self.node(), VMDK)] if self.node() else []
        return [*kept, *((node, VMDK) for node in self.ending), *(self.active & {PACKAGED})]

    def node(self) -> str:
        """Return where Pacemaker runs the resource: on the first node that has a permission and the unit."""
        places = [node for node in MEMBERS if f"{VMDK}-on-{node}" in self.cib]
        return places[0] if VMDK in self.cib and places else ""

    def _ends(self, host: str) -> bool:
        left = self.ending.pop(host, 0) - 1
        if left > 0:
            self.ending[host] = left
        return left >= 0

    def _remember(self, hosts: tuple[str, ...], claims: dict[str, Any]) -> None:
        for host in hosts:
            (self.folder / host).mkdir(exist_ok=True)
            inventory_claim({"claims": claims}, str(self.folder / host))

    def _told(self, op: str, args: dict[str, Any], host: str) -> dict[str, Any]:
        match op:
            case "inventory.read":
                return {"claims": Inventory(str(self.folder / host)).claims, "known": True}
            case "file.read":
                text = self.files.get((host, args["path"]))
                recorded = self.owned.get((host, args["path"]))
                attributes = {"mode": "0640", "owner": "root", "group": "cinder", "recorded": recorded}
                return {"exists": False} if text is None else {"text": text, "digest": text, **attributes}
            case "volume_service.get":
                up = "up" if self.alive() else "down"
                return {
                    "exists": True,
                    "state": up,
                    "status": "enabled",
                    "availability_zone": "vcenter-az",
                    "disabled_reason": "",
                }
            case "service.show":
                kept = args["unit"] == f"{VMDK}.service" and (self.node() == host or self._ends(host))
                active = "active" if kept or (host, args["unit"]) in self.active else "inactive"
                at_boot = "enabled" if (host, args["unit"]) in self.active else "disabled"
                return {"load": "loaded", "active": active, "enabled": at_boot, "stale": [], "reload_needed": False}
            case _:
                xml = self.cib.get(args["id"], "")
                state: dict[str, Any] = {
                    "role": "Started" if self.node() else "Stopped",
                    "node": self.node(),
                    "failures": [],
                    "stale": [],
                }
                return {"exists": bool(xml), "xml": xml, **CLUSTER, **state}

    def _do(self, op: str, args: dict[str, Any], host: str) -> None:
        self.order.append(f"{op} {args.get('id') or args.get('unit') or args.get('path') or host}")
        match op:
            case "file.write":
                self.files[host, args["path"]] = args["text"]
                self.owned[host, args["path"]] = args["owned"]
            case "file.remove":
                del self.files[host, args["path"]]
            case "service.start":
                self.active.add((host, args["unit"]))
            case "service.stop":
                self.active.discard((host, args["unit"]))
            case "cib.upsert":
                self.cib[args["element"].split('id="')[1].split('"')[0]] = args["element"]
            case "cib.remove":
                if args["id"] == VMDK and self.node():
                    self.ending[self.node()] = 3
                del self.cib[args["id"]]


def reconciler(hosts: Hosts, cloud: str) -> Reconciler:
    """Return who brings about what that cloud declares of the backend and of the hosts' memory."""
    catalog = world(cloud)
    types = {"inventory", "config_file", "file", "systemd_unit", "service", "primitive", "constraint", "volume_service"}
    mine = {a: u for a, u in catalog.units.items() if a.type in types and {Key("VolumeBackend", "vmdk")} & {*u.origins}}
    mine |= {a: u for a, u in catalog.units.items() if a.type == "inventory"}
    mine = {a: u for a, u in mine.items() if (u.desired or {}).get("masked") is not True}
    units = {
        a: replace(u, needs=tuple(n for n in u.needs if n.address in mine), settle_s=5.0, steady_s=0.0) for a, u in mine.items()
    }
    catalog = replace(catalog, units=introduce(units))
    desired = Desired(Loaded(resources={}, positions={}), catalog, build_graph(units), Redactor())
    return Reconciler(desired, hosts, confirm_deletes=True)  # type: ignore[arg-type] # it is enough of Targets


async def converge(hosts: Hosts, cloud: str) -> list[Pass]:
    """Carry out passes until they stop."""

    def unheard(_: Progress) -> None:
        """Listen to no progress."""

    engine = reconciler(hosts, cloud)
    done = [each async for each in engine.passes(await engine.look(), unheard)]
    assert done[-1].converged, [result for result in done[-1].results.values() if result.message]
    assert {step.verb for step in (await engine.look()).plan.steps} == {Verb.NOTHING}
    return done


async def test_from_the_boot_link_to_pacemaker_and_back(tmp_path: Path) -> None:
    """At each moment at most one lives; at the end of each way the former one's files, units and resources are gone."""
    hosts = Hosts(tmp_path)
    await converge(hosts, "demo")
    assert hosts.alive() == [PACKAGED]
    await converge(hosts, "kept")
    assert hosts.alive() == [("ctl1", VMDK)]
    assert {host for host, _ in hosts.files} == set(MEMBERS)
    await converge(hosts, "demo")
    assert hosts.alive() == [PACKAGED]
    assert hosts.cib == {}
    assert {host for host, _ in hosts.files} == {"vol1"}
    gone = hosts.order.index(f"cib.remove {VMDK}")
    assert all(hosts.order.index(f"file.remove {path}") > gone for path in (f"/etc/systemd/system/{VMDK}.service",))


async def test_it_moves_off_a_node_before_its_files_go_there(tmp_path: Path) -> None:
    """The node where it runs leaves the placement: the permission goes, then it runs elsewhere, then the files go."""
    hosts = Hosts(tmp_path)
    await converge(hosts, "kept")
    hosts.cib = {name: xml for name, xml in hosts.cib.items() if not name.endswith(("ctl1", "ctl2"))}
    assert hosts.alive() == [("ctl3", VMDK)]
    await converge(hosts, "two controllers")
    assert hosts.alive() == [("ctl1", VMDK)]
    assert {host for host, _ in hosts.files} == {"ctl1", "ctl2"}
    assert f"{VMDK}-on-ctl3" not in hosts.cib
    place = hosts.order.index(f"cib.remove {VMDK}-on-ctl3")
    assert hosts.order.index(f"file.remove /etc/systemd/system/{VMDK}.service") > place


async def test_a_backend_whose_document_vanished_stays_as_it_is(tmp_path: Path) -> None:
    """Nothing is done at all, and the plan says what to declare."""
    hosts = Hosts(tmp_path)
    await converge(hosts, "kept")
    done = len(hosts.order)
    plan = (await reconciler(hosts, "no backend").look()).plan
    held = {str(step.address): step.held for step in plan.held}
    assert held[PRIMITIVE].startswith("VolumeBackend/vmdk no longer declares vmdk@vmdk, where volumes may live")
    assert not plan.pending
    assert len(hosts.order) == done
