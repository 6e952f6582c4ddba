"""Promises of the status and of the exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from reconciler.core.diff import Unobserved
from reconciler.core.plan import Plan, Verb
from reconciler.core.policy import Rollout
from reconciler.core.status import GOOD, Outcome, ResourceStatus, Result, Truth, exit_code, fold
from resources.contract import Address, Key
from tests.core.simple import Daemon, Simple, address, catalog, needs
from tests.core.worlds import World, worlds

if TYPE_CHECKING:
    from reconciler.core.diff import Observed
    from resources.contract import Unit

ZONE = Key("Zone", "one")
A, B = address("ssh:h/simple/a"), address("ssh:h/simple/b")
ONE = Simple(address=A, desired={"x": 1}, origins=(ZONE,))
TWO = Simple(address=B, desired={"x": 1}, origins=(ZONE,), needs=needs(str(A)))
UNKNOWN = Unobserved("no answer")


def world_of(*pairs: tuple[Unit, Observed], manage: dict[Key, str] | None = None) -> World:
    """Return a world of these units and facts."""
    return World(catalog([unit for unit, _ in pairs], manage), {unit.address: seen for unit, seen in pairs}, Rollout(1))


def folded(world: World, *results: Result) -> ResourceStatus:
    """Return the status of the only resource."""
    (resource,) = fold(world.allowed(world.plan()), {result.address: result for result in results}, world.catalog).resources
    return resource


def truths(resource: ResourceStatus) -> str:
    """Return the conditions as `Ready=True Progressing=False …`."""
    return " ".join(f"{condition.type}={condition.status}" for condition in resource.conditions)


CASES: dict[str, tuple[World, tuple[Result, ...], str, str]] = {
    "as declared": (
        world_of((ONE, {"x": 1})),
        (),
        "Ready=True Progressing=False Drifted=False Degraded=False Stalled=False",
        "",
    ),
    "planned": (
        world_of((ONE, {"x": 2})),
        (),
        "Ready=False Progressing=True Drifted=True Degraded=False Stalled=False",
        "ssh:h/simple/a: to update",
    ),
    "done": (
        world_of((ONE, {"x": 2})),
        (Result(A, Outcome.CONVERGED),),
        "Ready=True Progressing=False Drifted=False Degraded=False Stalled=False",
        "",
    ),
    "failed, and what needs it": (
        world_of((ONE, {"x": 2}), (TWO, {"x": 2})),
        (Result(A, Outcome.FAILED, "disk full"), Result(B, Outcome.SKIPPED, "needs a")),
        "Ready=False Progressing=True Drifted=True Degraded=True Stalled=False",
        "ssh:h/simple/a: disk full",
    ),
    "unknown": (
        world_of((ONE, UNKNOWN)),
        (Result(A, Outcome.SKIPPED, "no answer"),),
        "Ready=Unknown Progressing=False Drifted=Unknown Degraded=Unknown Stalled=False",
        "ssh:h/simple/a: no answer",
    ),
    "held, the cause first": (
        world_of((ONE, {"x": 2}), (TWO, {"x": 2}), manage={ZONE: "observe"}),
        (),
        "Ready=False Progressing=False Drifted=True Degraded=False Stalled=True",
        "ssh:h/simple/a: Zone/one is only observed (and 1 more)",
    ),
    "without units": (
        world_of(manage={ZONE: "full"}),
        (),
        "Ready=True Progressing=False Drifted=False Degraded=False Stalled=False",
        "",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_conditions(case: str) -> None:
    """A resource's conditions say how it stands, and the message names the first cause."""
    world, results, conditions, message = CASES[case]
    resource = folded(world, *results)
    assert truths(resource) == conditions
    assert resource.condition("Ready").message == message


@given(worlds())
def test_ready_means_ready(world: World) -> None:
    """A resource is Ready exactly when every unit of it is known to be as declared; the status is, when all are."""
    plan = world.allowed(world.plan())
    status = fold(plan, {}, world.catalog)
    assert [resource.key for resource in status.resources] == sorted(world.catalog.resources)
    for resource in status.resources:
        verbs = [step.verb for step in plan.steps if resource.key in step.origins]
        assert (resource.condition("Ready").status is Truth.TRUE) == all(verb is Verb.NOTHING for verb in verbs)
        assert (resource.units, resource.ready) == (len(verbs), verbs.count(Verb.NOTHING))
    assert status.ready == (exit_code(plan, detailed=True) == 0)


RESTARTS = tuple(Daemon(address=address(f"ssh:h{n}/service/d"), desired={"active": True, "fresh": True}) for n in (1, 2))
CODES: dict[str, tuple[World, int, int]] = {
    "nothing to do": (world_of((ONE, {"x": 1})), 0, 0),
    "changes": (world_of((ONE, {"x": 2})), 0, 2),
    "unknown": (world_of((ONE, UNKNOWN)), 3, 3),
    "held": (world_of((ONE, {"x": 2}), manage={ZONE: "observe"}), 3, 3),
    "restarts one after the other": (world_of(*((each, {"active": True, "fresh": False}) for each in RESTARTS)), 0, 2),
}


@pytest.mark.parametrize("case", CODES)
def test_exit_code_of_a_plan(case: str) -> None:
    """0 or 2 while all goes by itself, 3 when something is held or unknown; a rollout's queue is not held."""
    world, plainly, detailed = CODES[case]
    plan = world.allowed(world.plan())
    assert (exit_code(plan), exit_code(plan, detailed=True)) == (plainly, detailed)


@pytest.mark.parametrize("outcome", Outcome)
def test_exit_code_of_an_apply(outcome: Outcome) -> None:
    """0 when every step is as declared afterwards, else 3."""
    results: dict[Address, Result] = {A: Result(A, outcome), B: Result(B, Outcome.UNCHANGED)}
    assert exit_code(Plan(()), results) == (0 if outcome in GOOD else 3)
