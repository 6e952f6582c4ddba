"""When it is decided anew: as soon as something was seen or done, with a breath in between, and after a mistake with a rest."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.rests import rest_s

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from resources.contract import TargetId


class Deciding:
    """Wakes the one who decides. A person's change hurries it; what is only seen waits for its turn."""

    def __init__(self, rng: Random) -> None:
        """Nothing is to be decided yet. `rng` makes the jitter."""
        self._rng = rng
        self._stir = asyncio.Event()
        self._hurry = asyncio.Event()
        self._waited_for: set[TargetId] = set()
        self._mistakes = 0  # in a row

    @property
    def due(self) -> bool:
        """Whether there is something to decide, and nothing but work in the way."""
        return self._stir.is_set() and not self._mistakes

    def again(self) -> None:
        """Have it decided anew: something is otherwise than when it was decided last."""
        self._stir.set()

    def soon(self) -> None:
        """Have it decided anew, without breath or rest."""
        self._stir.set()
        self._hurry.set()

    def wait_for(self, targets: Iterable[TargetId]) -> None:
        """Take note that a person's change is about these."""
        self._waited_for = set(targets)

    def seen(self, target: TargetId) -> None:
        """Hurry when the last one was seen of those that a person's change is about; each of many costs a decision."""
        if target in self._waited_for:
            self._waited_for.discard(target)
            if not self._waited_for:
                self._hurry.set()

    async def asked(self) -> None:
        """Return when it is to be decided anew."""
        await self._stir.wait()
        self._stir.clear()
        self._hurry.clear()

    async def breathe(self, spent_s: float) -> None:
        """Let others have the processor for as long as deciding took; a person's change waits for a quarter of that."""
        self._mistakes = 0
        await asyncio.sleep(spent_s / 4)
        await self._unless_hurried(spent_s * 3 / 4)

    async def rest(self) -> None:
        """Rest after a mistake: longer each time in a row, at most until there are other documents."""
        self._mistakes += 1
        self._stir.set()  # what is to be decided on is still there
        await self._unless_hurried(rest_s(self._mistakes, self._rng))

    async def _unless_hurried(self, pause_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._hurry.wait()
