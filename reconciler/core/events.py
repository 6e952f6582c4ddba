"""What happened, a sentence at a time, as Kubernetes has events: a type, one word why, about what, and how often.

What stands is a level: somebody looks twice and compares, and what came or went in between is an event. So nothing is missed
and nothing is told twice, however often it was looked at.

As data (`bivisor events -o json`; with `--follow` each event is a document of its own, on one line):

    {"version": 1,
     "events": [                                        the oldest first
       {"number": 812,                                  rises with every occurrence, over all events
        "type": "Warning",                              Warning or Normal
        "reason": "Held",                               one word for programs
        "about": "ssh:kvm1/service/nova-compute",       an address, a target, `documents`, `rollout` or `daemon`
        "keys": ["HypervisorZone/kvm-az"],              the resources that it concerns
        "message": "…",                                 a sentence for a person, secrets masked
        "firstTimestamp": "2026-11-23T02:10:05Z",       when it happened first, and last
        "lastTimestamp": "2026-11-23T02:14:11Z",
        "count": 3}]}                                   how often it did: the same event is counted, not repeated
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from reconciler.core.pauses import Permit
from reconciler.core.plan import NOT_ASKED, Verb
from reconciler.core.policy import Rollout
from reconciler.core.shown import Line, Paper, Span, Tone, masked_urls, printable
from reconciler.core.status import Outcome
from reconciler.core.undone import is_stalled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from reconciler.core.plan import Plan, Step
    from reconciler.core.status import Condition, Result
    from resources.contract import Address, TargetId

NO_ROLLOUT = Rollout()
"""Nothing stands against any restart."""

NO_PERMIT = Permit()
"""Nothing is paused."""

VERSION = 1
"""The version of the shape that is described here."""

DOCUMENTS, DAEMON, ROLLOUT = "documents", "daemon", "rollout"
"""What an event is about that concerns no resource."""


class EventType(StrEnum):
    """Whether somebody should know of it."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    `about` is the text of an address, a target or a key, or one of the words above; `keys` are those of the resources that it
    concerns.
    """

    type: EventType
    reason: str
    about: str
    message: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event as it is kept: `first` and `last` are the times of its occurrences (UTC), `count` is how many there were.

    `number` rises with every occurrence of any event, so that whoever follows knows what is new.
    """

    number: int
    event: Event
    first: str
    last: str
    count: int


Troubles: TypeAlias = Mapping[tuple[str, str], Event]
"""What stands against something now, by reason and what it is about."""

_OVER = {
    "Held": ("FreeAgain", "nothing stands against it any more"),
    "Stalled": ("FreeAgain", "it is as declared now, or corrected again"),
    "Unseen": ("SeenAgain", "it is known again"),
    "Deaf": ("HeardAgain", "its changes are heard again"),
    "Broken": ("Mended", "it counts against the failure budget no more"),
    "RolloutStopped": ("RolloutGoesOn", "nothing is held by that any more"),
    "Paused": ("Resumed", ""),
    "PausesUnreadable": ("PausesReadable", "what is paused is known again"),
    "WindowClosed": ("WindowOver", "nothing waits for a window any more"),
}


def troubles(
    plan: Plan,
    deaf: Mapping[TargetId, str],
    broken: Mapping[Address, str],
    rollout: Rollout = NO_ROLLOUT,
    permit: Permit = NO_PERMIT,
) -> Troubles:
    """Return what stands against something.

    `deaf` says of targets why they are not heard. `broken` are the services that did not come through their restart.
    `permit` says what somebody has paused. What holds a whole rollout is told once. What waits only for its turn is in no
    trouble, nor is what was not looked at yet.
    """
    origins = {step.address: tuple(map(str, step.origins)) for step in plan.steps}
    keys: dict[TargetId, dict[str, None]] = {}
    for address, names in origins.items():
        keys.setdefault(address.target, {}).update(dict.fromkeys(names))
    answering = {step.address.target for step in plan.steps if step.verb is not Verb.UNKNOWN}
    whole = {rollout.stopped, rollout.closed}
    found: dict[tuple[str, str], Event] = {}
    for step in plan.steps:
        if not step.held or step.root is not None or step.later or step.held in (NOT_ASKED.reason, *whole):
            continue
        address, target = step.address, step.address.target
        if step.verb is not Verb.UNKNOWN:
            event = _warning("Stalled" if is_stalled(step) else "Held", str(address), step.held, origins[address])
        elif target in answering:
            event = _warning("Unseen", str(address), step.held, origins[address])
        else:
            event = _warning("Unseen", str(target), step.held, keys[target])
        found.setdefault((event.reason, event.about), event)
    for target, why in deaf.items():
        found["Deaf", str(target)] = _warning("Deaf", str(target), why, keys.get(target, ()))
    for address, service in broken.items():
        why = f"{service} did not come through its restart"
        found["Broken", str(address)] = _warning("Broken", str(address), why, origins.get(address, ()))
    return {**found, **_of_pauses(permit), **_of_rollout(plan, rollout)}


def _of_pauses(permit: Permit) -> Troubles:
    """Return what is paused. A pause of everything, and that nobody knows what is paused, is about the daemon."""
    found: dict[tuple[str, str], Event] = {}
    for pause in permit.pauses:
        about, told = (pause.selector, pause.sentence) if pause.selector else (DAEMON, f"{pause.what} is {pause.sentence}")
        found["Paused", about] = Event(EventType.NORMAL, "Paused", about, told)
    if permit.doubt:
        found["PausesUnreadable", DAEMON] = _warning("PausesUnreadable", DAEMON, permit.doubt, ())
    return found


def _of_rollout(plan: Plan, rollout: Rollout) -> Troubles:
    """Return what holds every restart that nothing else does, if there is one."""
    why = rollout.stopped or rollout.closed
    waiting = tuple(dict.fromkeys(str(key) for step in plan.steps if why and step.held == why for key in step.origins))
    if not waiting:
        return {}
    if rollout.stopped:
        return {("RolloutStopped", ROLLOUT): _warning("RolloutStopped", ROLLOUT, why, waiting)}
    return {("WindowClosed", ROLLOUT): Event(EventType.NORMAL, "WindowClosed", ROLLOUT, why, waiting)}


def _warning(reason: str, about: str, message: str, keys: Iterable[str]) -> Event:
    return Event(EventType.WARNING, reason, about, message, tuple(keys))


def changed(before: Troubles, after: Troubles) -> tuple[Event, ...]:
    """Return what happened between two looks: what stands anew or for another reason, and what stands no more."""
    came = [event for key, event in after.items() if key not in before or before[key].message != event.message]
    gone = [before[key] for key in before if key not in after]
    over = [Event(EventType.NORMAL, *_after(event), event.keys) for event in gone]
    return (*over, *came)


def _after(event: Event) -> tuple[str, str, str]:
    reason, message = _OVER[event.reason]
    return reason, event.about, message or f"it was: {event.message}"


def of_result(step: Step, result: Result) -> Event | None:
    """Return what came of a step; None where there was nothing to do."""
    if result.outcome is Outcome.UNCHANGED:
        return None
    kind = EventType.WARNING if result.outcome is Outcome.FAILED else EventType.NORMAL
    why = result.message or "; ".join(step.reasons)
    told = f"{step.verb}: {why}" if why else str(step.verb)
    return Event(kind, str(result.outcome).capitalize(), str(step.address), told, tuple(map(str, step.origins)))


def of_condition(condition: Condition) -> Event:
    """Return that a condition of the folder of documents is another one now."""
    kind = EventType.WARNING if condition.status == "False" else EventType.NORMAL
    return Event(kind, condition.reason, DOCUMENTS, condition.message)


def event_data(record: EventRecord) -> dict[str, Any]:
    """Return one event as JSON data."""
    return {
        "number": record.number,
        "type": str(record.event.type),
        "reason": record.event.reason,
        "about": record.event.about,
        "keys": list(record.event.keys),
        "message": masked_urls(record.event.message),
        "firstTimestamp": record.first,
        "lastTimestamp": record.last,
        "count": record.count,
    }


def events_data(records: Sequence[EventRecord]) -> dict[str, Any]:
    """Return events as JSON data."""
    return {"version": VERSION, "events": [event_data(record) for record in records]}


def event_lines(records: Iterable[EventRecord], paper: Paper, clock: Callable[[str], str]) -> Iterator[Line]:
    """Yield one line for each event, and each further line of its message; `clock` writes a time as people here read it."""
    for record in records:
        event = record.event
        tone = Tone.HELD if event.type is EventType.WARNING else Tone.PLAIN
        often = f"  ({record.count} times since {clock(record.first)})" if record.count > 1 else ""
        head = Span(f"{clock(record.last)}  {event.type:<7}  "), Span(f"{event.reason:<14}", tone), Span("  ")
        message, *more = map(printable, paper.cut(masked_urls(event.message), MOST_SHOWN).splitlines() or [""])
        said = Span(f"  {message}" if message else "", Tone.REASON)
        yield (*head, Span(printable(event.about), Tone.TITLE), said, Span(often, Tone.DIM))
        yield from ((Span(f"    {line}", Tone.REASON),) for line in more)


MOST_SHOWN = 400
"""Characters of a message that stand on a page; programs are told all of it."""
