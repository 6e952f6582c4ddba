"""`bivisor why`: where something is declared, by whom, what is there, what stands against it, what was done about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import session
from reconciler.cli.session import DesiredFolder, Form, OutputForm

if TYPE_CHECKING:
    from reconciler.core.plan import Plan
    from reconciler.core.why import ResourceWhy, UnitWhy

NAME = "why"


def run(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="An address as plan shows it, or its end: ssh:kvm1/config_file//etc/nova/nova.conf, kvm1/nova.conf; with "
            ".FIELD behind it for one field. Or a resource: HypervisorZone/kvm-az.",
        ),
    ],
    field: Annotated[
        str, typer.Argument(metavar="[FIELD]", help='One field: "[DEFAULT] host", or host.', show_default=False)
    ] = "",
    desired: DesiredFolder = Path("desired"),
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no host: all but what is there.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Cut nothing of the text, and say of each field who wrote it.")] = False,
    output: OutputForm = Form.TEXT,
) -> None:
    """Show why something is as it is. Who declares it where, what is there, what it waits for; changes nothing.

    Asks only the hosts that this is about.
    """
    raise typer.Exit(session.run(_why(what, field, desired, output, offline=offline, full=full)))


async def _why(what: str, field: str, folder: Path, form: Form, *, offline: bool, full: bool) -> int:
    from reconciler.core.status import exit_code  # noqa: PLC0415 - keeps --help fast

    answer, plan = await (_offline(what, field, folder) if offline else _online(what, field, folder))
    _print(answer, form, full=full)
    return exit_code(plan) if plan is not None else 0


async def _online(what: str, field: str, folder: Path) -> tuple[UnitWhy | ResourceWhy, Plan | None]:
    from reconciler.history import History  # noqa: PLC0415 - keeps --help fast
    from reconciler.inquiry import Inquiry  # noqa: PLC0415 - as above

    async with session.session(folder) as cloud:
        desired, history = cloud.desired, History(History.place(folder))
        inquiry = Inquiry(desired.loaded, desired.catalog, desired.graph, history, session.warn, cloud.reconciler)
        return await inquiry.about(what, field)


async def _offline(what: str, field: str, folder: Path) -> tuple[UnitWhy | ResourceWhy, Plan | None]:
    from reconciler.desired import compile_offline  # noqa: PLC0415 - keeps --help fast
    from reconciler.history import History  # noqa: PLC0415 - as above
    from reconciler.inquiry import Inquiry  # noqa: PLC0415 - as above

    loaded, catalog, graph = compile_offline(folder)
    session.warn(loaded.warnings)
    return await Inquiry(loaded, catalog, graph, History(History.place(folder)), session.warn).about(what, field)


def _print(answer: UnitWhy | ResourceWhy, form: Form, *, full: bool) -> None:
    if form is Form.JSON:
        from reconciler.core.why_data import why_data  # noqa: PLC0415 - keeps --help fast

        print(json.dumps(why_data(answer), indent=2))
        return
    from dataclasses import replace  # noqa: PLC0415 - as above

    from reconciler.core.why_page import why_lines  # noqa: PLC0415 - as above

    press = session.press()
    press.print(why_lines(answer, replace(press.paper, full=full)))
