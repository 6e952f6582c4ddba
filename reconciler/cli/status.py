"""`bivisor status`: how each declared resource stands now."""

from __future__ import annotations

from pathlib import Path

import typer

from reconciler.cli import session
from reconciler.cli.session import DesiredFolder

NAME = "status"


def run(desired: DesiredFolder = Path("desired")) -> None:
    """Show how each declared resource stands. As declared, pending, held, or unknown; changes nothing."""
    raise typer.Exit(session.run(_status(desired)))


async def _status(folder: Path) -> int:
    from reconciler.core.render import status_lines  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.status import exit_code, fold  # noqa: PLC0415 - as above

    press = session.press()
    async with session.session(folder) as cloud:
        look = await cloud.look()
    press.print(status_lines(fold(look.plan, {}, cloud.desired.catalog), press.paper))
    return exit_code(look.plan)
