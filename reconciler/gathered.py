"""Of many things that happen at once one piece of news is made: nobody wants fifty requests for fifty steps that failed.

What comes first is told at once. What follows within a second is gathered, in its order: of one sort in a row is one piece.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from reconciler.news import MOST_LISTED, News

if TYPE_CHECKING:
    from collections.abc import Callable

GATHER_S = 1.0
"""Seconds for which what follows is gathered."""


class Gathered:
    """Stands between who has news and who tells it; in the loop."""

    def __init__(self, tell: Callable[[News], None]) -> None:
        """Pass on to `tell`."""
        self._tell = tell
        self._waiting: list[News] = []
        self._timer: asyncio.TimerHandle | None = None

    def take(self, news: News) -> None:
        """Pass this on now, or gather it."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._over)
            self._tell(news)
        elif self._waiting and self._waiting[-1].event is news.event and "subjects" in news.data:
            self._waiting[-1] = _together(self._waiting[-1], news)
        else:
            self._waiting.append(news)

    def close(self) -> None:
        """Pass on what waits."""
        waiting, self._waiting = self._waiting, []
        for news in waiting:
            self._tell(news)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self) -> None:
        more = bool(self._waiting)
        self.close()
        if more:  # it may go on
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._over)


def _together(one: News, other: News) -> News:
    subjects = [*one.data["subjects"], *other.data["subjects"]][:MOST_LISTED]
    return News(one.event, {"count": one.data["count"] + other.data["count"], "subjects": subjects})
