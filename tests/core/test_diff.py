"""Promises of the comparison."""

from __future__ import annotations

import pytest
from hypothesis import given

from reconciler.core.diff import diff
from resources.contract import Change, Facts, SecretText
from tests.core.simple import Simple, address, carried_out
from tests.core.worlds import World, worlds

CASES: dict[str, tuple[Facts | None, Facts | None, tuple[Change, ...]]] = {
    "nothing differs": ({"a": "1"}, {"a": "1", "foreign": "2"}, ()),
    "fields in the declaration's order": (
        {"b": "1", "a": "2"},
        {"a": "0", "b": "0"},
        (Change("b", "0", "1"), Change("a", "0", "2")),
    ),
    "a field that must not be there": ({"a": None}, {"a": "1"}, (Change("a", "1", None),)),
    "a field that is not there as it must not": ({"a": None}, {}, ()),
    "the unit's own fields are never compared": ({"@a": "1"}, {"@a": "2"}, ()),
    "a thing that is absent": ({"a": "1", "b": None}, None, (Change("a", None, "1"),)),
    "a thing that is absent and only has to be": ({}, None, (Change("exists", before=None, after=True),)),
    "a thing that must go": (None, {"a": "1"}, (Change("exists", before=True, after=None),)),
    "a thing that is gone": (None, None, ()),
    "true is not one": ({"a": True}, {"a": 1}, (Change("a", before=1, after=True),)),
    "order counts in a list": ({"a": ("x", "y")}, {"a": ("y", "x")}, (Change("a", ("y", "x"), ("x", "y")),)),
    "the same secret": ({"a": SecretText("x")}, {"a": "x"}, ()),
}


@pytest.mark.parametrize("case", CASES)
def test_diff(case: str) -> None:
    """Only what is declared is compared, by value and type; absence is a value."""
    desired, facts, changes = CASES[case]
    assert diff(Simple(address=address("ssh:a/simple/x"), desired=desired), facts) == changes


def test_the_old_secret_is_a_secret() -> None:
    """What is found in a secret's place is masked from here on: the password that is replaced may be in use elsewhere."""
    (change,) = diff(Simple(address=address("ssh:a/simple/x"), desired={"a": SecretText("new")}), {"a": "old"})
    assert change.before == SecretText("old")
    assert "old" not in repr(change)


@given(worlds(troubled=False))
def test_making_the_changes_leaves_none(world: World) -> None:
    """Once the changes of a step are made, comparing again finds nothing: a plan is finished by being carried out."""
    plan = world.plan()
    after = carried_out(plan, world.catalog.units, world.observed)
    assert make_diffs(world, after) == {}


def make_diffs(world: World, observed: object) -> dict[object, tuple[Change, ...]]:
    """Return the units that differ."""
    assert isinstance(observed, dict)
    found = {key: diff(unit, observed[key]) for key, unit in world.catalog.units.items()}
    return {key: changes for key, changes in found.items() if changes}
