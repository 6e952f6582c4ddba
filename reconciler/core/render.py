"""The pages that people read: a plan, its results, the status of the resources. Lines of spans; printing is not done here.

The plan is the product's face. It is read in a hurry, so it is grouped by who declares it, one line says what differs,
and the reason stands beside each restart, each hold and each thing that nobody knows.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, TypeAlias

from reconciler.core.differences import of_lines, text_difference
from reconciler.core.plan import Plan, Step, Verb, named
from reconciler.core.report import (
    SIGNS,
    Group,
    Grouping,
    Item,
    Report,
    counted,
    groups,
    interrupted,
    is_new,
    nothing_to_do,
    remarks_of,
    told_changes,
    why,
)
from reconciler.core.shown import (
    Line,
    Paper,
    Span,
    Tone,
    ascii_only,
    is_secret,
    masked,
    masked_text,
    masked_urls,
    printable,
    written,
)
from reconciler.core.status import GOOD, Outcome, ResourceStatus, Result, Status, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from resources.contract import Address, Change

MOST_FILE_LINES = 40
"""As many lines of a file's difference are shown, unless the page is to be full."""

MOST_REPEATED = 4
"""Of changes that another target has as well, not more lines are repeated, unless the page is to be full."""

MOST_WAVES = 12
"""As many waves of interruptions are listed, unless the page is to be full."""

_Twins: TypeAlias = "dict[tuple[str, str, tuple[Change, ...]], Step]"
"""What has been shown: the first step with that type, name and changes."""

_INDENT = " " * 6
_LABEL_MOST = 44
_BARE = Paper()


def plan_lines(plan: Plan, paper: Paper = _BARE, by: Grouping = Grouping.RESOURCE) -> tuple[Line, ...]:
    """Return the plan as a page: what is not as declared, and the totals."""
    return report_lines(Report(plan), paper, by)


def report_lines(report: Report, paper: Paper = _BARE, by: Grouping = Grouping.RESOURCE) -> tuple[Line, ...]:
    """Return a plan as a page with what is said about it: above it what it is for, below it who is down when."""
    twins: _Twins = {}
    lines = [*_head_lines(report, paper), *_document_lines(report, paper)]
    for group in groups(report.plan, by):
        lines += [(Span(group.title, Tone.TITLE),), *_group_lines(group, twins, paper), ()]
    return set_lines((*lines, *_remark_lines(report.plan, paper), *totals_lines(report, paper)), paper)


def _head_lines(report: Report, paper: Paper) -> Iterable[Line]:
    """Return the head of a plan that is only for looking at, nothing above any other."""
    if report.said:
        yield from sentence_lines("", report.said, "", Tone.TITLE, paper)
        yield from sentence_lines("", report.note, "", Tone.REASON, paper)
        yield ()


def step_line(step: Step) -> Line:
    """Return one line that names a step: where, what, which."""
    return (
        Span(f"{SIGNS[step.verb]} {step.verb:<8}", _tone(step.verb)),
        Span(f"{step.address.target}  {step.address.type} "),
        Span(printable(step.address.name), Tone.TITLE),
    )


def totals_lines(report: Report, paper: Paper = _BARE) -> tuple[Line, ...]:
    """Return how many steps do what, which services are interrupted, and, where that goes in waves, who is down when."""
    if nothing := nothing_to_do(report):
        return ((Span(nothing, Tone.GOOD),),)
    todo = [Span(f"{number} {word}", Tone(verb)) for verb, number, word in counted(report.plan)]
    comma = Span(", ")
    totals = (Span("Plan: ", Tone.TITLE), *[span for each in todo for span in (each, comma)][:-1], Span("."))
    tone = Tone.RESTART if report.interrupts else Tone.DIM
    return set_lines(
        (totals, *sentence_lines("", interrupted(report, full=paper.full), "", tone, paper), *_wave_lines(report, paper)), paper
    )


def _wave_lines(report: Report, paper: Paper) -> Iterable[Line]:
    """Return one line for each wave of interruptions, where there is more than one."""
    kept = report.waves if paper.full else report.waves[:MOST_WAVES]
    if kept:
        yield (Span("Who is down when, if everything goes well:", Tone.TITLE),)
    for number, services in enumerate(kept, start=1):
        yield from sentence_lines(
            "  ", ", ".join(services), f"{number:>3}. ", Tone.RESTART if number == 1 else Tone.HELD, paper
        )
    if len(kept) < len(report.waves):
        yield (Span(f"       {paper.ellipsis} {len(report.waves) - len(kept)} more waves", Tone.DIM),)


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
    return set_lines((*lines, total), paper)


def outcome_lines(step: Step, result: Result, paper: Paper = _BARE) -> tuple[Line, ...]:
    """Return what came of one step: its line, and the message below it."""
    tone = Tone.GOOD if result.outcome in GOOD else Tone.BAD
    done = (Span(f"{result.outcome:<9} ", tone), Span(f" {step.verb:<7}  ", _tone(step.verb)), *step_line(step)[1:])
    return set_lines((done, *sentence_lines(_INDENT, result.message, "", Tone.REASON, paper)), paper)


def status_lines(status: Status, paper: Paper = _BARE, clock: Callable[[str], str] = str) -> tuple[Line, ...]:
    """Return a table with one line per resource: how it stands, how many of its units are ready; below it what is wrong.

    Where it is known, also since when; `clock` writes a time as people here read it.
    """
    if not status.resources:
        return ((Span("Nothing is declared.", Tone.DIM),),)
    shown = [resource for resource in status.resources if resource.units]
    rows = [("RESOURCE", "STATE", "READY"), *((str(r.key), _standing(r), f"{r.ready}/{r.units}") for r in shown)]
    first, second, third = (max(len(row[column]) for row in rows) for column in range(3))
    lines: list[Line] = [(Span(f"{rows[0][0]:<{first}}  {rows[0][1]:<{second}}  {rows[0][2]:>{third}}", Tone.DIM),)]
    for (key, standing, units), resource in zip(rows[1:], shown, strict=True):
        ready = resource.condition("Ready")
        tone = {Truth.TRUE: Tone.GOOD, Truth.FALSE: Tone.BAD, Truth.UNKNOWN: Tone.UNKNOWN}[ready.status]
        since = Span(f"  since {clock(ready.since)}" if ready.since else "", Tone.DIM)
        lines.append((Span(f"{key:<{first}}  "), Span(f"{standing:<{second}}", tone), Span(f"  {units:>{third}}"), since))
        lines += sentence_lines("    ", ready.message, "", Tone.REASON, paper)
        for remark in resource.remarks:
            lines += sentence_lines("    ", remark, "note: ", Tone.REASON, paper)
    if others := [str(resource.key) for resource in status.resources if not resource.units]:
        lines += sentence_lines("", ", ".join(others), "Nothing of their own to converge: ", Tone.DIM, paper)
    return set_lines(lines, paper)


def _remark_lines(plan: Plan, paper: Paper) -> Iterable[Line]:
    """Return what is worth knowing and no difference, below everything that is one."""
    if remarks := remarks_of(plan):
        yield (Span("Worth knowing", Tone.TITLE),)
        for remark in remarks:
            yield from sentence_lines("  ", remark, "* ", Tone.REASON, paper)
        yield ()


def _document_lines(report: Report, paper: Paper) -> Iterable[Line]:
    """Return what differs in the documents: some of it changes no unit, an address or a limit, say."""
    if report.documents:
        yield (Span("Documents", Tone.TITLE),)
    for edit in report.documents:
        yield (Span(f"  {SIGNS[edit.verb]} {edit.verb:<8}", _tone(edit.verb)), Span(f" {edit.key}", Tone.TITLE))
        yield from changes_lines(edit.changes, paper)
    if report.documents:
        yield ()


def _group_lines(group: Group, twins: _Twins, paper: Paper) -> Iterable[Line]:
    """Return what stands under one title. What nobody knows for one and the same reason is one line."""
    widest = max(len(item.step.address.type) for item in group.items)
    for item in group.items:
        if not item.one_thing:
            yield from _unknown_lines(item, paper)
        else:
            yield from _item_lines(item, group, twins, widest, paper)


def _unknown_lines(item: Item, paper: Paper) -> Iterable[Line]:
    yield (Span(f"  ? {item.word:<8}", Tone.UNKNOWN), Span(f" {len(item.steps)} units"))
    for step in item.steps if paper.full else ():
        yield (Span(f"{_INDENT}{step.address.type} "), Span(printable(step.address.name), Tone.TITLE))
    yield from sentence_lines(_INDENT, item.step.held, "nobody knows: ", Tone.REASON, paper)


def _item_lines(item: Item, group: Group, twins: _Twins, widest: int, paper: Paper) -> Iterable[Line]:
    step = item.step
    head = f"  {SIGNS[step.verb]} {item.word:<8}"
    title = f" {step.address.type:<{widest}}  "
    name = printable(step.address.name)
    tail = f"  on {_listed(item.targets, paper)}" if group.keys or not step.origins else ""
    if not tail and step.origins:
        by = f"  ({', '.join(map(str, step.origins))})"
        tail = by if len(head) + len(title) + len(name) + len(by) <= paper.width else ""
    yield (Span(head, _tone(step.verb)), Span(title), Span(name, Tone.TITLE), Span(tail, Tone.DIM))
    twin = twins.setdefault((step.address.type, step.address.name, step.changes), step)
    yield from _why_lines(item, twin, paper)


def _why_lines(item: Item, twin: Step, paper: Paper) -> Iterable[Line]:
    """Return what changes and why, what it interrupts, and what stands against it."""
    step = item.step
    if step.root is not None and step.changes and not paper.full:
        yield (Span(f"{_INDENT}would {step.intended}: {_fields(step)}", Tone.DIM),)
    else:
        told_lines = list(changes_lines(told_changes(step), paper, creating=is_new(step)))
        if twin is not step and len(told_lines) > MOST_REPEATED and not paper.full:
            told_lines = [(Span(f"{_INDENT}{_fields(step)}, the same as on {twin.address.target}", Tone.DIM),)]
        yield from told_lines
    for word, said in why(item):
        if step.root is None or word == "held" or paper.full:
            tone = Tone.REASON if isinstance(said, str) else _tone(step.verb)
            text = said if isinstance(said, str) else _listed(said, paper)
            yield from sentence_lines(_INDENT, text, f"{word}: " if word else "", tone, paper)


def _listed(names: Sequence[str], paper: Paper) -> str:
    return ", ".join(names) if paper.full else named(names)


def _fields(step: Step) -> str:
    return f"{len(step.changes)} {'field' if len(step.changes) == 1 else 'fields'}"


def changes_lines(changes: Sequence[Change], paper: Paper = _BARE, *, creating: bool = False) -> Iterable[Line]:
    """Return the changes below a step, their fields aligned; with `creating`, absence before is not worth a word."""
    widest = min(max((len(change.field) for change in changes), default=0), _LABEL_MOST)
    for change in changes:
        label = f"{_INDENT}{printable(change.field):<{widest}}  "
        secret = is_secret(change.field, change.before) or is_secret(change.field, change.after)
        match (change.before, change.after):
            case (tuple() as before, tuple() as after) if not secret and set(before) != set(after):
                yield from _list_lines(before, after, label, paper)
            case (before, after) if not secret and of_lines(change):
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
    gone = [(f"- {written(masked_text(item))}", Tone.BEFORE) for item in before if item not in after]
    come = [(f"+ {written(masked_text(item))}", Tone.AFTER) for item in after if item not in before]
    for number, (text, tone) in enumerate(gone + come):
        yield (Span(label if number == 0 else " " * len(label)), Span(paper.cut(text, paper.width - len(label)), tone))


def _file_lines(change: Change, label: str, paper: Paper) -> Iterable[Line]:
    """Return a unified difference of a text, passwords in it masked; the whole text where there is only one side."""
    lines = text_difference(change)
    removed, added = sum(line.startswith("-") for line in lines), sum(line.startswith("+") for line in lines)
    if not added + removed:
        yield (Span(label), Span(lines[0].strip(), Tone.DIM))
        return
    counted = [(f"+{added}", Tone.AFTER)] * bool(added) + [(f"-{removed}", Tone.BEFORE)] * bool(removed)
    yield (Span(label), *(Span(f"{text} ", tone) for text, tone in counted), Span("line" if added + removed == 1 else "lines"))
    tones = {"+": Tone.AFTER, "-": Tone.BEFORE, "@": Tone.DIM}
    kept = lines if paper.full else lines[:MOST_FILE_LINES]
    for line in kept:
        text = paper.cut(printable(line), paper.width - len(_INDENT) - 2)
        yield (Span(f"{_INDENT}  {text}", tones.get(line[:1], Tone.PLAIN)),)
    if len(kept) < len(lines):
        yield (Span(f"{_INDENT}  {paper.ellipsis} {len(lines) - len(kept)} more lines", Tone.DIM),)


def sentence_lines(indent: str, text: str, lead: str, tone: Tone, paper: Paper) -> Iterable[Line]:
    """Return a sentence wrapped to the page, continued under its first word."""
    hanging = " " * len(lead)
    room = max(paper.width - len(indent) - len(lead), 24)
    lines = textwrap.wrap(printable(masked_urls(text.replace("\n", " "))), room, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        yield (Span(indent + (lead if number == 0 else hanging), Tone.DIM), Span(line, tone))


def set_lines(lines: Iterable[Line], paper: Paper) -> tuple[Line, ...]:
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
