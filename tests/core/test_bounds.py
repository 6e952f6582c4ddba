"""What a planned step allows, and what it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.bounds import COVERED, beyond
from reconciler.core.plan import PENDING, Step, Verb
from resources.contract import Change, Disruption
from tests.core.simple import address

A = address("ssh:h/simple/a")
SIZE, COLOUR = Change("size", before=1, after=2), Change("colour", before=None, after="red")


def step(verb: Verb, *changes: Change, disrupts: str = "") -> Step:
    """Return a step that makes the changes."""
    return Step(A, verb, changes, disruption=Disruption(disrupts) if disrupts else None)


@pytest.mark.parametrize("verb", Verb)
def test_a_step_allows_itself_if_it_does_something(verb: Verb) -> None:
    """What was planned may be done; what only stands there as held, unknown or nothing allows nothing; all may wait."""
    allowed = {other for other in PENDING if not beyond(step(other, SIZE), step(verb, SIZE))}
    assert allowed == COVERED.get(verb, set()) | {Verb.WAIT}
    assert (verb in allowed) == (verb in PENDING)


def test_less_is_allowed() -> None:
    """Fewer fields, an interruption that is not needed any more, and nothing at all are less than what was shown."""
    shown = step(Verb.RESTART, SIZE, COLOUR, disrupts="nova-compute on kvm1")
    for now in (
        step(Verb.RESTART, SIZE, disrupts="nova-compute on kvm1"),
        step(Verb.UPDATE, COLOUR),
        step(Verb.NOTHING),
        step(Verb.WAIT, Change("heard", before=False, after=True)),
    ):
        assert beyond(now, shown) == ""


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (step(Verb.UPDATE, SIZE, COLOUR), "differs in colour"),
        (step(Verb.RESTART, SIZE, disrupts="nova-compute on kvm1"), "would now disrupt nova-compute on kvm1"),
        (step(Verb.CREATE, SIZE), "would now be a step to create, not to update"),
        (step(Verb.DELETE, SIZE), "would now be a step to delete, not to update"),
    ],
)
def test_more_is_told(now: Step, said: str) -> None:
    """Another field, an interruption, making or deleting what was to be changed: each is more, and named."""
    assert beyond(now, step(Verb.UPDATE, SIZE)) == said


def test_another_service_is_not_the_one_that_was_shown() -> None:
    """Who agreed to an interruption on one node has not agreed to one on another."""
    shown = step(Verb.RESTART, SIZE, disrupts="nova-compute-c0 on ctl1")
    now = replace(shown, disruption=Disruption("nova-compute-c0 on ctl2"))
    assert beyond(now, shown) == "would now disrupt nova-compute-c0 on ctl2 in place of nova-compute-c0 on ctl1"
