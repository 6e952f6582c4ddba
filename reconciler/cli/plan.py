"""`bivisor plan`: what would change, and why; nothing is changed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import diff, saved, session
from reconciler.cli.reports import By, DetailedExitCode, GroupedBy, PlanForm, PlanOutput, Uncut, check_form, print_report
from reconciler.cli.saved import PlanOut
from reconciler.cli.session import Allowed, AsIfRelease, ConfirmDeletes, DesiredFolder, OutsideWindows

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.core.report import Report

NAME = "plan"


def run(
    desired: DesiredFolder = Path("desired"),
    *,
    detailed_exitcode: DetailedExitCode = False,
    confirm_deletes: ConfirmDeletes = False,
    outside_windows: OutsideWindows = False,
    release: AsIfRelease = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="REV", help="Ask no host: show what the folder declares otherwise than that git revision."
        ),
    ] = None,
    out: PlanOut = None,
    output: PlanOutput = PlanForm.TEXT,
    by: GroupedBy = By.RESOURCE,
    full: Uncut = False,
) -> None:
    """Show every change apply would make, field by field, and why. Tells what would restart, and changes nothing."""
    check_form(output, by=by, full=full)
    if against is not None and confirm_deletes:
        raise typer.BadParameter("does not go with --against: nobody is asked what leaves", param_hint="--confirm-deletes")
    if against is not None and outside_windows:
        raise typer.BadParameter("does not go with --against: nothing is carried out", param_hint="--outside-windows")
    if against is not None and release is not None:
        raise typer.BadParameter("looks at the documents alone: leave --release away", param_hint="--against")
    if out is not None and (against is not None or release is not None):
        other = "--release" if against is None else "--against"
        raise typer.BadParameter(f"does not go with {other}: such a plan is only to be looked at", param_hint="--out")
    if against is not None:
        raise typer.Exit(diff.show(desired, against, None, detailed=detailed_exitcode, output=output, by=by, full=full))
    shown = partial(print_report, form=output, by=by, full=full)
    allowed: Allowed = {"confirm_deletes": confirm_deletes, "outside_windows": outside_windows}
    raise typer.Exit(session.run(_plan(desired, release, out, shown, detailed=detailed_exitcode, allowed=allowed)))


async def _plan(
    folder: Path,
    release: str | None,
    out: Path | None,
    show: Callable[[Report], None],
    *,
    detailed: bool,
    allowed: Allowed,
) -> int:
    from reconciler.core.status import exit_code  # noqa: PLC0415 - keeps --help fast

    if out is not None:
        saved.check(out)
    async with session.session(folder, release, **allowed) as cloud:
        look = await cloud.look()
    show(cloud.report(look))
    if out is not None:
        await saved.save(out, folder, cloud, look)
    return exit_code(look.plan, detailed=detailed)
