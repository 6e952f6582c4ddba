"""`bivisor events`: what happened, as the daemon tells it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import follow, saved, session
from reconciler.cli.history import before_now, check_known
from reconciler.cli.session import DesiredFolder, Form, OutputForm, Press

if TYPE_CHECKING:
    from reconciler.core.events import EventRecord
    from reconciler.event_file import Wanted

NAME = "events"


class Sort(StrEnum):
    """The types of events, as they are asked for."""

    NORMAL = "normal"
    WARNING = "warning"


What = Annotated[
    str,
    typer.Argument(
        metavar="KEY|ADDRESS",
        help="A resource (HypervisorZone/kvm-az), a unit (ssh:kvm1/service/nova-compute), a target (ssh:kvm1), documents, "
        "rollout or daemon; else all.",
    ),
]
Limit = Annotated[
    int, typer.Option("--limit", "-n", min=0, max=1_000_000, help="Show at most so many of what happened before.")
]
Since = Annotated[str | None, typer.Option("--since", metavar="AGE", help="Only what happened within that time: 2h, 7d.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on, and tell what happens from now on; Ctrl-C ends it.")]
Type = Annotated[Sort | None, typer.Option("--type", help="Only what somebody should know of, or only the rest.")]


def run(
    what: What = "",
    desired: DesiredFolder = Path("desired"),
    *,
    go_on: Follow = False,
    since: Since = None,
    sort: Type = None,
    limit: Limit = 50,
    output: OutputForm = Form.TEXT,
) -> None:
    """Show what happened while bivisor run kept the cloud.

    What was held and why, what came of each step, who was not heard, which documents were taken or refused. The same event
    is counted, not repeated; the last one stands at the end. Needs no host, no network and no secret.
    """
    from reconciler.cli.kept import check_kept  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.events import DAEMON, DOCUMENTS, ROLLOUT, EventType  # noqa: PLC0415 - as above
    from reconciler.event_file import Wanted, read_abouts, read_events  # noqa: PLC0415 - as above
    from reconciler.history import History  # noqa: PLC0415 - as above
    from reconciler.retention import stamp  # noqa: PLC0415 - as above

    oldest = "" if since is None else stamp(before_now(saved.age(since, "--since")))
    path = History.place(desired)
    check_kept(desired)
    wanted = Wanted(what, EventType(sort.capitalize()) if sort else None, oldest)
    found = read_events(path, wanted, limit)
    if what and not found:
        check_known("events", what, {*read_abouts(path), DAEMON, DOCUMENTS, ROLLOUT}, desired)
    if go_on:
        _follow(path, wanted, found, output)
    elif output is Form.JSON:
        from reconciler.core.events import events_data  # noqa: PLC0415 - as above

        print(json.dumps(events_data(found), indent=2))
    elif found:
        _print(session.press(), found, output)
    else:
        _nothing(path, desired)


def _follow(path: Path, wanted: Wanted, found: tuple[EventRecord, ...], form: Form) -> None:
    """Tell what is there, and what comes. Raises HistoryError."""
    from reconciler.core.errors import HistoryError  # noqa: PLC0415 - keeps --help fast
    from reconciler.event_file import last_event, read_events  # noqa: PLC0415 - as above
    from reconciler.status_file import read_kept  # noqa: PLC0415 - as above

    keeper = read_kept(path).keeper
    if keeper is None or not keeper.alive:
        print("No daemon runs: nothing happens until somebody starts bivisor run.", file=sys.stderr)
    press = session.press()
    known = found[-1].number if found else last_event(path)
    _print(press, found, form)
    for _ in follow.turns():
        try:
            if last_event(path) < known:
                known = 0  # the file was deleted, and begins anew
            news = read_events(path, replace(wanted, after=known))
        except HistoryError as error:
            if not error.retry:
                raise
            continue
        _print(press, news, form)
        known = news[-1].number if news else known


def _print(press: Press, found: tuple[EventRecord, ...], form: Form) -> None:
    from reconciler.core.events import event_data, event_lines  # noqa: PLC0415 - keeps --help fast

    if form is Form.JSON:
        for record in found:
            print(json.dumps(event_data(record)), flush=True)
    elif found:
        press.print(event_lines(found, press.paper, follow.clock))


def _nothing(path: Path, folder: Path) -> None:
    from reconciler.event_file import last_event  # noqa: PLC0415 - keeps --help fast

    if last_event(path):
        print("No such event.")
    else:
        print(f"Nothing has happened for {folder.absolute()} yet that bivisor run has recorded. It would stand in {path}")
