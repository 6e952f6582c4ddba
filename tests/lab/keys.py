"""Keys and passwords of the lab: constants where documents name them, made once where they are secret.

Host keys are derived from the hosts' names, so that `desired/` can pin their public halves and
each lab on each machine is the lab that it describes. They protect nothing but a private bridge.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import string
import struct
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.lab.layout import API, STATE

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "lab-password"  # noqa: S105 - of a cloud that nobody else can reach
"""Of every OpenStack account, the database and the message queue."""

VCENTER_USER = "administrator@vsphere.local"
VCENTER_PASSWORD = "Simulated-1"  # noqa: S105 - the simulator's

AUTH_URL = f"http://{API.address}:5000/v3"
TRANSPORT_URL = f"rabbit://openstack:{PASSWORD}@{API.address}:5672/"
CINDER_DATABASE_URL = f"mysql+pymysql://openstack:{PASSWORD}@{API.address}/cinder"

CLIENT_KEY = STATE / "id_ed25519"
"""What a client shows to the hosts; kept as long as the lab's state folder."""

_AUTHKEY = STATE / "corosync-authkey"
_AUTHKEY_CHARACTERS = 256


def host_key(name: str) -> Ed25519PrivateKey:
    """The SSH host key of the host with that name: the same on every machine."""
    seed = hashlib.sha256(f"bivisor lab host key {name}".encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def private_text(key: Ed25519PrivateKey) -> str:
    """In the format of OpenSSH's key files."""
    raw = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return raw.decode()


def public_text(key: Ed25519PrivateKey) -> str:
    """`ssh-ed25519 AAAA…`, without a comment."""
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def client_public_text() -> str:
    """The public half of the client's key; makes the pair on first use."""
    if not CLIENT_KEY.exists():
        key = Ed25519PrivateKey.generate()
        write_secret(CLIENT_KEY, private_text(key))
        CLIENT_KEY.with_suffix(".pub").write_text(f"{public_text(key)} bivisor-lab\n")
    return CLIENT_KEY.with_suffix(".pub").read_text().strip()


def corosync_authkey() -> str:
    """256 random letters and digits, the same as long as the lab's state folder stays."""
    if not _AUTHKEY.exists():
        alphabet = string.ascii_letters + string.digits
        text = "".join(secrets.choice(alphabet) for _ in range(_AUTHKEY_CHARACTERS))
        write_secret(_AUTHKEY, text)
    return _AUTHKEY.read_text()


def ceph_key(entity: str) -> str:
    """The key of a Ceph user or daemon (`client.cinder`, `osd.0`): the same on every machine.

    Ceph's form: kind (1: AES), time of making in s and ns, length, 16 bytes, all in base64.
    """
    raw = hashlib.sha256(f"bivisor lab ceph key {entity}".encode()).digest()[:16]
    return base64.b64encode(struct.pack("<HIIH", 1, 0, 0, len(raw)) + raw).decode()


def write_secret(file: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(file)


def write_secrets(folder: Path, *, ca_file: Path) -> None:
    """Write the secrets that the demo's documents refer to (`../secrets/…`) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    client_public_text()
    texts = {
        "vc1.yaml": _account(VCENTER_USER, VCENTER_PASSWORD),
        "vc1-ca.pem": ca_file.read_text(),
        "keystone-admin.yaml": _account("admin", PASSWORD),
        "glance-service.yaml": _account("glance", PASSWORD),
        "nova-service.yaml": _account("nova", PASSWORD),
        "cinder-service.yaml": _account("cinder", PASSWORD),
        "transport-url": TRANSPORT_URL,
        "cinder-database": CINDER_DATABASE_URL,
        "corosync-authkey": corosync_authkey(),
        "id_ed25519": CLIENT_KEY.read_text(),
    }
    for name, text in texts.items():
        write_secret(folder / name, text)


def _account(username: str, password: str) -> str:
    return f"username: {username}\npassword: {password}\n"
