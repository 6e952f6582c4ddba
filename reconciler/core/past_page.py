"""The pages about what was done: passes, newest first; as lines for people, and as data for programs.

As data:

    {"version": 1,
     "passes": [
       {"number": 14, "began": "2026-11-23T02:10:05.120000+00:00", "duration_s": 12.3,   null: running or interrupted
        "result": "partial",                            converged, partial, failed; running or interrupted
        "note": "",                                     why it failed as a whole
        "command": "apply", "user": "root", "bivisor": "0.1.0",
        "commit": {"id": "…", "branch": "main", "dirty": false},     null outside of a git repository
        "totals": {"create": 1},                        of the steps below
        "steps": [                                      with a key or an address, only those that have it
          {"address": "ssh:kvm1/service/nova-compute", "verb": "restart",
           "outcome": "converged",                      converged, unchanged, failed, skipped; of an interrupted pass
                                                        also begun (nobody knows what came of it) and planned
           "message": "", "reasons": ["…"], "origins": ["HypervisorZone/kvm-az"], "duration_s": 8.1,
           "changes": [{"field": "fresh", "before": false, "after": true}]}]}]}

Values are as in a plan, secrets masked; of a text over 20,000 characters only the beginning is kept.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from reconciler.core.past import BEGUN, PLANNED, StepRecord, change_of
from reconciler.core.plan import Verb, named
from reconciler.core.render import changes_lines, sentence_lines, set_lines
from reconciler.core.shown import Line, Paper, Span, Tone, printable
from reconciler.core.status import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

VERSION = 1
"""The version of the shape that is described here."""

MOST_TELLING = 3
"""Of a pass that is only listed, as many failed or interrupted steps are named."""

_INDENT = " " * 4
_MINUTE_S = 60
_OUTCOMES = {
    Outcome.CONVERGED: Tone.GOOD,
    Outcome.UNCHANGED: Tone.GOOD,
    Outcome.FAILED: Tone.BAD,
    Outcome.SKIPPED: Tone.HELD,
    BEGUN: Tone.UNKNOWN,
    PLANNED: Tone.DIM,
}
_VERBS = {str(verb): Tone(verb) for verb in Verb if verb is not Verb.NOTHING}
_RESULTS = {"converged": Tone.GOOD, "partial": Tone.HELD, "running": Tone.WAIT}


@dataclass(frozen=True, slots=True)
class Told:
    """A pass as it is told: `began` for programs, `when` for people. The rest is as it was recorded."""

    number: int
    began: str
    when: str
    duration_s: float | None
    result: str
    note: str
    command: str
    user: str
    version: str
    commit: str
    branch: str
    dirty: bool
    steps: tuple[StepRecord, ...]

    @property
    def totals(self) -> dict[str, int]:
        """Return how many of the steps have each verb, in the order of the verbs."""
        counted = Counter(step.verb for step in self.steps)
        return {verb: counted[verb] for verb in Verb if counted[verb]}


def past_lines(passes: Sequence[Told], paper: Paper, about: str | None = None) -> tuple[Line, ...]:
    """Return one block for each pass, with those of its steps that failed or were interrupted.

    With `about`, all of its steps; it is the key or the address that was asked about, '' for whole passes.
    """
    lines: list[Line] = []
    for told in passes:
        lines += [*_head(told, paper), *(_telling(told, paper) if about is None else _all_steps(told, about, paper)), ()]
    return set_lines(lines, paper)


def past_data(passes: Sequence[Told]) -> dict[str, Any]:
    """Return the passes as JSON data."""
    return {"version": VERSION, "passes": [_data(told) for told in passes]}


def _head(told: Told, paper: Paper) -> Iterable[Line]:
    took = f"  {_took(told.duration_s)}" if told.duration_s is not None else ""
    yield (
        Span(f"Pass {told.number}", Tone.TITLE),
        Span(f"  {told.when}{took}  "),
        Span(told.result, _RESULTS.get(told.result, Tone.BAD)),
    )
    dirty = " with uncommitted changes" if told.dirty else ""
    branch = f" ({told.branch})" if told.branch else ""
    commit = f", commit {told.commit[:12]}{branch}{dirty}" if told.commit else ""
    yield from sentence_lines(_INDENT, f"{told.command} by {told.user}{commit}", "", Tone.DIM, paper)
    counts = ", ".join(f"{count} {verb}" for verb, count in told.totals.items())
    yield (Span(f"{_INDENT}{counts or 'nothing to do'}"),)
    yield from sentence_lines(_INDENT, told.note, "", Tone.BAD, paper)


def _telling(told: Told, paper: Paper) -> Iterable[Line]:
    """Return the steps that somebody has to know of who does not ask for all of them."""
    found = [step for step in told.steps if step.outcome in (Outcome.FAILED, BEGUN)]
    for step in found[:MOST_TELLING]:
        yield _step_line(step)
        yield from sentence_lines(_INDENT, step.message, "  ", Tone.REASON, paper)
    if len(found) > MOST_TELLING:
        more = f"{len(found) - MOST_TELLING} more: bivisor history {told.number}"
        yield (Span(f"{_INDENT}{paper.ellipsis} {more}", Tone.DIM),)


def _all_steps(told: Told, about: str, paper: Paper) -> Iterable[Line]:
    """Return every step, the skipped ones last; unless the page is to be full, one line for each reason to skip some."""
    alike: dict[tuple[str, ...], list[StepRecord]] = {}
    for step in sorted(told.steps, key=lambda step: step.outcome == Outcome.SKIPPED):
        alone = paper.full or step.outcome != Outcome.SKIPPED
        alike.setdefault((step.address,) if alone else (step.verb, step.message), []).append(step)
    for steps in alike.values():
        if len(steps) == 1:
            yield from _step_lines(steps[0], about, paper)
        else:
            targets = dict.fromkeys(printable(step.address).partition("/")[0] for step in steps)
            yield (*_outcome_spans(steps[0]), Span(f"{len(steps)} units on {named(targets)}"))
            yield from sentence_lines(_INDENT, steps[0].message, "  ", Tone.REASON, paper)


def _step_lines(step: StepRecord, about: str, paper: Paper) -> Iterable[Line]:
    yield _step_line(step)
    if step.origins != (about,):
        yield from sentence_lines(_INDENT, ", ".join(step.origins), "  declared by ", Tone.DIM, paper)
    changes = [change_of(change) for change in step.changes]
    yield from changes_lines(changes, paper, creating=step.verb == Verb.CREATE)
    for sentence in (*step.reasons, step.message):
        yield from sentence_lines(_INDENT, sentence, "  ", Tone.REASON, paper)


def _step_line(step: StepRecord) -> Line:
    """Return what came of a step: outcome, verb, where, which, and how long it took."""
    target, _, rest = printable(step.address).partition("/")
    kind, _, name = rest.partition("/")
    took = f"  {_took(step.duration_s)}" if step.duration_s is not None else ""
    return (*_outcome_spans(step), Span(f"{target}  {kind} "), Span(name, Tone.TITLE), Span(took, Tone.DIM))


def _outcome_spans(step: StepRecord) -> Line:
    return (
        Span(f"{_INDENT}{step.outcome:<9}  ", _OUTCOMES.get(step.outcome, Tone.PLAIN)),
        Span(f"{step.verb:<7}  ", _VERBS.get(step.verb, Tone.PLAIN)),
    )


def _took(seconds: float) -> str:
    """Return `40 ms`, `2.5 s`, `3 min 5 s`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE_S:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    return f"{minutes} min {rest} s"


def _data(told: Told) -> dict[str, Any]:
    commit = {"id": told.commit, "branch": told.branch, "dirty": told.dirty} if told.commit else None
    return {
        "number": told.number,
        "began": told.began,
        "duration_s": told.duration_s,
        "result": told.result,
        "note": told.note,
        "command": told.command,
        "user": told.user,
        "bivisor": told.version,
        "commit": commit,
        "totals": told.totals,
        "steps": [_step(step) for step in told.steps],
    }


def _step(step: StepRecord) -> dict[str, Any]:
    changes = [change_of(change) for change in step.changes]
    shown = [{"field": change.field, "before": change.before, "after": change.after} for change in changes]
    return {**asdict(step), "changes": shown}
