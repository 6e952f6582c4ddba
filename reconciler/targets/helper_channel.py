"""One running host helper at the other end of an SSH channel: lines out, lines in, matched by number."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import asyncssh

from reconciler.targets.listeners import Listeners

if TYPE_CHECKING:
    from reconciler.targets.helper_stream import Stream

LARGEST_LINE = 128 * 1024 * 1024
"""Bytes of one reply; more than that cannot be meant."""

MOST_NOISE = 64 * 1024
"""Bytes that a login shell may print before the helper speaks."""

KEPT_ERRORS = 4000
"""Bytes of the error output that are kept, from its end."""


class ChannelLostError(Exception):
    """The helper's channel has ended; `started` tells whether the helper had come to life on it."""

    def __init__(self, *, started: bool, exit_code: int | None, error_output: str) -> None:
        """Keep what the end of the channel told."""
        super().__init__(error_output or f"exit code {exit_code}")
        self.started = started
        self.exit_code = exit_code
        self.error_output = error_output


class HelperChannel(asyncssh.SSHClientSession[bytes]):
    """The requests in flight on one channel. A reply that nobody waits for any more is dropped."""

    def __init__(self) -> None:
        """Begin with nothing sent and nothing heard."""
        self.alive = True
        self.listeners = Listeners()
        self.heard_at = asyncio.get_running_loop().time()
        self._started = False
        self._exit_code: int | None = None
        self._errors = b""
        self._heard: list[bytes] = []
        self._heard_size = 0
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._number = 0
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None

    @classmethod
    async def open(cls, connection: asyncssh.SSHClientConnection, stream: Stream) -> HelperChannel:
        """Start the helper on a connection. Its life or death shows with the first request; nobody waits for it here."""
        helper = cls()
        asyncio.get_running_loop().call_soon(_acknowledge_at_once, connection)  # as soon as the request is on its way
        channel, _ = await connection.create_session(lambda: helper, stream.command, encoding=None)
        try:
            channel.write(stream.program)
        except OSError:  # whatever should start the helper is gone already; why, comes before the channel's end
            await channel.wait_closed()
        return helper

    async def request(self, body: bytes) -> bytes:
        """Send one request, the JSON fields after its number, and return the answer line. Raises ChannelLostError."""
        number = self._number + 1
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self.send(body)
            return await answer
        finally:
            self._waiting.pop(number, None)

    def send(self, body: bytes) -> None:
        """Send one request for whose answer nobody waits here. Raises ChannelLostError."""
        if not self.alive or self._channel is None:
            raise self._lost()
        self._number += 1
        try:
            self._channel.write(b'{"id":%d,%b}\n' % (self._number, body))
        except (OSError, asyncssh.Error):
            raise self._lost() from None

    def end(self) -> None:
        """Tell the helper that nothing follows: it completes what it has in hand, and goes."""
        if self._channel is not None:
            self._channel.close()
        self._tell_all()

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """Keep the way to write."""
        self._channel = chan

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Cut what arrives into lines."""
        self.heard_at = asyncio.get_running_loop().time()
        if datatype == asyncssh.EXTENDED_DATA_STDERR:
            self._errors = (self._errors + data)[-KEPT_ERRORS:]
            return
        self._heard.append(data)
        self._heard_size += len(data)
        if b"\n" in data:
            *lines, rest = b"".join(self._heard).split(b"\n")
            self._heard, self._heard_size = [rest], len(rest)
            for line in lines:
                self._line(line)
        elif self._heard_size > (LARGEST_LINE if self._started else MOST_NOISE):
            self.end()

    def exit_status_received(self, status: int) -> None:
        """Keep the exit code."""
        self._exit_code = status

    def eof_received(self) -> bool:
        """Let the channel close from our side as well."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - what the channel told before says more
        """Tell everybody who waits."""
        self._tell_all()

    def _tell_all(self) -> None:
        self.alive = False
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(self._lost())
        self.listeners.end(self._lost())

    def _line(self, line: bytes) -> None:
        if not self._started:
            self._started = line.startswith(b'{"bivisor":')
            return
        if line.startswith(b'{"signal":'):
            self.listeners.tell(line)
            return
        number = int(line[6 : line.index(b",")])  # {"id":7,…
        answer = self._waiting.get(number)
        if answer is not None and not answer.done():
            answer.set_result(line)

    def _lost(self) -> ChannelLostError:
        errors = self._errors.decode("utf-8", "replace").strip()
        return ChannelLostError(started=self._started, exit_code=self._exit_code, error_output=errors)


def _acknowledge_at_once(connection: asyncssh.SSHClientConnection) -> None:
    """Have the kernel acknowledge what comes next without waiting for something to send along.

    After the login sshd tells its host keys, and then answers the request for a session. It sets TCP_NODELAY only when a
    command starts (ssh_packet_set_interactive), so the answer waits for the acknowledgement of the keys: 40 ms on Linux.
    """
    tcp = connection.get_extra_info("socket")
    if tcp is not None and hasattr(socket, "TCP_QUICKACK"):
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
