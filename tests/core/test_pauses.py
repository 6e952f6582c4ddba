"""Promises of pauses: what they select and hold, and that their file is read as it was written or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.errors import UnknownNameError
from reconciler.core.load import PAUSE_REASON
from reconciler.core.pauses import Pause, Permit, hold_paused, read_pauses, selector_of, write_pauses
from reconciler.core.plan import Plan, Step, Verb
from reconciler.core.policy import Rollout
from resources.contract import Key, TargetId
from resources.endpoints import SshEndpoint
from tests.core.simple import Daemon, Simple, address, catalog, needs
from tests.core.worlds import World, worlds

if TYPE_CHECKING:
    from reconciler.core.compile import Catalog

AT = "2026-11-23T09:00:00Z"
ZONE = Key("HypervisorZone", "kvm-az")


def cloud() -> Catalog:
    """Return two hosts with a file and a service each, of one zone, and an aggregate that needs the first service."""
    units = [
        unit
        for host in ("kvm1", "kvm2")
        for unit in (
            Simple(address=address(f"ssh:{host}/simple/etc/nova.conf"), desired={"x": 1}, origins=(ZONE,)),
            Daemon(address=address(f"ssh:{host}/service/nova"), desired={"active": True}, origins=(ZONE,)),
        )
    ]
    last = needs("ssh:kvm1/service/nova")
    units.append(Simple(address=address("openstack:demo/aggregate/kvm-az"), desired={"x": 1}, origins=(ZONE,), needs=last))
    found = catalog(units)
    hosts = {TargetId("ssh", host): Key("Node", host) for host in ("kvm1", "kvm2")}
    endpoints = {target: SshEndpoint(target, "h", 22, "root", "", "") for target in hosts}
    nodes = {key: replace(found.resources[ZONE], key=key) for key in hosts.values()}
    return replace(found, owners=hosts, endpoints=endpoints, resources={**found.resources, **nodes})


def held(*pauses: Pause, doubt: str = "") -> dict[str, str]:
    """Return why which steps are held in a cloud of which nothing is there yet."""
    declared = cloud()
    world = World(declared, dict.fromkeys(declared.units), Rollout())
    plan = hold_paused(world.plan(), Permit("", pauses, doubt), declared)
    return {str(step.address): step.held for step in plan.steps if step.verb is Verb.HELD}


def pause(selector: str) -> Pause:
    """Return a pause of that."""
    return Pause(selector, "anna", AT)


ALL = sorted(map(str, cloud().units))
ON_KVM1 = ["ssh:kvm1/service/nova", "ssh:kvm1/simple/etc/nova.conf"]
AFTER = ["openstack:demo/aggregate/kvm-az"]


@pytest.mark.parametrize(
    ("selector", "paused"),
    [
        ("", ALL),
        ("*", ALL),
        ("HypervisorZone/kvm-az", ALL),
        ("HypervisorZone/*", ALL),
        ("ssh:kvm1", AFTER + ON_KVM1),
        ("Node/kvm1", AFTER + ON_KVM1),
        ("ssh:kvm?", ALL),
        ("ssh:kvm2/service/nova", ["ssh:kvm2/service/nova"]),
        ("*/simple/*", ["ssh:kvm1/simple/etc/nova.conf", "ssh:kvm2/simple/etc/nova.conf"]),
        ("openstack:demo", AFTER),
        ("Node/gone", []),
    ],
)
def test_what_a_selector_holds(selector: str, paused: list[str]) -> None:
    """A resource holds what it declares and what it describes, a target all that is done there; what needs that waits too."""
    assert sorted(held(pause(selector))) == paused


def test_the_plan_says_who_until_when_and_why() -> None:
    """The sentence of a pause is the reason; what needs the paused thing names it."""
    words = "paused by anna until 2026-11-24T06:00:00Z: a new disk"
    assert held(Pause("ssh:kvm1/service/nova", "anna", AT, "2026-11-24T06:00:00Z", "a new disk")) == {
        "ssh:kvm1/service/nova": words,
        "openstack:demo/aggregate/kvm-az": f"needs ssh:kvm1/service/nova (held: {words})",
    }
    assert set(held(pause("")).values()) == {"paused by anna"}


@pytest.mark.parametrize(("mode", "words"), [("paused", "is paused"), ("observe", "is only observed")])
def test_a_document_may_say_why(mode: str, words: str) -> None:
    """The reason beside the annotation stands in the plan, in one line."""
    unit = Simple(address=address("ssh:kvm1/simple/x"), desired={"x": 1}, origins=(ZONE,))
    declared = catalog([unit], {ZONE: mode})
    notes = {**declared.resources[ZONE].metadata.annotations, PAUSE_REASON: "a new disk,\n since Monday"}
    resource = declared.resources[ZONE]
    noted = replace(resource, metadata=replace(resource.metadata, annotations=notes))
    world = World(replace(declared, resources={ZONE: noted}), {unit.address: None}, Rollout())
    assert [step.held for step in world.plan().steps] == [f"HypervisorZone/kvm-az {words}: a new disk, since Monday"]


def test_what_nobody_can_read_holds_everything() -> None:
    """As long as nobody knows what is paused, all of it may be."""
    assert held(doubt="the file is damaged") == dict.fromkeys(ALL, "the file is damaged")


@given(worlds(), st.sampled_from(["", "*", "Zone/one", "ssh:kvm1", "*/service/*"]))
def test_a_pause_only_holds(world: World, selector: str) -> None:
    """It adds no step, changes none, lets none go; nothing that it selects is pending, and all else it leaves as it was."""
    before = world.plan()
    after = hold_paused(before, Permit("", (pause(selector),)), world.catalog)
    held_for_it = {step.address for step in after.steps if step.held == "paused by anna"}
    for old, new in zip(before.steps, after.steps, strict=True):
        assert replace(new, verb=old.verb, held=old.held, later=old.later, root=old.root) == old
        if new != old:
            assert new.address in held_for_it or (new.root in held_for_it and new.verb is Verb.HELD)
    if not selector:
        assert {step.verb for step in after.pending} <= {Verb.WAIT}


def test_waiting_goes_on() -> None:
    """What nothing is done for may come about."""
    step = Step(address("ssh:kvm1/service/nova"), Verb.WAIT)
    assert hold_paused(Plan((step,)), Permit("", (pause(""),)), cloud()).steps == (step,)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("", ""),
        ("Node/kvm1", "Node/kvm1"),
        ("HypervisorZone", "HypervisorZone/*"),
        ("kvm1", "ssh:kvm1"),
        ("ssh:kvm*", "ssh:kvm*"),
        ("kvm2/nova", "ssh:kvm2/service/nova"),
        ("openstack:demo", "openstack:demo"),
    ],
)
def test_names_may_be_shortened(typed: str, meant: str) -> None:
    """What a person types becomes the one thing that it can mean."""
    assert selector_of(typed, cloud()) == meant


@pytest.mark.parametrize("typed", ["ssh:kvm9", "nova", "Zone/*", "Node/kvm"])
def test_what_selects_nothing_is_refused(typed: str) -> None:
    """Else somebody would believe that something is paused."""
    with pytest.raises(UnknownNameError):
        selector_of(typed, cloud())


@given(st.lists(st.builds(Pause, *[st.text()] * 5)))
def test_it_is_read_as_it_was_written(pauses: list[Pause]) -> None:
    """Whatever stands in a reason."""
    assert read_pauses(write_pauses(pauses)) == tuple(pauses)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is no JSON"),
        ("[]", "it holds no pauses"),
        ('{"format": "bivisor pauses", "version": 2, "pauses": []}', "it is of version 2, and this program reads version 1"),
        ('{"format": "bivisor pauses", "version": 1}', "it has no list of pauses"),
        ('{"format": "bivisor pauses", "version": 1, "pauses": [{"selector": ""}]}', "one of its pauses is damaged"),
    ],
)
def test_a_damaged_file_says_how(text: str, why: str) -> None:
    """No half of it is believed."""
    with pytest.raises(ValueError, match=why):
        read_pauses(text)


@given(st.data())
def test_half_a_file_is_none(data: st.DataObject) -> None:
    """Cut off anywhere, it is not taken for one with fewer pauses."""
    whole = write_pauses([pause("ssh:kvm1"), pause("")]).rstrip()
    with pytest.raises(ValueError, match="it is no JSON"):
        read_pauses(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert json.loads(whole)["version"] == 1
