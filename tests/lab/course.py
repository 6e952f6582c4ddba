"""What is known of a stream while it goes on: what was done and is to be mended, and how much more may be."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.lab.witness import VCENTER

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.lab.documents import Documents
    from tests.lab.keeping import Keeping
    from tests.lab.lab import Lab
    from tests.lab.witness import Place, Witness

MOST_UNDONE = 3
"""A field that comes undone once more than this is left to whoever undoes it (reconciler.core.undone)."""

LAST_S, UNLED_S = 20.0, 60.0
"""Seconds at the end without anything for which something restarts: a rollout takes as long as its restarts, one by one.

The second while the lead goes from one to another: until that is over nothing is rolled out, and then it is as much more.
"""

JUST_S = 45.0
"""Seconds for which a hand's value may have been loaded by a process that was started meanwhile: it restarts once more.

A change of leaders, during which nobody repairs it, is a part of them.
"""


@dataclass(slots=True)
class Course:
    """`told` is what has happened, `foreign` what was written that is nobody's, `cut` who is cut off, or stands still.

    `edited` and `lost` say when a hand wrote last what a process loads, and when it was ended last; `end` is when the stream
    ends (monotonic seconds).
    """

    lab: Lab
    documents: Documents
    witness: Witness
    keeping: Keeping
    rng: Random
    told: list[str] = field(default_factory=list)
    foreign: list[tuple[Place, str]] = field(default_factory=list)
    cut: set[str] = field(default_factory=set)
    edited: dict[str, float] = field(default_factory=dict)
    lost: dict[str, float] = field(default_factory=dict)
    kept_lost: deque[float] = field(default_factory=deque)
    mends: list[tuple[float, str, Callable[[], object]]] = field(default_factory=list)
    end: float = 0.0
    _undone: Counter[tuple[str, str]] = field(default_factory=Counter)
    _number: int = 0

    def tell(self, what: str) -> None:
        """Note what has happened."""
        line = f"{datetime.now(UTC).isoformat()} {what}"
        self.told.append(line)
        print(line, flush=True)

    def next(self) -> int:
        """Return a number that was not there before."""
        self._number += 1
        return self._number

    def too_late(self) -> bool:
        """Tell whether a rollout must not begin any more."""
        return self.end - time.monotonic() < (LAST_S if self.keeping.leads() else UNLED_S)

    def later(self, after_s: tuple[float, float], what: str, mend: Callable[[], object]) -> None:
        """Have something mended after a random time between these."""
        self.mends.append((time.monotonic() + self.rng.uniform(*after_s), what, mend))

    def kept_node(self) -> str:
        """Return where the vCenter's compute lives now, '' while it lives nowhere or anywhere twice."""
        found = [host for host, alive in self.lab.processes(rf"/etc/nova/vcenter/{VCENTER}/").items() if alive]
        return found[0] if len(found) == 1 else ""

    def cut_off(self, host: str, for_s: tuple[float, float]) -> None:
        """Pull a host's cable for a random time between these."""
        self.cut.add(host)
        self.lab.cut(host)

        def mend() -> None:
            self.lab.mend(host)
            self.cut.discard(host)

        self.later(for_s, f"{host}: its cable is back", mend)

    def mend(self, now: float) -> None:
        """Mend what is due by then."""
        for due, what, mend in sorted(self.mends, key=lambda each: each[0]):
            if due <= now:
                self.mends = [each for each in self.mends if each[2] is not mend]
                mend()
                self.tell(what)

    def may_undo(self, thing: str, name: str) -> bool:
        """Count that a field comes undone; False where that would be once too often."""
        self._undone[thing, name] += 1
        return self._undone[thing, name] <= MOST_UNDONE

    def changes(self, message: str, *who: str) -> str:
        """Let each of these start once more: other documents are declared for it. What was undone before counts no more."""
        self.witness.may_start(*who)
        if not self.keeping.leads():
            self.witness.may_start(*who)  # who has the restart in hand may be about to be lost
        for thing, name in tuple(self._undone):
            if thing in who:
                del self._undone[thing, name]
        return f"commit: {message}"

    def edits(self, who: str) -> None:
        """Note that a hand writes what a process loads."""
        self._also_starts(who, self.lost)
        self.edited[who] = time.monotonic()

    def loses(self, who: str) -> None:
        """Note that a process is about to be ended."""
        self.witness.loses(who)
        self._also_starts(who, self.edited)
        self.lost[who] = time.monotonic()

    def _also_starts(self, who: str, other: dict[str, float]) -> None:
        """Let it start once more if the other thing happened just before: it may start with what a hand wrote."""
        if time.monotonic() - other.get(who, -JUST_S) < JUST_S:
            self.witness.may_start(who)
