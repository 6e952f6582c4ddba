"""Who writes the passes into the history: in order, and once more when the file cannot be written.

A command writes at once: what it has begun stands there before it acts, and is there when it is killed. A daemon must not
wait for a disk: what it does is written in a thread, moments later, and a kill -9 may cost these.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from reconciler.core.errors import HistoryError
from reconciler.history_file import PATIENCE_S, THREAD_PATIENCE_S
from reconciler.ledger import Ledger
from reconciler.mistakes import outlived

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from reconciler.ledger import Write

MOST_UNWRITTEN, HANGS_S = 5_000, 30.0
"""So many writes are kept when nothing could be written for so many seconds; then all of them are dropped, and what comes is
kept anew. A number alone says nothing of the disk: many things may be done at once."""

MOST_AT_ALL = 200_000
"""So many are kept in any case."""

AGAIN_S, SHORTLY_S = 1.0, 0.1
"""Seconds after which the thread tries again to write, and at its end."""

END_S = 5.0
"""Seconds for which the thread's end is waited for, and in which it tries again."""

_APPLY = "what this apply does is not recorded; it goes on all the same."
_DAEMON = "what is done is not recorded for now; it is kept, and tried again."


class Scribe(Protocol):
    """Writes what it is told."""

    def write(self, write: Write, *, always: bool = False) -> None:
        """Have that written, after all that was told before. After trouble it may be kept for later unless `always`."""
        ...

    def end(self) -> None:
        """Hear that nothing is told any more."""
        ...

    def close(self) -> None:
        """Let go of the file, with all written that can be."""
        ...


class Direct:
    """Writes at once, by whoever tells it; an apply waits for that as long as for another writer at most."""

    def __init__(
        self, folder: Path, warn: Callable[[str], None], *, patience_s: float = PATIENCE_S, means: str = _APPLY
    ) -> None:
        """Write to the history of that folder; `warn` is told once what stands against it, and what that `means`."""
        self._ledger = Ledger(folder, warn, patience_s)
        self._warn = warn
        self._means = means
        self._unwritten: list[Write] = []
        self._warned = False
        self._since = 0.0
        self.troubled = self.held = False
        """Whether the last attempt failed, and whether that was because another program holds the file."""

    @property
    def left(self) -> int:
        """How many writes could not be written yet."""
        return len(self._unwritten)

    def write(self, write: Write, *, always: bool = False) -> None:
        """Write this and all that could not be written before; after trouble only with `always`, else it is kept."""
        self._unwritten.append(write)
        if always or not self.troubled:
            self.together()
        else:
            self._bounded()

    def together(self, writes: Sequence[Write] = ()) -> None:
        """Write these and all that could not be written before. What fails by a mistake of the program is lost alone."""
        self._unwritten.extend(writes)
        try:
            self._ledger.together(self._unwritten)
        except HistoryError as error:
            if not self._warned:
                self._warn(f"warning: {self._means} {error}")
            if not self.troubled:
                self._since = time.monotonic()
            self.troubled = self._warned = True
            self.held = error.retry
            self._bounded()
        except Exception:
            several, self._unwritten = self._unwritten, []
            self.troubled = self.held = False  # the file was there to be written to
            if len(several) == 1:
                raise
            for each in several:
                if self.troubled:  # by now: each attempt may have to wait, and nothing is gained by one more
                    self._unwritten.append(each)
                    continue
                with outlived("record what is done"):
                    self.together([each])
        else:
            self._unwritten.clear()
            self.troubled = self.held = self._warned = False

    def end(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Try once more to write what is left, and let go of the file."""
        if self._unwritten:
            with outlived("record what is done"):
                self.together()
        self._ledger.close()

    def _bounded(self) -> None:
        if _too_many(len(self._unwritten), self._since):
            self._warn(_dropped(len(self._unwritten)))
            self._unwritten.clear()


class Threaded:
    """Writes in a thread of its own, which alone has the file open: whoever tells it something never waits.

    While the file cannot be written that is tried again, and while a disk hangs things wait, but not without bound. Nobody
    waits for the thread: it waits the longer for other writers.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        """Write to the history of that folder; `warn` is told, in the thread or by whoever tells too much, what is lost."""
        self._direct = Direct(folder, warn, patience_s=THREAD_PATIENCE_S, means=_DAEMON)
        self._warn = warn
        self._waiting: deque[Write] = deque()
        self._news = threading.Event()
        self._ending = threading.Event()
        self._since = self._until = 0.0
        self._thread: threading.Thread | None = None

    def write(self, write: Write, *, always: bool = False) -> None:  # noqa: ARG002 - it is always tried: nobody waits for it
        """Have that written soon, with all else that waits by then."""
        if _too_many(waiting := len(self._waiting), self._since):
            self._waiting.clear()
            self._warn(_dropped(waiting))
        if not self._waiting:  # all was taken by the thread
            self._since = time.monotonic()
        self._waiting.append(write)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
            self._thread.start()
        self._news.set()

    def end(self) -> None:
        """Write what waits, and end."""
        if not self._ending.is_set():
            self._until = time.monotonic() + END_S
            self._ending.set()
            self._news.set()

    def close(self) -> None:
        """Wait until all is written, but not for long: a disk may hang."""
        self.end()
        if self._thread is not None:
            self._thread.join(max(0.0, self._until - time.monotonic()))
        if lost := self._direct.left + len(self._waiting):
            self._warn(
                f"warning: what was done last is not recorded: it could not be written before the end. Records lost: {lost}"
            )

    def _work(self) -> None:
        while True:
            if self._direct.troubled:
                self._ending.wait(AGAIN_S)
            else:
                self._news.wait()
            self._news.clear()
            ending = self._ending.is_set()  # asked first: what was told before that is among what waits
            writes = self._taken()
            if writes or self._direct.troubled:
                with outlived("record what is done"):
                    self._direct.together(writes)
            if ending:
                if not self._direct.held or time.monotonic() >= self._until:
                    break
                time.sleep(SHORTLY_S)
        self._direct.close()

    def _taken(self) -> list[Write]:
        """Return what waits; whoever tells more meanwhile appends to it, or drops all of it."""
        writes: list[Write] = []
        while self._waiting:
            try:
                writes.append(self._waiting.popleft())
            except IndexError:
                break
        return writes


def _too_many(count: int, since: float) -> bool:
    """Tell whether so many writes are too many to wait since then (the monotonic clock's time)."""
    return count >= MOST_AT_ALL or (count >= MOST_UNWRITTEN and time.monotonic() - since >= HANGS_S)


def _dropped(count: int) -> str:
    return (
        f"warning: {count} records of what was done are dropped: they could not be written to the history in time. "
        "Look whether its disk answers, and has room"
    )
