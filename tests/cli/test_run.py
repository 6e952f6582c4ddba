"""The program keeps running and keeps what is declared, against the vCenter simulator; its hosts are away."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.cli.test_port_groups import PROGRAM, desk, edit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["desk"]
GROUP = "vcenter:vc1/port_group/DVS0/provider-100"
PATIENCE_S = 60.0


class Running:
    """A daemon and the lines of its log."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Start it; its log goes into a file."""
        self.log = folder / "log"
        environment = {**os.environ, "BIVISOR_STATE": str(folder / "state")}
        with self.log.open("wb") as log:
            arguments = [str(PROGRAM), "--log-level", "info", "--log-json", "run", *options]
            self.process = subprocess.Popen(arguments, cwd=folder, env=environment, stderr=log, stdout=subprocess.DEVNULL)

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of that event."""
        whole = self.log.read_text().splitlines(keepends=True)
        told = [json.loads(line) for line in whole if line.startswith("{") and line.endswith("\n")]
        return [line for line in told if line["event"] == event]

    def results(self) -> list[str]:
        """Return what came of the port group's steps."""
        return [line["outcome"] for line in self.lines("result") if line["address"] == GROUP]

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until it holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"{what}: {self.log.read_text()}"
            time.sleep(0.05)


def ready(daemon: Running) -> list[str]:
    """Return whether its documents were in force, one time after the other."""
    return [line["status"] for line in daemon.lines("desired") if line["condition"] == "Ready"]


def copied(desk: Path) -> Path:
    """Return a folder with a copy of documents and secrets."""
    for name in ("desired", "secrets"):
        shutil.copytree(desk / name, desk / "copy" / name)
    return desk / "copy"


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Running]:
    """Have a daemon run; at the end it is told to stop, and does."""
    daemon = Running(folder, *options)
    try:
        yield daemon
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(PATIENCE_S) == 0
    finally:
        daemon.process.kill()
        daemon.process.wait()


def test_a_changed_document_is_seen_to_and_a_broken_one_changes_nothing(desk: Path) -> None:
    """It makes what is declared, follows a change, keeps to the last good folder, and takes the mended one."""
    zones = desk / "desired/zones.yaml"
    with running(desk) as daemon:
        daemon.until(lambda: daemon.results() == ["converged"], "the port group is made")
        edit(zones, "vlan: 100", "vlan: 101")
        daemon.until(lambda: daemon.results() == ["converged"] * 2, "the change is seen to")
        good = zones.read_text()
        zones.write_text(good.replace("vlan: 101", "vlan: many"))
        daemon.until(lambda: daemon.lines("desired")[-1]["reason"] == "Refused", "the error is told")
        assert "desired/zones.yaml:" in daemon.lines("desired")[-1]["message"]
        zones.write_text(good.replace("vlan: 101", "vlan: 102"))
        daemon.until(lambda: daemon.results() == ["converged"] * 3, "the mended folder is taken")
    assert daemon.lines("stopped")
    told = subprocess.run(
        [PROGRAM, "history", GROUP, "-o", "json"],
        cwd=desk, env={**os.environ, "BIVISOR_STATE": str(desk / "state")}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert {each["command"] for each in json.loads(told.stdout)["passes"]} == {"run"}


def test_only_looking_changes_nothing(desk: Path) -> None:
    """With --observe-only it says what it would do, and does not."""
    with running(desk, "--observe-only") as daemon:
        daemon.until(lambda: [line for line in daemon.lines("decided") if line.get("create") == 1], "it has decided")
    assert not daemon.lines("step")


def test_there_is_one_of_a_folder(desk: Path) -> None:
    """A second one is refused, wherever it would keep its history; after kill -9 the next one may."""
    with running(desk, "--observe-only") as daemon:
        daemon.until(lambda: daemon.lines("decided"), "it runs")
        environment = {**os.environ, "BIVISOR_STATE": str(desk / "elsewhere")}
        second = subprocess.run(
            [PROGRAM, "run"], cwd=desk, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert second.returncode == 1
        assert second.stderr == "desired: another bivisor run keeps it already: stop that one first\n"
    killed = Running(desk, "--observe-only")
    killed.until(lambda: killed.lines("decided"), "it runs")
    killed.process.kill()
    killed.process.wait()
    with running(desk, "--observe-only") as daemon:
        daemon.until(lambda: daemon.lines("decided"), "the next one runs")


def test_there_is_one_of_a_cloud(desk: Path) -> None:
    """Who has a copy of the documents may look, and is refused as soon as it would act."""
    copy = copied(desk)
    with running(desk) as daemon:
        daemon.until(lambda: daemon.lines("decided"), "it runs")
        with running(copy, "--observe-only") as watcher:
            watcher.until(lambda: watcher.lines("decided"), "who only looks may")
        second = Running(copy)
        assert second.process.wait(PATIENCE_S) == 1
        assert second.lines("ended")[-1]["message"].endswith("another bivisor run keeps it already: stop that one first")
        assert not second.lines("step")
    with running(copy) as daemon:
        daemon.until(lambda: daemon.lines("decided"), "the next one runs")


def test_documents_of_a_cloud_that_another_one_keeps_wait(desk: Path) -> None:
    """A daemon to which they come later keeps what it has, says why, and takes them when that other one has left the cloud."""
    copy, ours = copied(desk), (desk / "desired/cluster.yaml").read_text()
    elsewhere = ours.replace("/v3", "/elsewhere/v3")
    (copy / "desired/cluster.yaml").write_text(elsewhere)
    with running(desk) as first, running(copy) as second:
        first.until(lambda: first.lines("decided"), "the first runs")
        second.until(lambda: second.lines("decided"), "the second runs, of another cloud")
        (copy / "desired/cluster.yaml").write_text(ours)
        second.until(lambda: ready(second)[-1] == "False", "they wait")
        assert "another bivisor run keeps it already" in second.lines("desired")[-1]["message"]
        (desk / "desired/cluster.yaml").write_text(ours.replace("/v3", "/third/v3"))
        second.until(lambda: ready(second)[-1] == "True", "they are taken")


def test_who_leads_keeps(desk: Path) -> None:
    """The lead is for who acts as long as it runs: with only looking, or acting once, it is refused before anything is read."""
    for other in ("--observe-only", "--once"):
        daemon = Running(desk, "--leader", "ctl1", other)
        assert daemon.process.wait(PATIENCE_S) == 1
        assert "--leader: goes with neither --once nor --observe-only" in daemon.log.read_text()


def test_who_does_not_lead_gives_no_sign_of_life(desk: Path) -> None:
    """With nothing to keep it ends with the reason before it leads, and Pacemaker's agent never takes it for started."""
    (desk / "desired/broken.yaml").write_text("kind: Nonsense\n")
    daemon = Running(desk, "--leader", "ctl1", "--beat", "beat")
    assert daemon.process.wait(PATIENCE_S) == 5
    assert "There is nothing to keep on this machine: another one has to lead" in daemon.log.read_text()
    assert not (desk / "beat").exists()
