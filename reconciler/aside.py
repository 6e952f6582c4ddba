"""Work that may wait for a disk or a network mount, done where nobody has to wait for it: beside the loop, and past the end.

The threads of the standard library's pools are waited for when a program ends (`asyncio.run`, and the interpreter once more).
A read from a mount that hangs does not return: with such a thread a daemon could not be stopped. These are abandoned.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    T = TypeVar("T")


async def aside(do: Callable[..., T], *arguments: object) -> T:
    """Return what `do` returns, in a thread of its own. When this is cancelled that goes on, and nobody hears of it."""
    return await begun(do, *arguments)


def begun(do: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
    """Have it done in a thread of its own; return what will be what it returns."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            told = partial(_tell, future.set_result, do(*arguments))
        except BaseException as error:  # noqa: BLE001 - whoever waits for it has it
            told = partial(_tell, future.set_exception, error)
        with suppress(RuntimeError):  # the loop may be closed by then
            loop.call_soon_threadsafe(told)

    def _tell(tell: Callable[[Any], None], what: object) -> None:
        if not future.done():
            tell(what)

    threading.Thread(target=work, name="aside", daemon=True).start()
    return future
