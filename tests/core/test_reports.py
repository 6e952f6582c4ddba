"""Promises of the forms of a report: the terminal's page, JSON, Markdown and HTML, all of one plan.

`REWRITE_SCENARIOS=1 pytest tests/core/test_reports.py` writes today's forms into the golden files; read the difference.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.core.markdown import to_markdown
from reconciler.core.page import to_html
from reconciler.core.plan import Verb
from reconciler.core.render import report_lines
from reconciler.core.shown import Paper, text_of
from reconciler.core.structured import report_data
from tests.core.scenario import planned, read, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.core.report import Report

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
