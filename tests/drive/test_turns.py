"""Whose turn it is: the promises that hold whatever is put and taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.turns import SHARE, Priority, Turns

if TYPE_CHECKING:
    from collections.abc import Sequence

puts = st.tuples(st.integers(0, 9), st.sampled_from(Priority))
steps = st.lists(st.one_of(puts, st.none()), max_size=200)


@given(steps)
def test_whoever_waits_has_a_turn_within_its_bound(story: Sequence[tuple[int, Priority] | None]) -> None:
    """With N keys before it a key waits for at most SHARE * (N + 1) turns, however urgent all that comes later is."""
    turns: Turns[int] = Turns()
    left: dict[int, int] = {}
    for step in story:
        if step is not None:
            key, priority = step
            left.setdefault(key, SHARE * (len(turns) + 1))
            turns.put(key, priority, 0.0, failing=False)
            continue
        taken = turns.take(others=True, failing=True)
        assert (taken is None) == (not left)
        if taken is not None:
            left = {key: turns_left - 1 for key, turns_left in left.items()}
            assert left.pop(taken.key) >= 0
            assert all(turns_left > 0 for turns_left in left.values())


@given(steps)
def test_each_key_waits_once_with_the_highest_priority_asked_for(story: Sequence[tuple[int, Priority] | None]) -> None:
    """Of what is put twice one is taken; a turn goes to the highest priority, or to whoever waits longest."""
    turns: Turns[int] = Turns()
    model: dict[int, Priority] = {}
    for step in story:
        if step is not None:
            key, priority = step
            model[key] = min(priority, model.get(key, priority))
            turns.put(key, priority, 0.0, failing=False)
        elif model:
            taken = turns.take(others=True, failing=True)
            assert taken is not None
            assert taken.key == next(iter(model)) or taken.priority == min(model.values())
            assert model.pop(taken.key) is taken.priority
        assert {waiting.key: waiting.priority for waiting in turns} == model


def test_a_sweep_ends_under_a_constant_stream() -> None:
    """While something more urgent comes with every turn, each fourth turn is one of the sweep's, in its order."""
    turns: Turns[str] = Turns()
    for number in range(5):
        turns.put(f"sweep{number}", Priority.SWEEP, 0.0, failing=False)
    taken = []
    for number in range(5 * SHARE):
        turns.put(f"urgent{number}", Priority.USER, 0.0, failing=False)
        waiting = turns.take(others=True, failing=True)
        taken.append(waiting.key if waiting else "")
    assert taken[SHARE - 1 :: SHARE] == [f"sweep{number}" for number in range(5)]
    assert sum(key.startswith("urgent") for key in taken) == 5 * (SHARE - 1)


@pytest.mark.parametrize("failing", [True, False])
def test_a_person_goes_first(*, failing: bool) -> None:
    """What people ask for may go when nobody else may, and before a thousand others when all may."""
    turns: Turns[str] = Turns()
    for number in range(1000):
        turns.put(f"sweep{number}", Priority.SWEEP, 0.0, failing=False)
    assert turns.take(others=False, failing=False) is None
    turns.put("person", Priority.USER, 1.0, failing=failing)
    taken = turns.take(others=failing, failing=False)
    assert taken is not None
    assert taken.key == "person"


def test_what_fails_waits_while_it_has_no_room() -> None:
    """Without room for failing keys a sound one goes before them, and with room they go first as the first to arrive."""
    turns: Turns[str] = Turns()
    turns.put("failing", Priority.DRIFT, 0.0, failing=True)
    turns.put("sound", Priority.DRIFT, 0.0, failing=False)
    turns.put("later", Priority.DRIFT, 0.0, failing=False)
    order = [turns.take(others=True, failing=each) for each in (False, True, False, True)]
    assert [each.key if each else None for each in order] == ["sound", "failing", "later", None]


def test_what_is_dropped_does_not_wait() -> None:
    """A key that is dropped has no turn; dropping one that does not wait does nothing."""
    turns: Turns[str] = Turns()
    turns.put("a", Priority.SWEEP, 0.0, failing=False)
    turns.drop("a")
    turns.drop("b")
    assert len(turns) == 0
    assert turns.take(others=True, failing=True) is None
