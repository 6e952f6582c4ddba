"""Computes and volume backends leave the cloud, from the first lodger to the last file, on a clock that jumps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.core.graph import build_graph
from reconciler.core.load import Loaded
from reconciler.core.plan import Verb
from reconciler.desired import Desired
from reconciler.reconcile import Reconciler
from reconciler.redact import Redactor
from reconciler.targets.fake import FakeTarget
from resources.contract import Action, Address, Query, Reply, TargetId
from resources.units.volume_exit import VolumeExit
from tests.kinds.cloud import compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.apply import Progress
    from reconciler.core.plan import Step
    from reconciler.reconcile import Pass
    from reconciler.targets import Target
    from resources.contract import Unit

pytestmark = pytest.mark.looptime

LEAVES = "      - {cluster: DC0_C1, host: vcenter-c1, remove: true}"
STAYS = '      - {cluster: DC0_C0, host: vcenter-c0, datastoreRegex: "^LocalDS"}'
RESOURCE = "nova-compute-vcenter-c1"
DOWN_S = 60.0
PLACE = "  placement: {nodes: {roles: [cinder-vmdk]}}\n  ha: none\n"
BACKEND_LEAVES = {PLACE: "  placement: {nodes: {roles: [controller]}}\n  ha: active-passive\n  remove: true\n"}
BACKEND_EMPTY = {Address(TargetId("openstack", "demo"), "volume_exit", "vmdk@vmdk empty"): "drained"}
FILE = {"exists": True, "kind": "file", "text": "", "digest": "d", "mode": "0640", "owner": "root", "group": "nova"}


@dataclass
class Places:
    """The API, Pacemaker and the hosts, as far as they know of what leaves; `order` is what was done, in words.

    `lodgers` live there; `running` are services of hosts. `deaf` is the API that gives no answer. `early` are files that
    were removed while the service still reported. `refused` is an action that fails, `late` moves in before the closing.
    """

    lodgers: list[str] = field(default_factory=list)
    resource: str = RESOURCE
    running: set[tuple[str, str]] = field(default_factory=set)
    deaf: str = ""
    kinds: set[str] = field(default_factory=set)
    row: dict[str, Any] | None = field(default_factory=lambda: {"exists": True, "state": "up", "status": "enabled"})
    in_the_cib: set[str] = field(default_factory=set)
    files: set[tuple[str, str]] = field(default_factory=set)
    order: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    stopped_at: float | None = None
    refused: str = ""
    late: list[str] = field(default_factory=list)

    def get(self, target: TargetId) -> Target:
        """Return a target."""

        def answer(asked: Query | Action) -> Reply:
            words = asked.op, dict(asked.args), target.name
            if self.deaf and asked.op.startswith(self.deaf):
                return Reply({}, "failed", f"{self.deaf} answered 503")
            if self.refused and asked.op.startswith(self.refused):
                return Reply({}, "failed", "it is refused")
            return Reply(self._told(*words)) if isinstance(asked, Query) else Reply(self._done(*words))

        return FakeTarget(answer)

    def _told(self, op: str, args: dict[str, Any], host: str) -> dict[str, Any]:  # noqa: PLR0911 - one for each question
        match op:
            case "compute_service.get" | "volume_service.get":
                return self._row()
            case "instances.list" | "volumes.list":
                return {op.partition(".")[0]: self.lodgers}
            case "inventory.read":
                return {"claims": {}, "known": False}
            case "volume_type.get":
                return {"exists": "vmdk" in self.kinds, "id": "1", "public": True, "specs": {}}
            case "service.show" if (host, args["unit"]) in self.running:
                return {"load": "loaded", "active": "active", "enabled": "enabled", "stale": [], "reload_needed": False}
            case "resource.show" | "cib.element":
                return self._element(args["id"])
            case "file.read":
                return FILE if (host, args["path"]) in self.files else {"exists": False}
            case _:
                return {"load": "loaded", "active": "inactive", "enabled": "disabled", "stale": [], "reload_needed": False}

    def _done(self, op: str, args: dict[str, Any], host: str) -> dict[str, Any]:
        self.order.append(
            f"{op} {next(iter(args[key] for key in ('host', 'id', 'path', 'unit', 'name') if key in args), host)}"
        )
        match op:
            case "compute_service.disable" | "volume_service.disable":
                self.row = {**(self.row or {}), "status": "disabled"}
                self.lodgers += self.late
            case "compute_service.delete":
                self.row = None
            case "cib.remove":
                self.in_the_cib.remove(args["id"])
                if args["id"] == self.resource:
                    self.stopped_at = asyncio.get_running_loop().time()
            case "service.stop":
                self.running.discard((host, args["unit"]))
                self.stopped_at = asyncio.get_running_loop().time()
            case "volume_type.delete":
                self.kinds.remove(args["name"])
            case "file.remove":
                self.files.remove((host, args["path"]))
                self.early += [args["path"]] if self._row()["state"] == "up" else []
        return {}

    def _row(self) -> dict[str, Any]:
        if self.row is None:
            return {"exists": False, "state": None, "status": None}
        if self.stopped_at is not None and asyncio.get_running_loop().time() - self.stopped_at > DOWN_S:
            self.row["state"] = "down"
        return {**self.row, "hypervisor": None, "disabled_reason": None, "id": 9, "availability_zone": "vcenter-az"}

    def _element(self, name: str) -> dict[str, Any]:
        runs = self.resource in self.in_the_cib
        if name == self.resource:
            xml = f"<primitive id='{name}' class='systemd' type='x'/>"
        else:
            xml = f"<rsc_location id='{name}' rsc-pattern='^{self.resource}$' node='{name.rpartition('-')[2]}' score='0'/>"
        cluster = {"running": True, "quorate": True, "maintenance": False, "managed": True, "failed": False, "blocked": False}
        state: dict[str, Any] = {
            "role": "Started" if runs else "Stopped",
            "node": "ctl2" if runs else "",
            "failures": [],
            "stale": [],
        }
        return {"exists": name in self.in_the_cib, "xml": xml, **cluster, **state}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving(Desired):
    """What is declared with those edits of something that leaves: only units of it, the others stand."""

    edits: Mapping[str, str]
    mine: Callable[[Unit], bool]

    @classmethod
    def of(cls, edits: Mapping[str, str], mine: Callable[[Unit], bool]) -> Desired:
        """Return what is declared before anything was seen."""
        nothing = compiled()
        return cls(Loaded(resources={}, positions={}), nothing, build_graph({}), Redactor(), edits=edits, mine=mine).following(
            {}
        )

    def following(self, aliases: Mapping[Address, str]) -> Desired:
        """Return what is declared after that was seen."""
        catalog = compiled(self.edits, aliases=aliases)
        units = {a: unit for a, unit in catalog.units.items() if self.mine(unit)}
        units = {
            a: replace(unit, needs=tuple(need for need in unit.needs if need.address in units)) for a, unit in units.items()
        }
        return replace(self, catalog=replace(catalog, units=units), graph=build_graph(units), aliases=aliases)


def leaving() -> Desired:
    """Return the units of the leaving vSphere compute."""
    return Leaving.of({STAYS: f"{STAYS}\n{LEAVES}"}, lambda unit: "vcenter-c1" in unit.address.name)


def places(*instances: str) -> Places:
    """Return a world in which the compute lives."""
    units = leaving().catalog.units
    cib = {address.name for address in units if address.target.kind == "pacemaker"}
    files = {(a.target.name, unit.queries()[0].args["path"]) for a, unit in units.items() if a.target.kind == "ssh"}
    return Places(list(instances), in_the_cib=cib, files=files)


def reconciler(world: Places) -> Reconciler:
    """Return who brings it about."""
    return Reconciler(leaving(), world)  # type: ignore[arg-type]  # it is enough of Targets


async def passes(engine: Reconciler) -> list[Pass]:
    """Return all passes until it stops."""

    def unheard(_: Progress) -> None:
        """Listen to no progress."""

    return [done async for done in engine.passes(await engine.look(), unheard)]


async def test_a_compute_with_instances_is_closed_and_stays() -> None:
    """Nothing is taken away from instances; the plan names them."""
    world = places("web", "db")
    done = await passes(reconciler(world))
    assert world.order == ["compute_service.disable vcenter-c1"]
    held: dict[str, Step] = {str(step.address): step for step in done[-1].look.plan.held}
    assert held["openstack:demo/compute_exit/vcenter-c1 empty"].held.startswith("2 instances live (web, db) on vcenter-c1")
    assert f"pacemaker:demo/primitive/{RESOURCE}" in held


async def test_an_empty_compute_is_taken_away_and_then_nothing_is_left_to_do() -> None:
    """Closed, stopped, its places removed; files and row when Nova calls it down; the plan is empty afterwards."""
    world = places()
    engine = reconciler(world)
    done = await passes(engine)
    assert done[-1].converged, [result for result in done[-1].results.values() if result.message]
    assert world.order[:2] == ["compute_service.disable vcenter-c1", f"cib.remove {RESOURCE}"]
    assert (world.row, world.in_the_cib, world.files, world.early) == (None, set(), set(), [])
    assert {step.verb for step in (await engine.look()).plan.steps} == {Verb.NOTHING}


async def test_a_compute_that_is_down_keeps_all_while_instances_live_there() -> None:
    """One that hangs, or whose vCenter is away, must be able to come back: no file, no row, no resource goes."""
    world = places("web")
    world.row = {"exists": True, "state": "down", "status": "enabled"}
    await passes(reconciler(world))
    assert world.order == ["compute_service.disable vcenter-c1"]


@pytest.mark.parametrize("kind", ["compute", "backend"])
async def test_the_first_plan_shows_all_that_goes(kind: str) -> None:
    """Who agrees to a plan that closes what is empty has seen what will be taken away after that."""
    world, engine = backend() if kind == "backend" else ((found := places()), reconciler(found))
    shown = {step.address for step in (await engine.look()).plan.pending}
    done = await passes(engine)
    assert (done[-1].converged, world.files, world.in_the_cib) == (True, set(), set())
    assert {step.address for each in done for step in each.look.plan.pending} <= shown


@pytest.mark.parametrize("refused", ["compute_service.disable", "cib.remove"])
async def test_what_is_refused_ends_the_leaving_there(refused: str) -> None:
    """A compute that could not be closed is not stopped; what could not be stopped keeps its files and its row."""
    world = places()
    world.row = {"exists": True, "state": "down", "status": "enabled"}
    world.refused = refused
    assert not (await passes(reconciler(world)))[-1].converged
    assert {word.partition(" ")[0] for word in world.order} <= {"compute_service.disable"}
    assert world.row is not None


@pytest.mark.parametrize("kind", ["compute", "backend"])
async def test_who_comes_in_the_last_moment_stops_the_leaving(kind: str) -> None:
    """Between the look and the closing somebody may have moved in: it is looked again after closing, and nothing else goes."""
    world, engine = backend() if kind == "backend" else ((found := places()), reconciler(found))
    world.late = ["late"]
    done = await passes(engine)
    assert len(world.order) == 1, world.order
    assert any("1 " in step.held and "(late)" in step.held for step in done[-1].look.plan.held)


async def test_a_libvirt_compute_is_stopped_when_it_is_empty_and_then_forgotten() -> None:
    """With an instance it is closed and runs on; without, its service ends, and its row goes when Nova calls it down."""
    desired = Leaving.of(
        {"virtType: qemu": "virtType: qemu\n    leaving: [kvm1]"},
        lambda unit: "kvm1" in (unit.address.target.name, unit.address.name.split()[0]),
    )
    world = Places(["web"], running={("kvm1", "nova-compute.service")})
    engine = Reconciler(desired, world)  # type: ignore[arg-type]  # it is enough of Targets
    assert not (await passes(engine))[-1].converged
    assert world.order == ["compute_service.disable kvm1"]
    world.lodgers.clear()
    assert (await passes(engine))[-1].converged
    stopped = ["service.stop nova-compute.service", "service.disable nova-compute.service"]
    assert world.order[1:] == [*stopped, "compute_service.delete kvm1"]
    assert world.row is None


def backend(*volumes: str) -> tuple[Places, Reconciler]:
    """Return a world in which a backend lives on the controllers, and who takes it out."""
    desired = Leaving.of(BACKEND_LEAVES, lambda unit: unit.desired is None or isinstance(unit, VolumeExit))
    units = desired.following(BACKEND_EMPTY).catalog.units
    cib = {address.name for address in units if address.target.kind == "pacemaker"}
    files = {(a.target.name, unit.queries()[0].args["path"]) for a, unit in units.items() if a.target.kind == "ssh"}
    world = Places(list(volumes), "cinder-volume-vmdk", in_the_cib=cib, files=files, kinds={"vmdk"})
    return world, Reconciler(desired, world)  # type: ignore[arg-type]  # it is enough of Targets


async def test_a_backend_goes_when_its_last_volume_is_gone() -> None:
    """Closed and kept while volumes live there, which are told; then all of its own goes, the resource before the files."""
    world, engine = backend("data")
    done = await passes(engine)
    assert world.order == ["volume_service.disable vmdk@vmdk"]
    (held,) = done[-1].look.plan.held
    assert held.held.startswith("1 volume lives (data) on vmdk@vmdk: delete or migrate them")
    world.lodgers.clear()
    done = await passes(engine)
    assert done[-1].converged, [result for result in done[-1].results.values() if result.message]
    assert (world.in_the_cib, world.files, world.kinds, world.early) == (set(), set(), set(), [])
    removed = [word for word in world.order if word.startswith(("cib.remove", "file.remove"))]
    assert removed[0] == "cib.remove cinder-volume-vmdk"
    steps = (await engine.look()).plan.steps
    assert {step.verb for step in steps} == {Verb.NOTHING}
    (told,) = [text for step in steps for text in step.remarks]
    assert "cinder-manage service remove cinder-volume vmdk@vmdk" in told


@pytest.mark.parametrize("deaf", ["volumes.list", "volume_service.get"])
async def test_a_backend_of_which_nobody_knows_whether_it_is_empty_stays(deaf: str) -> None:
    """An API that does not answer empties nothing; closing needs no answer about volumes."""
    world, engine = backend()
    world.deaf = deaf
    assert not (await passes(engine))[-1].converged
    assert set(world.order) <= {"volume_service.disable vmdk@vmdk"}
    assert "cinder-volume-vmdk" in world.in_the_cib
