"""Promises of the forms of a report: the terminal's page, JSON, Markdown and HTML, all of one plan.

`REWRITE_SCENARIOS=1 pytest tests/core/test_reports.py` writes today's forms into the golden files; read the difference.
"""

from __future__ import annotations

import html
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from reconciler.core.compare import Edit
from reconciler.core.markdown import LEFT_OUT, to_markdown
from reconciler.core.page import to_html
from reconciler.core.plan import Plan, Step, Verb
from reconciler.core.plan_schema import plan_schema
from reconciler.core.render import report_lines
from reconciler.core.report import Grouping, Report, foreseen_waves, groups, report_of
from reconciler.core.shown import Paper, text_of
from reconciler.core.structured import report_data
from resources.contract import Address, Change, Disruption, Key, TargetId
from tests.core.scenario import planned, read, told
from tests.core.simple import Daemon, address
from tests.core.worlds import World, worlds

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).with_name("golden")
CANARY = "c4n4ry"


def rich() -> Report:
    """Return a report that has everything a report can have."""
    scenario = read((GOLDEN / "rich.txt").read_text())
    return told(planned(scenario, scenario.observed), scenario)


FORMS: dict[str, Callable[[Report], str]] = {
    "rich.page": lambda report: "\n".join(map(text_of, report_lines(report, Paper(width=120)))) + "\n",
    "rich.full.page": lambda report: "\n".join(map(text_of, report_lines(report, Paper(width=120, full=True)))) + "\n",
    "rich.json": lambda report: json.dumps(report_data(report), indent=2, ensure_ascii=False) + "\n",
    "rich.md": to_markdown,
    "rich.html": to_html,
}


@pytest.mark.parametrize("name", FORMS)
def test_golden(name: str) -> None:
    """Each form of the rich plan is, to the letter, what stands in its file; and no secret is in it."""
    path, text = GOLDEN / name, FORMS[name](rich())
    assert CANARY not in text
    if os.environ.get("REWRITE_SCENARIOS"):
        path.write_text(text, encoding="utf-8")
    else:
        assert text == path.read_text(encoding="utf-8")


def test_the_rich_plan_is_rich() -> None:
    """The golden plan has a step of each verb, a remark, and several waves: no form is tested with less."""
    report = rich()
    assert {step.verb for step in report.plan.steps} == set(Verb)
    assert len(report.waves) > 1
    assert any(step.remarks for step in report.plan.steps)


def compared(plan: Plan) -> Report:
    """Return a report of two declarations with documents that differ, and names that want to be more than names."""
    edits = (
        Edit(Key("Node", "kvm1"), Verb.UPDATE, (Change("spec.address", "10.0.0.1", "<b>`10.0.0.2`"),)),
        Edit(Key("Cluster", "new"), Verb.CREATE),
    )
    return Report(plan, compared=("desired", "feat/`x`<img>@all"), note="Only to look at.", at_once=1, documents=edits)


def reports(world: World) -> tuple[Report, ...]:
    """Return what may be told of a world."""
    plan = world.allowed(world.plan())
    return (Report(plan), report_of(plan, world.catalog, "As if."), compared(plan))


@settings(max_examples=40)
@given(worlds())
def test_json_is_as_its_schema(world: World) -> None:
    """What programs are given is what the published schema says, field by field, and nothing that it does not name."""
    schema = plan_schema()
    Draft202012Validator.check_schema(schema)
    for report in (*reports(world), rich()):
        data = report_data(report)
        Draft202012Validator(schema).validate(data)
        assert set(data) <= set(schema["properties"])
        assert all(set(step) == set(schema["properties"]["steps"]["items"]["properties"]) for step in data["steps"])


NASTY = st.text(st.sampled_from([*"`<>&\"'*_[]()#!|~\\-+=@:/ \n\r\t\x1b\u202e\u2028", "a", "é"]), max_size=30)


def nasty(name: str, text: str, verb: Verb) -> Report:
    """Return a report in which everything that comes from outside is that text."""
    changes = (Change(name, None, text), Change("y", (text,), (name, "x")), Change("z", f"a\n{text}\nb", f"a\n{name}\n"))
    step = Step(Address(TargetId("ssh", "kvm1"), "file", name), verb, changes, (text,), held=text, intended=Verb.RESTART,
                disruption=Disruption(name), remarks=(text,), origins=(Key("Node", "n"),))  # fmt: skip
    other = replace(step, address=Address(TargetId("ssh", "kvm2"), "directory", text), needs=(step.address,))
    return Report(Plan((step, other)), compared=(name, text), note="Note.", waves=((name,), (text,)), at_once=1)


@settings(max_examples=60)
@given(NASTY, NASTY, st.sampled_from([Verb.UPDATE, Verb.RESTART, Verb.HELD, Verb.UNKNOWN]))
def test_nothing_foreign_is_markdown(name: str, text: str, verb: Verb) -> None:
    """Whatever names and values are, outside of code there are the same words as with harmless ones, and the same structure."""
    tokens, harmless = (outside_of_code(to_markdown(nasty(*each, verb))) for each in ((name, text), ("a1", "b2")))
    assert set(tokens) <= set(harmless) | {("text", "7 lines")}
    assert [each for each in tokens if each[0] in HEADS] == [each for each in harmless if each[0] in HEADS]


HEADS = ("heading_open", "heading_close")


def outside_of_code(page: str) -> list[tuple[str, str]]:
    """Return all that a forge would show of a page, by its kind, without what stands in code."""
    found: list[tuple[str, str]] = []
    for token in MarkdownIt("commonmark").parse(page):
        if token.type == "inline":
            found += [(child.type, child.content) for child in token.children or () if child.type != "code_inline"]
        elif token.type == "html_block":
            assert re.fullmatch(r"<details><summary>[-+\w ,]+</summary>|</details>", token.content.strip()), token.content
        elif token.type != "fence":
            found.append((token.type, ""))
    return [each for each in found if each != ("text", "")]


@settings(max_examples=60)
@given(NASTY, NASTY, st.sampled_from([Verb.UPDATE, Verb.RESTART, Verb.HELD, Verb.UNKNOWN]))
def test_nothing_foreign_is_html(name: str, text: str, verb: Verb) -> None:
    """Whatever names and values are, the page has the elements and attributes that it has with harmless ones."""
    assert set(elements(to_html(nasty(name, text, verb)))) <= ELEMENTS


def elements(page: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return the elements of a page with the names of their attributes; each must be closed in its turn."""
    found: list[tuple[str, tuple[str, ...]]] = []
    still_open: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, tuple(name for name, _ in attrs)))
            if tag not in ("meta", "input"):
                still_open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert still_open.pop() == tag

    reader = Reader()
    reader.feed(page)
    reader.close()
    assert still_open == []
    return found


ELEMENTS = {each for verb in Verb for each in elements(to_html(nasty("a1", "b2", verb)))} | set(elements(to_html(rich())))


def test_the_page_needs_nothing_else() -> None:
    """The HTML asks for nothing, and its policy forbids it to; without its script nothing is hidden but the filters."""
    page = to_html(rich())
    assert not re.search(r"""(?:src|href)=["'](?!#)|@import|url\((?!#)""", page)
    policy = re.search(r'content="([^"]*default-src[^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src &#x27;none&#x27;; style-src &#x27;sha256-")
    assert "unsafe" not in policy[1]
    assert [tag for tag, names in elements(page) if "hidden" in names] == ["form"]


def test_every_step_is_on_every_page() -> None:
    """No form leaves out a step that is not as declared; links of the drawing lead to the steps."""
    report = rich()
    for text in (to_markdown(report), html.unescape(to_html(report)), json.dumps(report_data(report))):
        for step in report.plan.steps:
            assert step.verb is Verb.NOTHING or step.address.name in text
    page = to_html(report)
    assert set(re.findall(r'href="#(s\d+)"', page)) == set(re.findall(r'<article id="(s\d+)"', page))


@settings(max_examples=40)
@given(worlds())
def test_every_world_has_its_reports(world: World) -> None:
    """Each plan can be written in each form, groups hold each step once, and waves hold each service that waits its turn."""
    for report in reports(world):
        shown = [step for step in report.plan.steps if step.verb is not Verb.NOTHING]
        for by in Grouping:
            told_steps = [step.address for group in groups(report.plan, by) for item in group.items for step in item.steps]
            assert sorted(told_steps) == sorted(step.address for step in shown)
        assert to_markdown(report).startswith("## Plan\n")
        assert to_html(report) == to_html(report)
        down = [service for wave in report.waves for service in wave]
        waiting = {step.disruption.service for step in shown if step.disruption and (step.later or step.pending)}
        assert not down or set(down) == waiting


def test_a_very_long_plan_fits_into_a_comment() -> None:
    """Markdown leaves differences out before steps, says so, and stays below what a forge takes."""
    steps = [
        Step(
            address(f"ssh:n{number}/file//etc/{number}"),
            Verb.UPDATE,
            (Change("content", "x\n", f"{number}\n" * 50),),
            intended=Verb.UPDATE,
        )
        for number in range(400)
    ]
    page = to_markdown(Report(Plan(tuple(steps))))
    assert 50_000 < len(page) < 65_536
    assert "(left out: the page would be too long)" in page
    assert "/etc/300`" in page
    many = to_markdown(Report(Plan(tuple(replace(step, held="x" * 300, verb=Verb.HELD) for step in steps))))
    assert many.endswith("*The page would be too long: what comes here is left out.*\n")
    assert len(many) < 65_536


def test_a_full_page_names_every_service() -> None:
    """Where nothing is to be cut, the sentence about the whole price names all that is interrupted, and counts none."""
    plan = Plan(tuple(restart(daemon(f"d{number}")) for number in range(9)))
    page, full = (text_of(report_lines(Report(plan), Paper(width=200, full=each))[-1]) for each in (False, True))
    assert page == "Interrupts d0 on n, d1 on n, d2 on n and 6 more."
    assert full == f"Interrupts {', '.join(f'd{number} on n' for number in range(9))}."


INVISIBLE = {
    "a = 1": ("a = 1\n", "(only line ends differ)"),
    "a = 1\nb = 2\n": ("a = 1\r\nb = 2\r\n", "(only line ends differ)"),
    "admin_password = one\na = 1\n": ("admin_password = two\na = 1\n", "(only what is masked differs)"),
}


@pytest.mark.parametrize("before", INVISIBLE)
def test_what_no_line_shows_is_told(before: str) -> None:
    """A text that differs in its line ends or in what is masked has one line that says so, on every page for people."""
    after, said = INVISIBLE[before]
    change = Change("content", before, after)
    report = Report(Plan((Step(address("ssh:n/file//etc/a"), Verb.UPDATE, (change,), intended=Verb.UPDATE),)))
    page = "\n".join(map(text_of, report_lines(report)))
    assert f"      content  {said}\n" in page
    assert f"content: {said}\n" in to_markdown(report)
    assert said in html.unescape(to_html(report))


@pytest.mark.parametrize("number", [250, 1000])
def test_many_steps_without_a_difference_fit_as_well(number: int) -> None:
    """What has no difference has none to leave out; where not all fit, the steps that do not go by themselves come first."""
    steps = [
        Step(address(f"ssh:n{each}/aggregate_member/az{each}{'x' * 150}"), Verb.WAIT, intended=Verb.WAIT)
        for each in range(number)
    ]
    held = replace(steps[-1], address=address("ssh:n/service/stuck"), verb=Verb.HELD, held="paused")
    unknown = Step(address("ssh:gone/service/unseen"), Verb.UNKNOWN, held="no route")
    waves = tuple((f"service on n{each}",) * 20 for each in range(number))
    page = to_markdown(Report(Plan((*steps, held, unknown)), waves=waves))
    assert len(page) <= 65_536
    assert "paused" in page
    assert "no route" in page
    assert LEFT_OUT not in page
    assert page.endswith("is left out.*\n")
    assert f"\n\n{number - 60} more waves\n" in page


def test_waves_have_room_for_the_budget() -> None:
    """Later waves are no larger than the first and the budget; of what is exclusive one is in each; needs come before."""
    units = {
        each.address: each for each in (daemon("a"), daemon("b"), daemon("c", "the ring"), daemon("d", "the ring"), daemon("e"))
    }
    first, second, third, fourth, fifth = (restart(unit) for unit in units.values())
    held = [replace(step, verb=Verb.HELD, later=True) for step in (third, fourth, fifth)]
    plan = Plan((first, second, *held))
    # the first wave may hold what is down anyway: that makes no room in the others
    assert foreseen_waves(plan, units, 1) == (("a on n", "b on n"), ("c on n",), ("d on n",), ("e on n",))
    assert foreseen_waves(plan, units, 2) == (("a on n", "b on n"), ("c on n", "e on n"), ("d on n",))
    needing = replace(held[2], needs=(held[1].address,))
    assert foreseen_waves(Plan((first, *held[:2], needing)), units, 1) == (("a on n",), ("c on n",), ("d on n",), ("e on n",))
    assert foreseen_waves(Plan((first, second)), units, 1) == ()


def daemon(name: str, part_of: str = "") -> Daemon:
    """Return a service on one host."""
    return Daemon(address=address(f"ssh:n/service/{name}"), desired={"active": True, "fresh": True}, part_of=part_of)


def restart(unit: Daemon) -> Step:
    """Return the step that restarts it."""
    return Step(unit.address, Verb.RESTART, intended=Verb.RESTART, disruption=Disruption(unit.service))
