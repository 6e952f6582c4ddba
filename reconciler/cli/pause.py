"""`bivisor pause`: leave alone what somebody works on, until they say to go on."""

from __future__ import annotations

import getpass
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import saved
from reconciler.cli.follow import clock
from reconciler.cli.session import DesiredFolder

if TYPE_CHECKING:
    from reconciler.core.pauses import Pause
    from reconciler.pauses_file import PausesFile

NAME = "pause"

Selector = Annotated[
    str,
    typer.Argument(
        metavar="SELECTOR",
        help="A resource (HypervisorZone/kvm-az, Node/kvm1), a target (ssh:kvm1), a unit or its end, or everything; * and ? "
        "stand for any characters. Without it: everything.",
        show_default=False,
    ),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for whoever reads it.", show_default=False)]
Until = Annotated[
    str | None,
    typer.Option(
        "--until",
        metavar="TIME|AGE",
        help="When it ends by itself: 2h, 30m, 3d; 06:00; 2026-11-24T06:00 (of this machine's clock).",
    ),
]


def run(selector: Selector = "", desired: DesiredFolder = Path("desired"), *, reason: Reason = "", until: Until = None) -> None:
    """Leave the cloud as it is, or a part of it, until bivisor resume.

    Nothing of it is changed any more by run or apply on this machine, for whatever reason; what is in hand is finished. It
    is still looked at, and plan tells what would be done and who paused it. For a pause that counts on every machine, put
    the annotation bivisor/manage: paused into the document.
    """
    from reconciler.core.past import storable  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.pauses import Pause  # noqa: PLC0415 - as above
    from reconciler.core.shown import printable  # noqa: PLC0415 - as above
    from reconciler.permits import stamp  # noqa: PLC0415 - as above

    now = datetime.now(UTC)
    end = "" if until is None else stamp(end_of(until, now.astimezone()).timestamp())
    file = file_of(desired)
    what = _selected(selector, desired)
    made = Pause(what, _who(), stamp(now.timestamp()), end, storable(" ".join(reason.split())))
    file.change(lambda pauses: (*(each for each in _in_force(pauses, made.at) if each.selector != what), made))
    words = f"Paused: {printable(made.what)}{f', until {clock(end)}' if end else ''}."
    if file.is_heeded:
        print(f"{words} The daemon heeds it within a second; what it has in hand it finishes.")
    else:
        print(f"{words} No daemon keeps {desired} on this machine now; it holds whatever is started here, as this user.")


def file_of(folder: Path) -> PausesFile:
    """Return the file that the daemon of that folder reads, if one runs.

    Raises PausesError where that is another one, and where there is no such folder.
    """
    from reconciler.cli.kept import elsewhere, missing  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.errors import PausesError  # noqa: PLC0415 - as above
    from reconciler.pauses_file import PausesFile  # noqa: PLC0415 - as above

    file = PausesFile.of(folder)
    if why := missing(folder):
        raise PausesError(why)
    if why := elsewhere(folder):
        raise PausesError(f"{file.path}: {why}")
    return file


def end_of(text: str, now: datetime) -> datetime:
    """Return when a pause ends, from `2h`, `06:00` or `2026-11-24T06:00`; `now` has a time zone. Raises typer.BadParameter."""
    text = text.strip()
    try:
        if re.fullmatch(r"\d+[smhd]", text):
            return _to_come(now + saved.age(text, "--until"), text, now)
        if re.fullmatch(r"\d\d?:\d\d", text):
            hour, _, minute = text.partition(":")
            day = now.replace(tzinfo=None, hour=int(hour), minute=int(minute), second=0, microsecond=0)
            first = _local(day, now)
            return first if first > now else _local(day + timedelta(days=1), now)
        end = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no time: write 2h, 30m or 3d, 06:00, or 2026-11-24T06:00", param_hint="--until"
        ) from None
    return _to_come(_local(end, now) if end.tzinfo is None else end, text, now)


def _to_come(end: datetime, text: str, now: datetime) -> datetime:
    if end <= now:
        raise typer.BadParameter(f"{text} is over already", param_hint="--until")
    return end


def _local(shown: datetime, now: datetime) -> datetime:
    """Return when this machine's clock shows that; a test's `now` may have a zone of its own."""
    return shown.replace(tzinfo=now.tzinfo) if hasattr(now.tzinfo, "key") else shown.astimezone()


def _selected(text: str, folder: Path) -> str:
    """Return the selector that is meant. Raises UnknownNameError.

    Where the documents cannot be read, it is taken only if it needs none to hold what it says.
    """
    from reconciler.core.errors import BivisorError, UnknownNameError  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.pauses import EVERYTHING, selector_in_full, selector_of  # noqa: PLC0415 - as above
    from reconciler.desired import compile_offline  # noqa: PLC0415 - as above
    from resources.kinds.registry import KINDS  # noqa: PLC0415 - as above

    if text in ("", EVERYTHING):
        return ""
    try:
        return selector_of(text, compile_offline(folder)[1])
    except UnknownNameError:
        raise
    except BivisorError as error:
        meant = selector_in_full(text, KINDS, str(error))
        print(f"warning: nobody can say whether {text} selects anything: {error}", file=sys.stderr)
        return meant


def _in_force(pauses: tuple[Pause, ...], now: str) -> tuple[Pause, ...]:
    return tuple(pause for pause in pauses if not pause.until or pause.until > now)


def _who() -> str:
    """Return the person: who called sudo, where somebody did."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):  # a container's user may have a number only
        return f"uid {os.getuid()}"
