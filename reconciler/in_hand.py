"""What is being carried out at this moment: the portions in hand, what they interrupt, and who waits for their end."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.core.portions import Portion
    from resources.contract import Address, Unit


class Hand(NamedTuple):
    """A portion that is being carried out; the services that it interrupts, each with what it is a part of, or ''."""

    portion: Portion
    interrupts: dict[str, str]


class InHand:
    """The portions in hand, and everything else that goes on."""

    def __init__(self) -> None:
        """Nothing goes on."""
        self._hands: list[Hand] = []
        self._ongoing: set[asyncio.Future[None]] = set()

    def take(self, portion: Portion, units: Mapping[Address, Unit]) -> Hand:
        """Have a portion in hand from now on, until it is let go."""
        steps = (step for step in portion.plan.pending if step.disruption is not None)
        hand = Hand(portion, {step.disruption.service: units[step.address].exclusive() for step in steps if step.disruption})
        self._hands.append(hand)
        return hand

    def let_go(self, hand: Hand) -> None:
        """Have it in hand no more."""
        self._hands.remove(hand)

    @property
    def units(self) -> frozenset[Address]:
        """The units that somebody has in hand."""
        return frozenset(address for hand in self._hands for address in hand.portion.units)

    @property
    def interrupted(self) -> dict[str, str]:
        """The services that are being interrupted now, each with what it is a part of, or ''."""
        return {service: whole for hand in self._hands for service, whole in hand.interrupts.items()}

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
