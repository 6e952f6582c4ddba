"""What a person allows at a moment: by the maintenance windows of the documents, and by what somebody has paused."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from reconciler.core.errors import HistoryError
from reconciler.core.pauses import Permit
from reconciler.pauses_file import PausesFile
from reconciler.windows import closed_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from resources.published import RolloutFacts

HEED_S = 0.5
"""Seconds between two looks at the clock and at the file of pauses, for who keeps running."""


class Permits:
    """Knows where pauses are kept, and what time it is."""

    def __init__(
        self, file: PausesFile | None = None, clock: Callable[[], float] = time.time, *, outside_windows: bool = False
    ) -> None:
        """Read pauses from that file, if there is one; `clock` tells seconds since 1970.

        `outside_windows`: a person has said that it need not wait for a maintenance window.
        """
        self._file = file
        self._clock = clock
        self._outside_windows = outside_windows

    @classmethod
    def of(cls, folder: Path, *, outside_windows: bool = False) -> Self:
        """Return those for a folder of documents. Where there is no place to keep anything, nobody can have paused it."""
        file = None
        with suppress(HistoryError):
            file = PausesFile.of(folder)
        return cls(file, outside_windows=outside_windows)

    def now(self, rollouts: Iterable[RolloutFacts]) -> Permit:
        """Return what may be done now. Costs a look at one file; it is read when it is another one than before."""
        now = self._clock()
        closed = "" if self._outside_windows else closed_at(rollouts, now)
        if self._file is None:
            return Permit(closed)
        pauses, doubt = self._file.seen()
        at = stamp(now)
        return Permit(closed, tuple(pause for pause in pauses if not pause.until or pause.until > at), doubt)


def stamp(at: float) -> str:
    """Return a time as it stands in the file: UTC to the second, always of the same length."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
