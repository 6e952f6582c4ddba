"""What a Node document says."""

from __future__ import annotations

import base64
import struct
from typing import Annotated

from pydantic import AfterValidator, Field

from resources.cloud import DocumentPath, Spec
from resources.specs.shapes import Shape

_HOST_KEY = r"|(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+|sk-[a-z0-9@.-]+) [A-Za-z0-9+/=]{30,}( .*)?"


def _whole(key: str) -> str:
    """Return a public key that is as long as it says, and of the type that it says (RFC 4253, 6.6). Raises ValueError."""
    kind, _, rest = key.partition(" ")
    try:
        data = base64.b64decode(rest.partition(" ")[0], validate=True)
        end = 0
        while end < len(data):
            (length,) = struct.unpack_from(">I", data, end)
            end += struct.calcsize(">I") + length
    except (ValueError, struct.error):
        data, end = b"", -1
    if key and not (end == len(data) and data[struct.calcsize(">I") :].startswith(kind.encode())):
        raise ValueError("this public key is damaged or cut off: copy the whole line again")
    return key


class NodeSsh(Spec):
    """How to log in to one host, where it differs from the cluster's `ssh`."""

    user: str | None = Field(default=None, min_length=1, description="Account; one that is not root needs passwordless sudo.")
    port: int | None = Field(default=None, ge=1, le=65535, description="TCP port of sshd.")
    host_key: Annotated[str, Shape(_HOST_KEY, "a public key such as ssh-ed25519 AAAA…"), AfterValidator(_whole)] = Field(
        default="",
        description="The one public host key that is accepted, as in /etc/ssh/ssh_host_ed25519_key.pub. "
        "Without it the known_hosts file of the user who runs bivisor decides, as strictly.",
    )
    key_file: Annotated[str | None, DocumentPath()] = Field(
        default=None,
        description="Private key, relative to this document. Without it the agent's and the user's own keys are tried.",
    )


class NodeSpec(Spec):
    """A host that Bivisor logs in to: OpenSSH and Python 3.6 or newer are all that it needs."""

    address: Annotated[str, Shape(r"[^\s/]+", "an IP address or a name")] = Field(description="What to connect to.")
    ssh: NodeSsh = Field(default_factory=NodeSsh, description="How to log in, where it differs from the cluster's ssh.")
    compute_host: Annotated[str, Shape(r"[A-Za-z0-9][A-Za-z0-9._-]*", "a name of letters, digits, dots and -")] | None = Field(
        default=None,
        max_length=255,
        description="What Nova calls this host's own compute, for ever, where that is not the Node's name: a full domain "
        "name, say. Another name is another compute, and the instances of the former one are lost.",
    )
    roles: tuple[Annotated[str, Shape(r"[a-z0-9][-a-z0-9]*", "a name of a-z, 0-9 and -")], ...] = Field(
        default=(), description="Names of your own choosing, such as controller or compute; selectors choose nodes by them."
    )
