"""Hear of systemd's units, over the socket that systemctl uses itself: what is told there is told without being asked.

It needs no message bus on the host, and not one message from us: after the login, PID 1 sends every signal that it has to
whoever is connected (bus_foreach_bus in systemd's src/core/dbus.c), and it lets in nobody but root.
"""

import _socket  # the C half: `socket` itself loads `enum` and `selectors`
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Message = tuple[dict[int, str], str, bytes]

SOCKET = "/run/systemd/private"
CONNECT_S = 2.0

READ_SIZE = 65536
MOST_READS = 64
LARGEST = 16 * 1024 * 1024
"""Bytes that are read at a time, reads in a row, and bytes of one message: what is larger cannot be meant."""

MANAGER = "org.freedesktop.systemd1.Manager"
UNIT = "org.freedesktop.systemd1.Unit"
UNITS = "/org/freedesktop/systemd1/unit/"
LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = b"0123456789"
HEADER_SIZE = 16
PATH, INTERFACE, MEMBER = 1, 2, 3
"""Bytes of a header before its fields, and the codes of some of these (D-Bus specification, "Header Fields")."""


class Units:
    """Hears of units by name. `deaf` says why nothing is heard, '' when it is.

    UnitNew and UnitRemoved are passed over: systemd loads a unit that rests in order to show it, and lets go of it, so that
    each look would be followed by another. The properties of the unit itself, its states and its process, are told whole
    each time; they count when they differ from those before, so that a service that tells how it feels calls nobody.
    """

    def __init__(self, socket: str = SOCKET) -> None:
        """Begin to hear; whatever stands in the way of it is in `deaf`."""
        self.socket = socket
        self.deaf = ""
        self.fd = -1
        self.units: dict[str, str] = {}  # by D-Bus path
        self.last: dict[str, bytes] = {}  # what a unit told of itself
        self.buffer = bytearray()
        self.connection: _socket.socket | None = None
        self.mend()

    def want(self, units: "Iterable[str]") -> None:
        """Hear of these from now on."""
        self.units = {object_path(unit): unit for unit in units}
        self.last = {path: told for path, told in self.last.items() if path in self.units}

    def mend(self) -> None:
        """Connect again if the connection has gone."""
        if self.connection is not None:
            return
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            connection.settimeout(CONNECT_S)
            connection.connect(self.socket)
            connection.send(b"\0AUTH EXTERNAL %b\r\nBEGIN\r\n" % str(os.geteuid()).encode().hex().encode())
            connection.settimeout(0)
        except OSError as error:
            connection.close()
            self._lost(error.strerror or str(error))
        else:
            self.connection, self.fd, self.deaf = connection, connection.fileno(), ""

    def read(self) -> "set[str] | None":
        """Return which units may have changed since the last time; None when that is unknown: any of them."""
        if self.connection is None:
            return set()
        alive = self._receive(self.connection)
        try:
            changed = set().union(*map(self._changed, self._messages()))
        except (ValueError, struct.error, IndexError) as error:
            alive = self._lost(f"what it says is no D-Bus message: {error}")
        return changed if alive else None

    def close(self) -> None:
        """Hear nothing any more."""
        if self.connection is not None:
            self.connection.close()
        self.connection, self.fd = None, -1
        self.buffer, self.last = bytearray(), {}

    def _receive(self, connection: "_socket.socket") -> bool:
        """Take in what has been said; tell whether the connection is still there."""
        for _ in range(MOST_READS):
            try:
                data = connection.recv(READ_SIZE)
            except BlockingIOError:
                break
            except OSError as error:
                return self._lost(error.strerror or str(error))
            if not data:
                return self._lost("it closed the connection")
            self.buffer += data
        return True

    def _lost(self, why: str) -> bool:
        self.close()
        self.deaf = f"changes of services are not heard on this host: systemd ({self.socket}): {why}"
        return False

    def _messages(self) -> "Iterator[Message]":
        """Yield header fields, byte order and body of each whole message, and take it off the buffer."""
        if self.buffer and self.buffer[0] not in b"lB":  # the answer to the login stands in front of the first message
            answer, end, rest = self.buffer.partition(b"\r\n")
            if not end:
                return
            if not answer.startswith(b"OK "):
                raise ValueError(answer.decode("utf-8", "replace"))
            self.buffer = rest
        while len(self.buffer) >= HEADER_SIZE:
            order = "<" if self.buffer[:1] == b"l" else ">"
            body_size, _serial, fields_size = struct.unpack_from(f"{order}III", self.buffer, 4)
            body_at = HEADER_SIZE + (fields_size + 7) // 8 * 8
            if body_at + body_size > LARGEST:
                raise ValueError("it is too large")
            if len(self.buffer) < body_at + body_size:
                return
            message = bytes(self.buffer[: body_at + body_size])
            del self.buffer[: body_at + body_size]
            yield _fields(message, order, HEADER_SIZE + fields_size), order, message[body_at:]

    def _changed(self, message: "Message") -> "set[str]":
        """Return the units that a message is about, if it tells anything new of them."""
        fields, order, body = message
        member = fields.get(MEMBER)
        if member == "PropertiesChanged":
            path = fields.get(PATH, "")
            if path not in self.units or _text(body, 0, order)[0] != UNIT or self.last.get(path) == body:
                return set()
            self.last[path] = body
            return {self.units[path]}
        if fields.get(INTERFACE) != MANAGER:
            return set()
        if member in ("Reloading", "UnitFilesChanged"):
            return set(self.units.values())
        if member == "JobRemoved":  # number, path of the job, name of the unit, result
            unit = _text(body, _text(body, 4, order)[1], order)[0]
            return {unit}.intersection(self.units.values())
        return set()


def object_path(unit: str) -> str:
    """Return under which D-Bus path systemd has a unit (bus_label_escape in its src/basic/bus-label.c)."""
    return UNITS + "".join(
        chr(byte) if byte in LETTERS or (place and byte in DIGITS) else f"_{byte:02x}"
        for place, byte in enumerate(unit.encode())
    )


def _fields(message: bytes, order: str, end: int) -> "dict[int, str]":
    """Read the header: an array of structs, each a code and a variant of one of the types s, o, g, u."""
    fields: dict[int, str] = {}
    at = HEADER_SIZE
    while at < end:
        at += -at % 8
        code, kind = message[at], message[at + 2 : at + 3]
        if kind == b"g":
            at += 6 + message[at + 4]
        elif kind == b"u":
            at += 8
        else:
            fields[code], at = _text(message, at + 4, order)
    return fields


def _text(data: bytes, at: int, order: str) -> "tuple[str, int]":
    """Read a string at the next place where one may begin; return it and where it ends."""
    at += -at % 4
    (size,) = struct.unpack_from(f"{order}I", data, at)
    return data[at + 4 : at + 4 + size].decode("utf-8", "replace"), at + 5 + size
