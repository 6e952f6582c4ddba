"""The daemon on real daemons: what changes is noticed where it changes, and seen to within seconds."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab import keys
from tests.lab.layout import host_named
from tests.lab.test_converge import COMPUTE, compute_node, wait_for
from tests.lab.workspace import Census, Workspace, invocations, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

CONF = "/etc/nova/nova.conf"
SOON_S = 10.0
"""Seconds until a repair that interrupts nothing is done: far below every sweep of a host."""


@pytest.fixture(scope="module")
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A converged cloud; the tests below leave it so."""
    return Workspace.converged(tmp_path_factory.mktemp("desk"), lab)


class Running:
    """A daemon, and what it says."""

    def __init__(self, desk: Workspace, name: str = "run.log", level: str = "info") -> None:
        """Start it."""
        self.log = desk.folder / name
        with self.log.open("wb") as log:
            self.process = desk.start("--log-json", "--log-level", level, "run", log=log)

    def lines(self, event: str = "") -> list[dict[str, Any]]:
        """Return the lines of that event so far, or all of them."""
        whole = [line for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [told for told in map(json.loads, filter(_is_json, whole)) if event in ("", told["event"])]

    def quiet(self) -> bool:
        """Tell whether its last decision was that everything is as declared, and nothing is in hand."""
        decided, ended = self.lines("decided"), Counter(line["address"] for line in self.lines("result"))
        in_hand = Counter(line["address"] for line in self.lines("step")) - ended
        return bool(decided) and decided[-1].keys() <= {"units", "event", "level", "timestamp"} and not in_hand


def _is_json(line: str) -> bool:
    return line.startswith("{")


@contextmanager
def running(desk: Workspace) -> Iterator[Running]:
    """Have the daemon run on a quiet cloud; told to stop, it does."""
    daemon = Running(desk)
    try:
        wait_for(daemon.quiet, "it finds everything as declared", 90)
        yield daemon
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(30) == 0, daemon.log.read_text()
    finally:
        daemon.process.kill()
        daemon.process.wait()


@contextmanager
def watched(desk: Workspace, key: str) -> Iterator[Callable[[], str]]:
    """Have `bivisor status --watch` run; yield what tells its last word on whether a resource's changes are heard, or ''."""
    shown = desk.folder / "watched.json"
    with shown.open("wb") as log:
        process = desk.start("status", "--watch", "-o", "json", log=log)

    def healthy() -> str:
        documents = [json.loads(line) for line in shown.read_text().splitlines(keepends=True) if line.endswith("\n")]
        resources = documents[-1]["resources"] if documents else []
        conditions = [each for resource in resources if resource["key"] == key for each in resource["conditions"]]
        return next((each["status"] for each in conditions if each["type"] == "WatchHealthy"), "")

    try:
        yield healthy
    finally:
        process.kill()
        process.wait()


def test_a_hands_edit_and_a_dead_service_are_repaired_at_once(lab: Lab, desk: Workspace) -> None:
    """Long before any sweep the option is as declared again and the service runs; nothing else is touched."""
    with running(desk) as daemon:
        before = invocations(lab)
        lab.exec("kvm1", "sed", "-i", "s/^vif_plugging_timeout.*/vif_plugging_timeout = 3/", CONF)
        wait_for(lambda: "vif_plugging_timeout = 0" in lab.exec("kvm1", "cat", CONF).stdout, "the option is repaired", SOON_S)
        wait_for(daemon.quiet, "all is quiet", 60)
        assert started(lab, before) == set(), "what a process has not loaded restarts nothing"
        lab.exec("vol2", "systemctl", "kill", "--signal=KILL", "cinder-volume")
        lab.exec("vol2", "systemctl", "stop", "cinder-volume")
        wait_for(
            lambda: lab.exec("vol2", "systemctl", "is-active", "cinder-volume", check=False).stdout.strip() == "active",
            "the service is started again",
            SOON_S,
        )
        wait_for(daemon.quiet, "all is quiet", 60)
        assert started(lab, before) == {("vol2", "cinder-volume")}
        assert not daemon.lines("deaf")


def test_a_document_is_rolled_out_one_service_after_the_other(lab: Lab, desk: Workspace) -> None:
    """A changed option restarts both computes, never both at once, and a second daemon is refused meanwhile."""
    with running(desk) as daemon, Census(lab) as census:
        before, node = invocations(lab), compute_node(lab)
        desk.next_interval()
        wait_for(lambda: bool(daemon.lines("step")), "it begins", SOON_S)
        assert "keeps it already" in desk.run("run", exits=1).stderr
        wait_for(lambda: daemon.quiet() and len(started(lab, before)) >= 2, "it is rolled out", 180)
        assert started(lab, before) == {("kvm1", "nova-compute"), (node, COMPUTE)}
        restarts = [line["address"] for line in daemon.lines("step") if line["verb"] == "restart"]
        assert len(restarts) == len(set(restarts)) == 2
    assert census.most == 1
    assert "No changes" in desk.run("plan", "--detailed-exitcode").stdout


def test_a_host_that_is_cut_off_holds_nobody_up(lab: Lab, desk: Workspace) -> None:
    """Within half a minute it is told that a host is not heard; another one's drift is repaired meanwhile; then it is heard.

    `bivisor status --watch` says so of what is declared there, and `bivisor events` of the host.
    """
    with running(desk) as daemon, watched(desk, "VolumeBackend/vmdk") as healthy:
        wait_for(lambda: healthy() == "True", "it is shown that it is heard", 30)
        lab.cut("vol1")
        try:
            wait_for(lambda: any(line["target"] == "ssh:vol1" for line in daemon.lines("deaf")), "the silence is told", 30)
            wait_for(lambda: healthy() == "False", "the silence is shown", 30)
            lab.exec("kvm1", "sed", "-i", "s/^vif_plugging_timeout.*/vif_plugging_timeout = 3/", CONF)
            wait_for(
                lambda: "vif_plugging_timeout = 0" in lab.exec("kvm1", "cat", CONF).stdout, "the drift is repaired", SOON_S
            )
        finally:
            lab.mend("vol1")
        wait_for(lambda: any(line["target"] == "ssh:vol1" for line in daemon.lines("heard_again")), "it is heard again", 90)
        wait_for(lambda: healthy() == "True", "it is shown that it is heard again", 30)
        wait_for(daemon.quiet, "all is quiet", 120)
    events = json.loads(desk.run("events", "ssh:vol1", "-o", "json").stdout)["events"]
    reasons = [each["reason"] for each in events if each["reason"] in ("Deaf", "HeardAgain")]
    assert (reasons[0], reasons[-1]) == ("Deaf", "HeardAgain")


REPOSITORY = "/srv/cloud.git"


@pytest.fixture
def served(lab: Lab, desk: Workspace) -> Iterator[str]:
    """Serve the desk's documents from a host, by its SSH server and this machine's git; return the address."""
    host = host_named("vol1")
    program, repository = lab.root(host.name) / "usr/bin/git", lab.root(host.name) / REPOSITORY[1:]
    git = ("git", "-C", str(desk.folder), "-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    try:
        shutil.copy(str(shutil.which("git")), program)
        program.with_name("git-upload-pack").symlink_to("git")
        for arguments in (("init", "-q", "-b", "main"), ("add", "desired"), ("commit", "-q", "-m", "All of it")):
            subprocess.run([*git, *arguments], check=True)
        subprocess.run([*git, "clone", "-q", "--bare", str(desk.folder), str(repository)], check=True)
        yield f"ssh://{host.user}@{host.address}{REPOSITORY}"
    finally:
        shutil.rmtree(repository, ignore_errors=True)
        for path in (program, program.with_name("git-upload-pack")):
            path.unlink(missing_ok=True)


def test_a_branch_behind_an_ssh_server_is_fetched_and_kept(lab: Lab, desk: Workspace, served: str, tmp_path: Path) -> None:
    """With a key and the host's own key it is fetched and kept; without one of them it is told which, and nothing is done."""
    host, known, other = host_named("vol1"), tmp_path / "known_hosts", tmp_path / "other"
    lab.exec("kvm1", "sed", "-i", "s/^vif_plugging_timeout.*/vif_plugging_timeout = 3/", CONF)

    def once(key: Path) -> tuple[int, str]:
        ssh = f"ssh -F none -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile={known} -i {key}"
        named = ("run", "--once", "--git", served, "--secrets", str(desk.folder / "secrets"))
        process = desk.start(*named, environment={"GIT_SSH_COMMAND": ssh})
        out, err = process.communicate(timeout=120)
        return process.returncode, " ".join((out + err).split())

    code, said = once(keys.CLIENT_KEY)
    assert (code, "add the host's key to ~/.ssh/known_hosts of who runs this" in said) == (1, True), said
    known.write_text(f"{host.address} {keys.public_text(keys.host_key(host.name))}\n")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    code, said = once(other)
    assert (code, "give who runs this a key that may read the repository" in said) == (1, True), said
    assert "vif_plugging_timeout = 3" in lab.exec("kvm1", "cat", CONF).stdout
    code, said = once(keys.CLIENT_KEY)
    assert code == 0, said
    assert "vif_plugging_timeout = 0" in lab.exec("kvm1", "cat", CONF).stdout
