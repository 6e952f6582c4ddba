"""`bivisor plan`: what would change, and why; nothing is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import session
from reconciler.cli.session import AsIfRelease, ConfirmDeletes, DesiredFolder, Form, OutputForm

NAME = "plan"


def run(
    desired: DesiredFolder = Path("desired"),
    *,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when changes are pending.")
    ] = False,
    confirm_deletes: ConfirmDeletes = False,
    release: AsIfRelease = "",
    output: OutputForm = Form.TEXT,
) -> None:
    """Show every change apply would make, field by field, and why. Tells what would restart, and changes nothing."""
    raise typer.Exit(
        session.run(_plan(desired, release, confirm_deletes=confirm_deletes, detailed=detailed_exitcode, form=output))
    )


async def _plan(folder: Path, release: str, *, confirm_deletes: bool, detailed: bool, form: Form) -> int:
    from reconciler.core.render import plan_lines, supposed_lines  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.status import exit_code  # noqa: PLC0415 - as above

    async with session.session(folder, release, confirm_deletes=confirm_deletes) as cloud:
        look = await cloud.look()
    if form is Form.JSON:
        from reconciler.core.structured import plan_data  # noqa: PLC0415 - as above

        print(json.dumps(plan_data(look.plan, cloud.desired.supposed), indent=2))
    else:
        press = session.press()
        press.print(supposed_lines(cloud.desired.supposed, press.paper))
        press.print(plan_lines(look.plan, press.paper))
    return exit_code(look.plan, detailed=detailed)
