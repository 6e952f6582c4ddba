"""Promises of events: what comes and goes between two looks is told, each with what it concerns, and nothing twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.diff import Unobserved
from reconciler.core.events import (
    Event,
    EventRecord,
    EventType,
    changed,
    event_data,
    event_lines,
    of_condition,
    of_result,
    troubles,
)
from reconciler.core.pauses import Pause, Permit
from reconciler.core.plan import NOT_ASKED, Plan, Verb
from reconciler.core.policy import Rollout
from reconciler.core.shown import Paper, text_of
from reconciler.core.status import Condition, Outcome, Result, Truth
from reconciler.core.undone import Corrections, Undone, hold_stalled
from resources.contract import Key, TargetId
from tests.core.test_status import ONE, RESTARTS, TWO, ZONE, A, B, world_of

HOST = TargetId("ssh", "h")
KEYS = ("Zone/one",)


def reasons(events: tuple[Event, ...]) -> list[tuple[str, str, str]]:
    """Return type, reason and what each is about."""
    return [(event.type, event.reason, event.about) for event in events]


def test_a_host_that_does_not_answer_is_told_once() -> None:
    """However many units nobody can see there, it is one event about the host, for all their resources; so is its end."""
    silent = Unobserved("no answer")
    world = world_of((ONE, silent), (TWO, silent))
    away = troubles(world.plan(), {}, {})
    (event,) = changed({}, away)
    assert event == Event(EventType.WARNING, "Unseen", "ssh:h", "no answer", KEYS)
    assert changed(away, away) == ()
    back = troubles(world_of((ONE, {"x": 1}), (TWO, {"x": 1})).plan(), {}, {})
    assert changed(away, back) == (Event(EventType.NORMAL, "SeenAgain", "ssh:h", "it is known again", KEYS),)


def test_one_thing_that_nobody_can_see_on_a_host_that_answers_is_told_by_itself() -> None:
    """An unreadable file does not make its host unseen."""
    world = world_of((ONE, {"x": 1}), (TWO, Unobserved("permission denied")))
    assert reasons(changed({}, troubles(world.plan(), {}, {}))) == [("Warning", "Unseen", str(B))]


def test_what_waits_or_was_not_looked_at_is_in_no_trouble() -> None:
    """Neither a turn in a rollout, nor what needs something else that is held, nor a unit nobody was asked about, is told."""
    queue = world_of(*((each, {"active": True, "fresh": False}) for each in RESTARTS))
    plan = queue.allowed(queue.plan())
    assert any(step.verb is Verb.HELD for step in plan.steps)
    assert troubles(plan, {}, {}) == {}
    assert troubles(world_of((ONE, NOT_ASKED)).plan(), {}, {}) == {}
    observed = world_of((ONE, {"x": 2}), (replace(TWO, origins=()), {"x": 2}), manage={ZONE: "observe"})
    assert reasons(changed({}, troubles(observed.plan(), {}, {}))) == [("Warning", "Held", str(A))]


def test_another_reason_is_another_event() -> None:
    """Held for another reason than before is told, and what it was is not told to be over."""
    one = {("Held", "x"): Event(EventType.WARNING, "Held", "x", "why")}
    two = {("Held", "x"): Event(EventType.WARNING, "Held", "x", "why else")}
    assert changed(one, two) == (two["Held", "x"],)
    assert reasons(changed(one, {})) == [("Normal", "FreeAgain", "x")]


def test_what_is_paused_is_told_and_so_is_its_end() -> None:
    """A pause of everything is about the daemon, another one about what it selects; that nobody knows is a warning."""
    plan = world_of((ONE, {"x": 1})).plan()
    pauses = Pause("", "anna", "2026-11-23T02:10:05Z", reason="quiet"), Pause("Zone/one", "bert", "2026-11-23T02:10:05Z")
    there = troubles(plan, {}, {}, permit=Permit("", pauses))
    assert list(there.values()) == [
        Event(EventType.NORMAL, "Paused", "daemon", "everything is paused by anna: quiet"),
        Event(EventType.NORMAL, "Paused", "Zone/one", "paused by bert"),
    ]
    over = changed(there, troubles(plan, {}, {}, permit=Permit("", pauses[1:])))
    assert over == (Event(EventType.NORMAL, "Resumed", "daemon", "it was: everything is paused by anna: quiet"),)
    unknown = troubles(plan, {}, {}, permit=Permit("", pauses, "f: nobody knows what is paused"))
    doubt = Event(EventType.WARNING, "PausesUnreadable", "daemon", "f: nobody knows what is paused")
    assert changed(there, unknown) == (doubt,), "what was paused is not told to be over"
    assert reasons(changed(unknown, there)) == [("Normal", "PausesReadable", "daemon")]


def test_who_is_deaf_stalled_or_broken_is_told_by_that_name() -> None:
    """Each has a word of its own, and another one when it is over."""
    world = world_of((ONE, {"x": 2}))
    undone = tuple(Undone("x", 60.0 * number, "2") for number in range(4))
    plan = hold_stalled(world.plan(), {A: Corrections(undone=undone, stalled=True)}, lambda at: f"{at:g}")
    there = troubles(plan, {HOST: "the channel is closed"}, {A: "nova-compute on h"})
    assert reasons(changed({}, there)) == [
        ("Warning", "Stalled", str(A)),
        ("Warning", "Deaf", "ssh:h"),
        ("Warning", "Broken", str(A)),
    ]
    assert there["Broken", str(A)].message == "nova-compute on h did not come through its restart"
    assert there["Deaf", "ssh:h"].keys == KEYS
    over = changed(there, {})
    assert [event.reason for event in over] == ["FreeAgain", "HeardAgain", "Mended"]
    assert over[0].message == "it is as declared now, or corrected again", "what is as declared is left alone for an hour yet"


@pytest.mark.parametrize(
    ("rollout", "event", "over"),
    [
        (Rollout(2, frozenset({"x"})), ("Warning", "RolloutStopped", "rollout"), "RolloutGoesOn"),
        (Rollout(2, closed="no window is open"), ("Normal", "WindowClosed", "rollout"), "WindowOver"),
    ],
)
def test_what_holds_a_whole_rollout_is_told_once(rollout: Rollout, event: tuple[str, str, str], over: str) -> None:
    """However many restarts wait for it, it is one event, for all resources that wait; a closed window warns nobody."""
    old = {"active": True, "fresh": False}
    services = [(replace(each, origins=(Key("Zone", each.address.target.name),)), old) for each in RESTARTS]
    world = replace(world_of(*services), rollout=rollout)
    there = troubles(world.allowed(world.plan()), {}, {}, rollout)
    assert reasons(changed({}, there)) == [event]
    assert [each.keys for each in there.values()] == [("Zone/h1", "Zone/h2")]
    assert [each.reason for each in changed(there, {})] == [over]
    as_declared = replace(world_of(*((each, {"active": True, "fresh": True}) for each in RESTARTS)), rollout=rollout)
    assert troubles(as_declared.plan(), {}, {}, rollout) == {}


def test_what_came_of_a_step() -> None:
    """A failure is a warning with its message, what was done says why it was; where nothing was to be done nothing happened."""
    (step,) = world_of((ONE, {"x": 2})).plan().steps
    failed = of_result(step, Result(A, Outcome.FAILED, "disk full"))
    assert failed == Event(EventType.WARNING, "Failed", str(A), "update: disk full", KEYS)
    done = of_result(replace(step, reasons=("somebody edited it",)), Result(A, Outcome.CONVERGED))
    assert done == Event(EventType.NORMAL, "Converged", str(A), "update: somebody edited it", KEYS)
    assert of_result(step, Result(A, Outcome.UNCHANGED)) is None
    assert troubles(Plan((step,)), {}, {}) == {}


def test_documents_that_are_refused() -> None:
    """A condition of the folder is an event about the documents."""
    refused = of_condition(Condition("Ready", Truth.FALSE, "Refused", "zones.yaml:3:1: no"))
    assert (refused.type, refused.reason, refused.about) == ("Warning", "Refused", "documents")
    assert of_condition(Condition("Ready", Truth.TRUE, "Read")).type == "Normal"


def test_several_mistakes_are_several_lines() -> None:
    """A message of several lines is one on the page, too: what follows the first is indented, and no sign of an escape."""
    event = Event(EventType.WARNING, "Refused", "documents", "zones.yaml:3:1: no\nzones.yaml:4:1: no\x1b[2J")
    record = EventRecord(7, event, "2026-11-23T02:10:05Z", "2026-11-23T03:10:05Z", 2)
    assert list(map(text_of, event_lines((record,), Paper(), lambda text: text[11:16]))) == [
        "03:10  Warning  Refused         documents  zones.yaml:3:1: no  (2 times since 02:10)",
        "    zones.yaml:4:1: no\\x1b[2J",
    ]


def test_the_page_of_events() -> None:
    """One line for each, with how often and since when; a password in a URL stands on no page."""
    event = Event(EventType.WARNING, "Held", str(A), "http://u:word@h refuses", KEYS)
    record = EventRecord(7, event, "2026-11-23T02:10:05Z", "2026-11-23T03:10:05Z", 3)
    (line,) = event_lines((record,), Paper(), lambda text: text[11:16])
    assert text_of(line) == (
        "03:10  Warning  Held            ssh:h/simple/a  http://u:(secret)@h refuses  (3 times since 02:10)"
    )
    assert event_data(record)["message"] == "http://u:(secret)@h refuses"
    assert event_data(record)["lastTimestamp"] == "2026-11-23T03:10:05Z"
