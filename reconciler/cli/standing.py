"""`bivisor status --watch`: what the daemon keeps, as it changes."""

from __future__ import annotations

import json
import shlex
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from reconciler.alive import pid_of
from reconciler.bookkeeper import SEEN_S
from reconciler.cli import session
from reconciler.cli.follow import age, clock, turns
from reconciler.cli.kept import check_kept
from reconciler.cli.session import Form, Press
from reconciler.core.errors import HistoryError
from reconciler.core.pauses import EVERYTHING, Permit
from reconciler.core.plan import NOT_ASKED
from reconciler.core.shown import Line, Span, Tone, printable
from reconciler.core.standing_page import moved, moved_line, standing_lines
from reconciler.core.status import Status, Truth
from reconciler.core.structured import conditions_data, status_data
from reconciler.history import History
from reconciler.permits import Permits
from reconciler.status_file import Kept, read_kept, signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.live import Live

    from reconciler.core.pauses import Pause
    from reconciler.core.status import Condition
    from reconciler.status_file import Keeper

FIRST_LOOK = "Not everything has been looked at yet: nobody knows how that stands."
"""What is said as long as it is so; whoever does not answer may take a while."""

BEGUN = timedelta(seconds=30)
"""Documents that have been in force for longer, and have made no resource known, have none."""

LATE_S = 4 * SEEN_S
"""A daemon that runs and has not written for so many seconds cannot, or hangs."""


def follow_status(folder: Path, form: Form) -> None:
    """Show what is kept, and again when it has changed, until somebody ends it. Raises HistoryError."""
    check_kept(folder)
    path, permits = History.place(folder), Permits.of(folder)
    press = session.press()
    known: tuple[object, ...] | None = None
    kept = Kept()
    with _shown(press, form) as show:
        for _ in turns():
            try:
                now = signature(path)
                if now != known:
                    kept, known = read_kept(path), now
                show(kept, permits.now(()))  # time passes on it, and its daemon may have gone
            except HistoryError as error:
                if not error.retry:
                    raise


@contextmanager
def _shown(press: Press, form: Form) -> Iterator[Callable[[Kept, Permit], None]]:
    """Yield what shows what is kept, in the way that whoever reads it likes."""
    if form is Form.JSON:
        yield _Documents().show
    elif press.on_terminal:
        from rich.live import Live  # noqa: PLC0415 - slow to import, not needed in a pipe

        with Live(console=press.console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
            yield _Page(press, live).show
    else:
        yield _Lines(press).show


class _Documents:
    """Prints a JSON document for each change."""

    def __init__(self) -> None:
        self._before: Any = None

    def show(self, kept: Kept, permit: Permit) -> None:
        said = _essence(kept), permit
        if said != self._before:
            self._before = said
            print(json.dumps(standing_data(kept, permit)), flush=True)


class _Lines:
    """Prints a line for each change."""

    def __init__(self, press: Press) -> None:
        self._press = press
        self._said: Any = None
        self._heads: list[str] = []
        self._status = Status(())
        self._permit = Permit()

    def show(self, kept: Kept, permit: Permit) -> None:
        now, said = datetime.now(UTC), (_essence(kept), permit)
        if said == self._said:
            return
        told = [*heads(kept, now), *pause_heads(permit)]
        lines: list[Line] = [_dim(line) for head in told if head not in self._heads for line in _indented(head)]
        paused = {pause.what for pause in permit.pauses}
        ended = dict.fromkeys(pause.what for pause in self._permit.pauses if pause.what not in paused)
        lines += [_dim(f"{_named(what)} is paused no more.") for what in ended]
        for key, condition in moved(self._status, kept.status):
            at = condition.since if condition is not None and self._said is None else now.isoformat()
            lines.append(moved_line(clock(at), key, condition, self._press.paper))
        self._said, self._heads, self._status, self._permit = said, told, kept.status, permit
        if lines:
            self._press.print(lines)


def _dim(text: str) -> Line:
    return (Span(printable(text), Tone.DIM),)


def _indented(text: str) -> Iterator[str]:
    """Yield the lines of a text, those of several mistakes, say, so that what follows the first is seen to belong to it."""
    first, *more = text.splitlines() or [""]
    yield first
    yield from (f"    {line}" for line in more)


class _Page:
    """Draws one page anew."""

    def __init__(self, press: Press, live: Live) -> None:
        self._press = press
        self._live = live

    def show(self, kept: Kept, permit: Permit) -> None:
        console = self._live.console
        paper = replace(self._press.paper, width=console.width)
        now = datetime.now(UTC)
        told = [*heads(kept, now), *pause_heads(permit)]
        lines = standing_lines(told, kept.status if _is_known(kept, now) else None, paper, clock, console.height)
        page = session.text_of(lines)
        page.no_wrap, page.overflow = True, "crop"  # a row too long must not push the last one off the screen
        self._live.update(page, refresh=True)


def _essence(kept: Kept) -> tuple[Any, Status]:
    """Return what makes a change when it changes: not that the daemon has said again that all is so."""
    keeper = kept.keeper
    if keeper is None:
        return (None,), kept.status
    return (replace(keeper, seen=""), keeper.alive, _is_late(keeper, datetime.now(UTC))), kept.status


def _is_late(keeper: Keeper, now: datetime) -> bool:
    return keeper.alive and _age_s(keeper, now) > LATE_S


def _age_s(keeper: Keeper, now: datetime) -> float:
    return (now - datetime.fromisoformat(keeper.seen)).total_seconds()


def heads(kept: Kept, now: datetime) -> list[str]:
    """Say who keeps this and, if nobody does, how old it is; and what is wrong with the documents."""
    keeper = kept.keeper
    if keeper is None:
        return ["No daemon has kept this folder yet: start bivisor run."]
    branch = f" ({keeper.branch})" if keeper.branch else ""
    commit = f", commit {keeper.commit[:12]}{branch}" if keeper.commit else ""
    dirty = " with uncommitted changes" if keeper.dirty else ""
    ago = age(_age_s(keeper, now))
    if keeper.alive:
        does = "keeps this" if keeper.acts else "only looks at this"
        first = f"bivisor run (process {pid_of(keeper.process)}) {does} since {clock(keeper.began)}{commit}{dirty}."
        if _is_late(keeper, now):
            first += f" It has not written for {ago}: this is how everything stood then."
    else:
        first = f"No daemon runs: this is how everything stood {ago} ago, at {clock(keeper.seen)}{commit}{dirty}."
    wrong = (each for each in keeper.conditions if each.status is Truth.FALSE)
    looks = [FIRST_LOOK] if keeper.alive and not (_is_known(kept, now) and _is_looked_at(kept.status)) else []
    return [first, *(f"documents: {each.reason}: {each.message}" for each in wrong), *looks]


def _is_known(kept: Kept, now: datetime) -> bool:
    """Tell whether what is declared is known: there are resources, or documents in force that have none."""
    conditions = kept.keeper.conditions if kept.keeper is not None else ()
    settled = (now - datetime.fromisoformat(each.since) > BEGUN for each in conditions if _says_ready(each))
    return bool(kept.former) or any(settled)


def _says_ready(condition: Condition) -> bool:
    return condition.type == "Ready" and condition.status is Truth.TRUE and bool(condition.since)


def _is_looked_at(status: Status) -> bool:
    return not any(NOT_ASKED.reason in each.condition("Ready").message for each in status.resources)


def pause_heads(permit: Permit) -> list[str]:
    """Say of each pause what it holds, who made it, since when and until when, why, and how it ends."""
    doubt = [f"Everything is held: {permit.doubt}"] if permit.doubt else []
    return [*doubt, *(_pause_head(each) for each in permit.pauses)]


def _pause_head(pause: Pause) -> str:
    until = f" until {clock(pause.until)}" if pause.until else ""
    reason = f": {pause.reason}" if pause.reason else ""
    return f"{_named(pause.what)} is paused by {pause.by} since {clock(pause.at)}{until}{reason} ({_end_of(pause)})"


def _end_of(pause: Pause) -> str:
    """Return the command that ends this pause, and no other one."""
    return f"bivisor resume {shlex.quote(pause.what)}"


def _named(what: str) -> str:
    """Return what is paused at the beginning of a sentence; names stay as they are."""
    return what.capitalize() if what == EVERYTHING else what


def pauses_data(permit: Permit) -> list[dict[str, Any]] | None:
    """Return what is paused as JSON data; None where nobody knows."""
    return None if permit.doubt else [asdict(each) for each in permit.pauses]


def standing_data(kept: Kept, permit: Permit) -> dict[str, Any]:
    """Return what is kept as JSON data; see `standing_page` for its shape."""
    keeper, data = kept.keeper, status_data(kept.status)
    return {
        "version": data["version"],
        "ready": bool(kept.former) and data["ready"],
        "daemon": None if keeper is None else _keeper_data(keeper),
        "pauses": pauses_data(permit),
        "documents": conditions_data(keeper.conditions) if keeper is not None else [],
        "resources": data["resources"],
    }


def _keeper_data(keeper: Keeper) -> dict[str, Any]:
    commit = {"id": keeper.commit, "branch": keeper.branch, "dirty": keeper.dirty} if keeper.commit else None
    return {
        "alive": keeper.alive,
        "process": pid_of(keeper.process),
        "acts": keeper.acts,
        "began": keeper.began,
        "seen": keeper.seen,
        "bivisor": keeper.version,
        "commit": commit,
    }
