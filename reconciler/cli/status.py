"""`bivisor status`: how each declared resource stands, seen now or as the daemon keeps it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import session
from reconciler.cli.session import DesiredFolder, Form, OutputForm

if TYPE_CHECKING:
    from reconciler.core.status import Status
    from reconciler.desired import Desired

NAME = "status"


def run(
    desired: DesiredFolder = Path("desired"),
    *,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show what bivisor run keeps, and go on as that changes; Ctrl-C ends it.")
    ] = False,
    output: OutputForm = Form.TEXT,
) -> None:
    """Show how each declared resource stands. As declared, pending, held, or unknown; changes nothing.

    It looks at everything itself. With --watch it looks at nothing, and shows what the daemon sees: a page that is drawn anew
    on a terminal, else one line for each change, with -o json a document. It needs no host, no network and no secret then,
    and says how old it is what it shows when no daemon runs.
    """
    if watch:
        from reconciler.cli.standing import follow_status  # noqa: PLC0415 - keeps --help fast

        follow_status(desired, output)
    else:
        raise typer.Exit(session.run(_status(desired, output)))


async def _status(folder: Path, form: Form) -> int:
    from reconciler.cli.follow import clock  # noqa: PLC0415 - keeps --help fast
    from reconciler.cli.standing import pause_heads, pauses_data  # noqa: PLC0415 - as above
    from reconciler.core.render import sentence_lines, status_lines  # noqa: PLC0415 - as above
    from reconciler.core.shown import Tone  # noqa: PLC0415 - as above
    from reconciler.core.status import exit_code, fold  # noqa: PLC0415 - as above
    from reconciler.permits import Permits  # noqa: PLC0415 - as above

    async with session.session(folder) as cloud:
        look = await cloud.look()
    status = _recalled(folder, fold(look.plan, {}, cloud.desired.catalog), cloud.desired)
    permit = Permits.of(folder).now(())
    if form is Form.JSON:
        from reconciler.core.structured import status_data  # noqa: PLC0415 - as above

        print(json.dumps({**status_data(status), "pauses": pauses_data(permit)}, indent=2))
    else:
        press = session.press()
        heads = (line for head in pause_heads(permit) for line in sentence_lines("", head, "", Tone.HELD, press.paper))
        press.print((*heads, *status_lines(status, press.paper, clock)))
    return exit_code(look.plan)


def _recalled(folder: Path, status: Status, desired: Desired) -> Status:
    """Return the status with what the daemon knows besides, if one runs: since when, and of which generation."""
    from reconciler.core.errors import HistoryError  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.standing import digest_of, recalled  # noqa: PLC0415 - as above
    from reconciler.history import History  # noqa: PLC0415 - as above
    from reconciler.status_file import read_kept  # noqa: PLC0415 - as above

    with suppress(HistoryError):  # what was seen now does not depend on it
        kept = read_kept(History.place(folder))
        if kept.keeper is not None and kept.keeper.alive:
            return recalled(status, {key: digest_of(each) for key, each in desired.loaded.resources.items()}, kept.former)
    return status
