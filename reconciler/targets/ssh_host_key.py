"""The host key that a host presents: what trust on first use is about. Nothing vouches for it but the moment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncssh

from reconciler.targets import TargetError
from reconciler.targets.ssh_connection import CONNECT_S

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
    """Return the public key as a document has it. Raises TargetError."""
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
    return " ".join(key.export_public_key().decode().split()[:2])
