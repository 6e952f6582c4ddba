"""The first word of a host on a new TCP connection: who says nothing has no part of what is done for those who speak."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


@asynccontextmanager
async def first_word(address: str, port: int, limit_s: float) -> AsyncIterator[FirstWord]:
    """Connect and wait until the host speaks, which sshd does unasked. Raises OSError, UnicodeError.

    A connection that nobody has taken over at the end is closed.
    """
    word = FirstWord()
    try:
        async with asyncio.timeout(limit_s):
            await asyncio.get_running_loop().create_connection(lambda: word, address, port)
            await word.come()
        yield word
    finally:
        word.close()


class FirstWord(asyncio.Protocol):
    """A connection on which the host has begun to speak. asyncssh takes it over as what it calls a tunnel.

    That way one and the same transport is used from the beginning, and it is always clear who has to close it. With a bare
    socket it would not be: asyncssh may fail before it has made a transport of it, or afterwards.
    """

    def __init__(self) -> None:
        """Have heard nothing yet."""
        self._transport: asyncio.Transport | None = None
        self._words = b""
        self._over = asyncio.Event()

    async def come(self) -> None:
        """Wait until something is heard. Raises ConnectionResetError."""
        await self._over.wait()
        if not self._words:
            raise ConnectionResetError("closed before the host said a word")

    async def create_connection(
        self, make: Callable[[], asyncio.Protocol], *_: object
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """Hand the connection over to asyncssh, which also says where to connect to: that is done."""
        assert self._transport is not None  # noqa: S101 - see `first_word`
        transport, theirs = self._transport, make()
        transport.set_protocol(theirs)
        theirs.connection_made(transport)
        self._transport = None
        transport.resume_reading()
        theirs.data_received(self._words)
        return transport, theirs

    def close(self) -> None:
        """Break off what nobody has taken over."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep the first word; the others wait for whoever takes over."""
        assert self._transport is not None  # noqa: S101 - it was made
        self._transport.pause_reading()
        self._words += data
        self._over.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - that it is over says all
        """Wait for nothing any more."""
        self._over.set()
