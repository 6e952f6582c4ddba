"""Promises of conditions over time: since when they hold, and for which generation of a document."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.diff import Unobserved
from reconciler.core.shown import Paper, text_of
from reconciler.core.standing import Former, dated, digest_of, recalled, tally
from reconciler.core.standing_page import moved, moved_line, standing_lines
from reconciler.core.status import Condition, Hearing, ResourceStatus, Status, Truth, fold
from resources.cloud import Metadata, Resource, Spec
from resources.contract import Key, TargetId
from resources.kinds.registry import KINDS
from tests.core.simple import Simple, address
from tests.core.test_status import ONE, ZONE, A, world_of

if TYPE_CHECKING:
    from collections.abc import Mapping

NODE = Key("Node", "kvm1")


class Careless(Spec):
    """A spec in which somebody writes what belongs into a Secret."""

    auth_url: str
    password: str


SPEC: dict[str, Any] = {"address": "10.0.0.1", "ssh": {"user": "root"}, "roles": ["compute"]}


def node(
    annotations: Mapping[str, str] | None = None, labels: Mapping[str, str] | None = None, **changed: Any
) -> Resource[Any]:
    """Return a Node."""
    spec = KINDS["Node"].spec.model_validate({**SPEC, **changed})
    return Resource(NODE, Metadata("kvm1", labels or {}, annotations or {}), spec)


def status(*conditions: Condition, key: Key = NODE) -> Status:
    """Return a status of one resource."""
    return Status((ResourceStatus(key, 1, 0, conditions),))


def keep(seen: Status, declared: Mapping[Key, str], former: Mapping[Key, Former], now: str) -> dict[Key, Former]:
    """Return what would be kept of it."""
    return {each.key: Former(declared.get(each.key, ""), each) for each in dated(seen, declared, former, now).resources}


TRUTHS = st.sampled_from(Truth)
LOOKS = st.lists(
    st.tuples(TRUTHS, st.sampled_from(("One", "Two")), st.sampled_from(("", "why")), st.integers(1, 3)), min_size=1, max_size=12
)


@given(LOOKS)
def test_a_transition_is_when_the_status_moves(looks: list[tuple[Truth, str, str, int]]) -> None:
    """The time is that of the first look since which the status is what it is, whatever reason, message and document do."""
    former: dict[Key, Former] = {}
    for number, (truth, reason, message, spec) in enumerate(looks):
        former = keep(status(Condition("Ready", truth, reason, message)), {NODE: str(spec)}, former, f"t{number}")
        begun = number
        while begun and looks[begun - 1][0] is truth:
            begun -= 1
        rises = sum(before[3] != after[3] for before, after in pairwise(looks[: number + 1]))
        assert former[NODE].status.conditions == (Condition("Ready", truth, reason, message, f"t{begun}", 1 + rises),)
        assert former[NODE].status.generation == 1 + rises


def test_a_generation_outlives_its_document() -> None:
    """Of a document that is gone while something of it is left the generation stays."""
    former = keep(status(Condition("Ready", Truth.TRUE, "AsDeclared")), {NODE: "one"}, {}, "t0")
    assert keep(status(Condition("Ready", Truth.FALSE, "Pending")), {}, former, "t1")[NODE].status.generation == 1


@pytest.mark.parametrize(
    ("other", "rises"),
    [
        (node(), False),
        (node(address="10.0.0.2"), True),
        (node(roles=["controller"]), True),
        (node({"bivisor/manage": "observe"}), True),
        (node({"team": "blue"}), False),
        (node(labels={"rack": "r1"}), False),
    ],
)
def test_what_makes_a_generation(other: Resource[Any], *, rises: bool) -> None:
    """The spec does, and the annotations that Bivisor reads; others and labels do not."""
    assert (digest_of(other) != digest_of(node())) is rises


def test_a_digest_betrays_no_secret() -> None:
    """Two documents that differ only in what a plan would mask have one digest: it tells nothing of that."""
    one, two, three = (
        digest_of(Resource(NODE, Metadata("x", {}, {}), Careless(auth_url=f"http://{user}:{word}@h:5000/v3", password=word)))
        for user, word in (("admin", "one"), ("admin", "two"), ("other", "two"))
    )
    assert one == two != three


HEARD = TargetId("ssh", "h")


@pytest.mark.parametrize(
    ("hearing", "expected"),
    [
        (Hearing(frozenset({"ssh"}), {}), ("True", "Watching", "")),
        (Hearing(frozenset({"vcenter"}), {}), ("True", "Polling", "")),
        (Hearing(frozenset({"ssh"}), {HEARD: "no answer"}), ("False", "NotHeard", "ssh:h: no answer")),
        (Hearing(frozenset({"ssh"}), {TargetId("ssh", "other"): "no answer"}), ("True", "Watching", "")),
    ],
)
def test_who_is_not_heard_is_a_condition_of_what_lives_there(hearing: Hearing, expected: tuple[str, str, str]) -> None:
    """WatchHealthy is false exactly for resources with a unit on a target that is not heard; Ready says nothing of it."""
    world = world_of((ONE, {"x": 1}))
    (resource,) = fold(world.plan(), {}, world.catalog, hearing).resources
    found = resource.condition("WatchHealthy")
    assert (found.status, found.reason, found.message) == expected
    assert resource.condition("Ready").status is Truth.TRUE


def test_without_units_there_is_nothing_to_watch() -> None:
    """A resource that declares no unit is healthily watched."""
    world = world_of(manage={ZONE: "full"})
    (resource,) = fold(world.plan(), {}, world.catalog, Hearing(frozenset({"ssh"}), {HEARD: "no answer"})).resources
    assert resource.condition("WatchHealthy").reason == "NothingToWatch"


def test_a_look_recalls_what_is_kept() -> None:
    """What is seen now has a time where it is as it was kept, and a generation where the document is."""
    kept = keep(
        status(Condition("Ready", Truth.TRUE, "AsDeclared"), Condition("Stalled", Truth.TRUE, "Held")), {NODE: "1"}, {}, "t0"
    )
    now = status(Condition("Ready", Truth.TRUE, "AsDeclared"), Condition("Stalled", Truth.FALSE, "NotHeld"))
    (same,) = recalled(now, {NODE: "1"}, kept).resources
    assert [(each.since, each.generation) for each in same.conditions] == [("t0", 1), ("", 1)]
    (other,) = recalled(now, {NODE: "2"}, kept).resources
    assert (other.generation, other.conditions[0].since) == (0, "t0")
    assert recalled(now, {NODE: "1"}, {}) == now


def test_conditions_are_counted_for_metrics() -> None:
    """Of how many resources each condition is true, false or unknown."""
    good, bad = Condition("Ready", Truth.TRUE, "AsDeclared"), Condition("Ready", Truth.FALSE, "Pending")
    both = Status((*status(good).resources, *status(bad, key=ZONE).resources))
    assert tally(both) == {("Ready", Truth.TRUE): 1, ("Ready", Truth.FALSE): 1}


def test_what_has_changed_is_told_once() -> None:
    """A line for each condition that is another one now, none for its time alone; a resource that came says if it is ready."""
    first = status(Condition("Ready", Truth.TRUE, "AsDeclared", "", "t0", 1), Condition("Stalled", Truth.FALSE, "NotHeld"))
    assert [one.type for _, one in moved(Status(()), first) if one] == ["Ready"]
    (resource,) = first.resources
    later = Status((replace(resource, conditions=(replace(resource.conditions[0], since="t1"), resource.conditions[1])),))
    assert list(moved(first, later)) == []
    held = Status((replace(resource, conditions=(resource.conditions[0], Condition("Stalled", Truth.TRUE, "Held", "paused"))),))
    ((key, condition),) = moved(first, held)
    assert text_of(moved_line("12:00", key, condition, Paper())) == "12:00  Node/kvm1  Stalled=True  Held  paused"
    assert list(moved(first, Status(()))) == [("Node/kvm1", None)]
    assert text_of(moved_line("12:00", "Node/kvm1", None, Paper())) == "12:00  Node/kvm1  is declared no more"


def test_the_page_begins_with_what_is_wrong_and_fits() -> None:
    """Of a cloud that is larger than the terminal the first rows are shown, what is not as declared before everything else."""
    units = [
        Simple(address=address(f"ssh:h/simple/u{number}"), desired={"x": 1}, origins=(Key("Zone", f"z{number}"),))
        for number in range(9)
    ]
    world = world_of(*((unit, Unobserved("no answer") if number == 8 else {"x": 1}) for number, unit in enumerate(units)))
    seen = dated(fold(world.plan(), {}, world.catalog), {}, {}, "2026-11-23T02:10:05Z")
    lines = [text_of(line) for line in standing_lines(["No daemon runs."], seen, Paper(), lambda text: text[11:16], 7)]
    assert lines[0] == "No daemon runs."
    assert lines[3].startswith("Zone/z8")
    assert lines[3].endswith("0/1  since 02:10")
    assert lines[4] == "    ssh:h/simple/u8: no answer"
    assert (len(lines), lines[-1]) == (7, "… 7 more lines: bivisor status")
    assert A in world_of((ONE, None)).catalog.units
