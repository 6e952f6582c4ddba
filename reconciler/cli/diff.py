"""`bivisor diff`: what two revisions of the documents declare differently."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.reports import By, DetailedExitCode, GroupedBy, PlanForm, PlanOutput, Uncut, check_form, print_report
from reconciler.cli.session import DesiredFolder, warn

NAME = "diff"


def run(
    first: Annotated[str, typer.Argument(metavar="REV1", help="A commit of the folder's repository: a branch, a tag, HEAD~3.")],
    second: Annotated[str | None, typer.Argument(metavar="REV2", help="Another one; without it, the folder as it is.")] = None,
    desired: DesiredFolder = Path("desired"),
    *,
    detailed_exitcode: DetailedExitCode = False,
    output: PlanOutput = PlanForm.TEXT,
    by: GroupedBy = By.RESOURCE,
    full: Uncut = False,
) -> None:
    """Show what two revisions declare differently. As a plan: field by field, and what would restart.

    Needs git, and no host, no network and no secret.
    """
    check_form(output, by=by, full=full)
    raise typer.Exit(show(desired, first, second, detailed=detailed_exitcode, output=output, by=by, full=full))


def show(folder: Path, first: str, second: str | None, *, detailed: bool, output: PlanForm, by: By, full: bool) -> int:
    """Print the comparison; return the exit code."""
    from reconciler.compared import compare_declarations  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.compare import compared_code  # noqa: PLC0415 - as above

    report, loaded = compare_declarations(folder, first, second)
    warn(loaded.warnings)
    print_report(report, output, by=by, full=full)
    return compared_code(report.plan, report.documents, loaded.resources, detailed=detailed)
