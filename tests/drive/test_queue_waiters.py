"""Those who wait for a turn, on a clock that jumps: how many of them are woken, and that one is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.queue import ClosedError, Queue
from reconciler.turns import Priority

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.looptime

WORKERS = 512


class Counted(Coroutine[Any, Any, None]):
    """What a task runs, and how often it was woken for that."""

    def __init__(self, story: Coroutine[Any, Any, None]) -> None:
        """Count from zero."""
        self.story = story
        self.woken = 0

    def send(self, value: Any) -> Any:
        """Go on."""
        self.woken += 1
        return self.story.send(value)

    def throw(self, *error: Any) -> Any:
        """Go on with an error."""
        self.woken += 1
        return self.story.throw(*error)

    def close(self) -> None:
        """End."""
        self.story.close()

    def __await__(self) -> Generator[Any, Any, None]:
        """Be what a task runs, and nothing else."""
        raise NotImplementedError


async def work(queue: Queue[int], begun: list[int]) -> None:
    """Take and work until the queue is closed; what is odd fails the first time."""
    while True:
        try:
            async with queue.take() as item:
                begun.append(item.key)
                await asyncio.sleep(0.1)
                if item.key % 2 and not item.failures:
                    queue.retry(item.key)
        except ClosedError:
            return


@pytest.mark.parametrize("at_once", [1, 50])
async def test_a_key_wakes_as_many_as_it_takes_however_many_wait(at_once: int) -> None:
    """Each turn, a new one, a later one or one after a rest, costs a few wake-ups and not one of each who waits."""
    queue: Queue[int] = Queue(Random(1), hands=WORKERS)  # noqa: S311 - jitter is no secret
    begun: list[int] = []
    stories = [Counted(work(queue, begun)) for _ in range(WORKERS)]
    async with asyncio.TaskGroup() as group:
        for story in stories:
            group.create_task(story)
        await asyncio.sleep(1)
        before = sum(story.woken for story in stories)
        for key in range(100):
            if key % 3:
                queue.add(key, Priority.DRIFT)
            else:
                queue.add_after(key, Priority.SWEEP, 10)
            if key % at_once == 0:
                await asyncio.sleep(0.01)
        await asyncio.sleep(60)
        woken = sum(story.woken for story in stories) - before
        queue.close()
    assert len(begun) == 150
    # its own two, of its turn and of the end of its work, the one who looks whether there is more, at both, and some
    assert woken <= 6 * len(begun)


async def test_who_is_woken_and_cancelled_leaves_the_turn_to_another() -> None:
    """Whichever of those who wait is cancelled at whatever moment after a key came, somebody else takes it at once."""
    for moment in range(8):
        for number in range(3):
            queue: Queue[int] = Queue(Random(1), hands=WORKERS)  # noqa: S311 - jitter is no secret
            begun: list[int] = []
            workers = [asyncio.create_task(work(queue, begun)) for _ in range(3)]
            await asyncio.sleep(1)
            queue.add(0, Priority.DRIFT)
            for _ in range(moment):
                await asyncio.sleep(0)
            workers[number].cancel()
            await asyncio.sleep(0.05)
            assert [item.key for item in queue.in_hand] == [0], (moment, number)
            queue.close()
            await asyncio.wait(workers)
