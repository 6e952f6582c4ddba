"""The socket on which systemd tells everything to root, for as long as a test wants it, and what is said there."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

MANAGER = "org.freedesktop.systemd1.Manager"
CHANGED = "org.freedesktop.DBus.Properties.PropertiesChanged"
UNITS = "/org/freedesktop/systemd1/unit/"
PATIENCE_S = 20


class SmallSystemd:
    """Listens there; a context manager that goes without a word, as PID 1 does when it executes itself anew."""

    def __init__(self, path: Path) -> None:
        """Make the socket."""
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.settimeout(PATIENCE_S)
        self._listening.bind(str(path))
        self._listening.listen()
        self._path = path
        self._client: socket.socket | None = None

    def __enter__(self) -> Self:
        """Enter."""
        return self

    def __exit__(self, *_: object) -> None:
        """Go."""
        self._path.unlink(missing_ok=True)
        self._listening.close()
        if self._client is not None:
            self._client.close()

    def let_in(self, answer: bytes = b"OK 32a74ee4c6ee4da1b8ef50e8fb26dfe1\r\n") -> bytes:
        """Wait for somebody, hear the login, and answer it; return what was heard."""
        self._client, _ = self._listening.accept()
        self._client.settimeout(PATIENCE_S)
        heard = b""
        while not heard.endswith(b"BEGIN\r\n"):
            heard += self._client.recv(4096)
        self.say(answer)
        return heard

    def say(self, *messages: bytes) -> None:
        """Say that."""
        assert self._client is not None
        self._client.sendall(b"".join(messages))


def changed(path: str, state: str, *, interface: str = "org.freedesktop.systemd1.Unit", order: str = "<") -> bytes:
    """Return PropertiesChanged of a unit whose state is that; the rest of what systemd tells there is left out."""
    body = text(b"", interface, order)
    return message(UNITS + path, CHANGED, body + text(body, state, order), order=order)


def job_removed(unit: str) -> bytes:
    """Return JobRemoved of a job of that unit."""
    body = struct.pack("<I", 7)
    for part in ("/org/freedesktop/systemd1/job/7", unit, "done"):
        body += text(body, part, "<")
    return of_manager("JobRemoved", body, "uoss")


def of_manager(member: str, body: bytes = b"", signature: str = "") -> bytes:
    """Return a signal of the manager."""
    return message("/org/freedesktop/systemd1", f"{MANAGER}.{member}", body, signature)


def message(path: str, name: str, body: bytes, signature: str = "sa{sv}as", *, order: str = "<") -> bytes:
    """Return a signal as it is on the wire (D-Bus specification, "Message Format")."""
    interface, _, member = name.rpartition(".")
    fields = b""
    for code, kind, value in ((1, b"o", path), (2, b"s", interface), (3, b"s", member)):
        fields += b"\0" * (-len(fields) % 8) + bytes((code, 1)) + kind + b"\0"
        fields += text(fields, value, order)
    fields += b"\0" * (-len(fields) % 8) + b"\x08\x01g\0" + bytes((len(signature),)) + signature.encode() + b"\0"
    head = (b"l" if order == "<" else b"B") + b"\x04\x01\x01" + struct.pack(f"{order}III", len(body), 1, len(fields))
    return head + fields + b"\0" * (-len(fields) % 8) + body


def text(before: bytes, value: str, order: str) -> bytes:
    """Return a string as it stands after what is before it."""
    return b"\0" * (-len(before) % 4) + struct.pack(f"{order}I", len(value.encode())) + value.encode() + b"\0"
