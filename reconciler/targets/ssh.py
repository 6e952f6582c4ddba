"""A plain host: questions and actions through the host helper, over one connection that stays open."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import asyncssh

from reconciler.targets import BEAT_S, SILENT_BEATS, Signal, TargetError
from reconciler.targets.fence import UNFENCED, Fence
from reconciler.targets.helper_channel import ChannelLostError, HelperChannel
from reconciler.targets.helper_stream import STATE_FOLDER, TOO_OLD, make_stream
from reconciler.targets.listeners import Listener
from reconciler.targets.ssh_connection import CONNECT_S, ConnectGate, connect
from resources.contract import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence

    from resources.contract import Action, Query
    from resources.endpoints import SshEndpoint

T = TypeVar("T")

ASK_S = 30.0
ACTION_S = 90.0
ACTIONS_S = {"package.": 2700.0, "service.": 480.0, "systemd.": 480.0}
RESERVE_S = 60.0
"""Seconds until an answer must be there; the helper's own limits are shorter, so that it is the one to say what hangs."""

CLOSE_S = 5.0

_UNKNOWN = "it is unknown whether it was done"

_CLOSED = "the connection was closed: the host is reached otherwise by now, or not at all"

REMEMBERED = 4
"""So many lists of questions are remembered on both sides: a host's own, those of the cluster that it speaks for, …"""


@dataclass(slots=True)
class _Slot:
    """What was asked in one slot of the helper's memory, and what came back."""

    queries: tuple[Query, ...] = ()
    replies: tuple[Reply, ...] = ()


class SshTarget:
    """Connects at the first question, keeps the connection, and makes a new one when it has been lost."""

    def __init__(  # noqa: PLR0913 - where the host is, how it is spoken to, and what we are to it
        self, endpoint: SshEndpoint, gate: ConnectGate | None = None, *, folder: str = STATE_FOLDER, python: str = "python3",
        fence: Fence = UNFENCED, place: str = "",
    ) -> None:  # fmt: skip
        """Know the host. `gate` is shared by all targets; `folder` and `python` are the helper's on that host.

        `place` is the host's in the ring of which the fence is: '', member, or here, where the leader itself runs.
        """
        self._fence = fence
        self._epoch = fence.words(place)
        self._endpoint = endpoint
        self._gate = gate or ConnectGate()
        self._stream = make_stream(sudo=endpoint.user != "root", python=python, folder=folder)
        self._one_at_a_time = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._channel: HelperChannel | None = None
        self._slots: list[_Slot] = []
        self._next_slot = 0
        self._refusal: TargetError | None = None
        self._closed = False

    async def ask(self, queries: Sequence[Query]) -> Sequence[Reply]:
        """Answer all queries in one round trip. Raises TargetError.

        When nothing has changed since the same queries were asked last, the very tuple of then is returned.
        """
        asked = tuple(queries)
        return await self._harmless(lambda: self._ask(asked)) if asked else ()

    async def do(self, action: Action) -> Reply:
        """Carry out one action. Raises TargetError when it is unknown whether it was done."""
        body = self._epoch + b'"do":' + _to_json([action.op, dict(action.args)])
        limit_s = _limit_s(action)
        async with self._one_at_a_time:
            channel = await self._open()
            self._fence.check(self._endpoint.target)
            answered = False
            try:
                async with asyncio.timeout(limit_s):
                    line = await channel.request(body)
                answered = True
            except ChannelLostError as lost:
                if lost.started:
                    raise self._error(f"the connection was lost during {action.op}: {_UNKNOWN}") from lost
                raise self._lost(lost) from lost
            except TimeoutError as error:
                raise self._error(f"no answer to {action.op} within {limit_s:.0f} s: {_UNKNOWN}") from error
            finally:
                if not answered:  # lost, too late, or given up by the caller: the helper completes it alone
                    self._drop()
        reply = _reply(json.loads(line)["reply"])
        if reply.code == "deposed":
            self._fence.lose(f"{self._endpoint.target} refuses us: {reply.error}")
        return reply

    async def watch(
        self, paths: Collection[str], units: Collection[str], *, cib: bool = False, beat_s: float = BEAT_S
    ) -> AsyncGenerator[Signal, None]:
        """Tell when something may have changed there; see Watchable. Raises TargetError."""
        listener = Listener(self._endpoint.target, frozenset(paths), frozenset(units), cib, beat_s)
        channel, deaf = await self._harmless(lambda: self._listen(listener))
        try:
            yield Signal(self._endpoint.target, everything=True, deaf=deaf)
            while True:
                yield await self._next(channel, listener)
        finally:
            channel.listeners.remove(listener)
            with suppress(ChannelLostError):
                channel.send(channel.listeners.request())

    async def close(self) -> None:
        """Let the helper go and close the connection, for good: whoever still asks gets no answer. Never raises."""
        self._closed = True
        connection = self._connection
        self._drop()
        if connection is not None:
            with suppress(OSError, asyncssh.Error, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await connection.wait_closed()

    async def _harmless(self, request: Callable[[], Awaitable[T]]) -> T:
        """Do what harms nobody when it is done twice: the connection may have died while nobody looked."""
        refusal = self._refusal
        async with self._one_at_a_time:
            if self._refusal not in (None, refusal):
                raise self._refusal  # whoever was before us (a host speaks for its cluster too) has waited in vain already
            reused = self._channel is not None and self._channel.alive
            try:
                return await request()
            except ChannelLostError as lost:
                if not reused:
                    raise self._lost(lost) from lost
            try:
                return await request()
            except ChannelLostError as lost:
                raise self._lost(lost) from lost

    async def _ask(self, asked: tuple[Query, ...]) -> tuple[Reply, ...]:
        channel = await self._open()
        number = next((number for number, slot in enumerate(self._slots) if slot.queries == asked), None)
        if number is None:
            number = self._free_slot()
            body = b'"slot":%d,"ask":%b' % (number, _to_json([[query.op, dict(query.args)] for query in asked]))
        else:
            body = b'"again":%d' % number
        slot = self._slots[number]
        slot.queries = ()  # until the answer is here, nobody knows what the helper remembers
        line = await self._answer(channel, body)
        if not line.endswith(b'"same":true}'):
            slot.replies = tuple(_reply(reply) for reply in json.loads(line)["replies"])
        slot.queries = asked
        return slot.replies

    async def _answer(self, channel: HelperChannel, body: bytes) -> bytes:
        try:
            async with asyncio.timeout(ASK_S):
                return await channel.request(body)
        except TimeoutError as error:
            self._drop()
            raise self._error(f"the host helper does not answer within {ASK_S:.0f} s") from error

    async def _listen(self, listener: Listener) -> tuple[HelperChannel, tuple[str, ...]]:
        """Have the helper watch for one listener more; return its channel, and what cannot be heard there."""
        channel = await self._open()
        channel.listeners.add(listener)
        try:
            reply = _reply(json.loads(await self._answer(channel, channel.listeners.request()))["reply"])
        except BaseException:
            channel.listeners.remove(listener)
            raise
        if not reply.ok:
            channel.listeners.remove(listener)
            raise self._error(f"the host helper cannot watch: {reply.error}", retry=False)
        return channel, tuple(reply.data["deaf"])

    async def _next(self, channel: HelperChannel, listener: Listener) -> Signal:
        """Wait for the next signal as long as the helper gives signs of life. Raises TargetError."""
        limit_s, clock = SILENT_BEATS * listener.beat_s, asyncio.get_running_loop()
        while True:
            heard_at = channel.heard_at
            try:
                async with asyncio.timeout_at(heard_at + limit_s):
                    return await listener.mailbox.take()
            except ChannelLostError as lost:
                raise self._error("the connection to the host helper was lost") from lost
            except TimeoutError as error:
                await asyncio.sleep(0)  # after a standstill of this very process, what has arrived meanwhile counts
                if channel.heard_at > heard_at:
                    continue
                silent_s = clock.time() - heard_at
                if self._channel is channel:
                    self._drop()
                raise self._error(f"the host helper has given no sign of life for {silent_s:.0f} s") from error

    def _free_slot(self) -> int:
        if len(self._slots) < REMEMBERED:
            self._slots.append(_Slot())
            return len(self._slots) - 1
        self._next_slot = (self._next_slot + 1) % REMEMBERED
        return self._next_slot

    async def _open(self) -> HelperChannel:
        """Return the channel to a helper; a new one on a new connection where there is none."""
        if self._closed:
            raise self._error(_CLOSED)
        if self._channel is not None and self._channel.alive:
            return self._channel
        self._drop()
        try:
            self._connection = await connect(self._endpoint, self._gate)
        except TargetError as error:
            self._refusal = error
            raise
        try:
            tcp = self._connection.get_extra_info("socket")
            if tcp is None or tcp.fileno() < 0:
                raise ConnectionResetError("the connection has ended")
            self._fence.give_up_in_time(tcp)
            async with asyncio.timeout(CONNECT_S):
                channel = await HelperChannel.open(self._connection, self._stream)
        except (OSError, asyncssh.Error) as error:
            self._drop()
            raise self._error(f"sshd lets us in but opens no session: {error or 'no answer'}") from error
        self._channel = channel
        if self._closed:  # while it was opened
            self._drop()
            raise self._error(_CLOSED)
        return channel

    def _drop(self) -> None:
        if self._channel is not None:
            self._channel.end()
        if self._connection is not None:
            self._connection.close()
        self._channel = self._connection = None
        self._slots = []

    def _error(self, reason: str, *, retry: bool = True) -> TargetError:
        return TargetError(self._endpoint.target, reason, retry=retry)

    def _lost(self, lost: ChannelLostError) -> TargetError:
        self._drop()
        if lost.started:
            return self._error("the connection to the host helper was lost")
        if lost.exit_code is None and not lost.error_output:
            return self._error("the connection was lost before the host helper had started")
        return self._error(_why_not_started(self._endpoint, lost), retry=False)


def _limit_s(action: Action) -> float:
    if "timeout_s" in action.args:
        return 2 * float(action.args["timeout_s"]) + RESERVE_S  # it may wait as long for another one that does the same
    return next((limit_s for beginning, limit_s in ACTIONS_S.items() if action.op.startswith(beginning)), ACTION_S)


def _why_not_started(endpoint: SshEndpoint, lost: ChannelLostError) -> str:
    """Say why there is no helper on the host, and what to do about it."""
    user, last = endpoint.user, lost.error_output.rpartition("\n")[2]
    if TOO_OLD in last:
        return f"python3 on the host is {last.rpartition(' ')[2]}; the host helper needs 3.6 or newer"
    if "Unknown option: -I" in lost.error_output:
        return "python3 on the host is older than 3.4; the host helper needs 3.6 or newer"
    if last.startswith(("sudo: ", "Sorry, user ")) and "command not found" not in last:
        rule = f"{user} ALL=(root) NOPASSWD: /usr/bin/python3"
        return f'sudo refuses user "{user}" ({last.removeprefix("sudo: ")}): put "{rule}" into /etc/sudoers.d/bivisor'
    if "not found" in last and "sudo" in last and "python3" not in last:
        return f'the host has no sudo, which user "{user}" needs: install it, or declare user root'
    if "not found" in last or lost.exit_code == 127:  # noqa: PLR2004 - a shell's word for it
        return "the host has no python3: install it (the host helper needs 3.6 or newer)"
    return f"the host helper does not start (exit code {lost.exit_code}): {last[:300] or 'no word about why'}"


def _reply(answer: list[object]) -> Reply:
    data, code, error = answer
    return Reply(data, str(code), str(error))  # type: ignore[arg-type] # the helper's own words


def _to_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
