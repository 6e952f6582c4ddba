"""What the drawing of a plan promises: every step is in it, in the order of the plan, and no arrow says twice the same."""

from __future__ import annotations

import re

from hypothesis import given, settings

from reconciler.core.chart import MOST_BOXES, chart
from reconciler.core.markup import to_text
from reconciler.core.plan import Plan, Step, Verb
from reconciler.core.report import Item, groups
from tests.core.simple import address
from tests.core.worlds import World, worlds


def items(plan: Plan) -> dict[str, Item]:
    """Return the items of a plan by names."""
    found = [item for group in groups(plan) for item in group.items]
    return {f"s{number}": item for number, item in enumerate(found)}


def drawn(plan: Plan) -> tuple[str, list[tuple[str, str]]]:
    """Return the SVG and its arrows; empty where nothing is drawn."""
    drawing = chart(plan, items(plan))
    text = to_text(drawing) if drawing else ""
    return text, re.findall(r'data-from="(\w+)" data-to="(\w+)"', text)


@settings(max_examples=60)
@given(worlds())
def test_what_comes_first_leads_to_what_needs_it(world: World) -> None:
    """Each need between two steps that are shown is an arrow, or follows from several; each step is a box."""
    plan = world.allowed(world.plan())
    by_name = items(plan)
    text, arrows = drawn(plan)
    home = {step.address: name for name, item in by_name.items() for step in item.steps}
    needs = {(home[need], name) for name, item in by_name.items() for step in item.steps for need in step.needs if need in home}
    needs = {(first, then) for first, then in needs if first != then}
    assert bool(arrows) == bool(needs)
    assert set(arrows) <= needs
    reached = set(arrows)
    while more := {(a, d) for a, b in reached for c, d in reached if b == c} - reached:
        reached |= more
    assert needs <= reached
    assert not text or sorted(re.findall(r'data-item="(\w+)"', text)) == sorted(by_name)


def chain(length: int) -> Plan:
    """Return a plan in which each step needs all before it."""
    places = [address(f"ssh:n/file//{number}") for number in range(length)]
    return Plan(tuple(Step(place, Verb.CREATE, needs=tuple(places[:number])) for number, place in enumerate(places)))


def test_a_chain_is_a_line() -> None:
    """Of all the needs along a chain only the steps from one to the next are drawn, each a column further."""
    text, arrows = drawn(chain(5))
    assert arrows == [(f"s{number}", f"s{number + 1}") for number in range(4)]
    assert len(set(re.findall(r'<rect x="(\d+)" y="8"[^>]*class="box"', text))) == 5


def test_what_would_help_nobody_is_not_drawn() -> None:
    """Without any arrow, or with too many boxes to be seen, there is no drawing."""
    assert all(drawn(chain(length)) == ("", []) for length in (0, 1, MOST_BOXES + 1))
