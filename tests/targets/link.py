"""A way to a server that can swallow everything without a word, as a firewall does that drops packets."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self


class Link:
    """Passes everything on until it is `cut`; then each side talks to nobody, and hears nothing."""

    def __init__(self, port: int) -> None:
        """Lead to that port."""
        self.cut = False
        self.port = 0
        self._to = port
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._pumps: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all ways."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers += [writer, back]
        self._pumps += [asyncio.create_task(self._pump(reader, back)), asyncio.create_task(self._pump(there, writer))]

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if not self.cut:
                    sink.write(data)
        if not self.cut:
            sink.close()
