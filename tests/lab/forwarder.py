"""A second door to a TCP port, for who knows no other number by heart."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 1 << 16
_CONNECT_TIMEOUT_S = 10


@contextmanager
def forwarded(listen: tuple[str, int], to: tuple[str, int]) -> Iterator[None]:
    """Hand every connection at `listen` on to `to` inside the block. Raises OSError when the port is taken."""
    with socket.create_server(listen) as door:
        accepting = threading.Thread(target=_serve, args=(door, to), daemon=True)
        accepting.start()
        try:
            yield
        finally:
            door.shutdown(socket.SHUT_RDWR)  # wakes the thread, which a close alone does not
            accepting.join()


def _serve(door: socket.socket, to: tuple[str, int]) -> None:
    while True:
        try:
            near, _ = door.accept()
        except OSError:
            return
        threading.Thread(target=_carry, args=(near, to), daemon=True).start()


def _carry(near: socket.socket, to: tuple[str, int]) -> None:
    with near, suppress(OSError), socket.create_connection(to, timeout=_CONNECT_TIMEOUT_S) as far:
        far.settimeout(None)
        back = threading.Thread(target=_pour, args=(far, near), daemon=True)
        back.start()
        _pour(near, far)
        back.join()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    """Carry bytes one way until that side ends."""
    with suppress(OSError):
        while block := source.recv(_BLOCK):
            sink.sendall(block)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
