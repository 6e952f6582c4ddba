"""A random stream of what happens to a cloud: commits, hands, dead processes, cut cables, a vCenter that forgets its sessions.

The same seed has the same things happen in the same order, as far as the cloud lets them. What each does to others is told
the witness first, so that all else is the daemon's doing.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.lab.disturbances import KINDS
from tests.lab.witness import IDENTITIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.course import Course
    from tests.lab.witness import Place

FEWEST_S, MEAN_S = 0.5, 4.0
"""Seconds between two disturbances: at least, and on top of that in the mean."""


@dataclass(slots=True)
class Stream:
    """Has things happen; `happened` counts them by kind."""

    course: Course
    happened: Counter[str] = field(default_factory=Counter)
    _deck: list[str] = field(default_factory=list)

    def flow(self, seconds: float) -> None:
        """Let things happen for so long; return early when a promise is broken. Then what would stay for ever is ended."""
        course, alarm = self.course, self.course.witness.alarm
        course.end = time.monotonic() + seconds
        while (now := time.monotonic()) < course.end and not alarm.is_set():
            next_at = min(course.end, now + FEWEST_S + course.rng.expovariate(1 / MEAN_S))
            self._happen()
            while time.monotonic() < next_at and not alarm.is_set():
                course.mend(time.monotonic())
                soonest = min([next_at, *(due for due, _, _ in course.mends)])
                alarm.wait(max(soonest - time.monotonic(), 0.01))
        self.calm()

    def calm(self) -> None:
        """End what would stay for ever: cut cables, a document that is none."""
        self.course.mend(float("inf"))

    def restore(self) -> None:
        """Declare what was declared before."""
        self.course.witness.may_start(*IDENTITIES)
        self.course.documents.restore()

    def left_of(self, texts: Mapping[Place, str]) -> dict[Place, str]:
        """Return texts of files without what the stream added that is nobody's."""
        left = dict(texts)
        for place, text in self.course.foreign:
            assert left[place].count(text) == 1, f"{place}: {text!r} stands there {left[place].count(text)} times"
            left[place] = left[place].replace(text, "")
        return left

    def clean_types(self) -> None:
        """Take away what volume types carry of somebody's: a scheduler takes it for something that a backend must have."""
        storage = self.course.lab.openstack().block_storage
        kind = storage.find_type("vmdk", ignore_missing=False)
        theirs = [name for name in storage.get_type(kind).extra_specs if name.startswith("somebodys-")]
        storage.delete_type_extra_specs(kind, theirs)

    def clean(self) -> None:
        """Take away what is nobody's in files."""
        texts = {place: self.course.witness.path(*place).read_text() for place, _ in self.course.foreign}
        for place, text in self.left_of(texts).items():
            self.course.lab.exec(place[0], "tee", place[1], stdin=text)

    def _happen(self) -> None:
        """Take the next kind from a shuffled deck, so that each has its turn; one for which there is no room is left out."""
        kinds = {**KINDS, **self.course.keeping.troubles}
        what = ""
        while not what:
            if not self._deck:
                self._deck = sorted(kinds)
                self.course.rng.shuffle(self._deck)
            kind = self._deck.pop()
            what = kinds[kind](self.course)
        self.happened[kind] += 1
        self.course.tell(what)
