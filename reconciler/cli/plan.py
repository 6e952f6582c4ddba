"""`bivisor plan`: what would change, and why; nothing is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import diff, session
from reconciler.cli.reports import By, DetailedExitCode, GroupedBy, PlanForm, PlanOutput, Uncut, print_report
from reconciler.cli.session import AsIfRelease, DesiredFolder

NAME = "plan"


def run(
    desired: DesiredFolder = Path("desired"),
    *,
    detailed_exitcode: DetailedExitCode = False,
    release: AsIfRelease = "",
    against: Annotated[
        str,
        typer.Option(
            "--against", metavar="REV", help="Ask no host: show what the folder declares otherwise than that git revision."
        ),
    ] = "",
    output: PlanOutput = PlanForm.TEXT,
    by: GroupedBy = By.RESOURCE,
    full: Uncut = False,
) -> None:
    """Show every change apply would make, field by field, and why. Tells what would restart, and changes nothing."""
    if against and release:
        raise typer.BadParameter("looks at the documents alone: leave --release away", param_hint="--against")
    if against:
        raise typer.Exit(diff.show(desired, against, "", detailed=detailed_exitcode, output=output, by=by, full=full))
    raise typer.Exit(session.run(_plan(desired, release, detailed=detailed_exitcode, output=output, by=by, full=full)))


async def _plan(folder: Path, release: str, *, detailed: bool, output: PlanForm, by: By, full: bool) -> int:
    from reconciler.core.status import exit_code  # noqa: PLC0415 - keeps --help fast

    async with session.session(folder, release) as cloud:
        look = await cloud.look()
    print_report(cloud.report(look), output, by=by, full=full)
    return exit_code(look.plan, detailed=detailed)
