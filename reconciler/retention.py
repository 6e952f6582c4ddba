"""How much of what was done is kept, and how the rest goes: a little at a time, so that nobody waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

PORTION = 500
"""As many rows, about, go in one transaction: a few milliseconds, for which other writers wait."""

UNFINISHED = timedelta(days=1)
"""A pass that nobody has ended stays for so long whatever else is said: it may be running."""


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept at most: so many passes and events, of so many days, in so many bytes. What is over goes, the oldest first.

    The bytes are those that the file needs, not those that it has: room that became free in it is written to again.
    """

    passes: int = 10_000
    passes_days: int = 365
    events: int = 10_000
    events_days: int = 90
    most_bytes: int = 2**30


RETENTION = Retention()
"""What is kept where nobody says otherwise."""


def prune_passes(connection: sqlite3.Connection, kept: Retention, now: datetime, portion: int = PORTION) -> bool:
    """Let a portion of the oldest passes go, within a transaction; tell whether there may be more to go.

    A pass of a large cloud has thousands of steps: they go first. Whoever writes more than a portion lets more go.
    """
    oldest, unfinished = _ago(now, kept.passes_days), now - UNFINISHED
    gone = 0
    while gone < portion:
        found = connection.execute(_OLDEST).fetchone()
        if found is None or (not found[2] and found[1] >= unfinished.isoformat(timespec="microseconds")):
            return False
        number, began, _, last = found
        due = number <= last - kept.passes or began < oldest.isoformat(timespec="microseconds")
        if not due and (number == last or _bytes(connection) <= kept.most_bytes):
            return False
        steps = connection.execute(_SOME_STEPS, (number, portion)).rowcount
        if steps < portion:
            connection.execute("DELETE FROM passes WHERE number = ?", (number,))
        gone += steps + 1
    return True


def prune_events(connection: sqlite3.Connection, kept: Retention, now: datetime) -> bool:
    """Let a portion of the oldest events go, within a transaction; tell whether there may be more to go."""
    oldest = stamp(_ago(now, kept.events_days))
    return connection.execute(_OLD_EVENTS, (oldest, kept.events, PORTION)).rowcount == PORTION


def stamp(at: datetime) -> str:
    """Return a time as conditions and events have it, `2026-11-23T02:10:05Z`: texts sort as times."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ago(now: datetime, days: int) -> datetime:
    """Return the time that is so many days ago, the first of all times where there was none."""
    try:
        return now - timedelta(days=days)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _bytes(connection: sqlite3.Connection) -> int:
    """Return how many bytes of the file are in use."""
    used, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((used - free) * size)


_OLDEST = "SELECT number, began, result, (SELECT max(number) FROM passes) FROM passes ORDER BY number LIMIT 1"
_SOME_STEPS = "DELETE FROM steps WHERE id IN (SELECT id FROM steps WHERE pass = ? LIMIT ?)"
_OLD_EVENTS = """
    DELETE FROM events WHERE number IN (
        SELECT number FROM events
        WHERE last < ? OR number <= (SELECT number FROM events ORDER BY number DESC LIMIT 1 OFFSET ?)
        ORDER BY number LIMIT ?)
"""
