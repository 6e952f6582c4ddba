"""The host key that a host presents: what trust on first use is about. Nothing vouches for it but the moment.

First use it is only where the user's own known_hosts has no other key of that host.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh

from reconciler.targets import TargetError
from reconciler.targets.ssh_connection import CONNECT_S
from resources.endpoints import is_ip

if TYPE_CHECKING:
    from resources.contract import TargetId

_PREFERRED = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)


async def presented_host_key(target: TargetId, address: str, port: int) -> str:
    """Return the public key as a document has it. Raises TargetError, also where the user's known_hosts says otherwise."""
    where = f"{address}:{port}"
    try:
        async with asyncio.timeout(CONNECT_S):
            key = await asyncssh.get_server_host_key(address, port, config=[], server_host_key_algs=list(_PREFERRED))
    except TimeoutError as error:
        raise TargetError(target, f"{where} does not answer within {CONNECT_S:.0f} s") from error
    except (OSError, asyncssh.Error) as error:
        raise TargetError(target, f"{where} tells no host key: {error}") from error
    if key is None:
        raise TargetError(target, f"{where} tells no host key")
    if _contradicts(address, port, key):
        reason = (
            f"{where} presents another host key ({key.get_fingerprint()}) than your known_hosts file has for it: find out "
            "which is right; if the host was made anew, remove the old one with ssh-keygen -R"
        )
        raise TargetError(target, reason, retry=False)
    return " ".join(key.export_public_key().decode().split()[:2])


def _contradicts(address: str, port: int, key: asyncssh.SSHKey) -> bool:
    """Tell whether the user's known_hosts revokes that key, or has another one of its type for the host."""
    try:
        file = asyncssh.read_known_hosts(str(Path.home() / ".ssh/known_hosts"))
    except (OSError, ValueError):
        return False  # there is none, or it says nothing that could be understood
    known, _, revoked, *_ = file.match(address, address if is_ip(address) else "", port)
    return key in revoked or (key not in known and any(one.algorithm == key.algorithm for one in known))
