"""The page of how everything stands, as the daemon keeps it; what has changed on it; and the same as data for programs.

As data (`bivisor status --watch -o json`: one document on one line for each change; without --watch there is no `daemon` and
no `documents`):

    {"version": 1,
     "ready": false,                                    whether every resource is as declared
     "daemon": {"alive": true, "process": 4711,         null where no daemon has ever kept this folder
                "acts": true,                           false: it only looks
                "began": "2026-11-23T02:10:05Z",
                "seen": "2026-11-23T02:14:11Z",         when it last said that all of this is so
                "bivisor": "0.1.0",
                "commit": {"id": "…", "branch": "main", "dirty": false}},    null outside of a git repository
     "pauses": [{"selector": "Node/kvm1",               what bivisor pause holds, '' is everything; null where nobody can
                 "by": "anna",                          read what is paused: then everything is held
                 "at": "2026-11-23T02:10:05Z",
                 "until": "",                           '' is until bivisor resume
                 "reason": "a new disk"}],
     "documents": [{"type": "Ready", …}],               conditions of the folder of documents, as below
     "resources": [
       {"key": "HypervisorZone/kvm-az", "kind": "HypervisorZone", "name": "kvm-az",
        "generation": 3,                                rises with what the document says; null where nobody keeps it
        "units": 14, "ready": 13,
        "remarks": [],                                  what is worth knowing and no difference
        "conditions": [
          {"type": "Ready",                             Progressing, Drifted, Degraded, Stalled, WatchHealthy
           "status": "False",                           True, False or Unknown
           "reason": "Pending",                         one word for programs
           "message": "…",                              a sentence for a person, secrets masked
           "lastTransitionTime": "2026-11-23T02:14:11Z",     when `status` became what it is; null where nobody keeps it
           "observedGeneration": 3}]}]}                 the generation for which it was seen

Fields may be added under the same version; one that changes its meaning or goes raises it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.core.render import sentence_lines, status_lines
from reconciler.core.shown import Line, Paper, Span, Tone, masked_urls, printable
from reconciler.core.status import Status, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reconciler.core.status import Condition

_TONES = {Truth.TRUE: Tone.GOOD, Truth.FALSE: Tone.BAD, Truth.UNKNOWN: Tone.UNKNOWN}


def standing_lines(
    heads: Sequence[str], status: Status | None, paper: Paper, clock: Callable[[str], str], rows: int
) -> tuple[Line, ...]:
    """Return a page of at most `rows` lines: what is said of it first, then what is not as declared, then the rest.

    None as `status`: nobody knows what is declared.
    """
    lines = [line for head in heads for line in sentence_lines("", head, "", Tone.DIM, paper)]
    if status is not None:
        worst = sorted(status.resources, key=lambda each: each.ready == each.units)
        lines += [(), *status_lines(Status(tuple(worst)), paper, clock)]
    if len(lines) > rows:
        more = len(lines) - rows + 1
        lines = [*lines[: rows - 1], (Span(f"{paper.ellipsis} {more} more lines: bivisor status", Tone.DIM),)]
    return tuple(lines)


def moved(before: Status, after: Status) -> Iterator[tuple[str, Condition | None]]:
    """Yield each condition that is another one now, with the key of its resource; None for a resource that is gone.

    Of a resource that came only `Ready` is told.
    """
    known = {each.key: {one.type: one for one in each.conditions} for each in before.resources}
    for each in after.resources:
        former = known.pop(each.key, None)
        for one in each.conditions:
            if former is None:
                if one.type == "Ready":
                    yield str(each.key), one
            elif one.type not in former or _said(one) != _said(former[one.type]):
                yield str(each.key), one
    for key in known:
        yield str(key), None


def _said(condition: Condition) -> Condition:
    return replace(condition, since="", generation=0)


def moved_line(when: str, key: str, condition: Condition | None, paper: Paper) -> Line:
    """Return one condition on one line."""
    head = Span(f"{when}  "), Span(printable(key), Tone.TITLE)
    if condition is None:
        return (*head, Span("  is declared no more", Tone.DIM))
    message = paper.cut(printable(masked_urls(condition.message)), MOST_SHOWN)
    return (
        *head,
        Span(f"  {condition.type}={condition.status}", _TONES[condition.status] if condition.type == "Ready" else Tone.PLAIN),
        Span(f"  {condition.reason}"),
        Span(f"  {message}" if message else "", Tone.REASON),
    )


MOST_SHOWN = 400
"""Characters of a message that stand on a line; programs are told all of it."""
