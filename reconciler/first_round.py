"""Whether everything was looked at once: before that nobody knows what must end before something else begins."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from reconciler.core.diff import Unobserved
from reconciler.core.plan import NOT_ASKED
from reconciler.rests import A_MOMENT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from reconciler.core.diff import Observed
    from resources.contract import Address, TargetId, Unit

LOST_S = 1.0
"""Seconds for which a lost host is waited for at least, when all others have been seen."""


class FirstRound:
    """The first look at every target. `again` is called when it is time to ask anew whether that is over.

    No patience shorter than that of the connection tells who is gone from who is slow, a loaded host or one of a thousand
    that connect in their turn. Two witnesses do: the ring has lost the host, over ways and for a time of its own, and it
    has not answered us either in twice the time in which all others have. What it would have said is unknown then, as it is
    when the connection fails; whatever is there, or is decided by that, goes on waiting.
    """

    def __init__(self, again: Callable[[], None]) -> None:
        """Wait for its beginning."""
        self._again = again
        self._began = 0.0
        self._patient_until: float | None = None
        self._is_over = False

    def begin(self) -> None:
        """Take note that all are asked from now on."""
        self._began = asyncio.get_running_loop().time()

    def is_over(self, unasked: Collection[TargetId], lost: Callable[[], Collection[TargetId]]) -> bool:
        """Tell whether something may be begun: no target is `unasked`, or only such as are `lost` and were waited for."""
        if self._is_over or not unasked:
            self._is_over = True
            return True
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not set(unasked) <= set(lost()):
            self._patient_until = None
        elif self._patient_until is None:
            wait_s = max(now - self._began, LOST_S)
            self._patient_until = now + wait_s
            loop.call_later(wait_s + A_MOMENT_S, self._again)
        else:
            self._is_over = now >= self._patient_until
        return self._is_over


def said_lost(observed: Mapping[Address, Observed], units: Mapping[Address, Unit]) -> frozenset[TargetId]:
    """Return the targets that are gone according to others."""
    seen = ((unit, observed.get(address, NOT_ASKED)) for address, unit in units.items())
    return frozenset(target for unit, facts in seen if not isinstance(facts, Unobserved) for target in unit.lost(facts))
