"""What holds for every type of unit, whatever is declared and whatever is found: driven against models of the targets."""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import resources.units
from reconciler.core.bounds import beyond
from reconciler.core.diff import Unobserved, diff
from reconciler.core.plan import Verb, step_of
from reconciler.targets import openstack, pacemaker, vcenter
from reconciler.targets.host import serve
from resources.contract import Unit, changed_fields
from tests.units import drawn_cloud, drawn_host, drawn_memory, drawn_ring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

    from reconciler.core.plan import Step
    from tests.units.drawn import Case

DRAWN: dict[str, SearchStrategy[Case]] = {
    "Aggregate": drawn_cloud.aggregates(),
    "ComputeCluster": drawn_cloud.compute_clusters(),
    "ComputeExit": drawn_cloud.compute_exits(),
    "ComputeService": drawn_cloud.compute_services(),
    "Computes": drawn_cloud.all_computes(),
    "AtRest": drawn_memory.rests(),
    "ConfigFile": drawn_host.config_files() | drawn_memory.former_config_files(),
    "Constraint": drawn_ring.constraints(),
    "Datastores": drawn_cloud.datastores(),
    "Directory": drawn_host.directories(),
    "DistributedSwitch": drawn_cloud.switches(),
    "Inventory": drawn_memory.inventories(),
    "ImageDatastores": drawn_cloud.image_datastores(),
    "ImageProperty": drawn_cloud.image_properties(),
    "Membership": drawn_ring.memberships(),
    "Package": drawn_host.packages(),
    "PortGroup": drawn_cloud.port_groups(),
    "Primitive": drawn_ring.primitives(),
    "Property": drawn_ring.properties(),
    "Service": drawn_host.services(),
    "Session": drawn_cloud.sessions(),
    "SystemdUnit": drawn_host.systemd_units(),
    "VolumeExit": drawn_cloud.volume_exits(),
    "VolumeService": drawn_cloud.volume_services(),
    "VolumeType": drawn_cloud.volume_types(),
    "WholeFile": drawn_host.whole_files(),
}
WAITED_FOR = {
    "AtRest": {"running"},
    "ComputeCluster": {"exists", "usable_hosts"},
    "ComputeExit": {"instances", "state"},
    "ComputeService": {"registered", "state", "hypervisor"},
    "Membership": {"members", "quorate"},
    "Primitive": {"running", "heard"},
    "Service": {"heard"},
    "VolumeExit": {"volumes", "state"},
    "VolumeService": {"registered", "state", "availability_zone"},
}
"""The fields that no unit makes so: they become so by themselves, or by somebody else. All others of what exists, it does."""

EVERY_TYPE = pytest.mark.parametrize("name", DRAWN)
ENOUGH = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

_WORDS = re.compile(r"\b[a-z_]+\.[a-z_]+(?= \{)")
SPOKEN = {
    "ssh": frozenset(serve.QUERIES) | frozenset(serve.ACTIONS),
    "openstack": frozenset(_WORDS.findall(openstack.__doc__ or "")),
    "pacemaker": frozenset(_WORDS.findall(pacemaker.__doc__ or "")),
    "vcenter": frozenset(_WORDS.findall(vcenter.__doc__ or "")),
}
"""The closed vocabulary of each kind of target, in its own words."""


def unit_types() -> Iterator[type[Unit]]:
    """Yield every type of unit that there is."""
    for module in pkgutil.iter_modules(resources.units.__path__):
        found = vars(importlib.import_module(f"resources.units.{module.name}")).values()
        yield from (
            each for each in found if isinstance(each, type) and issubclass(each, Unit) and _is_at_home(each, module.name)
        )


def _is_at_home(unit: type[Unit], module: str) -> bool:
    return unit.__module__ == f"resources.units.{module}"


def planned(case: Case) -> Step:
    """Return what a plan would do about the unit by itself, its needs met."""
    return step_of(case.unit, (), case.look())


def may_act(step: Step) -> bool:
    """Tell whether policy could let the step go."""
    return step.pending and step.verb is not Verb.WAIT and not (step.disruption and step.disruption.forbidden)


def only_waits(case: Case, step: Step) -> bool:
    """Tell whether nobody but the world can make what is left: Pacemaker starts nothing in maintenance mode, say."""
    facts = case.look()
    return not isinstance(facts, Unobserved) and not case.unit.actions(step.changes, facts)


def act(case: Case, step: Step) -> None:
    """Carry out the step as apply does; no action is refused in a world that does not move."""
    facts = case.look()
    assert not isinstance(facts, Unobserved)
    for action in case.unit.actions(step.changes, facts):
        note(f"{action.op} {dict(action.args)}")
        assert action.op in SPOKEN[case.unit.address.target.kind], action.op
        reply = case.do(action)
        assert reply.ok, f"{action.op}: {reply.code} {reply.error}"


def test_every_type_of_unit_is_driven() -> None:
    """A new type of unit has to say here what its world looks like."""
    assert {unit.__name__ for unit in unit_types()} == set(DRAWN)


@EVERY_TYPE
def test_no_difference_is_left_after_its_own_actions(name: str) -> None:
    """What the actions of a step made is as declared, or becomes so by itself: nothing is left that it could do."""

    @ENOUGH
    @given(DRAWN[name])
    def converges(case: Case) -> None:
        before = planned(case)
        note(f"{before}")
        waited_for = WAITED_FOR.get(name, set())
        if before.verb is Verb.WAIT and case.look() is not None:
            assert changed_fields(before.changes) <= waited_for
        if not may_act(before):
            return
        act(case, before)
        after = planned(case)
        note(f"{after}")
        assert after.verb in (Verb.NOTHING, Verb.WAIT) or (after.verb is Verb.HELD and only_waits(case, after)), after
        assert changed_fields(after.changes) <= waited_for or case.look() is None
        assert not beyond(after, before)

    converges()


@EVERY_TYPE
def test_only_what_is_its_own_is_touched(name: str) -> None:
    """Whatever else is in the world is the same after a unit has acted."""

    @ENOUGH
    @given(DRAWN[name])
    def keeps_to_itself(case: Case) -> None:
        before, step = case.things(), planned(case)
        if not may_act(step):
            return
        act(case, step)
        after, target = case.things(), case.unit.address.target
        touched = {thing for thing in before.keys() | after.keys() if before.get(thing) != after.get(thing)}
        assert touched <= {(target, thing) for thing in case.owns}

    keeps_to_itself()


@EVERY_TYPE
def test_no_action_without_a_change(name: str) -> None:
    """Without a difference there is nothing to do, with one it is never silently content; and looking changes nothing."""

    @ENOUGH
    @given(DRAWN[name])
    def rests(case: Case) -> None:
        before, facts = case.things(), case.look()
        asked = {(query.target or case.unit.address.target).kind: query.op for query in case.unit.queries()}
        assert all(op in SPOKEN[kind] for kind, op in asked.items()), asked
        step = planned(case)
        if isinstance(facts, Unobserved):
            assert step.verb is Verb.UNKNOWN
        else:
            changes = diff(case.unit, facts)
            assert step.pending == bool(changes) or step.verb is Verb.HELD
            assert step.changes == changes
        assert case.things() == before
        assert case.look() == facts

    rests()


@given(st.data())
@ENOUGH
def test_what_is_absent_is_made_by_creating_it(data: st.DataObject) -> None:
    """A plan never calls making a thing anything but that: a step to change finds what it changes."""
    case = data.draw(DRAWN[data.draw(st.sampled_from(sorted(DRAWN)))])
    facts, step = case.look(), planned(case)
    if step.verb in (Verb.UPDATE, Verb.RESTART, Verb.DELETE):
        assert facts is not None
    if step.verb is Verb.CREATE:
        assert facts is None
