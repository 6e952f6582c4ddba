"""How every resource stands, as the daemon keeps it in the file of what was done, and who that daemon is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconciler.alive import runs
from reconciler.core.standing import Former
from reconciler.core.status import Condition, ResourceStatus, Status, Truth
from reconciler.history_file import has_status, reading
from resources.contract import Key

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Keeper:
    """The daemon that keeps a folder, or kept it last.

    `process`     the mark of its process, see `alive`; `ended` whether it has said that it ends.
    `acts`        whether it does anything but look.
    `began`       UTC; `seen` when it wrote last that everything is as it stands there.
    `commit`      of the documents in force, '' outside of a git repository; `branch` and `dirty` of the same.
    `conditions`  of the folder of documents.
    """

    process: str
    ended: bool
    acts: bool
    began: str
    seen: str
    version: str
    commit: str = ""
    branch: str = ""
    dirty: bool = False
    conditions: tuple[Condition, ...] = ()

    @property
    def alive(self) -> bool:
        """Tell whether it runs, on this machine."""
        return not self.ended and runs(self.process)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept: by whom, None where no daemon has ever kept this folder, and how each resource stands."""

    keeper: Keeper | None = None
    former: Mapping[Key, Former] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """How each resource stands, sorted by key."""
        return Status(tuple(self.former[key].status for key in sorted(self.former)))


def read_kept(path: Path) -> Kept:
    """Return what is kept in that file; it need not exist. Raises HistoryError."""
    with reading(path) as connection:
        if not has_status(connection):
            return Kept()
        return Kept(read_keeper(connection), read_former(connection))


def signature(path: Path) -> tuple[object, ...]:
    """Return what is another one after each write to that file; asking costs next to nothing."""
    return tuple(_glance(each) for each in (path, path.with_name(f"{path.name}-wal")))


def _glance(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def read_keeper(connection: sqlite3.Connection) -> Keeper | None:
    """Return who keeps the folder, or kept it last."""
    row = connection.execute(_KEEPER).fetchone()
    if row is None:
        return None
    process, ended, acts, began, seen, version, commit, branch, dirty, conditions = row
    return Keeper(process, bool(ended), bool(acts), began, seen, version, commit, branch, bool(dirty), _conditions(conditions))


def write_keeper(connection: sqlite3.Connection, keeper: Keeper) -> None:
    """Keep who keeps the folder."""
    flags, texts = (keeper.ended, keeper.acts), (keeper.began, keeper.seen, keeper.version, keeper.commit, keeper.branch)
    connection.execute(_KEEP, (keeper.process, *flags, *texts, keeper.dirty, _written(keeper.conditions)))


def read_former(connection: sqlite3.Connection) -> dict[Key, Former]:
    """Return how each resource was last kept."""
    found: dict[Key, Former] = {}
    for name, generation, declared, units, ready, remarks, conditions in connection.execute(_RESOURCES):
        key = Key(*name.split("/", 1))
        status = ResourceStatus(key, units, ready, _conditions(conditions), tuple(json.loads(remarks)), generation)
        found[key] = Former(declared, status)
    return found


def write_former(connection: sqlite3.Connection, changed: Mapping[Key, Former], gone: Iterable[Key]) -> None:
    """Keep those that have changed, and forget those that are gone."""
    connection.executemany("DELETE FROM resources WHERE key = ?", [(str(key),) for key in gone])
    connection.executemany(_RESOURCE, [_row(key, former) for key, former in changed.items()])


def _row(key: Key, former: Former) -> tuple[Any, ...]:
    status = former.status
    numbers = (status.generation, former.declared, status.units, status.ready)
    return (str(key), *numbers, json.dumps(status.remarks), _written(status.conditions))


def _written(conditions: Iterable[Condition]) -> str:
    return json.dumps([[each.type, each.status, each.reason, each.message, each.since, each.generation] for each in conditions])


def _conditions(text: str) -> tuple[Condition, ...]:
    return tuple(Condition(kind, Truth(status), *rest) for kind, status, *rest in json.loads(text))


_KEEPER = "SELECT process, ended, acts, began, seen, version, commit_id, branch, dirty, conditions FROM keeper"
_KEEP = "INSERT OR REPLACE INTO keeper VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_RESOURCES = "SELECT key, generation, declared, units, ready, remarks, conditions FROM resources"
_RESOURCE = "INSERT OR REPLACE INTO resources VALUES (?, ?, ?, ?, ?, ?, ?)"
