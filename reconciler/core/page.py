"""A plan as one HTML page that needs nothing else: no network, no other file, and no JavaScript but for filtering.

Its own policy forbids every other script, and any request.
"""

from __future__ import annotations

import base64
import hashlib
from itertools import chain
from typing import TYPE_CHECKING

from reconciler.core.chart import chart
from reconciler.core.differences import difference, of_lines
from reconciler.core.markup import Own, tag, to_text
from reconciler.core.page_look import SCRIPT, STYLE
from reconciler.core.plan import Verb
from reconciler.core.report import SIGNS, counted, groups, is_new, nothing_to_do, remarks_of, told_changes, why
from reconciler.core.shown import masked_urls, natural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reconciler.core.markup import Element, Node
    from reconciler.core.plan import Plan
    from reconciler.core.report import Group, Item, Report
    from resources.contract import Change

MOST_LINES = 2000
"""As many lines of one difference are written."""


MOST_NAMED = 8
"""As many names stand in one place; more are folded."""

MOST_WAVES = 12
"""More waves are folded."""


def to_html(report: Report) -> str:
    """Return the page. The same report is the same page, to the letter."""
    policy = f"default-src 'none'; style-src 'sha256-{_digest(STYLE)}'; script-src 'sha256-{_digest(SCRIPT)}'"
    found = groups(report.plan)
    names = {item: f"s{number}" for number, item in enumerate(chain.from_iterable(group.items for group in found), start=1)}
    page = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=policy),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("title", f"Plan: {', '.join(_totals_words(report))}"),
            tag("style", Own(STYLE)),
        ),
        tag(
            "body",
            *_head(report),
            *_documents(report),
            *_drawing(report.plan, {name: item for item, name in names.items()}),
            *_filters(found),
            tag("main", *(_group(group, names) for group in found)),
            *_remarks(report),
            tag("script", Own(SCRIPT)),
        ),
        lang="en",
    )
    return f"<!doctype html>\n{to_text(page)}\n"


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _totals_words(report: Report) -> list[str]:
    return [f"{number} {word}" for _, number, word in counted(report.plan)] or [nothing_to_do(report)]


def _head(report: Report) -> Iterator[Element]:
    yield tag("h1", "Plan")
    if report.said:
        yield tag("p", tag("b", report.said), " ", tag("span", report.note, class_="soft"))
    if nothing := nothing_to_do(report):
        yield tag("p", nothing)
        return
    yield tag(
        "ul", *(tag("li", tag("b", str(n)), f" {word}", class_=verb) for verb, n, word in counted(report.plan)), class_="totals"
    )
    services = report.interrupts
    at_once = f", at most {report.at_once} at a time" if 0 < report.at_once < len(services) else ""
    words = f"Interrupts {len(services)} {'service' if len(services) == 1 else 'services'}{at_once}: "
    yield tag("div", words, *_listed(services)) if services else tag("p", "Interrupts nothing.")
    if report.waves:
        waves = (tag("li", *_listed(wave)) for wave in report.waves)
        yield tag("details", tag("summary", f"Who is down when, if everything goes well: {len(report.waves)} waves"),
                  tag("ol", *waves), open=len(report.waves) <= MOST_WAVES)  # fmt: skip


def _documents(report: Report) -> Iterator[Element]:
    if report.documents:
        yield tag("h2", "Documents")
    for edit in report.documents:
        head = tag(
            "header", tag("span", f"{SIGNS[edit.verb]} {edit.verb}", class_="verb"), tag("span", str(edit.key), class_="name")
        )
        yield tag("article", head, *_changes(edit.changes), class_=str(edit.verb))


def _drawing(plan: Plan, items: dict[str, Item]) -> Iterator[Element]:
    drawn = chart(plan, items)
    if drawn is not None:
        drawing = tag("div", drawn, class_="drawing", tabindex="0")
        yield tag("details", tag("summary", "What comes before what"), drawing, open=True)


def _filters(found: Sequence[Group]) -> Iterator[Element]:
    """Return the filters, hidden until the script that they need runs."""
    items = [item for group in found for item in group.items]
    if not items:
        return
    targets = sorted({target for item in items for target in item.targets}, key=natural)
    kinds = sorted({key.kind for item in items for step in item.steps for key in step.origins})
    verbs = dict.fromkeys(str(item.step.verb) for item in items)
    yield tag(
        "form",
        _choice("target", "Host or other target", targets),
        _choice("kind", "Kind of resource", kinds),
        _choice("verb", "Verb", list(verbs)),
        tag("label", "Text", tag("input", name="text", type="search")),
        tag("label", "Shown", tag("output", name="shown")),
        tag("button", "Show all", type="reset"),
        hidden=True,
    )


def _choice(name: str, label: str, values: Iterable[str]) -> Element:
    options = (tag("option", value, value=value) for value in values)
    return tag("label", label, tag("select", tag("option", "all", value=""), *options, name=name))


def _group(group: Group, names: dict[Item, str]) -> Element:
    return tag("section", tag("h2", group.title), *(_item(item, names[item]) for item in group.items), class_="group")


def _item(item: Item, name: str) -> Element:
    step = item.step
    what: tuple[Node, ...] = (tag("span", f"{len(item.steps)} units"),)
    if item.one_thing:
        what = (tag("span", step.address.type), tag("span", step.address.name, class_="name"))
    return tag(
        "article",
        tag("header", tag("span", f"{SIGNS[step.verb]} {item.word}", class_="verb"), *what),
        tag("dl", *chain.from_iterable((tag("dt", word), tag("dd", *said)) for word, said in _facts(item))),
        *_changes(told_changes(step), creating=is_new(step)),
        id=name,
        class_=str(step.verb),
        data_verb=str(step.verb),
        data_targets=" ".join(dict.fromkeys(item.targets)),
        data_kinds=" ".join(dict.fromkeys(key.kind for each in item.steps for key in each.origins)),
    )


def _facts(item: Item) -> Iterator[tuple[str, Sequence[Node]]]:
    step = item.step
    yield "on", _listed(tuple(dict.fromkeys(item.targets)))
    if not item.one_thing:
        yield "units", _listed([f"{each.address.type} {each.address.name}" for each in item.steps])
    if step.verb is Verb.HELD and step.intended is not Verb.NOTHING:
        yield "would", (str(step.intended),)
    for word, said in why(item):
        yield word or "note", (masked_urls(said),) if isinstance(said, str) else _listed(said)


def _changes(changes: Sequence[Change], *, creating: bool = False) -> Iterator[Element]:
    if changes:
        yield tag("table", tag("tbody", *(tag("tr", tag("td", tag("code", change.field)),
                  tag("td", *_change(change, creating=creating))) for change in changes)))  # fmt: skip


def _change(change: Change, *, creating: bool) -> Iterator[Element]:
    lines = difference(change, creating=creating)
    if of_lines(change) and len(lines) > 1:
        shown = [_line(line) for line in lines[:MOST_LINES]]
        if len(lines) > MOST_LINES:
            shown.append(tag("span", f"… {len(lines) - MOST_LINES} more lines", class_="soft"))
        yield tag("pre", *shown, tabindex="0")
        return
    yield from (tag(_TAGS.get(line[:1], "span"), tag("code", line[1:])) for line in lines)


def _line(line: str) -> Element:
    return tag(_TAGS.get(line[:1], "span"), line or " ")


_TAGS = {"+": "ins", "-": "del"}


def _remarks(report: Report) -> Iterator[Element]:
    if remarks := remarks_of(report.plan):
        yield tag("h2", "Worth knowing")
        yield tag("ul", *(tag("li", masked_urls(remark)) for remark in remarks))


def _listed(names: Sequence[str]) -> list[Node]:
    """Return names as code, separated by commas; of many the first ones, and all of them unfolded."""
    if len(names) <= MOST_NAMED:
        return _codes(names)
    more = f" and {len(names) - MOST_NAMED} more"
    return [tag("details", tag("summary", *_codes(names[:MOST_NAMED]), more), *_codes(names[MOST_NAMED:]))]


def _codes(names: Sequence[str]) -> list[Node]:
    found: list[Node] = []
    for name in names:
        found += [", ", tag("code", name)] if found else [tag("code", name)]
    return found
