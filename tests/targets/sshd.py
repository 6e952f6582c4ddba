"""An SSH server in this process whose commands really run, for everything that can happen on the way to a host."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import asyncssh

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from reconciler.targets.ssh import SshTarget

    Connect = Callable[..., SshTarget]

CONDITION_S = 10.0


class Sshd:
    """Serves one account. `heard` is all that clients wrote to commands, without the helper's program.

    `rewrite` edits each command before a shell runs it; programs in `bin` are found first. `missing`: where it is set, no
    shell runs: all that one says to the end comes with the very answer that the command has begun.
    """

    def __init__(self, folder: Path) -> None:
        """Make host key, client key and folders."""
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        self.key_file = folder / "id"
        self.key_file.write_bytes(self.client_key.export_private_key())
        self.rewrite: Callable[[str], str] = lambda command: command
        self.missing = b""
        self.refuse = 0
        self.connections = 0
        self.heard: list[bytes] = []
        self._hearing = asyncio.Condition()
        self.running: list[asyncio.subprocess.Process] = []
        self.port = 0
        self._server: asyncssh.SSHAcceptor | None = None
        self._clients: list[asyncssh.SSHServerConnection] = []

    async def __aenter__(self) -> Self:
        """Listen on a port of the kernel's choice."""
        keys = asyncssh.import_authorized_keys(self.client_key.export_public_key().decode())
        self._server = await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[self.host_key], authorized_client_keys=keys, encoding=None,
            process_factory=self._begin, server_factory=lambda: _Account(self),
        )  # fmt: skip
        self.port = self._server.get_port()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close everything; wait for every program."""
        self.drop_connections()
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        for process in self.running:
            self.signal(signal.SIGKILL)
            await process.wait()
            process._transport.close()  # type: ignore[attr-defined] # its pipes may not have told their end yet
        await asyncio.sleep(0)

    def program(self, name: str, script: str) -> None:
        """Put a program into the host's PATH."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def drop_connections(self) -> None:
        """Break all connections off, as a cut cable with a fast switch would."""
        for client in self._clients:
            client.abort()
        self._clients.clear()

    @property
    def open_connections(self) -> int:
        """How many connections are open."""
        return sum(not client.is_closed() for client in self._clients)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all programs that run."""
        for process in self.running:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)

    async def until_heard(self, word: bytes) -> None:
        """Wait until a client has written that."""
        async with asyncio.timeout(CONDITION_S), self._hearing:
            await self._hearing.wait_for(lambda: word in b"".join(self.heard))

    def enter(self, connection: asyncssh.SSHServerConnection) -> None:
        """Count a connection; break it off if it is one too early."""
        self.connections += 1
        self._clients.append(connection)
        if self.refuse:
            self.refuse -= 1
            connection.abort()

    def _begin(self, process: asyncssh.SSHServerProcess[bytes]) -> Coroutine[None, None, None] | None:
        if not self.missing:
            return self._run(process)
        process.stderr.write(self.missing)
        process.exit(127)
        return None

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        path = f"{self.bin}:{os.environ['PATH']}"
        running = await asyncio.create_subprocess_shell(
            self.rewrite(process.command or ""), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env={"PATH": path, "HOME": str(self.folder)}, start_new_session=True,
        )  # fmt: skip
        self.running.append(running)
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        async with asyncio.TaskGroup() as pumps:
            feeding = pumps.create_task(self._feed(process.stdin, running.stdin))
            pumps.create_task(_pump(running.stdout, process.stdout))
            pumps.create_task(_pump(running.stderr, process.stderr))
            code = await running.wait()
            feeding.cancel()
        running.stdin.close()
        with suppress(OSError):
            await running.stdin.wait_closed()
        with suppress(OSError):
            process.exit(code)

    async def _feed(self, source: asyncssh.SSHReader[bytes], sink: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncssh.Error, asyncssh.misc.BreakReceived):
            while data := await source.read(65536):
                sink.write(data)
                async with self._hearing:
                    self.heard.append(data)
                    self._hearing.notify_all()
                await sink.drain()
        sink.close()


async def _pump(source: asyncio.StreamReader, sink: asyncssh.SSHWriter[bytes]) -> None:
    while data := await source.read(65536):
        with suppress(OSError, asyncssh.Error):
            sink.write(data)


class _Account(asyncssh.SSHServer):
    """Lets the one key in, as any user."""

    def __init__(self, sshd: Sshd) -> None:
        self._sshd = sshd

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._sshd.enter(conn)
