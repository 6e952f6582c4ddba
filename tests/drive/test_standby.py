"""A machine that is to lead and has nothing to keep to: it leaves its place to another one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.core.errors import BivisorError
from reconciler.core.status import Condition, Truth
from reconciler.daemon import Daemon, Terms
from reconciler.folder import Folder
from tests.drive.test_leader import Ring

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.looptime

REFUSED = Folder(refused=BivisorError("desired/secrets.yaml:3:1: Secret/vc1: ../secrets/vc1.yaml: no such file"))
FETCHED, UNFETCHED = Condition("Fetched", Truth.TRUE, "Fetched"), Condition("Fetched", Truth.FALSE, "GitFailed", "no route")
UNTAKEN = Condition("Current", Truth.FALSE, "Refused", "1234 of main is not taken, nothing is in force: no folder desired")


class Documents:
    """Tells these one after the other, a second apart, and then nothing."""

    def __init__(self, tell: Callable[[Folder], None], *folders: Folder) -> None:
        """Know whom to tell."""
        self._tell = tell
        self._folders = folders

    async def run(self) -> None:
        """Tell them."""
        for folder in self._folders:
            await asyncio.sleep(1.0)
            self._tell(folder)
        await asyncio.Event().wait()

    def reload(self) -> None:
        """Have nothing else."""


class Nobody:
    """Hears everything and does nothing."""

    def folder(self, folder: Folder) -> None:
        """Hear of documents."""

    def __getattr__(self, name: str) -> Any:
        """Hear of nothing else: nothing is kept."""
        raise AssertionError(name)


def daemon(*folders: Folder, leader: bool) -> tuple[Daemon, Ring]:
    """Return a daemon of such documents, and the ring in which it is to lead."""
    ring = Ring()
    terms = Terms(leader=ring.leader() if leader else None)
    return Daemon(lambda tell: Documents(tell, *folders), Nobody(), terms=terms), ring


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        (REFUSED, "Secret/vc1: ../secrets/vc1.yaml: no such file"),
        (Folder(source=(UNFETCHED, Condition("Current", Truth.UNKNOWN, "NotYetFetched"))), "no route"),
        (Folder(source=(FETCHED, UNTAKEN)), "no folder desired"),
    ],
)
async def test_who_is_to_lead_and_cannot_read_its_documents_ends(folder: Folder, why: str) -> None:
    """Else Pacemaker would take it for healthy, and nobody would keep the cloud; it claims nothing before."""
    standby, ring = daemon(folder, leader=True)
    async with asyncio.timeout(10.0):
        lost = await standby.run()
    assert lost is not None
    assert why in lost.message
    assert lost.exit_code == 5
    assert ring.cib.number == 0


async def test_what_is_not_fetched_yet_may_still_come() -> None:
    """What was in force may not fit any more, and the fetch that follows mends it: that is waited for."""
    standby, _ = daemon(Folder(source=(Condition("Fetched", Truth.UNKNOWN, "NotYetFetched"), UNTAKEN)), leader=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60.0):
            await standby.run()


async def test_a_daemon_that_is_alone_waits_for_its_documents() -> None:
    """There is nobody else who could keep them: a person mends them, and it goes on."""
    alone, _ = daemon(REFUSED, leader=False)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(600.0):
            await alone.run()
