"""What the commands that show a plan share: its forms, by what it is grouped, and how a report comes out."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import session

if TYPE_CHECKING:
    from reconciler.core.report import Report


class PlanForm(StrEnum):
    """How a plan is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


class By(StrEnum):
    """By what the page is grouped."""

    RESOURCE = "resource"
    TARGET = "target"


PlanOutput = Annotated[
    PlanForm,
    typer.Option(
        "--output", "-o", help="text for people, json for programs, markdown for a merge request, html for one page with all."
    ),
]

GroupedBy = Annotated[By, typer.Option("--by", help="Group the text by who declares it, or by where it is done.")]

Uncut = Annotated[bool, typer.Option("--full", help="Cut nothing of the text: every line of a file, every target.")]

DetailedExitCode = Annotated[bool, typer.Option("--detailed-exitcode", help="Exit with 2 when changes are pending.")]


def check_form(form: PlanForm, *, by: By, full: bool) -> None:
    """Refuse what only the text knows, for another form. Raises typer.BadParameter."""
    for given, name in ((by is not By.RESOURCE, "--by"), (full, "--full")):
        if given and form is not PlanForm.TEXT:
            raise typer.BadParameter(f"is about the text, and does not go with --output {form}", param_hint=name)


def print_report(report: Report, form: PlanForm, *, by: By, full: bool) -> None:
    """Print a plan in one of its forms; `by` and `full` are about the text."""
    match form:
        case PlanForm.TEXT:
            from reconciler.core.render import report_lines  # noqa: PLC0415 - keeps --help fast
            from reconciler.core.report import Grouping  # noqa: PLC0415 - as above

            press = session.press()
            press.print(report_lines(report, replace(press.paper, full=full), Grouping(by)))
        case PlanForm.JSON:
            from reconciler.core.structured import report_data  # noqa: PLC0415 - as above

            print(json.dumps(report_data(report), indent=2))
        case PlanForm.MARKDOWN:
            from reconciler.core.markdown import to_markdown  # noqa: PLC0415 - as above

            _write(to_markdown(report))
        case PlanForm.HTML:
            from reconciler.core.page import to_html  # noqa: PLC0415 - as above

            _write(to_html(report))


def _write(text: str) -> None:
    """Write a text that says itself that it is UTF-8, whatever the terminal speaks."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.flush()
