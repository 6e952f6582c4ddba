"""A plan is cut where nothing holds it together, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.plan import Plan, Step, Verb
from reconciler.core.portions import portions
from resources.contract import Address, Disruption, TargetId
from tests.drive.world import Thing, catalog_of, thing


def address(name: str) -> Address:
    """Return the address of a thing at `ssh:a`."""
    return Address(TargetId("ssh", "a"), "thing", name)


def step(name: str, *needs: str, verb: Verb = Verb.UPDATE, disrupts: bool = False) -> Step:
    """Return a step at `ssh:a`."""
    loss = Disruption(name) if disrupts else None
    return Step(address(name), verb, needs=tuple(map(address, needs)), disruption=loss)


def cut(*steps: Step, busy: tuple[str, ...] = (), settles: tuple[str, ...] = ()) -> list[list[str]]:
    """Return the names of the units of each portion."""
    things = [replace(thing("a", s.address.name), settle_s=9.0 if s.address.name in settles else 0.0) for s in steps]
    found = portions(Plan(steps), catalog_of(things, 1), tuple(map(address, busy)))
    return [sorted(each.name for each in portion.units) for portion in found]


def test_what_needs_each_other_goes_together() -> None:
    """Two chains are two portions; a unit that needs both makes them one."""
    assert cut(step("a"), step("b", "a"), step("c")) == [["a", "b"], ["c"]]
    assert cut(step("a"), step("c"), step("d", "a", "c")) == [["a", "c", "d"]]


def test_what_is_as_declared_holds_nothing_together() -> None:
    """Two services that need the same converged thing are apart, and each portion shows that thing."""
    done, one, two = step("done", verb=Verb.NOTHING), step("one", "done"), step("two", "done")
    things = [thing("a", "done"), thing("a", "one"), thing("a", "two")]
    found = portions(Plan((done, one, two)), catalog_of(things, 1), ())
    assert [[s.address.name for s in portion.plan.steps] for portion in found] == [["done", "one"], ["done", "two"]]


def test_what_recovers_joins_the_next_interruption() -> None:
    """A ring that must be whole again between two restarts keeps them in one portion."""
    first, ring, second = step("first", disrupts=True), step("ring", "first", verb=Verb.NOTHING), step("second", "ring")
    assert cut(first, ring, second, settles=("ring",)) == [["first", "ring", "second"]]
    assert cut(first, ring, second) == [["first"], ["second"]]


def test_what_rests_on_a_busy_unit_waits() -> None:
    """Neither the unit that somebody has in hand nor what needs it, be it by way of something converged, is in a portion."""
    middle = step("middle", "busy", verb=Verb.NOTHING)
    assert cut(step("busy"), middle, step("late", "middle"), step("free"), busy=("busy",)) == [["free"]]


@st.composite
def plans(draw: st.DrawFn) -> tuple[Plan, list[Thing], frozenset[Address]]:
    """Return a plan whose steps need earlier ones, its units, and some that are busy."""
    verbs = st.sampled_from([Verb.NOTHING, Verb.UPDATE, Verb.RESTART, Verb.HELD])
    steps: list[Step] = []
    for number in range(draw(st.integers(0, 12))):
        needs = draw(st.sets(st.sampled_from([s.address.name for s in steps]))) if steps else set()
        steps.append(step(f"u{number}", *sorted(needs), verb=draw(verbs), disrupts=draw(st.booleans())))
    things = [replace(thing("a", s.address.name), settle_s=draw(st.sampled_from([0.0, 9.0]))) for s in steps]
    busy = draw(st.sets(st.sampled_from([s.address for s in steps]))) if steps else set()
    return Plan(tuple(steps)), things, frozenset(busy)


@given(plans())
def test_each_pending_step_is_in_one_portion(drawn: tuple[Plan, list[Thing], frozenset[Address]]) -> None:
    """No step is done twice, none is lost that rests on nobody's hand, and none needs a step of another portion."""
    plan, things, busy = drawn
    found = portions(plan, catalog_of(things, 1), busy)
    seen = [each for portion in found for each in portion.units]
    assert len(seen) == len(set(seen))
    assert busy.isdisjoint(seen)
    waiting = set(busy)
    for each in plan.steps:
        if not waiting.isdisjoint(each.needs):
            waiting.add(each.address)
    assert {s.address for s in plan.pending if s.address not in waiting} == {
        s.address for s in plan.pending if s.address in seen
    }
    for portion in found:
        pending = {s.address for s in portion.plan.pending}
        assert pending
        assert pending <= portion.units
        assert {need for s in portion.plan.steps for need in s.needs} <= {s.address for s in portion.plan.steps}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(Thing):
    """A part of the ring."""

    def exclusive(self) -> str:
        """Return what it is a part of."""
        return "the ring"


def test_a_ring_recovers_before_its_next_member_goes() -> None:
    """While it only waits, or somebody has it in hand, no member restarts; where it has failed to recover, one may."""
    members = [step(name, verb=Verb.RESTART, disrupts=True) for name in ("one", "two")]
    ring = step("ring", "one", "two", verb=Verb.WAIT)
    units = [
        *(Member(address=address(name), desired={}) for name in ("one", "two")),
        replace(thing("a", "ring"), settle_s=9.0),
    ]
    catalog, plan = catalog_of(units, 1), Plan((*members, ring))

    def cut_with(busy: tuple[str, ...] = (), resting: tuple[str, ...] = ()) -> list[list[str]]:
        found = portions(plan, catalog, tuple(map(address, busy)), tuple(map(address, resting)))
        return [sorted(each.name for each in portion.units) for portion in found]

    (waiting,) = portions(plan, catalog, ())
    assert [s.address.name for s in waiting.plan.pending] == ["ring"]
    assert waiting.plan.pending[0].needs == ()
    assert cut_with(busy=("ring",)) == []
    assert cut_with(busy=("ring",), resting=("ring",)) == [["one"], ["two"]]
