"""What is being carried out at this moment: the portions in hand, what they interrupt, and who waits for their end.

A service that did not come through its restart counts as interrupted until it was looked at: what is known of it is of before.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from reconciler.core.status import GOOD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.core.portions import Portion
    from reconciler.core.status import Result
    from reconciler.unseen import Unseen
    from resources.contract import Address, Unit


class Interrupted(NamedTuple):
    """A service, and what it is a part of, or ''."""

    service: str
    whole: str


class Hand(NamedTuple):
    """A portion that is being carried out, and what it interrupts."""

    portion: Portion
    interrupts: dict[Address, Interrupted]


class InHand:
    """The portions in hand, and everything else that goes on."""

    def __init__(self) -> None:
        """Nothing goes on."""
        self._hands: list[Hand] = []
        self._doubtful: dict[Address, Interrupted] = {}
        self._ongoing: set[asyncio.Future[None]] = set()

    def take(self, portion: Portion, units: Mapping[Address, Unit]) -> Hand:
        """Have a portion in hand from now on, until it is let go."""
        interrupts = {
            step.address: Interrupted(step.disruption.service, units[step.address].exclusive())
            for step in portion.plan.pending
            if step.disruption is not None
        }
        hand = Hand(portion, interrupts)
        self._hands.append(hand)
        return hand

    def let_go(self, hand: Hand, results: Mapping[Address, Result]) -> None:
        """Have it in hand no more; that is what came of it."""
        self._hands.remove(hand)
        for address, interrupted in hand.interrupts.items():
            if results[address].outcome not in GOOD:
                self._doubtful[address] = interrupted

    @property
    def units(self) -> frozenset[Address]:
        """The units that somebody has in hand."""
        return frozenset(address for hand in self._hands for address in hand.portion.units)

    def interrupted(self, unseen: Unseen) -> dict[str, str]:
        """Return the services that are interrupted now, each with what it is a part of, or ''; who is `unseen` is in doubt."""
        still = unseen.among(self._doubtful)
        self._doubtful = {address: each for address, each in self._doubtful.items() if address in still}
        return dict([*self._doubtful.values(), *(each for hand in self._hands for each in hand.interrupts.values())])

    @contextmanager
    def goes_on(self) -> Iterator[None]:
        """Let something go on meanwhile: a look, or a portion."""
        ended = asyncio.get_running_loop().create_future()
        self._ongoing.add(ended)
        try:
            yield
        finally:
            self._ongoing.discard(ended)
            ended.set_result(None)

    async def over(self) -> None:
        """Return when all that goes on at this moment has ended: what begins meanwhile is not waited for."""
        if self._ongoing:
            await asyncio.wait(self._ongoing)
