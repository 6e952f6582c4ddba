"""Connecting to a host by SSH: strictly, quickly, and with words for everything that can stand in the way."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import asynccontextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh

from reconciler.aside import begun
from reconciler.targets import TargetError
from reconciler.targets.first_word import first_word

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from resources.contract import TargetId
    from resources.endpoints import SshEndpoint

CONNECT_S = 10.0
"""Seconds until a host must have said its first word, and from its turn on until it must have let us in."""

KEY_S = 10.0
"""Seconds until the file of a private key must be read: it is no host's fault when it is not."""

ATTEMPTS = 3
JITTER_S = 0.3
"""How often a handshake is begun that the host breaks off (sshd drops some when many knock at once), and the longest
pause before the next."""

AT_ONCE = 32
"""Handshakes at the same time, over all hosts: more of them only wait for each other's arithmetic."""

DOUBTFUL = 4
"""The hosts that did not come to the end of their last handshake in time have one place in so many, all together."""

KEEPALIVE_S = 10.0
"""Seconds of silence after which a host is asked for a sign of life; the third unanswered one ends the connection."""

# The first of each is the cheapest for both sides and as safe as any; the others are for hosts that lack it.
_KEX = ("curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521", "diffie-hellman-group16-sha512", "diffie-hellman-group14-sha256")  # fmt: skip
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr",
            "aes192-ctr", "aes128-ctr")  # fmt: skip


class ConnectGate:
    """Lets only so many handshakes happen at the same time; a host that hangs takes nobody's place again and again."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        """Make the gate; all targets of a run share one."""
        self._limit = asyncio.Semaphore(at_once)
        self._doubtful = asyncio.Semaphore(max(at_once // DOUBTFUL, 1))
        self._hung: set[TargetId] = set()
        self._reading: dict[tuple[str, str], asyncio.Future[asyncssh.SSHClientConnectionOptions]] = {}

    @asynccontextmanager
    async def place(self, host: TargetId) -> AsyncIterator[None]:
        """Wait for a place, and have it for a handshake. Raises TimeoutError when that takes too long."""
        async with self._doubtful if host in self._hung else nullcontext(), self._limit:
            try:
                async with asyncio.timeout(CONNECT_S):
                    yield
            except TimeoutError:
                self._hung.add(host)
                raise
            self._hung.discard(host)

    async def options(self, user: str, key_file: str) -> asyncssh.SSHClientConnectionOptions:
        """Return what all hosts of one account have in common. Raises OSError, and what asyncssh says of a key.

        The key's file may be on a mount that hangs: it is read aside, and all who want it wait for one reading.
        """
        if not key_file:
            return _options(user, "", 0)
        reading = self._reading.get((user, key_file))
        if reading is None:
            reading = self._reading[user, key_file] = begun(lambda: _options(user, key_file, _written(key_file)))
            reading.add_done_callback(lambda done: self._read((user, key_file), done))
        return await asyncio.shield(reading)

    def _read(self, what: tuple[str, str], done: asyncio.Future[asyncssh.SSHClientConnectionOptions]) -> None:
        del self._reading[what]
        if not done.cancelled():
            done.exception()  # heard, though nobody may wait for it any more


async def connect(endpoint: SshEndpoint, gate: ConnectGate) -> asyncssh.SSHClientConnection:
    """Return a connection to the very host that is declared. Raises TargetError.

    A host has its place at the gate when it has said something: however many are dead, none of them is waited for there.
    """
    options = await _shared(endpoint, gate)
    for attempt in range(1, ATTEMPTS + 1):
        guard = _Guard(endpoint)
        try:
            async with first_word(endpoint.address, endpoint.port, CONNECT_S) as word, gate.place(endpoint.target):
                return await asyncssh.connect(
                    endpoint.address, endpoint.port, tunnel=word, options=options,
                    client_factory=lambda guard=guard: guard, **guard.algorithms(),
                )  # fmt: skip
        except (asyncssh.ConnectionLost, ConnectionResetError, BrokenPipeError) as error:
            if attempt == ATTEMPTS:
                raise _refused(endpoint, guard, error) from error
            await asyncio.sleep(random.uniform(0.05, JITTER_S) * attempt)  # noqa: S311 - it spreads, it hides nothing
        except (OSError, asyncssh.Error, ValueError) as error:
            raise _refused(endpoint, guard, error) from error
    raise AssertionError


async def _shared(endpoint: SshEndpoint, gate: ConnectGate) -> asyncssh.SSHClientConnectionOptions:
    """Return what it has in common with others. Raises TargetError.

    It is read before the gate lets us in: who waits for a file that hangs must not stand in the way of hosts of other keys.
    """
    guard = _Guard(endpoint)
    try:
        async with asyncio.timeout(KEY_S):
            return await gate.options(endpoint.user, endpoint.key_file)
    except TimeoutError as error:
        why = f"the private key {endpoint.key_file} is not read within {KEY_S:.0f} s: does its file system answer?"
        raise TargetError(endpoint.target, why) from error
    except (OSError, asyncssh.Error, ValueError) as error:
        raise _refused(endpoint, guard, error) from error


class _Guard(asyncssh.SSHClient):
    """Accepts the declared host key and no other, and remembers which one was presented."""

    def __init__(self, endpoint: SshEndpoint) -> None:
        """Guard the way to this host. Raises TargetError for a declared key that is none."""
        self.presented: asyncssh.SSHKey | None = None
        self.expected: asyncssh.SSHKey | None = None
        if endpoint.host_key:
            try:
                self.expected = asyncssh.import_public_key(endpoint.host_key)
            except asyncssh.KeyImportError as error:
                raise TargetError(endpoint.target, f"the declared host key cannot be read: {error}", retry=False) from error

    def algorithms(self) -> dict[str, object]:
        """Ask for the declared type of key; a host has several. Without one, known_hosts decides everything."""
        if self.expected is None:
            return {}
        names = [name.decode() for name in self.expected.sig_algorithms]
        wanted = [name for name in names if name != "ssh-rsa" and not name.endswith("@ssh.com")]
        return {"known_hosts": ([], [], []), "server_host_key_algs": wanted}

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002 - the protocol's words
        """Compare the key with the declared one."""
        self.presented = key
        return self.expected is not None and key == self.expected


def _written(key_file: str) -> int:
    """Return when a key's file was written (nanoseconds). Raises OSError."""
    return Path(key_file).stat().st_mtime_ns


@lru_cache(maxsize=16)
def _options(user: str, key_file: str, written: int) -> asyncssh.SSHClientConnectionOptions:  # noqa: ARG001 - another key, if another
    """Return what all hosts of one account have in common; made once for each key, since reading keys takes time."""
    keys = {"client_keys": [asyncssh.read_private_key(key_file)], "agent_path": None} if key_file else {}
    return asyncssh.SSHClientConnectionOptions(
        username=user, config=[], gss_host=None, x509_trusted_certs=None, preferred_auth="publickey", kex_algs=_KEX,
        encryption_algs=_CIPHERS, compression_algs=None, keepalive_interval=KEEPALIVE_S, **keys,
    )  # fmt: skip


def _refused(endpoint: SshEndpoint, guard: _Guard, error: Exception) -> TargetError:
    reason, retry = _why(endpoint, guard, error)
    return TargetError(endpoint.target, reason, retry=retry)


def _why(endpoint: SshEndpoint, guard: _Guard, error: Exception) -> tuple[str, bool]:  # noqa: C901, PLR0911, PLR0912 - a table
    """Return a sentence for a person, and whether trying again may help."""
    where = f"{endpoint.address}:{endpoint.port}"
    match error:
        case TimeoutError():
            return f"{where} does not answer within {CONNECT_S:.0f} s: is the host up and the address right?", True
        case ConnectionRefusedError():
            return f"{where} refuses connections: does sshd run there?", True
        case socket.gaierror():
            return f'the name "{endpoint.address}" cannot be resolved', True
        case asyncssh.HostKeyNotVerifiable():
            return _wrong_key(endpoint, guard), False
        case asyncssh.PermissionDenied():
            return _not_let_in(endpoint), False
        case asyncssh.KeyExchangeFailed() if guard.expected and "host key" in str(error).lower():
            return f"{where} has no {guard.expected.get_algorithm()} host key, which is the declared one's type", False
        case asyncssh.KeyImportError() if "passphrase" in str(error).lower():
            return f"the private key {endpoint.key_file} has a passphrase: load it into an agent and declare no file", False
        case asyncssh.KeyImportError():
            return f"the private key {endpoint.key_file or 'of yours'} cannot be read: {error}", False
        case UnicodeError() if "idna" in str(error):
            return f'"{endpoint.address}" can be no name of a host', False
        case ValueError():
            return f"your known_hosts file cannot be read: {error}", False
        case OSError() if error.filename:
            return f"the private key {error.filename} cannot be read: {error.strerror}", False
        case ConnectionResetError() | BrokenPipeError() | asyncssh.ConnectionLost():
            return f"{where} breaks the connection off before anybody is let in", True
        case OSError():
            return f"{where} cannot be reached: {error.strerror or error}", True
        case _:
            return f"{where}: {error}", True


def _wrong_key(endpoint: SshEndpoint, guard: _Guard) -> str:
    where = f"{endpoint.address}:{endpoint.port}"
    if guard.presented is None:
        return f"the host key of {where} cannot be verified"
    seen = f"{guard.presented.get_algorithm()} {guard.presented.get_fingerprint()}"
    if guard.expected is None:
        return f"{where} is not in your known_hosts file; it presents {seen}: if that is right, declare it as the host key"
    expected = f"{guard.expected.get_algorithm()} {guard.expected.get_fingerprint()}"
    return (
        f"{where} presents the host key {seen}, but {expected} is declared: somebody may stand in between; "
        "only if the host was really made anew, declare its new key"
    )


def _not_let_in(endpoint: SshEndpoint) -> str:
    key = f"the key {endpoint.key_file}" if endpoint.key_file else "any key of yours"
    home = "/root" if endpoint.user == "root" else f"~{endpoint.user}"
    return (
        f'sshd on {endpoint.address}:{endpoint.port} does not let user "{endpoint.user}" in with {key}: '
        f"add its public half to {home}/.ssh/authorized_keys"
    )
