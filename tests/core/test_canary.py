"""Promises of canaries, of the failure budget, and of what a closed maintenance window holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given

from reconciler.core.plan import Verb
from reconciler.core.policy import Rollout
from reconciler.core.report import report_of
from resources.contract import Key
from resources.published import RolloutFacts
from tests.core.simple import Daemon, Simple, address, carried_out, catalog, needs
from tests.core.worlds import World, worlds

if TYPE_CHECKING:
    from reconciler.core.plan import Step
    from resources.contract import Unit

STALE = {"active": True, "fresh": False}
WELL = {"active": True, "fresh": True}
DEAD = {"active": False, "fresh": True}
ZONE, OTHER = Key("Zone", "one"), Key("Zone", "two")
CLOSED = "no maintenance window is open: the next one opens on Sat"


def compute(host: str, zone: Key = ZONE, **more: object) -> Daemon:
    """Return a compute of a zone."""
    declared = Daemon(address=address(f"ssh:{host}/service/nova"), desired=WELL, origins=(zone,), kin="nova")
    return replace(declared, **more)  # type: ignore[arg-type]


def judged(rollout: Rollout, *pairs: tuple[Unit, object]) -> dict[str, Step]:
    """Return the steps after policy, by the name of their target."""
    observed = {unit.address: seen for unit, seen in pairs}
    world = World(catalog([unit for unit, _ in pairs]), observed, rollout)  # type: ignore[arg-type]
    return {step.address.target.name: step for step in world.allowed(world.plan()).steps}


def going(steps: dict[str, Step]) -> list[str]:
    """Return where something restarts."""
    return [host for host, step in steps.items() if step.verb is Verb.RESTART]


def test_one_goes_first_and_the_others_say_for_whom_they_wait() -> None:
    """With room for all, one compute of each zone goes; the others wait, and that ends by itself."""
    pairs = [(compute(f"k{number}"), STALE) for number in (1, 2, 3)] + [(compute(f"v{n}", OTHER), STALE) for n in (1, 2)]
    steps = judged(Rollout(10, canary=1), *pairs)
    assert going(steps) == ["k1", "v1"]
    assert steps["k3"].held == "canary is 1: nova on k1 restarts first; the other nova of Zone/one wait for that"
    assert steps["k3"].later


def test_the_waves_that_are_foreseen_begin_with_the_canary() -> None:
    """It is the first wave alone, and the others come as many at a time as may be down."""
    units = [compute(f"k{number}") for number in range(1, 6)]
    declared = replace(catalog(units), rollouts=(RolloutFacts("demo", 2, canary=1),))
    world = World(declared, {unit.address: STALE for unit in units}, Rollout(2, canary=1))
    waves = report_of(world.allowed(world.plan()), declared).waves
    assert waves == (("nova on k1",), ("nova on k2", "nova on k3"), ("nova on k4", "nova on k5"))


def test_the_others_go_when_the_first_is_as_declared() -> None:
    """Nothing is remembered: that one of them is seen to run with what is declared is enough, whoever looks."""
    steps = judged(Rollout(10, canary=1), (compute("k1"), WELL), (compute("k2"), STALE), (compute("k3"), STALE))
    assert going(steps) == ["k2", "k3"]


def test_two_canaries_are_two() -> None:
    """With two, the third one waits until both are as declared."""
    first, second, third = compute("k1"), compute("k2"), compute("k3")
    rollout = Rollout(10, canary=2)
    assert going(judged(rollout, (first, STALE), (second, STALE), (third, STALE))) == ["k1", "k2"]
    assert going(judged(rollout, (first, WELL), (second, STALE), (third, STALE))) == ["k2"]
    assert going(judged(rollout, (first, WELL), (second, WELL), (third, STALE))) == ["k3"]


def test_a_canary_that_is_down_holds_the_others() -> None:
    """Whoever comes after a kill sees it down, begins with no other one, and repairs it."""
    steps = judged(Rollout(10, canary=1), (compute("k1"), DEAD), (compute("k2"), STALE))
    assert (steps["k1"].verb, going(steps)) == (Verb.UPDATE, [])
    assert steps["k2"].held == "canary is 1: nova on k1 is down; the other nova of Zone/one wait for that"


def test_a_canary_in_hand_has_shown_nothing_yet() -> None:
    """While its restart is watched it looks as declared, and the others wait all the same; one that failed likewise."""
    first = compute("k1")
    for proven, later in ((True, True), (False, False)):
        rollout = Rollout(10, canary=1, failure_budget=5, unproven={first.address: proven})
        steps = judged(rollout, (first, WELL), (compute("k2"), STALE))
        assert (going(steps), steps["k2"].later) == ([], later)
    in_hand = Rollout(10, canary=1, interrupted={"nova on k2": ""})
    assert going(judged(in_hand, (first, STALE), (compute("k2"), STALE))) == ["k2"], "it goes on with the one it began with"


def test_a_failed_canary_is_tried_again() -> None:
    """It does not wait for itself."""
    first = compute("k1")
    failed = Rollout(10, frozenset({"nova on k1"}), failure_budget=5, canary=1, unproven={first.address: False})
    assert going(judged(failed, (first, STALE), (compute("k2"), STALE))) == ["k1"]


def test_others_have_nothing_to_do_with_it() -> None:
    """Another program, another resource, or something that restarts for reasons of its own waits for no canary."""
    others = [(compute("k2", kin="libvirtd"), STALE), (compute("k3", OTHER), STALE), (compute("k4", kin=""), STALE)]
    assert going(judged(Rollout(10, canary=1), (compute("k1"), STALE), *others)) == ["k1", "k2", "k3", "k4"]


@given(worlds())
def test_never_more_begin_before_the_first_is_well(world: World) -> None:
    """While fewer than `canary` of a group are as declared, no more than these are interrupted or down by the plan."""
    plan = world.allowed(world.plan())
    first = world.rollout.canary
    for zone in {origin for unit in world.catalog.units.values() for origin in unit.origins} if first else ():
        mates = [s for s in plan.steps if zone in s.origins and world.catalog.units[s.address].alike()]
        well = sum(step.verb is Verb.NOTHING for step in mates)
        if well < first:
            new = [s for s in mates if s.pending and s.disruption and not _is_down(world, s)]
            assert len(new) <= first - well


def _is_down(world: World, step: Step) -> bool:
    seen = world.observed[step.address]
    return isinstance(seen, dict) and bool(world.catalog.units[step.address].down(seen))


def test_so_many_may_fail() -> None:
    """Below the failure budget the rollout goes on; at it, nothing else is interrupted."""
    two = frozenset({"nova on k1", "nova on k2"})
    pairs = [(compute(f"k{number}"), STALE) for number in (1, 2, 3)]
    assert going(judged(Rollout(10, two, failure_budget=3), *pairs)) == ["k1", "k2", "k3"]
    stopped = judged(Rollout(10, two, failure_budget=2), *pairs)
    assert going(stopped) == ["k1", "k2"]
    assert (
        stopped["k3"].held
        == "the rollout stops: nova on k1 and nova on k2 did not come through the restart (failureBudget is 2)"
    )


def test_outside_of_the_windows_what_runs_is_left_alone() -> None:
    """What interrupts is held with the sentence, and what needs it; a start, a file and what is not interrupted go on."""
    running, dead, file = compute("k1"), compute("k2"), Simple(address=address("ssh:k3/simple/x"), desired={"x": 1})
    after = Simple(address=address("ssh:k4/simple/y"), desired={"x": 1}, needs=needs(str(running.address)))
    steps = judged(Rollout(10, closed=CLOSED), (running, STALE), (dead, DEAD), (file, {"x": 2}), (after, {"x": 2}))
    assert [steps[host].verb for host in ("k1", "k2", "k3", "k4")] == [Verb.HELD, Verb.UPDATE, Verb.UPDATE, Verb.HELD]
    assert (steps["k1"].held, steps["k1"].later) == (CLOSED, False)


@given(worlds())
def test_no_window_nothing_new_down(world: World) -> None:
    """Closed, a plan interrupts nothing but what is down already, and goes on with all else."""
    closed = replace(world, rollout=replace(world.rollout, closed=CLOSED))
    plan = closed.allowed(closed.plan())
    assert all(_is_down(world, step) or _alias_down(world, step) for step in plan.pending if step.disruption)
    free = {step.address for step in world.plan().pending if not step.disruption and not step.needs}
    assert free <= {step.address for step in plan.pending}


def _alias_down(world: World, step: Step) -> bool:
    assert step.disruption
    down = {unit.down(seen) for unit in world.catalog.units.values() if isinstance(seen := world.observed[unit.address], dict)}
    return step.disruption.service in down


@given(worlds(troubled=False))
def test_with_canaries_a_rollout_always_ends(world: World) -> None:
    """Where all that is tried works, a canary holds nobody for ever."""
    world = replace(world, rollout=replace(world.rollout, canary=1))
    for _ in range(2 * len(world.catalog.units) + 1):
        plan = world.allowed(world.plan())
        world = replace(world, observed=carried_out(plan, world.catalog.units, world.observed))
    assert {step.verb for step in world.plan().steps} == {Verb.NOTHING}
