"""No repair loops: what comes undone again and again is left to a person, and only that."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.graph import build_graph
from reconciler.core.plan import Verb, make_plan
from reconciler.core.status import Truth, fold
from reconciler.core.undone import (
    MOST_UNDONE,
    QUIET_S,
    WINDOW_S,
    Corrections,
    corrected,
    declaration,
    hold_stalled,
    released,
    seen,
    undone_of,
)
from resources.contract import Change, Key, Need, SecretText
from tests.core.simple import Daemon, Simple, address, catalog

if TYPE_CHECKING:
    from collections.abc import Sequence

MINUTE = 60.0


@dataclass
class Unit:
    """A unit with some fields, what is declared of it, and whoever corrects it; time passes from outside."""

    declared: int = 0
    now: float = 0.0
    fields: dict[str, int] = field(default_factory=lambda: {"a": 0, "b": 0})
    known: Corrections = field(default_factory=Corrections)
    corrections: list[tuple[int, str, float]] = field(default_factory=list)
    epoch: int = 0

    @property
    def changes(self) -> tuple[Change, ...]:
        """What differs."""
        return tuple(Change(name, value, self.declared) for name, value in self.fields.items() if value != self.declared)

    def look(self) -> None:
        """Look, and correct what differs unless it is stalled: a pass."""
        self.known = seen(self.known, self.now, str(self.declared), self.changes)
        if self.changes and not self.known.stalled:
            self.corrections += [(self.epoch, change.field, self.now) for change in self.changes]
            self.known = corrected(self.known, self.changes)
            self.fields = dict.fromkeys(self.fields, self.declared)

    def undo(self, name: str = "a", value: int = 7) -> None:
        """Set a field by hand, and have it seen."""
        self.fields[name] = value
        self.look()


def fought(times: int = MOST_UNDONE + 1, every_s: float = 30 * MINUTE) -> Unit:
    """Return a unit that somebody sets so many times."""
    unit = Unit()
    for _ in range(times):
        unit.undo()
        unit.now += every_s
    return unit


acts = st.one_of(
    st.tuples(st.just("set"), st.sampled_from("ab"), st.sampled_from([7, 8])),
    st.just(("look",)),
    st.just(("look",)),
    st.tuples(st.just("declare"), st.integers(0, 2)),
    st.just(("release",)),
)
stories = st.lists(st.tuples(st.sampled_from([1.0, MINUTE, 25 * MINUTE, QUIET_S, WINDOW_S]), acts), max_size=60)


@given(stories)
def test_nothing_is_corrected_more_often_than_its_bound(story: Sequence[tuple[float, tuple[object, ...]]]) -> None:
    """Within any window, one declaration and no person's word, a field is corrected MOST_UNDONE times at most."""
    unit = Unit()
    unit.look()
    for seconds, act in story:
        unit.now += seconds
        before = unit.known
        match act:
            case ("set", str(name), int(value)):
                unit.fields[name] = value
            case ("declare", int(declared)):
                unit.epoch += declared != unit.declared
                unit.declared = declared
            case ("release",):
                unit.known = released(unit.known)
                unit.epoch += 1
                continue
        unit.look()
        if before.stalled and not unit.known.stalled:
            # only by a new declaration, or because it stood as declared for long enough
            assert unit.known.declared != before.declared or unit.now - (before.quiet_since or unit.now) >= QUIET_S
            unit.epoch += 1
        assert len(unit.known.undone) <= 2 * MOST_UNDONE
    for name in "ab":
        times = [(epoch, at) for epoch, each, at in unit.corrections if each == name]
        for first, last in zip(times, times[MOST_UNDONE:], strict=False):
            assert first[0] != last[0] or last[1] - first[1] >= WINDOW_S


@given(st.lists(st.floats(WINDOW_S / (MOST_UNDONE - 1), 10 * WINDOW_S), max_size=30))
def test_what_is_undone_rarely_is_corrected_for_ever(gaps: Sequence[float]) -> None:
    """Whatever happens fewer than MOST_UNDONE times in a window never stalls, however long it goes on."""
    unit = Unit()
    for gap in gaps:
        unit.undo()
        unit.now += gap
        assert not unit.known.stalled
    assert len(unit.corrections) == len(gaps)


def test_an_agent_that_sets_it_every_half_hour_is_found_out() -> None:
    """The other tool's value stays from the fifth time on; it is told when it was undone, and what was found."""
    unit = fought(12)
    assert unit.known.stalled
    assert len(unit.corrections) == MOST_UNDONE
    told = undone_of(unit.known)
    assert [(each.field, each.at / MINUTE, each.found) for each in told] == [("a", 30 * n, "7") for n in range(1, 5)]


def test_other_fields_are_no_part_of_it() -> None:
    """Each field is counted for itself: two that were undone twice stall nothing."""
    unit = Unit()
    for name in "abab":
        unit.undo(name)
        unit.now += MINUTE
    unit.undo("a")
    assert not unit.known.stalled
    for _ in range(2):
        unit.now += MINUTE
        unit.undo("a")
    assert unit.known.stalled
    assert {each.field for each in undone_of(unit.known)} == {"a"}


def test_it_is_released_when_it_stands_as_declared() -> None:
    """An hour as declared, whoever made it so, ends it; what differs in between begins the hour anew."""
    unit = fought()
    assert unit.known.stalled
    for minute in range(0, 50, 10):
        unit.fields["a"] = unit.declared if minute != 20 else 7
        unit.look()
        unit.now += 10 * MINUTE
    unit.fields["a"] = unit.declared
    unit.look()
    unit.now += QUIET_S - 21 * MINUTE
    unit.look()
    assert unit.known.stalled
    unit.now += 1 * MINUTE
    unit.look()
    assert not unit.known.stalled
    assert undone_of(unit.known) == ()
    unit.undo()
    assert unit.fields["a"] == unit.declared


def test_another_declaration_or_a_persons_word_releases_it() -> None:
    """Whoever changes the document, or says to go on, is obeyed at once; the count begins anew."""
    for release in (True, False):
        unit = fought()
        if release:
            unit.known = released(unit.known)
        else:
            unit.declared = 1
        unit.look()
        assert unit.fields == dict.fromkeys("ab", unit.declared)
        for _ in range(MOST_UNDONE - 1):
            unit.undo()
            assert not unit.known.stalled
            unit.now += MINUTE
        unit.undo()
        assert unit.known.stalled


def test_it_stays_stalled_while_it_differs() -> None:
    """Time alone releases nothing: as long as somebody's value stands there, a person has to decide."""
    unit = fought()
    unit.now += 1000 * WINDOW_S
    unit.look()
    assert unit.known.stalled
    assert len(unit.corrections) == MOST_UNDONE


def test_a_difference_that_nobody_corrected_is_not_undone() -> None:
    """A look that sees the same difference again, since its step failed or waits, counts nothing."""
    known = Corrections()
    change = Change("a", 7, 0)
    for minute in range(10):
        known = seen(known, minute * MINUTE, "0", (change,))
    assert known.undone == ()
    known = corrected(known, (change,))
    for minute in range(10, 20):
        known = seen(known, minute * MINUTE, "0", (change,))
    assert [each.at for each in known.undone] == [10 * MINUTE]


def test_secrets_are_not_kept() -> None:
    """Of a value that is a secret, by declaration or by its name, only a mask is kept; of a long one the beginning."""
    changes = (
        Change("[vmware] host_password", "hand-made", "declared"),
        Change("content", SecretText("very"), SecretText("other")),
        Change("motd", "long" * 1000, "short"),
    )
    known = seen(corrected(seen(Corrections(), 0, "0", changes), changes), 1, "0", changes)
    assert [each.found for each in known.undone[:2]] == ["(secret)", "(secret)"]
    assert len(known.undone[2].found) < 100


def test_what_a_process_loads_is_part_of_what_is_declared() -> None:
    """Of a process that is restarted since its files are declared otherwise each time nothing was undone."""
    file = Simple(address=address("ssh:a/simple/file"), desired={"debug": True})
    service = Daemon(address=address("ssh:a/service/s"), desired={"fresh": True}, loads=(file.address,))
    other = replace(file, desired={"debug": False})
    digests = [declaration(service, {each.address: each for each in (service, loaded)}) for loaded in (file, other)]
    assert digests[0] != digests[1]
    assert declaration(file, {}) != declaration(other, {})


@pytest.mark.parametrize("stalled", [True, False])
def test_a_stalled_unit_is_held_with_what_needs_it(*, stalled: bool) -> None:
    """The plan says of it when it was undone and what to do; what needs it waits, everything else goes on."""
    unit = fought() if stalled else Unit()
    first = Simple(address=address("ssh:a/simple/first"), desired={"a": 0})
    second = Simple(address=address("ssh:a/simple/second"), desired={"a": 0}, needs=(Need(first.address, "it comes first"),))
    third = Simple(address=address("ssh:a/simple/third"), desired={"a": 0})
    origin = (Key("Thing", "it"),)
    declared = catalog(replace(each, origins=origin) for each in (first, second, third))
    observed = {each.address: {"a": 7} for each in (first, second, third)}
    plan = make_plan(declared, build_graph(declared.units), observed)
    held = hold_stalled(plan, {first.address: unit.known}, lambda at: f"{at / MINUTE:.0f} min")
    verbs = {step.address.name: step.verb for step in held.steps}
    if not stalled:
        assert held is plan
        return
    assert verbs == {"first": Verb.HELD, "second": Verb.HELD, "third": Verb.UPDATE}
    step = next(step for step in held.steps if step.address == first.address)
    assert step.held == (
        "a was made as declared and undone again 4 times (30 min, 60 min, 90 min and 120 min; found 7 last): "
        "find out who sets it, or leave it to them (bivisor/ignore)"
    )
    assert step.intended is Verb.UPDATE
    condition = fold(held, {}, declared).resources[0].condition("Stalled")
    assert condition.status is Truth.TRUE
    assert step.held in condition.message
