"""Who keeps the cloud in a stream: one daemon after the other from a desk, or one of three on the controllers (`led`).

Each has troubles of its own, which happen in the stream besides all others.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

from reconciler.history import History
from tests.lab.controllers import moment
from tests.lab.test_run import Running
from tests.lab.witness import IDENTITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from reconciler.history import PassRecord
    from tests.lab.course import Course
    from tests.lab.lab import Lab
    from tests.lab.workspace import Workspace

    Kind: TypeAlias = Callable[[Course], str]
    """Has one thing happen and says what; or nothing, where there is no room for it now."""


LAST_S = 1.0
"""Seconds in which what was done comes to stand in the history, on a machine that has much to do."""


class Keeping(Protocol):
    """Who keeps the cloud. `folders` are the copies of the documents that it reads, `troubles` what happens to it."""

    folders: tuple[Path, ...]

    @property
    def troubles(self) -> Mapping[str, Kind]:
        """What happens to it, by name."""
        ...

    def quiet(self) -> bool:
        """Tell whether its last decision was that everything is as declared, and nothing is in hand."""
        ...

    def leads(self) -> bool:
        """Tell whether somebody keeps the cloud at this moment, and nobody is about to take it over."""
        ...

    def loses(self, host: str, course: Course) -> bool:
        """Hear that a host is about to be cut off; False when it must not be now, for the sake of who keeps the cloud."""
        ...

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of that event of all lives."""
        ...

    def stop(self) -> None:
        """End it as whoever started it would."""
        ...

    def end(self) -> None:
        """End it, however it stands, and take away what it left."""
        ...

    def passes(self) -> list[PassRecord]:
        """Return all that its histories hold, and held before they were lost."""
        ...

    def shown(self) -> str:
        """Return all that it has written: logs, and the files of its histories."""
        ...

    def unrecorded(self) -> list[dict[str, Any]]:
        """Return the lines of the steps that may stand in no history, because whoever told of them was killed then."""
        ...

    def rivals(self) -> list[str]:
        """Return what was done by one that led no more, a sentence each."""
        ...


def last_steps(told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines of the steps that each life has told of in its last second, unless it stopped as it was asked to.

    A daemon tells of a step and begins it when its record is handed over to the thread that writes it (reconciler.scribe): it
    waits for no disk. What a kill comes before is in the log, and not in the history. `told` is a log, life after life.
    """
    begins = [place for place, line in enumerate(told) if line.get("event") == "starting"]
    lives = [told[begin:end] for begin, end in pairwise([*begins, len(told)])]
    killed = [life for life in lives if not any(line.get("event") == "stopped" for line in life)]
    return [
        line
        for life in killed
        for line in life
        if line.get("event") == "step" and moment(life[-1]["timestamp"]) - moment(line["timestamp"]) <= LAST_S
    ]


class Records:
    """The files of what was done; some are deleted in the course of time."""

    def __init__(self) -> None:
        """Know none yet."""
        self._former: list[PassRecord] = []

    def lose(self, path: Path) -> bool:
        """Delete one, as an operator would; return whether there was any."""
        if not path.exists():
            return False
        self._former += _passes(path)
        for each in (*_beside(path), path):  # what is open is written to until its name is gone
            each.unlink(missing_ok=True)
        return True

    def passes(self, paths: Iterable[Path]) -> list[PassRecord]:
        """Return what these hold, and what was deleted."""
        return [*self._former, *(each for path in paths for each in _passes(path))]

    def shown(self, paths: Iterable[Path]) -> str:
        """Return the same as text, and every byte of these files."""
        files = (file for path in paths for file in (path, *_beside(path)) if file.exists())
        return "".join((repr(self._former), *(file.read_bytes().decode(errors="replace") for file in files)))


def _passes(path: Path) -> list[PassRecord]:
    return [each for each in History(path).passes(limit=100_000) if each.command == "run"]


def _beside(path: Path) -> tuple[Path, Path]:
    """Return what SQLite keeps beside a file."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def excuse_restarts(course: Course) -> None:
    """Let start once more what was about to restart for other documents: who had it in hand is gone."""
    course.witness.may_start(*(who for who in IDENTITIES if course.documents.changed_lately(who)))


class Alone:
    """One daemon after the other."""

    folders: tuple[Path, ...] = ()  # it reads the desk's own

    def __init__(self, lab: Lab, desk: Workspace) -> None:
        """Start the first one."""
        del lab
        self._desk = desk
        self._lives: list[Running] = []
        self._records = Records()
        self._begin()

    @property
    def troubles(self) -> Mapping[str, Kind]:
        """It is killed, and loses its memory."""
        return {"daemon killed": self._killed, "history lost": self._history_lost}

    def quiet(self) -> bool:
        """Ask the one that lives."""
        return self._lives[-1].quiet()

    def leads(self) -> bool:
        """Say yes: there is always one."""
        return True

    def loses(self, host: str, course: Course) -> bool:
        """Say yes: it is on none of the hosts."""
        del host, course
        return True

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return them of all lives."""
        return [line for life in self._lives for line in life.lines(event)]

    def stop(self) -> None:
        """End it as systemd would."""
        life = self._lives[-1]
        life.process.send_signal(signal.SIGTERM)
        assert life.process.wait(60) == 0, life.log.read_text()[-4000:]

    def end(self) -> None:
        """Kill it."""
        with suppress(ProcessLookupError):
            self._lives[-1].process.kill()
        self._lives[-1].process.wait()

    def passes(self) -> list[PassRecord]:
        """Return them from the one file."""
        return self._records.passes([self._history])

    def shown(self) -> str:
        """Return the logs of all lives, and the one file."""
        return "".join(life.log.read_text() for life in self._lives) + self._records.shown([self._history])

    def unrecorded(self) -> list[dict[str, Any]]:
        """Return them of all lives."""
        return last_steps([line for life in self._lives for line in life.lines()])

    def rivals(self) -> list[str]:
        """Return nothing: a lock of the kernel is tested elsewhere."""
        return []

    @property
    def _history(self) -> Path:
        return History.place(self._desk.folder / "desired")

    def _begin(self) -> None:
        self._lives.append(Running(self._desk, f"run-{len(self._lives)}.log", "debug"))

    def _killed(self, course: Course) -> str:
        """Kill it and have another one begin."""
        excuse_restarts(course)
        self.end()
        self._begin()
        return "the daemon is killed, and begins anew"

    def _history_lost(self, course: Course) -> str:
        """Delete the file of what was done while it is written to."""
        del course
        return "the history is deleted" if self._records.lose(self._history) else ""
