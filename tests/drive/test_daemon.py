"""The daemon as a whole, with real files and no hosts: what ends nobody, and what is told to systemd."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, NoReturn

from reconciler import desired_source
from reconciler.cli.chronicle import Chronicle
from reconciler.core.plan import Plan
from reconciler.reconcile import Look
from reconciler.targets.fake import FakeTarget
from reconciler.targets.open import Targets
from resources.contract import Reply, TargetId
from resources.endpoints import PacemakerEndpoint, SshEndpoint
from tests.drive.told import NODES, node, telling, write_cloud

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from reconciler.targets import Target
    from resources.endpoints import Endpoint


def fail(*_: object) -> NoReturn:
    """Fail in a way that nobody foresaw."""
    raise KeyError("canary")


async def test_documents_that_bring_a_mistake_to_light_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in compiling them refuses them like any error of theirs; the last good ones stay, the next ones are read."""
    folder = write_cloud(tmp_path)
    async with telling(folder) as (_, told):
        good = (await told.nodes(*NODES)).desired
        with monkeypatch.context() as broken:
            broken.setattr(desired_source, "compiled", fail)
            (folder / "more.yaml").write_text(node("a"))
            bad = await told.until(lambda state: state.refused is not None)
            assert bad.desired is good
            assert "a mistake of Bivisor's (KeyError in test_daemon.py:" in str(bad.refused)
        await told.nodes(*NODES, "a")


async def test_a_mistake_in_looking_at_the_folder_ends_no_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as a reason why nothing is taken; when it is over, the folder is followed as before."""
    folder = write_cloud(tmp_path)
    async with telling(folder) as (_, told):
        await told.nodes(*NODES)
        with monkeypatch.context() as broken:
            broken.setattr(desired_source, "stamps_of", fail)
            (folder / "more.yaml").write_text(node("a"))
            await told.until(lambda state: "a mistake of Bivisor's" in str(state.refused))
        await told.nodes(*NODES, "a")


class Watchful(Targets):
    """Targets that are remembered when they are made."""

    def __init__(self, endpoints: Any) -> None:
        """Nobody is reached yet."""
        super().__init__(endpoints)
        self.made: list[FakeTarget] = []

    def _make(self, _: object) -> Target:
        self.made.append(FakeTarget(lambda _: Reply({})))
        return self.made[-1]


async def test_what_is_reached_otherwise_is_closed_when_its_time_has_come() -> None:
    """A host with another address and its cluster are others at once; the former ones stay open until somebody closes them."""
    host, other, cluster = TargetId("ssh", "a"), TargetId("ssh", "b"), TargetId("pacemaker", "c")
    first = SshEndpoint(host, "one", 22, "root", "", "")
    endpoints: dict[TargetId, Endpoint] = {host: first, other: SshEndpoint(other, "b", 22, "root", "", "")}
    endpoints |= {cluster: PacemakerEndpoint(cluster, {"a": host})}
    async with Watchful(endpoints) as targets:
        before = {target: targets.get(target) for target in (host, other, cluster)}
        former = targets.replace({**endpoints, host: SshEndpoint(host, "two", 22, "root", "", "")})
        assert former == {host: before[host], cluster: before[cluster]}
        assert targets.get(host) is not before[host]
        assert targets.get(other) is before[other]
        assert [target.closed for target in targets.made] == [False] * 4
        await targets.close([before[host]])
        assert [target.closed for target in targets.made] == [True, False, False, False]
    assert all(target.closed for target in targets.made)


def test_systemd_hears_that_nothing_can_be_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status says so, and says what is to be done again as soon as something is decided, though that is what it was."""
    place = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, Chronicle(tmp_path) as chronicle:
        systemd.bind(place)
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", place)
        look = Look({}, Plan(()))
        chronicle.decided(look)
        chronicle.undecided("by mistake")
        chronicle.decided(look)
        heard = [systemd.recv(1000).decode() for _ in range(4)]
    assert heard == [
        "READY=1",
        "STATUS=everything is as declared",
        "STATUS=nothing is decided: by mistake",
        "STATUS=everything is as declared",
    ]
