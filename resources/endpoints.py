"""How to reach a target, as data. Kinds publish endpoints; `reconciler.targets` opens them."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.contract import SecretText, TargetId


@dataclass(frozen=True, slots=True)
class SshEndpoint:
    """A plain host: OpenSSH and Python 3.6 or newer, nothing else.

    `host_key` is the one public key that is accepted (`ssh-ed25519 AAAA…`); an empty string means the user's
    known_hosts file decides, as strictly. `key_file` is the private key, an empty string means the agent and the
    user's default keys. A user other than root works through `sudo -n`.
    """

    target: TargetId
    address: str
    port: int
    user: str
    host_key: str
    key_file: str


@dataclass(frozen=True, slots=True)
class PacemakerEndpoint:
    """A Corosync ring: Pacemaker node name to the ssh target of that host; any live member answers for all.

    `remotes` are the pacemaker_remote nodes: they run things, and are asked about these only.
    """

    target: TargetId
    members: Mapping[str, TargetId]
    remotes: Mapping[str, TargetId] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VCenterEndpoint:
    """A vCenter API. Exactly one of `ca_file`, `thumbprint` and `insecure` is set; `secret` names the credentials."""

    target: TargetId
    host: str
    port: int
    username: str
    password: SecretText
    secret: str
    ca_file: str = ""
    thumbprint: str = ""
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class OpenStackEndpoint:
    """The APIs of one OpenStack, found through Keystone; the account must be an admin of it."""

    target: TargetId
    auth_url: str
    region: str
    username: str
    password: SecretText
    project: str
    user_domain: str
    project_domain: str
    ca_file: str = ""


Endpoint: TypeAlias = SshEndpoint | PacemakerEndpoint | VCenterEndpoint | OpenStackEndpoint


def is_ip(address: str) -> bool:
    """Tell whether a host's address is a number, not a name."""
    try:
        ip_address(address)
    except ValueError:
        return False
    return True
