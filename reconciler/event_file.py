"""The events that the daemon keeps in the file of what was done: each one once, with how often it happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.events import Event, EventRecord, EventType
from reconciler.history_file import has_status, reading

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


def add_event(connection: sqlite3.Connection, event: Event, now: str) -> None:
    """Keep that it happened. The same one is counted, and stands at its last occurrence with a new number."""
    same = (event.about, event.reason, str(event.type), event.message)
    number, first, count = connection.execute(_SAME, same).fetchone() or (0, now, 0)
    connection.execute("DELETE FROM events WHERE number = ?", (number,))
    number = connection.execute(_ADD, (*same, first, now, count + 1)).lastrowid
    connection.executemany("INSERT INTO concerned VALUES (?, ?)", [(number, key) for key in event.keys])


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are asked for.

    `about`   what they are about, or the key of a resource that they concern; '' for all.
    `type`    None for both.
    `since`   UTC: none that happened last before that.
    `after`   the number of the last one that is known already.
    """

    about: str = ""
    type: EventType | None = None
    since: str = ""
    after: int = 0


def read_events(path: Path, wanted: Wanted | None = None, limit: int = -1) -> tuple[EventRecord, ...]:
    """Return the last `limit` events, the oldest first; none where the file does not exist. Raises HistoryError."""
    wanted = wanted or Wanted()
    told = {"about": wanted.about, "type": str(wanted.type or ""), "since": wanted.since, "after": wanted.after, "limit": limit}
    with reading(path) as connection:
        rows = connection.execute(_EVENTS, told).fetchall() if has_status(connection) else ()
        return tuple(_record(connection, row) for row in reversed(rows))


def last_event(path: Path) -> int:
    """Return the number of the last event, 0 where there is none. Raises HistoryError."""
    with reading(path) as connection:
        return (
            int(connection.execute("SELECT ifnull(max(number), 0) FROM events").fetchone()[0]) if has_status(connection) else 0
        )


def read_abouts(path: Path) -> frozenset[str]:
    """Return everything that an event is about or concerns. Raises HistoryError."""
    with reading(path) as connection:
        found = connection.execute("SELECT about FROM events UNION SELECT key FROM concerned") if has_status(connection) else ()
        return frozenset(row[0] for row in found)


def _record(connection: sqlite3.Connection, row: sqlite3.Row) -> EventRecord:
    keys = tuple(each["key"] for each in connection.execute(_KEYS, (row["number"],)))
    event = Event(EventType(row["type"]), row["reason"], row["about"], row["message"], keys)
    return EventRecord(row["number"], event, row["first"], row["last"], row["count"])


_SAME = "SELECT number, first, count FROM events WHERE about = ? AND reason = ? AND type = ? AND message = ?"
_ADD = "INSERT INTO events (about, reason, type, message, first, last, count) VALUES (?, ?, ?, ?, ?, ?, ?)"
_KEYS = "SELECT key FROM concerned WHERE event = ? ORDER BY rowid"
_EVENTS = """
    SELECT * FROM events
    WHERE (:about = '' OR about = :about OR number IN (SELECT event FROM concerned WHERE key = :about))
      AND (:type = '' OR type = :type)
      AND last >= :since AND number > :after
    ORDER BY number DESC LIMIT :limit
"""
