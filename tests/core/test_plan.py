"""Promises of the plan, before policy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.diff import Unobserved
from reconciler.core.graph import build_graph
from reconciler.core.plan import STALE, Plan, Step, Verb, make_plan, named
from resources.contract import Key, Need, SecretText, digest_facts
from tests.core.simple import Daemon, Simple, address, catalog, needs
from tests.core.worlds import World, worlds

if TYPE_CHECKING:
    from reconciler.core.diff import Observed
    from resources.contract import Action, Address, Change, Facts, Unit

A, B, C = (address(f"ssh:h/simple/{name}") for name in "abc")
D = address("ssh:h/service/d")


def plan_of(*pairs: tuple[Unit, Observed], manage: dict[Key, str] | None = None) -> Plan:
    """Return the plan for units and what is observed of each."""
    declared = catalog([unit for unit, _ in pairs], manage)
    return make_plan(declared, build_graph(declared.units), {unit.address: seen for unit, seen in pairs})


def only(plan: Plan) -> Step:
    """Return the only step."""
    (step,) = plan.steps
    return step


VERBS: dict[Verb, tuple[Unit, Observed]] = {
    Verb.NOTHING: (Simple(address=A, desired={"x": 1}), {"x": 1}),
    Verb.CREATE: (Simple(address=A, desired={"x": 1}), None),
    Verb.UPDATE: (Simple(address=A, desired={"x": 1}), {"x": 2}),
    Verb.DELETE: (Simple(address=A, desired=None), {"x": 2}),
    Verb.RESTART: (Daemon(address=D, desired={"active": True, "fresh": True}), {"active": True, "fresh": False}),
    Verb.WAIT: (Simple(address=A, desired={"x": 1}, only_waits=True), {"x": 2}),
    Verb.HELD: (Simple(address=A, desired={"x": 1}, refuses="refused"), {"x": 2}),
    Verb.UNKNOWN: (Simple(address=A, desired={"x": 1}), Unobserved("no answer")),
}


@pytest.mark.parametrize("verb", VERBS)
def test_verbs(verb: Verb) -> None:
    """Each verb has its cause; held and unknown say why, and only they do."""
    step = only(plan_of(VERBS[verb]))
    assert step.verb is verb
    assert bool(step.held) == (verb in (Verb.HELD, Verb.UNKNOWN))


class Impossible(Simple):
    """A unit that cannot say how: a file that nobody can read as what it should be."""

    __slots__ = ()

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Never called."""
        raise AssertionError((changes, facts))


@pytest.mark.parametrize("seen", [{"x": 2}, None])
def test_what_is_blocked_is_not_asked_how(seen: Facts | None) -> None:
    """One broken file on one host is a held step, with what differs, and not the end of all plans."""
    step = only(plan_of((Impossible(address=A, desired={"x": 1}, refuses="line 3 makes no sense"), seen)))
    assert (step.verb, step.held, len(step.changes)) == (Verb.HELD, "line 3 makes no sense", 1)


def test_starting_interrupts_nobody() -> None:
    """A stopped service is started by an update, not a restart."""
    assert only(plan_of((Daemon(address=D, desired={"active": True}), {"active": False}))).verb is Verb.UPDATE


def test_not_asked_is_unknown() -> None:
    """A unit about which nobody was asked is unknown, never absent."""
    declared = catalog([Simple(address=A, desired={"x": 1})])
    assert only(make_plan(declared, build_graph(declared.units), {})).verb is Verb.UNKNOWN


@given(worlds())
def test_nothing_acts_on_a_guess(world: World) -> None:
    """No step acts while something that it needs is unknown or held, before policy and after it; each says why."""
    for plan in (world.plan(), world.allowed(world.plan())):
        steps = {step.address: step for step in plan.steps}
        for step in plan.steps:
            blocked = [need for need in step.needs if steps[need].verb in (Verb.HELD, Verb.UNKNOWN)]
            assert not (blocked and step.pending)
            assert bool(step.held) == (step.verb in (Verb.HELD, Verb.UNKNOWN))
            if step.root is not None:
                assert steps[step.root].root is None
                assert steps[step.root].verb in (Verb.HELD, Verb.UNKNOWN)


@given(worlds(), st.randoms())
def test_the_listing_does_not_matter(world: World, random: object) -> None:
    """The same documents in another order, and answers that come in another order, give the same plan."""
    plan = world.allowed(world.plan())
    units, seen = list(world.catalog.units.items()), list(world.observed.items())
    random.shuffle(units)  # type: ignore[attr-defined]
    random.shuffle(seen)  # type: ignore[attr-defined]
    other = World(replace(world.catalog, units=dict(units)), dict(seen), world.rollout)
    assert other.allowed(other.plan()) == plan


@given(worlds())
def test_every_unit_has_its_step_behind_its_needs(world: World) -> None:
    """A plan has one step per unit, and each stands behind the steps that it needs."""
    place = {step.address: number for number, step in enumerate(world.plan().steps)}
    assert set(place) == set(world.catalog.units)
    assert all(place[need] < place[step.address] for step in world.plan().steps for need in step.needs)


def test_a_need_that_is_as_declared_holds_nothing() -> None:
    """What is as declared carries on what needs it, although that which it needs in turn is unknown."""
    plan = plan_of(
        (Simple(address=A, desired={"x": 1}), Unobserved("no answer")),
        (Simple(address=B, desired={"x": 1}, needs=needs(str(A))), {"x": 1}),
        (Simple(address=C, desired={"x": 1}, needs=needs(str(B))), {"x": 2}),
    )
    assert [step.verb for step in plan.steps] == [Verb.UNKNOWN, Verb.NOTHING, Verb.UPDATE]


def test_the_first_cause_is_named() -> None:
    """A chain of held steps names its first cause, not its last link."""
    plan = plan_of(
        (Simple(address=A, desired={"x": 1}), Unobserved("no answer")),
        (Simple(address=B, desired={"x": 1}, needs=needs(str(A))), {"x": 2}),
        (Simple(address=C, desired={"x": 1}, needs=needs(str(B))), {"x": 2}),
    )
    assert [step.held for step in plan.steps] == ["no answer", *[f"needs {A} (unknown: no answer)"] * 2]


class FileLike(Simple):
    """A unit of which a process reads everything but the mode."""

    __slots__ = ()

    def digest(self) -> str:
        """Leave the mode out."""
        return digest_facts({name: value for name, value in (self.desired or {}).items() if name != "mode"})


def test_why_it_restarts() -> None:
    """A restart names the loaded files that change and the fields that a process reads; else that it started too early."""
    there = address("ssh:other/simple/a")
    daemon = Daemon(address=D, desired={"fresh": True}, loads=(A, B, there))
    old = (daemon, {"active": True, "fresh": False})
    seen: Facts = {"x": 1, "y": "old", "mode": "2"}
    changing = (FileLike(address=A, desired={"x": 1, "y": SecretText("new"), "mode": "1"}), seen)
    same = (FileLike(address=B, desired={"mode": "1"}), {"mode": "2"})
    other = (FileLike(address=there, desired={"y": 2, "z": 3}), {"y": 1, "z": 1})
    assert plan_of(old, changing, same, other).steps[-1].reasons == (
        "loads a, where y changes",
        "loads a on ssh:other, where y and z change",
    )
    calm = (replace(changing[0], desired={"x": 1}), {"x": 1})
    also = (replace(daemon, loads=(A, B), desired={"fresh": True, "nice": 5}), {"active": True, "fresh": False})
    assert plan_of(also, calm, same).steps[-1].reasons == (STALE, "nice changes")


def test_what_a_waiting_step_waits_for() -> None:
    """A unit without actions says what it follows, or how long it is waited for."""
    waiting = Simple(address=B, desired={"x": 1}, only_waits=True, settle_s=180, needs=(Need(A, "so"),))
    after = plan_of((waiting, None), (Simple(address=A, desired={"x": 1}), None))
    assert after.steps[-1].reasons == (f"becomes so by itself after {A}",)
    alone = plan_of((waiting, None), (Simple(address=A, desired={"x": 1}), {"x": 1}))
    assert alone.steps[-1].reasons == ("nothing to do but wait, up to 180 s",)


def test_paused_and_observed() -> None:
    """An observed resource's differences are told and held; a paused one's are not even told; what is right is nothing."""
    key = Key("Zone", "one")
    unit = Simple(address=A, desired={"x": 1}, origins=(key, Key("Zone", "two")))
    observed = only(plan_of((unit, {"x": 2}), manage={key: "observe"}))
    assert (observed.verb, observed.held, len(observed.changes)) == (Verb.HELD, "Zone/one is only observed", 1)
    paused = only(plan_of((unit, {"x": 2}), manage={key: "observe", Key("Zone", "two"): "paused"}))
    assert (paused.verb, paused.held, paused.changes) == (Verb.HELD, "Zone/two is paused", ())
    assert only(plan_of((unit, {"x": 1}), manage={key: "paused"})).verb is Verb.NOTHING


@pytest.mark.parametrize(
    ("count", "text"), [(0, ""), (1, "a"), (2, "a and b"), (4, "a, b, c and d"), (5, "a, b, c and 2 more")]
)
def test_named(count: int, text: str) -> None:
    """A sentence names a few things and counts the rest."""
    assert named("abcde"[:count]) == text


@given(worlds(), st.data())
def test_what_was_planned_before_changes_nothing(world: World, data: st.DataObject) -> None:
    """With what came of former plans at hand, each plan is the very same as without, whatever has been seen meanwhile."""
    graph = build_graph(world.catalog.units)
    before: dict[Address, tuple[Unit, Observed, Step]] = {}
    seen = dict(world.observed)
    for _ in range(3):
        assert make_plan(world.catalog, graph, seen, before=before) == make_plan(world.catalog, graph, seen)
        for which in data.draw(st.lists(st.sampled_from(list(seen)), max_size=3)):
            seen[which] = data.draw(st.sampled_from([None, {"x": 1}, Unobserved("no answer"), world.observed[which]]))
