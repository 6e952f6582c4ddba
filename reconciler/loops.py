"""What is made right and comes undone again and again: that is left alone, and a person has to say who is to have it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from reconciler.core.plan import Verb
from reconciler.core.undone import Corrections, corrected, declaration, hold_stalled, seen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from reconciler.core.plan import Plan, Step
    from resources.contract import Address, Unit


def when(at: float) -> str:
    """Return a time of the clock as the log writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


class Loops:
    """The units that came undone since they were made as declared; `clock` tells seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Nothing has come undone."""
        self._clock = clock
        self._undone: dict[Address, Corrections] = {}

    @property
    def stalled(self) -> frozenset[Address]:
        """What is left alone."""
        return frozenset(address for address, known in self._undone.items() if known.stalled)

    def corrected(self, step: Step) -> None:
        """Take note that a step was made."""
        self._undone[step.address] = corrected(self._undone.get(step.address, Corrections()), step.changes)

    def keep_to(self, units: Collection[Address]) -> None:
        """Forget what is declared no more."""
        self._undone = {address: known for address, known in self._undone.items() if address in units}

    def held(self, plan: Plan, units: Mapping[Address, Unit], busy: Collection[Address]) -> Plan:
        """Return the plan with what came undone too often held; of what is `busy` nobody knows now how it is."""
        now = self._clock()
        for step in plan.steps:
            address = step.address
            if address not in busy and step.verb is not Verb.UNKNOWN and (step.changes or address in self._undone):
                known = self._undone.get(address, Corrections())
                self._undone[address] = seen(known, now, declaration(units[address], units), step.changes)
        return hold_stalled(plan, self._undone, when)
