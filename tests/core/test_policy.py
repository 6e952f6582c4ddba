"""Promises of the policy: the budget, and that it never locks up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from reconciler.core.diff import Unobserved
from reconciler.core.plan import Plan, Step, Verb
from reconciler.core.policy import Rollout
from tests.core.simple import Daemon, Simple, address, carried_out, catalog, needs
from tests.core.worlds import World, worlds

if TYPE_CHECKING:
    from resources.contract import Address, Unit

STALE = {"active": True, "fresh": False}


def daemon(name: str, **more: object) -> Daemon:
    """Return a service that is declared to run with its present configuration: `kvm1/nova-compute`."""
    host, _, service = name.partition("/")
    declared = Daemon(address=address(f"ssh:{host}/service/{service}"), desired={"active": True, "fresh": True})
    return replace(declared, **more)  # type: ignore[arg-type]


def judged(*pairs: tuple[Unit, object], most: int = 1) -> dict[str, Step]:
    """Return the steps after policy, by the target and name of their unit."""
    observed = {unit.address: seen for unit, seen in pairs}
    world = World(catalog([unit for unit, _ in pairs]), observed, Rollout(most))  # type: ignore[arg-type]
    steps = world.allowed(world.plan()).steps
    return {f"{step.address.target.name}/{step.address.name}": step for step in steps}


def unavailable(world: World) -> tuple[set[str], set[str]]:
    """Return the services that are known to be down, and the targets whose services nobody knows."""
    down, unknown = set(), set()
    for unit in world.catalog.units.values():
        seen = world.observed[unit.address]
        if isinstance(seen, Unobserved) and isinstance(unit, Daemon):
            unknown.add(str(unit.address.target))
        elif not isinstance(seen, Unobserved) and unit.down(seen):
            down.add(unit.down(seen))
    return down, unknown


def interrupted(plan: Plan) -> set[str]:
    """Return the services that the plan interrupts."""
    return {step.disruption.service for step in plan.pending if step.disruption}


@given(worlds())
def test_never_more_down_than_allowed(world: World) -> None:
    """What is down, what nobody knows and what the plan takes down never exceed maxUnavailable.

    The one exception is a single disruption without which something that is down could never be repaired; and what is
    down before may be more than allowed, the plan then takes nothing else down.
    """
    plan = world.allowed(world.plan())
    down, unknown = unavailable(world)
    new = interrupted(plan) - down
    if new and len(down | new) + len(unknown) > world.rollout.max_unavailable:
        assert len(new) == 1
        disruptive = {step.address for step in world.plan().pending if step.disruption}
        assert any(_needs_one_of(world, unit.address, disruptive) for unit in _down_units(world))
        assert world.rollout.max_unavailable > 0
    disruptions = [step.disruption for step in plan.pending if step.disruption]
    assert not any(one.forbidden for one in disruptions)


def _down_units(world: World) -> list[Unit]:
    seen = ((unit, world.observed[unit.address]) for unit in world.catalog.units.values())
    return [unit for unit, facts in seen if not isinstance(facts, Unobserved) and unit.down(facts)]


def _needs_one_of(world: World, start: Address, wanted: set[Address]) -> bool:
    todo, seen = [start], {start}
    while todo:
        unit = world.catalog.units[todo.pop()]
        for each in [need.address for need in unit.needs] + list(unit.loads):
            if each in wanted:
                return True
            if each not in seen:
                seen.add(each)
                todo.append(each)
    return False


@given(worlds(troubled=False))
def test_a_rollout_always_ends(world: World) -> None:
    """Where everything answers and all that is tried works, passes bring every unit to what is declared."""
    for _ in range(2 * len(world.catalog.units) + 1):
        plan = world.allowed(world.plan())
        assert plan.pending or not plan.held, "the plan holds everything for ever"
        assert all(step.later for step in plan.held), "what a later pass will do by itself says so"
        world = replace(world, observed=carried_out(plan, world.catalog.units, world.observed))
    assert {step.verb for step in world.plan().steps} == {Verb.NOTHING}


@given(worlds())
def test_policy_only_holds(world: World) -> None:
    """Policy never adds a step, changes what one does, or lets one go that the plan holds."""
    for before, after in zip(world.plan().steps, world.allowed(world.plan()).steps, strict=True):
        same = replace(after, verb=before.verb, held=before.held, later=before.later, root=before.root)
        assert same == before
        assert after.verb in (before.verb, Verb.HELD)


def test_one_after_the_other() -> None:
    """With one allowed, the first restart goes and the next one waits for it, and says so."""
    steps = judged((daemon("kvm1/nova"), STALE), (daemon("kvm2/nova"), STALE))
    assert steps["kvm1/nova"].verb is Verb.RESTART
    assert (steps["kvm2/nova"].verb, steps["kvm2/nova"].later) == (Verb.HELD, True)
    assert steps["kvm2/nova"].held == "maxUnavailable is 1: nova on kvm1 restarts first"


def test_what_is_broken_stops_the_rollout() -> None:
    """A service that is down and that this plan cannot repair leaves no room, and that is no matter of a later pass."""
    broken = daemon("kvm1/nova", refuses="the disk is full")
    steps = judged((broken, {"active": False, "fresh": True}), (daemon("kvm2/nova"), STALE))
    assert (steps["kvm2/nova"].held, steps["kvm2/nova"].later) == ("maxUnavailable is 1: nova on kvm1 is down", False)


def test_a_host_that_nobody_knows_counts_once() -> None:
    """Two unknown services on one host are one thing that may be down; a target without services is none."""
    unknown = Unobserved("no answer")
    both = ((daemon("kvm1/nova"), unknown), (daemon("kvm1/libvirtd"), unknown))
    file = (Simple(address=address("ssh:vol1/simple/x"), desired={}), unknown)
    steps = judged(*both, file, (daemon("kvm2/nova"), STALE), most=2)
    assert steps["kvm2/nova"].verb is Verb.RESTART
    assert judged(*both, (daemon("kvm2/nova"), STALE))["kvm2/nova"].held == "maxUnavailable is 1: ssh:kvm1 is unknown"


def test_a_repair_takes_no_room() -> None:
    """Disrupting the very service that is down goes even where another one is down as well."""
    failed = {"active": True, "fresh": False, "failed": True}

    class Failed(Daemon):
        """Runs, in systemd's eyes, and is of no use."""

        __slots__ = ()

        def down(self, facts: object) -> str:
            """Be down in any case."""
            del facts
            return self.service

    one = Failed(address=address("ssh:kvm1/service/nova"), desired={"active": True, "fresh": True})
    steps = judged((one, failed), (daemon("kvm2/nova"), {"active": False, "fresh": True}))
    assert steps["kvm1/nova"].verb is Verb.RESTART


def test_a_repair_that_needs_a_disruption_gets_it() -> None:
    """A service that stands still until another one is restarted does not hold that restart; but only one goes."""
    pairs = []
    for host in ("kvm1", "kvm2"):
        libvirtd, nova = daemon(f"{host}/libvirtd"), daemon(f"{host}/nova", needs=needs(f"ssh:{host}/service/libvirtd"))
        pairs += [(libvirtd, STALE), (nova, {"active": False, "fresh": True})]
    steps = judged(*pairs)
    assert steps["kvm1/libvirtd"].verb is Verb.RESTART
    assert steps["kvm1/nova"].verb is Verb.UPDATE
    assert (steps["kvm2/libvirtd"].verb, steps["kvm2/libvirtd"].later) == (Verb.HELD, True)
    assert (steps["kvm2/nova"].verb, steps["kvm2/nova"].later) == (Verb.HELD, True)


def test_only_a_repair_that_waits_is_an_exception() -> None:
    """What is down for a reason of its own holds the restart of what it needs, as far as what lies between is right."""
    libvirtd, socket = daemon("kvm1/libvirtd"), Simple(address=address("ssh:kvm1/simple/socket"), desired={"x": 1})
    socket = replace(socket, needs=needs(str(libvirtd.address)))
    nova = daemon("kvm1/nova", needs=needs(str(socket.address)))
    steps = judged((libvirtd, STALE), (socket, {"x": 1}), (nova, {"active": False, "fresh": True}))
    assert steps["kvm1/libvirtd"].held == "maxUnavailable is 1: nova on kvm1 is down"
    assert steps["kvm1/nova"].verb is Verb.UPDATE


def test_a_service_that_two_units_declare_waits_only_if_both_do() -> None:
    """A service is down for a reason of its own if one of its units is."""

    class Alias(Daemon):
        """The same service under another address."""

        __slots__ = ()

        @property
        def service(self) -> str:
            """Return the name of the other unit's service."""
            return "nova on kvm1"

    stopped = {"active": False, "fresh": True}
    alias = Alias(address=address("ssh:kvm1/service/z"), desired={"active": True}, needs=needs("ssh:kvm1/service/libvirtd"))
    steps = judged((daemon("kvm1/libvirtd"), STALE), (daemon("kvm1/nova"), stopped), (alias, stopped))
    assert steps["kvm1/libvirtd"].held == "maxUnavailable is 1: nova on kvm1 is down"
    assert steps["kvm1/libvirtd"].later
    broken = replace(daemon("kvm1/nova"), refuses="the disk is full")
    assert not judged((daemon("kvm1/libvirtd"), STALE), (broken, stopped), (alias, stopped))["kvm1/libvirtd"].later


def test_later_only_if_nothing_else_holds() -> None:
    """A step that needs a restart of a later pass and something held for good is held for good."""
    first, second = daemon("kvm1/nova"), daemon("kvm2/nova")
    refused = daemon("kvm3/nova", forbidden="no quorum")
    both = Simple(
        address=address("ssh:kvm4/simple/y"), desired={"x": 1}, needs=needs(str(second.address), str(refused.address))
    )
    steps = judged((first, STALE), (second, STALE), (refused, STALE), (both, {"x": 2}))
    assert (steps["kvm4/y"].later, steps["kvm4/y"].root) == (False, refused.address)


def test_forbidden_is_forbidden() -> None:
    """Without quorum no budget helps."""
    steps = judged((daemon("kvm1/nova", forbidden="the partition has no quorum"), STALE), most=100)
    assert steps["kvm1/nova"].held == "the partition has no quorum"


@given(worlds())
def test_never_two_parts_of_one_ring(world: World) -> None:
    """Whatever the budget, a plan interrupts one part of what is exclusive, and none while another part is down."""
    plan = world.allowed(world.plan())
    down, _ = unavailable(world)
    parts = [step for step in plan.pending if step.disruption and world.catalog.units[step.address].exclusive()]
    services = {step.disruption.service for step in parts if step.disruption}
    assert len(services) <= 1
    if services - down:
        others = {unit.address for unit in _down_units(world) if unit.exclusive()}
        disruptive = {step.address for step in world.plan().pending if step.disruption}
        assert all(_needs_one_of(world, address, disruptive) for address in others), "it would be repaired without"


def test_what_is_exclusive_loses_one_at_a_time() -> None:
    """However much may be down, two members of one ring never restart in one plan; others do."""
    ring = [(daemon(f"ctl{number}/corosync", part_of="the ring"), STALE) for number in (1, 2, 3)]
    steps = judged(*ring, (daemon("kvm1/nova"), STALE), most=100)
    assert [steps[f"ctl{number}/corosync"].verb for number in (1, 2, 3)] == [Verb.RESTART, Verb.HELD, Verb.HELD]
    assert steps["ctl2/corosync"].held == "the ring must not lose a second member: corosync on ctl1 restarts first"
    assert steps["ctl2/corosync"].later
    assert steps["kvm1/nova"].verb is Verb.RESTART


@pytest.mark.parametrize(
    ("seen", "why", "later"),
    [
        ({"active": False, "fresh": True}, "corosync on ctl2 is down", True),
        (Unobserved("no answer"), "ssh:ctl2 is unknown", False),
    ],
)
def test_what_is_exclusive_loses_none_while_another_is_lost(seen: object, why: str, later: bool) -> None:  # noqa: FBT001 - data
    """A ring that has lost a member, or may have, loses no second one."""
    declared = [daemon(f"ctl{number}/corosync", part_of="the ring") for number in (1, 2)]
    step = judged((declared[0], STALE), (declared[1], seen), most=100)["ctl1/corosync"]
    assert (step.held, step.later) == (f"the ring must not lose a second member: {why}", later)


def test_after_a_failed_restart_nothing_else_is_interrupted() -> None:
    """However much may be down: the failed service may be tried again, and what is down may be repaired."""
    rollout = Rollout(100, failed=frozenset({"nova on kvm1"}))
    pairs: list[tuple[Unit, object]] = [(daemon(f"kvm{number}/nova"), STALE) for number in (1, 2)]
    pairs += [(daemon("kvm3/nova"), {"active": False, "fresh": True})]
    observed = {unit.address: seen for unit, seen in pairs}
    world = World(catalog([unit for unit, _ in pairs]), observed, rollout)  # type: ignore[arg-type]
    steps = {step.address.target.name: step for step in world.allowed(world.plan()).steps}
    assert (steps["kvm1"].verb, steps["kvm3"].verb) == (Verb.RESTART, Verb.UPDATE)
    assert steps["kvm2"].held == "the rollout stops: nova on kvm1 did not come through the restart"
    assert not steps["kvm2"].later
