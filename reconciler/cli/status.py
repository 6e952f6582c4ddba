"""`bivisor status`: how each declared resource stands now."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from reconciler.cli import session
from reconciler.cli.session import DesiredFolder, Form, OutputForm

NAME = "status"


def run(desired: DesiredFolder = Path("desired"), *, output: OutputForm = Form.TEXT) -> None:
    """Show how each declared resource stands. As declared, pending, held, or unknown; changes nothing."""
    raise typer.Exit(session.run(_status(desired, output)))


async def _status(folder: Path, form: Form) -> int:
    from reconciler.core.render import status_lines  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.status import exit_code, fold  # noqa: PLC0415 - as above

    async with session.session(folder) as cloud:
        look = await cloud.look()
    status = fold(look.plan, {}, cloud.desired.catalog)
    if form is Form.JSON:
        from reconciler.core.structured import status_data  # noqa: PLC0415 - as above

        print(json.dumps(status_data(status), indent=2))
    else:
        press = session.press()
        press.print(status_lines(status, press.paper))
    return exit_code(look.plan)
