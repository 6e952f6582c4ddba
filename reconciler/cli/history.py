"""`bivisor history`: what was done, pass by pass."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import saved, session
from reconciler.cli.session import DesiredFolder, Form, OutputForm

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from reconciler.core.past_page import Told
    from reconciler.history import History, PassRecord

NAME = "history"

What = Annotated[
    str,
    typer.Argument(
        metavar="KEY|ADDRESS|NUMBER",
        help="A resource (HypervisorZone/kvm-az), a unit (ssh:kvm1/service/nova-compute) or the number of a pass; else all.",
    ),
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000_000, help="Show at most so many passes.")]
Since = Annotated[str | None, typer.Option("--since", metavar="AGE", help="Only passes that began within that time: 2h, 7d.")]
Full = Annotated[bool, typer.Option("--full", help="Cut nothing: every line of a file, every step that was skipped.")]


def run(
    what: What = "",
    desired: DesiredFolder = Path("desired"),
    *,
    limit: Limit = 20,
    since: Since = None,
    output: OutputForm = Form.TEXT,
    full: Full = False,
) -> None:
    """Show what was done: every pass of apply and run, newest first.

    With a resource or a unit, only the passes that touched it, and what came of that; with the number of a pass, all of
    its steps. Needs no host, no network and no secret.

    Known is what was applied from this machine by this user: it is kept in the folder that BIVISOR_STATE names, else in
    ~/.local/state/bivisor, one file for each folder of documents, which may be deleted at any time.
    """
    from reconciler.cli.kept import check_kept  # noqa: PLC0415 - keeps --help fast
    from reconciler.history import History  # noqa: PLC0415 - as above

    oldest = None if since is None else before_now(saved.age(since, "--since"))
    history = History(History.place(desired))
    if not history.numbers()[1]:  # what somebody has applied by themselves stands there, whoever keeps the folder
        check_kept(desired)
    found = _asked(history, what, desired, limit=limit, since=oldest)
    if output is Form.JSON:
        from reconciler.core.past_page import past_data  # noqa: PLC0415 - as above

        print(json.dumps(past_data([_told(one) for one in found]), indent=2))
    elif found:
        from reconciler.core.past_page import past_lines  # noqa: PLC0415 - as above

        press = session.press()
        about = None if not what else "" if what.isdecimal() else what
        press.print(past_lines([_told(one) for one in found], replace(press.paper, full=full), about))
    else:
        print(_nothing(history, what, since, desired))


def before_now(age: timedelta) -> datetime:
    """Return the time that is so long ago, the first of all times where there was none."""
    try:
        return datetime.now(UTC) - age
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _asked(history: History, what: str, folder: Path, *, limit: int, since: datetime | None) -> list[PassRecord]:
    """Return the passes that are asked for. Raises UnknownNameError for something that nobody has heard of."""
    if what.isdecimal():
        return [_one(history, int(what))]
    is_address = ":" in what.partition("/")[0]
    key, address = ("", what) if is_address else (what, "")
    found = history.passes(key=key, address=address, limit=limit, since=since)
    if what and not found:
        check_known("history", what, history.names(), folder)
    return found


def _one(history: History, number: int) -> PassRecord:
    from reconciler.core.errors import UnknownNameError  # noqa: PLC0415 - keeps --help fast

    first, last = history.numbers()
    if first <= number <= last and (found := history.passes(number=number, limit=1)):
        return found[0]
    known = f"those from {first} to {last} are kept" if last else "none has been recorded"
    raise UnknownNameError(f"history: there is no pass {number} ({known} in {history.path})")


def check_known(command: str, what: str, recorded: Iterable[str], folder: Path) -> None:
    """Raise UnknownNameError for a name that neither what was recorded nor the documents, if they can be read, have."""
    from reconciler.core.errors import BivisorError, UnknownNameError  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.wording import hint, one_of  # noqa: PLC0415 - as above
    from reconciler.desired import compile_offline  # noqa: PLC0415 - as above

    known = set(recorded)
    with suppress(BivisorError):
        loaded, catalog, _ = compile_offline(folder)
        known |= {str(name) for name in (*loaded.resources, *catalog.units, *(each.target for each in catalog.units))}
    if what in known:
        return
    alike = sorted(name for name in known if name.casefold().endswith(f"/{what.casefold()}"))
    meant = f"(did you mean {one_of(alike[:5])}?)" if alike else hint(what, known)
    raise UnknownNameError(f"{command}: nothing is called {what} here {meant}")


def _told(one: PassRecord) -> Told:
    from reconciler.cli.follow import clock  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.past_page import Told  # noqa: PLC0415 - as above

    return Told(
        number=one.number,
        began=one.began.isoformat(),
        when=clock(one.began.isoformat()),
        duration_s=one.duration_s,
        result=one.result,
        note=one.note,
        command=one.command,
        user=one.user,
        version=one.version,
        commit=one.commit,
        branch=one.branch,
        dirty=one.dirty,
        steps=one.steps,
    )


def _nothing(history: History, what: str, since: str | None, folder: Path) -> str:
    if not history.numbers()[1]:
        return f"Nothing was done for {folder.absolute()} yet that was recorded. It would stand in {history.path}"
    within = f" within {since}" if since else ""
    about = f" touched {what}" if what else " began"
    return f"No pass{about}{within}."
