"""What the targets are tried against."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.targets.fence import UNFENCED, Fence
from reconciler.targets.ssh import SshTarget
from resources.contract import TargetId
from resources.endpoints import SshEndpoint
from tests.lab.vcenter.conftest import binary, cache_dir, certificates, login, vcenter  # noqa: F401 - fixtures
from tests.targets.sshd import Sshd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from reconciler.targets.ssh_connection import ConnectGate
    from tests.targets.sshd import Connect


@pytest.fixture
async def sshd(tmp_path: Path) -> AsyncIterator[Sshd]:
    """Return a running server."""
    async with Sshd(tmp_path) as sshd:
        yield sshd


@pytest.fixture
async def connect(sshd: Sshd) -> AsyncIterator[Connect]:
    """Return what makes targets of that server; their fields may be given otherwise."""
    targets: list[SshTarget] = []

    def make(
        *,
        host: str = "host",
        python: str = sys.executable,
        fence: Fence = UNFENCED,
        place: str = "",
        gate: ConnectGate | None = None,
        **other: Any,
    ) -> SshTarget:
        host_key = sshd.host_key.export_public_key().decode()
        known = {
            "address": "127.0.0.1",
            "port": sshd.port,
            "user": "root",
            "host_key": host_key,
            "key_file": str(sshd.key_file),
        }
        endpoint = SshEndpoint(target=TargetId("ssh", host), **{**known, **other})
        folder = str(sshd.folder / "state")
        targets.append(SshTarget(endpoint, gate, python=python, folder=folder, fence=fence, place=place))
        return targets[-1]

    yield make
    for target in targets:
        await target.close()
