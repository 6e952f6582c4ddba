"""The pages that people read: a plan, its results, the status of the resources. Lines of spans; printing is not done here.

The plan is the product's face. It is read in a hurry, so it is grouped by target, one line says what differs, and the
reason stands beside each restart, each hold and each thing that nobody knows.
"""

from __future__ import annotations

import difflib
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from reconciler.core.plan import FRESH, Plan, Step, Verb, named
from reconciler.core.shown import (
    Line,
    Paper,
    Span,
    Tone,
    ascii_only,
    is_secret,
    masked,
    masked_lines,
    masked_urls,
    natural,
    printable,
    written,
)
from reconciler.core.status import GOOD, Outcome, ResourceStatus, Result, Status, Truth
from resources.contract import REMEMBERED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resources.contract import Address, Change

SIGNS = {
    Verb.NOTHING: " ",
    Verb.CREATE: "+",
    Verb.UPDATE: "~",
    Verb.DELETE: "-",
    Verb.RESTART: "!",
    Verb.WAIT: ".",
    Verb.HELD: "=",
    Verb.UNKNOWN: "?",
}
"""One ASCII character before each verb: enough to scan a page by."""

MOST_FILE_LINES = 40
"""As many lines of a file's difference are shown, unless the page is to be full."""

MOST_REPEATED = 4
"""Of changes that another target has as well, not more lines are repeated, unless the page is to be full."""

_Twins: TypeAlias = "dict[tuple[str, str, tuple[Change, ...]], Step]"
"""What has been shown: the first step with that type, name and changes."""

_INDENT = " " * 6
_LABEL_MOST = 44
_BARE = Paper()


def plan_lines(plan: Plan, paper: Paper = _BARE) -> tuple[Line, ...]:
    """Return the plan as a page: what is not as declared, target by target, and the totals."""
    order = {target: number for number, target in enumerate(dict.fromkeys(step.address.target.kind for step in plan.steps))}
    shown = sorted(
        (step for step in plan.steps if step.verb is not Verb.NOTHING),
        key=lambda step: (order[step.address.target.kind], natural(step.address.target.name)),
    )
    twins: _Twins = {}
    lines: list[Line] = []
    for target, steps in groupby(shown, key=lambda step: step.address.target):
        lines += [(Span(str(target), Tone.TITLE),), *_target_lines(list(steps), twins, paper), ()]
    return _set((*lines, *_remark_lines(plan, paper), *totals_lines(plan, paper)), paper)


def supposed_lines(supposed: str, paper: Paper = _BARE) -> tuple[Line, ...]:
    """Return the head of a plan for something that no document says, nothing above any other."""
    if not supposed:
        return ()
    note = "Only to look at: apply works by the documents. What plan shows without --release is among the changes below."
    head = _sentence("", supposed, "", Tone.TITLE, paper)
    return _set((*head, *_sentence("", note, "", Tone.REASON, paper), ()), paper)


def step_line(step: Step) -> Line:
    """Return one line that names a step: where, what, which."""
    return (
        Span(f"{SIGNS[step.verb]} {step.verb:<8}", _tone(step.verb)),
        Span(f"{step.address.target}  {step.address.type} "),
        Span(printable(step.address.name), Tone.TITLE),
    )


def totals_lines(plan: Plan, paper: Paper = _BARE) -> tuple[Line, ...]:
    """Return how many steps do what, and which services are interrupted."""
    counts = plan.counts
    todo = [
        Span(f"{counts[verb]} to {word}", _tone(verb))
        for verb, word in (
            (Verb.CREATE, "create"),
            (Verb.UPDATE, "update"),
            (Verb.DELETE, "delete"),
            (Verb.RESTART, "restart"),
            (Verb.WAIT, "wait for"),
        )
        if counts[verb]
    ]
    later = sum(step.later for step in plan.held)
    if counts[Verb.HELD]:
        later_note = f" ({'all' if later == counts[Verb.HELD] else later} until a following pass)" if later else ""
        todo.append(Span(f"{counts[Verb.HELD]} held{later_note}", Tone.HELD))
    if counts[Verb.UNKNOWN]:
        todo.append(Span(f"{counts[Verb.UNKNOWN]} unknown", Tone.UNKNOWN))
    if not todo:
        return ((Span("No changes. The cloud is as declared.", Tone.GOOD),),)
    comma = Span(", ")
    totals = (Span("Plan: ", Tone.TITLE), *[span for each in todo for span in (each, comma)][:-1], Span("."))
    services = list(dict.fromkeys(step.disruption.service for step in plan.pending if step.disruption))
    interrupts = f"Interrupts {named(map(printable, services))}." if services else "Interrupts nothing."
    return _set((totals, *_sentence("", interrupts, "", Tone.RESTART if services else Tone.DIM, paper)), paper)


def result_lines(plan: Plan, results: Mapping[Address, Result], paper: Paper = _BARE) -> tuple[Line, ...]:
    """Return what came of the plan: each failed or skipped step with its reason, and the totals."""
    lines: list[Line] = []
    for step in plan.steps:
        result = results.get(step.address)
        if result is not None and result.outcome not in GOOD and not step.held:
            lines += outcome_lines(step, result, paper)
    outcomes = [result.outcome for result in results.values()]
    counted = [f"{outcomes.count(outcome)} {outcome}" for outcome in Outcome if outcome in outcomes]
    good = all(outcome in GOOD for outcome in outcomes)
    total = (Span(f"Result: {', '.join(counted) or 'nothing to do'}.", Tone.GOOD if good else Tone.BAD),)
    return _set((*lines, total), paper)


def outcome_lines(step: Step, result: Result, paper: Paper = _BARE) -> tuple[Line, ...]:
    """Return what came of one step: its line, and the message below it."""
    tone = Tone.GOOD if result.outcome in GOOD else Tone.BAD
    done = (Span(f"{result.outcome:<9} ", tone), Span(f" {step.verb:<7}  ", _tone(step.verb)), *step_line(step)[1:])
    return _set((done, *_sentence(_INDENT, result.message, "", Tone.REASON, paper)), paper)


def status_lines(status: Status, paper: Paper = _BARE) -> tuple[Line, ...]:
    """Return a table with one line per resource: how it stands, how many of its units are ready; below it what is wrong."""
    if not status.resources:
        return ((Span("Nothing is declared.", Tone.DIM),),)
    shown = [resource for resource in status.resources if resource.units]
    rows = [("RESOURCE", "STATE", "READY"), *((str(r.key), _standing(r), f"{r.ready}/{r.units}") for r in shown)]
    first, second, third = (max(len(row[column]) for row in rows) for column in range(3))
    lines: list[Line] = [(Span(f"{rows[0][0]:<{first}}  {rows[0][1]:<{second}}  {rows[0][2]:>{third}}", Tone.DIM),)]
    for (key, standing, units), resource in zip(rows[1:], shown, strict=True):
        ready = resource.condition("Ready")
        tone = {Truth.TRUE: Tone.GOOD, Truth.FALSE: Tone.BAD, Truth.UNKNOWN: Tone.UNKNOWN}[ready.status]
        lines.append((Span(f"{key:<{first}}  "), Span(f"{standing:<{second}}", tone), Span(f"  {units:>{third}}")))
        lines += _sentence("    ", ready.message, "", Tone.REASON, paper)
        for remark in resource.remarks:
            lines += _sentence("    ", remark, "note: ", Tone.REASON, paper)
    if others := [str(resource.key) for resource in status.resources if not resource.units]:
        lines += _sentence("", ", ".join(others), "Nothing of their own to converge: ", Tone.DIM, paper)
    return _set(lines, paper)


def _remark_lines(plan: Plan, paper: Paper) -> Iterable[Line]:
    """Return what is worth knowing and no difference, below everything that is one."""
    remarks = [f"{step.address}: {text}" for step in plan.steps for text in step.remarks]
    if remarks:
        yield (Span("Worth knowing", Tone.TITLE),)
        for remark in remarks:
            yield from _sentence("  ", remark, "* ", Tone.REASON, paper)
        yield ()


def _target_lines(steps: Sequence[Step], twins: _Twins, paper: Paper) -> Iterable[Line]:
    """Return the steps on one target. What nobody knows for one and the same reason is one line."""
    widest = max(len(step.address.type) for step in steps)
    for (verb, held), same in groupby(steps, key=lambda step: (step.verb, step.held)):
        group = list(same)
        if verb is Verb.UNKNOWN and len(group) > 1 and not paper.full:
            yield (Span(f"  ? {verb:<8}", Tone.UNKNOWN), Span(f" {len(group)} units"))
            yield from _sentence(_INDENT, held, "nobody knows: ", Tone.REASON, paper)
        else:
            for step in group:
                yield from _step_lines(step, twins, widest, paper)


def _step_lines(step: Step, twins: _Twins, widest: int, paper: Paper) -> Iterable[Line]:
    head = f"  {SIGNS[step.verb]} {step.verb:<8}"
    title = f" {step.address.type:<{widest}}  "
    name = printable(step.address.name)
    origins = ", ".join(map(str, step.origins))
    by = f"  ({origins})" if origins and len(head) + len(title) + len(name) + len(origins) + 4 <= paper.width else ""
    yield (Span(head, _tone(step.verb)), Span(title), Span(name, Tone.TITLE), Span(by, Tone.DIM))
    twin = twins.setdefault((step.address.type, step.address.name, step.changes), step)
    yield from _why_lines(step, twin, paper)


def _why_lines(step: Step, twin: Step, paper: Paper) -> Iterable[Line]:
    """Return what changes and why, what it interrupts, and what stands against it."""
    if step.root is not None and step.changes and not paper.full:
        yield (Span(f"{_INDENT}would {step.intended}: {_fields(step)}", Tone.DIM),)
    else:
        # that the process is not fresh is what the reasons below say in words
        told = [change for change in step.changes if change.field != FRESH or not step.reasons]
        # what a host shall remember of a file goes without saying where the file itself changes
        told = [change for change in told if change.field != REMEMBERED] or told
        told_lines = list(changes_lines(told, paper, creating=_is_new(step)))
        if twin is not step and len(told_lines) > MOST_REPEATED and not paper.full:
            told_lines = [(Span(f"{_INDENT}{_fields(step)}, the same as on {twin.address.target}", Tone.DIM),)]
        yield from told_lines
        for reason in step.reasons:
            yield from _sentence(_INDENT, reason, "because: " if step.intended is Verb.RESTART else "", Tone.REASON, paper)
        if step.disruption is not None:
            verb = "interrupts" if step.pending else "would interrupt"
            yield from _sentence(_INDENT, step.disruption.service, f"{verb}: ", _tone(step.verb), paper)
    if step.held:
        yield from _sentence(
            _INDENT, step.held, "nobody knows: " if step.verb is Verb.UNKNOWN else "held: ", Tone.REASON, paper
        )


def _fields(step: Step) -> str:
    return f"{len(step.changes)} {'field' if len(step.changes) == 1 else 'fields'}"


def _is_new(step: Step) -> bool:
    return step.intended in (Verb.CREATE, Verb.WAIT) and all(change.before is None for change in step.changes)


def changes_lines(changes: Sequence[Change], paper: Paper = _BARE, *, creating: bool = False) -> Iterable[Line]:
    """Return the changes below a step, their fields aligned; with `creating`, absence before is not worth a word."""
    widest = min(max((len(change.field) for change in changes), default=0), _LABEL_MOST)
    for change in changes:
        label = f"{_INDENT}{printable(change.field):<{widest}}  "
        secret = is_secret(change.field, change.before) or is_secret(change.field, change.after)
        match (change.before, change.after):
            case (tuple() as before, tuple() as after) if not secret and set(before) != set(after):
                yield from _list_lines(before, after, label, paper)
            case (before, after) if not secret and any(isinstance(each, str) and "\n" in each for each in (before, after)):
                yield from _file_lines(change, label, paper)
            case _:
                yield from _value_lines(change, label, paper, creating=creating)


def _value_lines(change: Change, label: str, paper: Paper, *, creating: bool) -> Iterable[Line]:
    before, after = (written(value) for value in masked(change))
    room = paper.width - len(label)
    if creating and change.before is None:
        yield (Span(label), Span(paper.cut(after, room), Tone.AFTER))
    elif len(before) + len(after) + len(paper.arrow) + 2 <= room:
        yield (Span(label), Span(before, Tone.BEFORE), Span(f" {paper.arrow} ", Tone.DIM), Span(after, Tone.AFTER))
    else:
        yield (Span(label), Span(f"- {paper.cut(before, room - 2)}", Tone.BEFORE))
        yield (Span(" " * len(label)), Span(f"+ {paper.cut(after, room - 2)}", Tone.AFTER))


def _list_lines(before: tuple[str, ...], after: tuple[str, ...], label: str, paper: Paper) -> Iterable[Line]:
    """Return one line for each entry that goes or comes."""
    gone = [(f"- {written(masked_urls(item))}", Tone.BEFORE) for item in before if item not in after]
    come = [(f"+ {written(masked_urls(item))}", Tone.AFTER) for item in after if item not in before]
    for number, (text, tone) in enumerate(gone + come):
        yield (Span(label if number == 0 else " " * len(label)), Span(paper.cut(text, paper.width - len(label)), tone))


def _file_lines(change: Change, label: str, paper: Paper) -> Iterable[Line]:
    """Return a unified difference of a text, passwords in it masked; the whole text where there is only one side."""
    before, after = (masked_lines(value) for value in (change.before, change.after))
    if before and after:
        lines = list(difflib.unified_diff(before, after, n=2, lineterm=""))[2:]
    else:
        lines = [f"-{line}" for line in before] + [f"+{line}" for line in after]
    removed, added = sum(line.startswith("-") for line in lines), sum(line.startswith("+") for line in lines)
    counted = [(f"+{added}", Tone.AFTER)] * bool(added) + [(f"-{removed}", Tone.BEFORE)] * bool(removed)
    yield (Span(label), *(Span(f"{text} ", tone) for text, tone in counted), Span("line" if added + removed == 1 else "lines"))
    tones = {"+": Tone.AFTER, "-": Tone.BEFORE, "@": Tone.DIM}
    kept = lines if paper.full else lines[:MOST_FILE_LINES]
    for line in kept:
        text = paper.cut(printable(line), paper.width - len(_INDENT) - 2)
        yield (Span(f"{_INDENT}  {text}", tones.get(line[:1], Tone.PLAIN)),)
    if len(kept) < len(lines):
        yield (Span(f"{_INDENT}  {paper.ellipsis} {len(lines) - len(kept)} more lines", Tone.DIM),)


def _sentence(indent: str, text: str, lead: str, tone: Tone, paper: Paper) -> Iterable[Line]:
    """Return a sentence wrapped to the page, continued under its first word."""
    hanging = " " * len(lead)
    room = max(paper.width - len(indent) - len(lead), 24)
    lines = textwrap.wrap(printable(masked_urls(text.replace("\n", " "))), room, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        yield (Span(indent + (lead if number == 0 else hanging), Tone.DIM), Span(line, tone))


def _set(lines: Iterable[Line], paper: Paper) -> tuple[Line, ...]:
    """Return the lines as this paper takes them: where it takes ASCII only, all else is written as an escape."""
    if paper.unicode:
        return tuple(lines)
    return tuple(tuple(Span(ascii_only(span.text), span.tone) for span in line) for line in lines)


def _tone(verb: Verb) -> Tone:
    return Tone.PLAIN if verb is Verb.NOTHING else Tone(verb.value)


def _standing(resource: ResourceStatus) -> str:
    words = {"AsDeclared": "as declared", "Unobserved": "unknown"}
    reason = resource.condition("Ready").reason
    return words.get(reason, reason.lower())
