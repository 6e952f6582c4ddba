"""The demo's cloud, from bare hosts to the last aggregate, in models of all its targets, on a clock that jumps."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from reconciler import plan_file
from reconciler.cli import saved, session
from reconciler.core.errors import StalePlanError
from reconciler.core.graph import build_graph
from reconciler.core.load import Loaded, load
from reconciler.core.plan import Verb
from reconciler.core.shown import Paper
from reconciler.desired import Desired
from reconciler.reconcile import Reconciler
from reconciler.redact import Redactor
from resources.kinds.registry import KINDS
from resources.rules.registry import RULES
from tests.core.claimed import ONE_OPTION_LESS, TWO_ON_A_NODE
from tests.kinds.cloud import SECRETS, compiled, demo_texts
from tests.units.model.cloud import COMPUTE, CONF, ModelledCloud

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.apply import Progress
    from reconciler.reconcile import Pass

pytestmark = pytest.mark.looptime

OLD, NEW = (f"        report_interval: {seconds}\n        service_down_time: 20" for seconds in (5, 6))


def unheard(_: Progress) -> None:
    """Listen to no progress."""


def engine(cloud: ModelledCloud, changes: dict[str, str] | None = None) -> Reconciler:
    """Return who brings the demo about, its documents changed a little."""
    catalog = compiled(changes)
    texts = demo_texts()
    for old, new in (changes or {}).items():
        texts = {name: text.replace(old, new) for name, text in texts.items()}
    files = {read.file: "the CA's text\n" for read in load(texts, KINDS, RULES).reads}
    loaded = load(texts, KINDS, RULES)
    desired = Desired(loaded, catalog, build_graph(catalog.units), Redactor(), SECRETS, files)
    return Reconciler(desired, cloud)  # type: ignore[arg-type]  # it is enough of Targets


def bare() -> ModelledCloud:
    """Return the demo's hosts with nothing on them."""
    return ModelledCloud.bare({target.name for target in compiled().endpoints if target.kind == "ssh"})


async def converged() -> ModelledCloud:
    """Return a cloud that is as declared."""
    cloud = bare()
    await passes(engine(cloud))
    cloud.done.clear()
    return cloud


def declared(cloud: ModelledCloud, changes: dict[str, str]) -> Reconciler:
    """Return who brings about what the changed documents declare, whatever has to be read for it."""
    catalog = compiled(changes)
    loaded = Loaded(resources=catalog.resources, positions=catalog.positions)
    return Reconciler(Desired(loaded, catalog, build_graph(catalog.units), Redactor(), SECRETS), cloud)  # type: ignore[arg-type]  # as above


async def passes(reconciler: Reconciler) -> list[Pass]:
    """Return all passes until it stops."""
    return [done async for done in reconciler.passes(await reconciler.look(), unheard)]


async def carry_out(path: Path, reconciler: Reconciler) -> list[Pass]:
    """Carry out what was saved."""
    cloud, file = session.Session(reconciler.desired, reconciler), plan_file.read_plan(path)
    within, look = await saved.look_again(path, file, cloud, timedelta(days=1), session.Press(Paper()))
    assert look is not None
    return [done async for done in within.reconciler.passes(look, unheard)]


def left(done: list[Pass]) -> list[str]:
    """Return what is not as it should be after the last pass."""
    return [f"{result.address}: {result.outcome}: {result.message}" for result in done[-1].results.values() if result.message]


async def test_from_bare_hosts_to_the_whole_cloud() -> None:
    """One apply converges; what it leaves needs nothing; zones have their hosts."""
    cloud = bare()
    done = await passes(engine(cloud))
    assert done[-1].converged, left(done)
    assert {name: row["hosts"] for name, row in cloud.openstack.aggregates.items()} == {
        "kvm-az": ["kvm1"],
        "vcenter-az": ["vcenter-c0"],
    }
    cloud.done.clear()
    assert {step.verb for step in (await engine(cloud).look()).plan.steps} == {Verb.NOTHING}
    assert cloud.done == []


async def test_a_saved_plan_leads_from_bare_hosts_to_the_whole_cloud(tmp_path: Path) -> None:
    """All that follows from the first plan stands in it: nothing comes to light on the way that it had not shown."""
    cloud = bare()
    planner = engine(cloud)
    path = tmp_path / "plan.json"
    await plan_file.write_plan(path, tmp_path, planner.desired, await planner.look())
    assert cloud.done == []
    done = await carry_out(path, engine(cloud))
    assert done[-1].converged, left(done)
    assert {step.verb for step in (await engine(cloud).look()).plan.steps} == {Verb.NOTHING}


async def test_a_saved_edit_restarts_exactly_what_it_named(tmp_path: Path) -> None:
    """Both computes restart, one after the other; drift on a volume host stays; drift on a compute refuses it all."""
    cloud = await converged()
    path = tmp_path / "plan.json"
    planner = engine(cloud, {OLD: NEW})
    look = await planner.look()
    await plan_file.write_plan(path, tmp_path, planner.desired, look)
    interrupted = {step.disruption.service for step in look.plan.steps if step.disruption}
    assert interrupted == {"nova-compute on kvm1", f"{COMPUTE} on ctl1"}
    volume, compute = (cloud.hosts["vol1"].nodes["/etc/cinder/cinder.conf"], cloud.hosts["kvm1"].nodes[CONF])
    volume.mode = "0600"
    mode, compute.mode = compute.mode, "0666"
    with pytest.raises(StalePlanError, match=r'ssh:kvm1/config_file//etc/nova/nova.conf: mode is "0666"; it was as declared'):
        await carry_out(path, engine(cloud, {OLD: NEW}))
    assert cloud.done == []
    compute.mode = mode
    done = await carry_out(path, engine(cloud, {OLD: NEW}))
    assert done[-1].converged, left(done)
    assert sorted(cloud.restarted()) == ["nova-compute-vcenter-c0.service", "nova-compute.service"]
    assert volume.mode == "0600"
    drifted = [str(step.address) for step in (await engine(cloud, {OLD: NEW}).look()).plan.steps if step.pending]
    assert drifted == ["ssh:vol1/config_file//etc/cinder/cinder.conf"]
    assert {name for name, _ in cloud.done} == {"kvm1", "ctl1", "ctl2", "ctl3", "demo"}


async def test_a_saved_restart_that_breaks_half_way_is_brought_to_its_end(tmp_path: Path) -> None:
    """A restart that left its resource told to stop is ours: the next pass starts it, though the file showed a restart only."""
    cloud = await converged()
    path = tmp_path / "plan.json"
    planner = engine(cloud, {OLD: NEW})
    await plan_file.write_plan(path, tmp_path, planner.desired, await planner.look())
    cloud.ring.breaks = True
    done = await carry_out(path, engine(cloud, {OLD: NEW}))
    assert done[-1].converged, left(done)
    assert COMPUTE in cloud.ring.states
    assert "target-role" not in cloud.ring.cib


async def test_a_saved_plan_that_takes_an_option_away_leaves_nothing_to_do(tmp_path: Path) -> None:
    """The option goes from four files, the computes that had loaded it restart once, and the next plan is empty."""
    cloud = await converged()
    path = tmp_path / "plan.json"
    planner = engine(cloud, ONE_OPTION_LESS)
    look = await planner.look()
    restarts = [step for step in look.plan.steps if step.disruption]
    places = "nova.conf", "vcenter/vcenter-c0/nova.conf on ssh:ctl1, ssh:ctl2 and ssh:ctl3"
    assert [step.reasons for step in restarts] == [
        (f"loads /etc/nova/{place}, where [DEFAULT] vif_plugging_timeout changes",) for place in places
    ]
    await plan_file.write_plan(path, tmp_path, planner.desired, look)
    done = await carry_out(path, engine(cloud, ONE_OPTION_LESS))
    assert done[-1].converged, left(done)
    assert sorted(cloud.restarted()) == ["nova-compute-vcenter-c0.service", "nova-compute.service"]
    assert [step.address for step in (await engine(cloud, ONE_OPTION_LESS).look()).plan.steps if step.pending] == []


async def test_a_host_whose_node_was_renamed_is_left_alone() -> None:
    """Its instances live by the former name: nothing is done to it, nor to what Nova knows, until it has that name again."""
    cloud = await converged()
    cloud.hosts["kvm9"] = cloud.hosts["kvm1"]
    done = await passes(declared(cloud, {"name: kvm1": "name: kvm9"}))
    assert cloud.done == []
    held = {str(step.address): step.held for step in done[-1].look.plan.held}
    assert held["ssh:kvm9/service/nova-compute"].startswith("Bivisor knows this host as kvm1: give the Node that name again")
    assert held["openstack:demo/aggregate/kvm-az"].startswith("needs ssh:kvm9/service/nova-compute (held: Bivisor knows")
    assert {step.verb for step in (await engine(cloud).look()).plan.steps} == {Verb.NOTHING}


async def test_a_backend_that_moves_ends_there_before_it_begins_here() -> None:
    """Two backends share a process on one host; one moves: that process does without it before another host begins with it."""
    cloud = bare()
    await passes(declared(cloud, TWO_ON_A_NODE))
    cloud.done.clear()
    done = await passes(declared(cloud, {}))
    assert done[-1].converged, left(done)
    acts = [(name, action.op) for name, action in cloud.done if action.op.startswith("service.")]
    assert acts == [("vol1", "service.restart"), ("vol2", "service.enable"), ("vol2", "service.start")]


async def test_no_host_remembers_a_secret() -> None:
    """Of what is ours the names are remembered, and digests of what is no secret: also of an option that changed."""
    cloud = await converged()
    memory = json.dumps([host.claims for host in cloud.hosts.values()])
    values = [text for secret in SECRETS.values() for name, text in secret.items() if name != "username"]
    assert not [value for value in values if json.dumps(value.reveal)[1:-1] in memory]
    hidden = [hashlib.sha256(value.reveal.encode("utf-8", "surrogateescape")).hexdigest()[:16] for value in values]
    assert not [digest for digest in hidden if digest in memory]
    assert "[DEFAULT] transport_url" in memory
