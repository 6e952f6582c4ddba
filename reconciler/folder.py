"""What is known of the folder of documents at a moment, as a value: what is in force, and what stands against the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.status import Condition, Truth

if TYPE_CHECKING:
    from reconciler.core.errors import BivisorError
    from reconciler.desired import Desired


@dataclass(frozen=True, slots=True)
class Folder:
    """What is known of the desired folder.

    `desired` is the last tree that could be read, None while there was none; the next reading that finds something else
    makes another one. `refused` is why the present tree is not taken, `waiting` why it is not even read, `unwatched` why
    changes are found by sweeps alone. Where a `branch` is followed, `revision` is the commit that `desired` was read from, and
    `source` tells how following it goes.
    """

    desired: Desired | None = None
    refused: BivisorError | None = None
    waiting: str = ""
    unwatched: str = ""
    branch: str = ""
    revision: str = ""
    source: tuple[Condition, ...] = ()

    @property
    def stuck(self) -> bool:
        """Whether there may be nothing to keep for long."""
        return self.refused is not None or (self.desired is None and bool(self.source or self.waiting))

    @property
    def hopeless(self) -> str:
        """Why there is nothing to keep until somebody or something else mends it, or ''.

        A branch counts once it was asked for: what is there of former times may not fit, and be mended by what is fetched.
        """
        if self.desired is not None:
            return ""
        if self.refused is not None:
            return str(self.refused)
        asked = any(each.type == "Fetched" and each.status is not Truth.UNKNOWN for each in self.source)
        return "; ".join(each.message for each in self.source if asked and each.status is Truth.FALSE)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The same as conditions: whether what is in force is what stands in the folder, and whether changes are heard."""
        if self.refused is not None:
            ready = Condition("Ready", Truth.FALSE, "Refused", str(self.refused))
        elif self.waiting:
            ready = Condition("Ready", Truth.FALSE, "Unsettled", self.waiting)
        else:
            ready = Condition("Ready", Truth.TRUE if self.desired else Truth.UNKNOWN, "Read" if self.desired else "NotYetRead")
        if self.source and ready.status is Truth.UNKNOWN:
            return ready, *self.source  # there may be no folder yet that could be watched
        watch = Condition("WatchHealthy", Truth.TRUE, "Watching")
        if self.unwatched:
            watch = Condition("WatchHealthy", Truth.FALSE, "Sweeping", self.unwatched)
        return ready, watch, *self.source
