"""The work queue, on a clock that jumps."""

from __future__ import annotations

import asyncio
import itertools
from random import Random
from typing import TYPE_CHECKING

import pytest

from reconciler.queue import FIRST_REST_S, JITTER, MOST_REST_S, ClosedError, Depth, Queue
from reconciler.turns import Priority

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.looptime


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


def queue_of(hands: int = 8) -> Queue[str]:
    """Return an empty queue."""
    return Queue(Random(1), hands=hands)  # noqa: S311 - jitter is no secret


class Work:
    """Workers that take keys for as long as `lasts` says, and note when each was begun."""

    def __init__(self, queue: Queue[str], lasts: Callable[[str], float] = lambda _: 0.1) -> None:
        """Work on that queue."""
        self.queue = queue
        self.lasts = lasts
        self.begun: list[tuple[str, float]] = []
        self.fails: set[str] = set()

    def times(self, key: str) -> list[float]:
        """Return when that key was begun."""
        return [at for begun, at in self.begun if begun == key]

    async def worker(self) -> None:
        """Take and work until the queue is closed."""
        while True:
            try:
                async with self.queue.take() as item:
                    self.begun.append((item.key, now()))
                    await asyncio.sleep(self.lasts(item.key))
                    if item.key in self.fails:
                        self.queue.retry(item.key)
            except ClosedError:
                return

    async def during(self, seconds: float, workers: int = 8) -> None:
        """Let so many workers work for that long, then close the queue."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self.worker())
            await asyncio.sleep(seconds)
            self.queue.close()


async def test_a_person_waits_less_than_a_second_during_a_sweep_that_ends() -> None:
    """In a sweep of 1,000 hosts under a constant stream of drift, all that people ask for begins in time; the sweep ends."""
    queue = queue_of()
    work = Work(queue, lambda _: 0.5)
    sweep = {f"host{number}" for number in range(1000)}
    for key in sweep:
        queue.add(key, Priority.SWEEP)

    async def drift() -> None:
        """Send twice of what the workers can do."""
        for number in itertools.count():
            for each in range(16):
                queue.add(f"drift{(16 * number + each) % 100}", Priority.DRIFT)
            await asyncio.sleep(0.5)

    asked: dict[str, float] = {}

    async def person() -> None:
        while True:
            key = f"asked{len(asked)}"
            asked[key] = now()
            queue.add(key, Priority.USER)
            await asyncio.sleep(7.3)

    async with asyncio.TaskGroup() as group:
        others = [group.create_task(drift()), group.create_task(person())]
        await work.during(500)
        for other in others:
            other.cancel()
    swept = {key: at for key, at in work.begun if key in sweep}
    assert swept.keys() == sweep
    assert max(swept.values()) < 400
    assert len(asked) > 60
    assert all(work.times(key)[0] - at < 1.0 for key, at in asked.items())


async def test_a_host_that_hangs_delays_nobody_else() -> None:
    """While one key's work hangs for a minute, the others begin as if it were not there, and it is in one hand only."""
    queue = queue_of()
    work = Work(queue, lambda key: 60.0 if key == "dead" else 0.1)
    for _ in range(3):
        queue.add("dead", Priority.DRIFT)
    for number in range(700):
        queue.add(f"host{number}", Priority.SWEEP)

    async def more() -> None:
        """Ask for the dead one again and again."""
        for _ in range(50):
            queue.add("dead", Priority.DRIFT)
            await asyncio.sleep(1)

    async with asyncio.TaskGroup() as group:
        group.create_task(more())
        await work.during(70)
    assert work.times("dead") == [0.0, pytest.approx(60.0)]
    others = [at for key, at in work.begun if key != "dead"]
    assert len(others) == 700
    # five of the eight hands are left to them: two are kept for people
    assert max(others) <= 0.1 * 700 / 5 + 0.2


async def test_hosts_that_hang_and_fail_leave_half_of_the_hands() -> None:
    """However many hosts are dead, sound ones go on, and a person's wish begins at once."""
    queue = queue_of()
    work = Work(queue, lambda key: 60.0 if key.startswith("dead") else 0.1)
    work.fails = {f"dead{number}" for number in range(40)}
    for key in sorted(work.fails):
        queue.add(key, Priority.SWEEP)

    async def later() -> None:
        await asyncio.sleep(2000)
        for number in range(100):
            queue.add(f"host{number}", Priority.SWEEP)
        queue.add("asked", Priority.USER)

    async with asyncio.TaskGroup() as group:
        group.create_task(later())
        await work.during(2500)
    assert work.times("asked")[0] == pytest.approx(2000.0)
    assert max(at for key, at in work.begun if key.startswith("host")) < 2010


async def test_failures_rest_twice_as_long_each_time() -> None:
    """A key that fails rests 1 s, 2 s, 4 s … 5 min, a quarter less at most, and begins anew after a success."""
    queue = queue_of()
    work = Work(queue, lambda _: 0.0)
    work.fails = {"bad"}
    queue.add("bad", Priority.DRIFT)
    async with asyncio.TaskGroup() as group:
        group.create_task(work.during(3000))
        await asyncio.sleep(2000)
        work.fails.clear()
        await asyncio.sleep(400)
        assert queue.resting == frozenset()
        work.fails = {"bad"}
        queue.add("bad", Priority.SWEEP)
        await asyncio.sleep(1.5)
    times = work.times("bad")
    rests = [after - before for before, after in itertools.pairwise(times)]
    for number, rest in enumerate(rests[:12]):
        nominal = min(FIRST_REST_S * 2**number, MOST_REST_S)
        assert nominal * (1 - JITTER) - 1e-6 <= rest <= nominal + 1e-6
    assert len(set(rests[9:12])) == 3
    again = [at for at in times if at >= 2400]
    assert again[1] - again[0] <= FIRST_REST_S + 1e-6


@pytest.mark.parametrize(
    ("priority", "begins"), [(Priority.USER, 0.0), (Priority.DRIFT, 0.0), (Priority.RETRY, 20.0), (Priority.SWEEP, 20.0)]
)
async def test_news_end_a_rest_and_the_clock_does_not(priority: Priority, begins: float) -> None:
    """A person or a change of the world does not wait for the end of a long rest; a sweep or another retry does."""
    queue = queue_of()
    work = Work(queue, lambda _: 0.0)
    work.fails = {"bad"}
    queue.add("bad", Priority.SWEEP)
    async with asyncio.TaskGroup() as group:
        group.create_task(work.during(90))
        await asyncio.sleep(33)
        assert queue.resting == {"bad"}
        before = len(work.begun)
        queue.add("bad", priority)
        await asyncio.sleep(60)
    first = work.times("bad")[before]
    assert first == pytest.approx(33.0) if not begins else first > 40


async def test_a_stream_of_changes_of_a_failing_host_is_no_hot_loop() -> None:
    """However often the world changes, a key that fails starts once a second at most; a person's wish starts at once."""
    queue = queue_of()
    work = Work(queue, lambda _: 0.0)
    work.fails = {"bad"}
    async with asyncio.TaskGroup() as group:
        group.create_task(work.during(60))
        for _ in range(600):
            queue.add("bad", Priority.DRIFT)
            await asyncio.sleep(0.05)
        assert 29 <= len(work.begun) <= 32 / (1 - JITTER)
        before = len(work.begun)
        queue.add("bad", Priority.USER)
        await asyncio.sleep(0.01)
        assert len(work.begun) == before + 1


async def test_what_is_added_in_hand_runs_once_more() -> None:
    """However often a key is added while it is in hand, it runs once more, with the highest of those priorities."""
    queue = queue_of()
    queue.add("a", Priority.SWEEP)
    async with queue.take() as first:
        for priority in (Priority.SWEEP, Priority.DRIFT, Priority.SWEEP):
            queue.add("a", priority)
        assert queue.depths[Priority.DRIFT].waiting == 0
    assert first.priority is Priority.SWEEP
    async with queue.take() as second:
        assert (second.key, second.priority) == ("a", Priority.DRIFT)
    assert all(depth == Depth() for depth in queue.depths.values())


async def test_a_worker_that_is_cancelled_gives_its_key_back() -> None:
    """Cancelled in the middle of its work, a worker leaves the key to others, with its priority and without a failure."""
    queue = queue_of()
    work = Work(queue, lambda _: 10.0)
    queue.add("a", Priority.DRIFT)
    worker = asyncio.create_task(work.worker())
    await asyncio.sleep(1)
    assert [item.key for item in queue.in_hand] == ["a"]
    worker.cancel()
    await asyncio.wait([worker])
    async with queue.take() as item:
        assert (item.key, item.priority, item.failures) == ("a", Priority.DRIFT, 0)


async def test_a_worker_that_is_cancelled_while_it_waits_takes_nothing() -> None:
    """A key that comes at the moment when one of the waiting workers is cancelled goes to another."""
    queue = queue_of()
    work = Work(queue)
    workers = [asyncio.create_task(work.worker()) for _ in range(3)]
    await asyncio.sleep(1)
    queue.add("a", Priority.DRIFT)
    for worker in workers[:2]:
        worker.cancel()
    await asyncio.sleep(1)
    assert work.times("a") == [1.0]
    queue.close()
    await workers[2]


async def test_an_error_is_a_failure_of_its_key() -> None:
    """An error in the work reaches the worker, and the key rests."""
    queue = queue_of()
    queue.add("a", Priority.DRIFT)
    with pytest.raises(ZeroDivisionError):
        async with queue.take():
            raise ZeroDivisionError
    assert queue.resting == {"a"}
    with pytest.raises(ValueError, match="a is not in hand"):
        queue.retry("a")


async def test_later_means_once_at_the_first_time() -> None:
    """Added for later twice, a key comes once, at the earlier time and with the higher priority."""
    queue = queue_of()
    work = Work(queue)
    queue.add_after("a", Priority.SWEEP, 5)
    queue.add_after("a", Priority.DRIFT, 50)
    queue.add_after("b", Priority.SWEEP, 50)
    queue.add_after("b", Priority.SWEEP, 6)
    await work.during(100)
    assert [key for key, _ in work.begun] == ["a", "b"]
    assert [at for _, at in work.begun] == pytest.approx([5.0, 6.0])


async def test_hands_are_kept_for_people() -> None:
    """While hosts that hang fill all the hands that they may, a person's wish still begins at once."""
    queue = queue_of()
    work = Work(queue, lambda _: 60.0)
    for number in range(20):
        queue.add(f"host{number}", Priority.SWEEP)
    async with asyncio.TaskGroup() as group:
        group.create_task(work.during(20))
        await asyncio.sleep(5)
        assert len(queue.in_hand) == 6
        queue.add("asked", Priority.USER)
        await asyncio.sleep(5)
    assert work.times("asked") == [5.0]


async def test_a_hand_that_is_freed_is_filled() -> None:
    """Whoever waits for a hand goes on as soon as there is one, also when the one who had it takes no more."""
    queue = queue_of(hands=1)
    work = Work(queue)
    for key in ("a", "b"):
        queue.add(key, Priority.SWEEP)
    async with queue.take():
        waiting = asyncio.create_task(work.worker())
        await asyncio.sleep(5)
        assert work.begun == []
    await asyncio.sleep(5)
    assert work.begun == [("b", 5.0)]
    queue.close()
    await waiting


async def test_what_is_forgotten_does_not_come_back() -> None:
    """A host that is no longer declared is taken by nobody: neither from those who wait, nor after a rest or its time."""
    queue = queue_of()
    for key in ("rests", "finished"):
        queue.add(key, Priority.SWEEP)
        async with queue.take() as item:
            queue.retry(item.key)
            if key == "finished":
                queue.add(key, Priority.DRIFT)
                queue.forget(key)
    queue.add("waits", Priority.SWEEP)
    queue.add_after("later", Priority.SWEEP, 5)
    for key in ("rests", "waits", "later", "unknown"):
        queue.forget(key)
    work = Work(queue)
    await work.during(1000)
    assert work.begun == []


async def test_a_closed_queue_lets_go() -> None:
    """Closed, it ends those who wait, lets what is in hand be finished, and takes nothing in."""
    queue = queue_of()
    work = Work(queue, lambda _: 5.0)
    queue.add("a", Priority.USER)
    workers = [asyncio.create_task(work.worker()) for _ in range(3)]
    await asyncio.sleep(1)
    queue.add("a", Priority.USER)
    queue.add_after("b", Priority.USER, 1)
    queue.close()
    queue.add("c", Priority.USER)
    queue.add_after("d", Priority.USER, 1)
    await asyncio.wait(workers)
    assert now() == pytest.approx(5.0)
    assert [key for key, _ in work.begun] == ["a"]
    with pytest.raises(ClosedError):
        async with queue.take():
            raise AssertionError


async def test_depth_and_age_are_told_by_priority() -> None:
    """Metrics show how many wait with each priority, and for how long the first of them has, since it was first added."""
    queue = queue_of()
    queue.add("a", Priority.SWEEP)
    await asyncio.sleep(10)
    queue.add("b", Priority.SWEEP)
    queue.add("a", Priority.DRIFT)
    await asyncio.sleep(5)
    assert queue.depths == {
        Priority.USER: Depth(),
        Priority.DRIFT: Depth(1, 15.0),
        Priority.RETRY: Depth(),
        Priority.SWEEP: Depth(1, 5.0),
    }
    async with queue.take() as item:
        assert (item.key, item.waited_s) == ("a", 15.0)
