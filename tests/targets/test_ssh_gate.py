"""The gate through which all connections to hosts go: so many handshakes at a time, and nobody waits there for the dead."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, closing, suppress
from typing import TYPE_CHECKING

import pytest

from reconciler.targets import TargetError, ssh_connection
from reconciler.targets.ssh_connection import CONNECT_S, ConnectGate
from resources.contract import Query
from tests.targets.link import Link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from reconciler.targets.ssh import SshTarget
    from tests.targets.sshd import Connect, Sshd

    Asking = Callable[[SshTarget], asyncio.Task[bool]]

ROOT = Query("file.stat", {"path": "/"})
FEW = 4
MANY = 3 * FEW
SOON_S = CONNECT_S / 2


class Tarpit(Link):
    """A way to a server that says no more than `words` as long as it hangs.

    `knocks` are the connections made while it hung, `begun` those of them on which the client has begun a handshake.
    """

    def __init__(self, port: int, words: bytes) -> None:
        """Hang."""
        super().__init__(port)
        self.hangs = True
        self.knocks = 0
        self.begun = 0
        self._words = words

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.hangs:
            await super()._join(reader, writer)
            return
        self._writers.append(writer)
        self.knocks += 1
        writer.write(self._words)
        with suppress(ConnectionResetError):
            if await reader.read(1):
                self.begun += 1
            while await reader.read(65536):
                pass


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(SOON_S):
        while not condition():  # noqa: ASYNC110 - it depends on what others do
            await asyncio.sleep(0.002)


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    """Return what has a target asked meanwhile; the task tells whether it answered."""
    tasks: list[asyncio.Task[bool]] = []

    async def asked(target: SshTarget) -> bool:
        try:
            return (await target.ask((ROOT,)))[0].ok
        except TargetError:
            return False

    def begin(target: SshTarget) -> asyncio.Task[bool]:
        tasks.append(asyncio.create_task(asked(target)))
        return tasks[-1]

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_hosts_that_say_nothing_delay_nobody(connect: Connect, sshd: Sshd, asking: Asking) -> None:
    """Many take the connection and keep silent, as a frozen host does: a healthy one is let through the gate at once."""
    gate = ConnectGate(FEW)
    async with Tarpit(sshd.port, b"") as silent:
        for _ in range(MANY):
            asking(connect(port=silent.port, gate=gate))
        await until(lambda: silent.knocks >= FEW)
        async with asyncio.timeout(SOON_S):
            assert await asking(connect(gate=gate))
        assert silent.knocks == MANY


async def test_hosts_that_cannot_be_reached_delay_nobody(connect: Connect, asking: Asking) -> None:
    """Many do not even take the connection, as a dead host does: a healthy one is let through the gate at once."""
    gate, clients = ConnectGate(FEW), AsyncExitStack()
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as dead:
        async with clients:
            for _ in range(FEW):  # the kernel takes so many for whoever listens, and drops the others' packets
                clients.enter_context(closing(client := socket.socket()))
                client.settimeout(0)
                client.connect_ex(dead.getsockname())
            waiting = [asking(connect(port=dead.getsockname()[1], gate=gate)) for _ in range(MANY)]
            await asyncio.sleep(0)
            async with asyncio.timeout(SOON_S):
                assert await asking(connect(gate=gate))
            assert not any(task.done() for task in waiting)


async def test_only_so_many_handshakes_happen_at_the_same_time(connect: Connect, sshd: Sshd, asking: Asking) -> None:
    """However many hosts speak: the others' handshakes begin when a place is free."""
    gate = ConnectGate(FEW)
    async with Tarpit(sshd.port, b"SSH-2.0-tarpit\r\n") as hanging:
        for number in range(MANY):
            asking(connect(host=f"h{number}", port=hanging.port, gate=gate))
        await until(lambda: hanging.knocks == MANY and hanging.begun == FEW)
        healthy = asking(connect(gate=gate))
        await until(lambda: sshd.connections == 1)
        assert (healthy.done(), hanging.begun) == (False, FEW)


async def test_hosts_that_hang_again_and_again_leave_places_to_others(
    connect: Connect, sshd: Sshd, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who speaks and then hangs takes a place once; from then on all of these share one in four, until one comes through."""
    gate = ConnectGate(FEW)
    async with Tarpit(sshd.port, b"SSH-2.0-tarpit\r\n") as hanging, Tarpit(sshd.port, b"SSH-2.0-tarpit\r\n") as mending:
        mended = connect(host="mended", port=mending.port, gate=gate)
        targets = [connect(host=f"h{number}", port=hanging.port, gate=gate) for number in range(MANY)]
        monkeypatch.setattr(ssh_connection, "CONNECT_S", 0.2)
        assert not any([await task for task in [asking(target) for target in (mended, *targets)]])
        monkeypatch.undo()
        mending.hangs = False
        assert await asking(mended)
        hanging.begun = 0
        for target in targets:
            asking(target)
        await until(lambda: hanging.begun == 1)
        sshd.drop_connections()
        async with asyncio.timeout(SOON_S):
            assert await asking(connect(gate=gate))
            assert await asking(mended)
        assert hanging.begun == 1


@pytest.mark.parametrize("words", [b"", b"SSH-2.0-tarpit\r\n"])
async def test_nothing_stays_open_of_who_was_given_up(
    connect: Connect, sshd: Sshd, asking: Asking, words: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it hangs before its first word, at the gate or in the handshake: the connection is closed."""
    monkeypatch.setattr(ssh_connection, "CONNECT_S", 0.2)
    ended = 0

    class Counted(Tarpit):
        async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal ended
            await super()._join(reader, writer)
            ended += 1

    gate = ConnectGate(1)
    async with Counted(sshd.port, words) as hanging:
        tasks = [asking(connect(host=f"h{number}", port=hanging.port, gate=gate)) for number in range(FEW)]
        await until(lambda: hanging.knocks == FEW)
        tasks[-1].cancel()
        await asyncio.wait(tasks)
        await until(lambda: ended == FEW)
