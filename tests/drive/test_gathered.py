"""Much news at once is few requests, and none of it is lost or late."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.gathered import GATHER_S, Gathered
from reconciler.news import MOST_LISTED, Event, News

pytestmark = pytest.mark.looptime


def of(event: Event, name: str) -> News:
    """Return a piece of news of one thing."""
    return News(event, {"count": 1, "subjects": [{"name": name, "reason": "disk full"}]})


async def test_a_burst_of_failing_steps_is_two_pieces_of_news() -> None:
    """The first is told at once, and all others together: so many, and the names of the first."""
    told: list[News] = []
    gathered = Gathered(told.append)
    for number in range(50):
        gathered.take(of(Event.STEP_FAILED, str(number)))
    assert [news.data["count"] for news in told] == [1]
    await asyncio.sleep(GATHER_S)
    assert [news.data["count"] for news in told] == [1, 49]
    assert [each["name"] for each in told[1].data["subjects"]] == [str(number) for number in range(1, MOST_LISTED + 1)]


async def test_the_order_of_what_happened_stays() -> None:
    """What failed, recovered and failed again is not told as recovered; what has no subjects stays by itself."""
    told: list[News] = []
    gathered = Gathered(told.append)
    taken = News(Event.DOCUMENTS_TAKEN, {"commit": "c0ffee"})
    failed, recovered = of(Event.STEP_FAILED, "a"), of(Event.STEP_RECOVERED, "a")
    for news in (failed, recovered, failed, taken, taken):
        gathered.take(news)
    gathered.close()
    assert told == [failed, recovered, failed, taken, taken]


async def test_what_happens_seldom_is_told_at_once() -> None:
    """After a quiet second nothing waits; while it goes on there is one piece a second."""
    told: list[News] = []
    gathered = Gathered(told.append)
    for number in range(30):
        gathered.take(of(Event.STEP_FAILED, str(number)))
        await asyncio.sleep(GATHER_S / 10)
    assert sum(news.data["count"] for news in told) >= 20
    assert len(told) <= 4
    await asyncio.sleep(2.5 * GATHER_S)
    assert sum(news.data["count"] for news in told) == 30
    before = len(told)
    gathered.take(of(Event.STEP_FAILED, "later"))
    assert len(told) == before + 1
