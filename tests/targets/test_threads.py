"""Blocking calls in threads: deadlines, what is left behind, and the bound on it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from reconciler.targets.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What blocked calls wait for; open at the end of the test."""
    gate = threading.Event()
    yield gate
    gate.set()


async def test_results_and_errors_cross_over() -> None:
    """The caller gets what the call returns, or what it raises."""
    threads = Threads("test")
    assert await threads.run(lambda: 7, deadline_s=5) == 7
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0, deadline_s=5)


async def test_a_late_call_is_left_behind_and_its_result_is_disposed_of(gate: threading.Event) -> None:
    """The deadline holds although the call goes on; what it returns in the end is cleared away, once."""
    disposed: list[str] = []
    cleared = threading.Event()

    def dispose(result: str) -> None:
        disposed.append(result)
        cleared.set()

    def blocked() -> str:
        gate.wait()
        return "late"

    with pytest.raises(TimeoutError):
        await Threads("test").run(blocked, deadline_s=0.05, dispose=dispose)
    assert disposed == []
    gate.set()
    assert await asyncio.to_thread(cleared.wait, 5)
    assert disposed == ["late"]


async def test_a_good_result_is_not_disposed_of() -> None:
    """Only what nobody waits for is cleared away."""
    disposed: list[int] = []
    assert await Threads("test").run(lambda: 7, deadline_s=5, dispose=disposed.append) == 7
    assert disposed == []


async def test_calls_that_hang_are_bounded(gate: threading.Event) -> None:
    """After four calls that never came back no more are started, until one has ended."""
    threads = Threads("test")
    for _ in range(4):
        with pytest.raises(TimeoutError):
            await threads.run(gate.wait, deadline_s=0.01)
    with pytest.raises(TimeoutError, match="4 earlier requests hang"):
        await threads.run(lambda: 7, deadline_s=5)
    gate.set()
    for thread in threads._threads:
        await asyncio.to_thread(thread.join, 5)
    assert await threads.run(lambda: 7, deadline_s=5) == 7


def test_an_end_of_the_loop_is_survived(gate: threading.Event) -> None:
    """A thread that ends after its event loop has nobody to tell, and says nothing."""
    threads = Threads("test")

    async def abandon() -> None:
        with pytest.raises(TimeoutError):
            await threads.run(gate.wait, deadline_s=0.01)

    asyncio.run(abandon())
    gate.set()
    for thread in threads._threads:
        thread.join(timeout=5)
        assert not thread.is_alive()


async def test_a_result_that_comes_as_the_caller_gives_up_is_disposed_of() -> None:
    """However close the two are: what the caller did not get is cleared away, and it can be waited for."""
    disposed: list[int] = []
    for turns in range(1, 50):
        threads = Threads("test")
        asking = asyncio.create_task(threads.run(lambda: 7, deadline_s=5, dispose=disposed.append))
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        got = (await asyncio.gather(asking, return_exceptions=True))[0]
        await threads.ended(deadline_s=5)
        assert disposed == ([] if got == 7 else [7])
        disposed.clear()


async def test_what_hangs_is_waited_for_within_bounds(gate: threading.Event) -> None:
    """Who waits for what was left behind does not wait for ever."""
    threads = Threads("test")
    with pytest.raises(TimeoutError):
        await threads.run(gate.wait, deadline_s=0.05)
    with pytest.raises(TimeoutError):
        await threads.ended(deadline_s=0.05)
    gate.set()
    await threads.ended(deadline_s=5)
