"""A plan in Markdown, for a merge request: what forges show of it is what the terminal shows.

Every word that comes from documents, hosts or APIs stands in code, in a span or in a fence longer than any in it. There
Markdown, HTML, mentions of people and numbers of issues mean nothing, so that no name and no value can be more than text.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.core.differences import difference, of_lines
from reconciler.core.plan import Verb
from reconciler.core.report import SIGNS, counted, groups, is_new, nothing_to_do, remarks_of, told_changes, why
from reconciler.core.shown import masked_urls, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reconciler.core.report import Group, Item, Report
    from resources.contract import Change

MOST_CHARACTERS = 60_000
"""A page of more leaves differences out: a comment on a merge request takes 65,536 characters at one large forge."""

LEFT_OUT = "*(left out: the page would be too long)*"
"""Stands in place of a difference for which there is no room."""

PARAGRAPH = 2
"""As many characters stand between two paragraphs."""

MOST_OPEN_LINES = 16
"""A longer difference is folded."""

MOST_LINES = 400
"""As many lines of one step's difference are written."""

MOST_COLUMNS = 400
"""A longer line of a difference is cut."""

MOST_WAVES = 60
"""As many waves of interruptions are listed; the rest is counted."""

MOST_NAMED = 8
"""As many targets or services are named in a line; the rest is counted."""


def to_markdown(report: Report) -> str:
    """Return the page. It ends with a line end and has no trailing spaces."""
    parts = [*_head(report), *_totals(report)]
    found = groups(report.plan)
    body = list(_body(report, found))
    room = MOST_CHARACTERS - sum(len(part) + PARAGRAPH for part in parts)
    # what every step needs at least comes first: a difference may take what is left then
    spare = room - sum(len(part) + 2 * PARAGRAPH + min(len(changed), len(LEFT_OUT)) for part, changed in body)
    if spare < 0:
        body = list(_body(report, [*_only(found, stuck=True), *_only(found, stuck=False)]))
    for part, changed in body:
        room -= len(part) + 2 * PARAGRAPH + min(len(changed), len(LEFT_OUT))
        if room < 0:
            parts.append("*The page would be too long: what comes here is left out.*")
            break
        more = max(len(changed) - len(LEFT_OUT), 0)
        shown = changed if not more or more <= spare else LEFT_OUT
        if shown is changed:
            spare -= more
        parts += [part, shown] if shown else [part]
    return "\n\n".join(parts) + "\n"


def code(text: str) -> str:
    """Return a text of one line as a span of code, whatever stands in it."""
    text = printable(masked_urls(text)) or " "
    ticks = "`" * (_longest_run(text) + 1)
    pad = " " if "`" in (text[0], text[-1]) or (text[0] == text[-1] == " " and text.strip()) else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def fenced(lines: Sequence[str], language: str = "diff") -> str:
    """Return printable lines as a block of code, whatever stands in them."""
    ticks = "`" * max(3, _longest_run("\n".join(lines)) + 1)
    return "\n".join([f"{ticks}{language}", *lines, ticks])


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _head(report: Report) -> Iterator[str]:
    yield "## Plan"
    if report.compared:
        after, before = report.compared
        yield f"What {code(after)} declares otherwise than {code(before)}. {report.note}"
    elif report.supposed:
        yield f"{code(report.supposed)} {report.note}"


def _totals(report: Report) -> Iterator[str]:
    if nothing := nothing_to_do(report):
        yield f"**{nothing}**"
        return
    yield f"**{', '.join(f'{number} {word}' for _, number, word in counted(report.plan))}.**"
    at_once = f", at most {report.at_once} at a time" if 0 < report.at_once < len(report.interrupts) else ""
    yield f"Interrupts {_named(report.interrupts)}{at_once}." if report.interrupts else "Interrupts nothing."
    if report.waves:
        lines = [f"{number}. {_named(wave)}" for number, wave in enumerate(report.waves[:MOST_WAVES], start=1)]
        if len(report.waves) > MOST_WAVES:
            lines.append(f"\n{len(report.waves) - MOST_WAVES} more waves")
        yield from _folded("Who is down when, if everything goes well", "\n".join(lines), len(report.waves))


def _only(found: Iterable[Group], *, stuck: bool) -> Iterator[Group]:
    """Yield the groups with nothing but what does not go by itself, unknown or held for good; or with all but that."""
    for group in found:
        items = (item for item in group.items if (bool(item.step.held) and not item.step.later) is stuck)
        if kept := tuple(items):
            yield replace(group, items=kept)


def _body(report: Report, found: Iterable[Group]) -> Iterator[tuple[str, str]]:
    """Yield each part of the page, and the difference below it, which may be left out."""
    if report.documents:
        yield "### Documents", ""
    for edit in report.documents:
        yield f"{code(SIGNS[edit.verb])} **{edit.verb}** {code(str(edit.key))}", _difference(_changes(edit.changes))
    for group in found:
        titles = map(str, group.keys) if group.keys else (group.title,)
        yield f"### {', '.join(map(code, titles))}", ""
        for item in group.items:
            yield _item(item)
    if remarks := remarks_of(report.plan):
        yield "### Worth knowing", ""
        for remark in remarks:
            yield f"- {code(remark)}", ""


def _item(item: Item) -> tuple[str, str]:
    step = item.step
    sign = f"{code(SIGNS[step.verb])} **{item.word}**"
    if not item.one_thing:
        units = [printable(f"{each.address.type} {each.address.name}") for each in item.steps]
        folded = "\n\n".join(_folded(f"{len(units)} units", fenced(units, "text"), MOST_OPEN_LINES + 1))
        return f"{sign} {len(units)} units\n\nnobody knows: {code(step.held)}", folded
    head = f"{sign} {code(step.address.type)} {code(step.address.name)} on {_named(item.targets)}"
    return "\n".join((head, *(f"- {why}" for why in _why(item)))), _difference(
        _changes(told_changes(step), creating=is_new(step))
    )


def _why(item: Item) -> Iterator[str]:
    step = item.step
    for word, said in why(item):
        told = code(said) if isinstance(said, str) else _named(said)
        would = f", would {step.intended}" if word == "held" and step.intended is not Verb.NOTHING else ""
        yield f"{word}{would}{': ' if isinstance(said, str) else ' '}{told}" if word else told


def _changes(changes: Iterable[Change], *, creating: bool = False) -> Iterator[str]:
    """Yield each change as lines of a difference; the lines of a text stand below the name of its field."""
    for change in changes:
        name = printable(change.field)
        lines = difference(change, creating=creating)
        if of_lines(change) and len(lines) > 1:
            yield f"@@ {name} @@"
            yield from (line for line in lines if not line.startswith("@@"))
        else:
            yield from (f"{line[0]} {name}: {line[1:]}" for line in lines)


def _difference(changed: Iterable[str]) -> str:
    lines = [line if len(line) <= MOST_COLUMNS else f"{line[: MOST_COLUMNS - 1]}…" for line in changed]
    if not lines:
        return ""
    added, removed = (sum(line.startswith(sign) for line in lines) for sign in "+-")
    kept = lines if len(lines) <= MOST_LINES else [*lines[:MOST_LINES], f"@@ {len(lines) - MOST_LINES} more lines @@"]
    return "\n\n".join(_folded(f"+{added} -{removed} lines", fenced(kept), len(kept)))


def _folded(title: str, text: str, lines: int) -> tuple[str, ...]:
    """Return a text that is folded below its title where it has many lines. The title is in our own words."""
    if lines <= MOST_OPEN_LINES:
        return (text,) if title.startswith("+") else (f"{title}:", text)
    return (f"<details><summary>{title}</summary>", text, "</details>")


def _named(names: Sequence[str]) -> str:
    kept = [code(name) for name in names[:MOST_NAMED]]
    if len(names) > MOST_NAMED:
        kept.append(f"{len(names) - MOST_NAMED} more")
    return " and ".join(part for part in (", ".join(kept[:-1]), *kept[-1:]) if part)
