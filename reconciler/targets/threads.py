"""Blocking libraries in threads, with a deadline on each call and a bound on the threads."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_LIMIT = 4


class _Thread(threading.Thread):
    """A daemon thread that sets an event of the loop at its end."""

    def __init__(self, work: Callable[[], None], name: str) -> None:
        super().__init__(target=work, name=name, daemon=True)
        self.ended = asyncio.Event()


class Threads:
    """Runs calls in daemon threads.

    A thread cannot be stopped: a call that overruns its deadline is left behind, its result is dropped, and it does
    not keep the process from ending (which the event loop's own pool would). The libraries' socket time-outs end it.
    """

    def __init__(self, name: str) -> None:
        """Call the threads by that name."""
        self._name = name
        self._threads: list[_Thread] = []

    async def run(self, call: Callable[[], T], *, deadline_s: float, dispose: Callable[[T], None] | None = None) -> T:
        """Return what the call returns or raise what it raises. Raises TimeoutError after `deadline_s` seconds.

        `dispose` gets, still in the thread, a result that nobody waits for any more.
        """
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        if len(self._threads) >= _LIMIT:
            raise TimeoutError(f"{_LIMIT} earlier requests hang")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()
        taken, decided = threading.Event(), threading.Event()

        def settle(result: T | None, error: BaseException | None) -> None:
            if outcome.done():
                return
            if error is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(result)  # type: ignore[arg-type] # a result that is None is a T

        def work() -> None:
            result, failure = None, None
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - a border: the caller in the other thread gets it
                failure = error
            with suppress(RuntimeError):  # the loop may have ended meanwhile
                loop.call_soon_threadsafe(settle, result, failure)
            if failure is None and dispose is not None:
                decided.wait()
                if not taken.is_set():
                    dispose(result)  # type: ignore[arg-type] # as above
            with suppress(RuntimeError):  # as above
                loop.call_soon_threadsafe(thread.ended.set)

        thread = _Thread(work, self._name)
        self._threads.append(thread)
        thread.start()
        try:
            async with asyncio.timeout(deadline_s):
                found = await outcome
            taken.set()
            return found
        finally:
            decided.set()

    async def ended(self, *, deadline_s: float) -> None:
        """Wait for the calls that were left behind, and for what disposes of their results. Raises TimeoutError."""
        async with asyncio.timeout(deadline_s):
            for thread in self._threads:
                if thread.is_alive():
                    await thread.ended.wait()
