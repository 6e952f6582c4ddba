"""What others ask over HTTP: numbers at /metrics, whether it lives at /healthz, whether it does its work at /readyz.

Nothing can be changed here, and nobody logs in: who may reach it is said by the address that it listens on.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.core.errors import ListenError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.requests import Request

MOST_CONNECTIONS = 64
"""As many may be open; whoever comes then is answered 503."""

CLOSING_S = 1
"""Seconds that a request may still take at the end."""


def application(
    page: Callable[[str], tuple[bytes, str]], ill: Callable[[], tuple[str, ...]], unready: Callable[[], tuple[str, ...]]
) -> Starlette:
    """Return the application. `page` makes the numbers in the form that suits.

    The others give reasons why it does not live, or does not do its work; none when all is well.
    """

    async def metrics(request: Request) -> Response:
        body, form = page(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": form})

    async def health(_: Request) -> Response:
        return _told(ill())

    async def ready(_: Request) -> Response:
        return _told(ill() + unready())

    return Starlette(routes=[Route("/metrics", metrics), Route("/healthz", health), Route("/readyz", ready)])


def _told(reasons: tuple[str, ...]) -> Response:
    return JSONResponse({"status": "unavailable" if reasons else "ok", "reasons": reasons}, 503 if reasons else 200)


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens there. Raises ListenError."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_UNSPEC
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return socket.create_server(found[0][4][:2], family=found[0][0], backlog=MOST_CONNECTIONS)
    except OSError as error:
        # create_server adds a remark of its own to the system's words; a name that is not found has words of another sort
        why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise ListenError(f"listen: {host}:{port}: {why}: name another address in the settings, or end who has it") from None


class _Server(uvicorn.Server):
    """Leaves signals to the program."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def serving(app: Starlette, listener: socket.socket) -> AsyncIterator[None]:
    """Answer while it is entered."""
    config = uvicorn.Config(
        app,
        loop="none",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=CLOSING_S,
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve([listener]))
        try:
            yield
        finally:
            server.should_exit = True
