"""The program follows a branch of a git repository, against the vCenter simulator; its hosts are away."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.repository import ENVIRONMENT
from tests.cli.test_port_groups import PROGRAM, desk, edit
from tests.cli.test_run import GROUP, PATIENCE_S, running

__all__ = ["desk"]
DOCUMENTS = "cloud/desired"


def git(desk: Path, *arguments: str) -> str:
    """Run git in the repository; return what it prints."""
    done = subprocess.run(["git", *arguments], cwd=desk / "work", env=ENVIRONMENT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def push(desk: Path) -> str:
    """Commit what there is and push it; return the commit."""
    git(desk, "add", "-A")
    git(desk, "commit", "-q", "-m", "more")
    git(desk, "push", "-q", "origin", "HEAD:prod")
    return git(desk, "rev-parse", "HEAD")


@pytest.fixture
def repository(desk: Path) -> Path:
    """The desk, with its documents in a repository to which one pushes, and its secrets in none."""
    (desk / "work/cloud").mkdir(parents=True)
    shutil.move(desk / "desired", desk / "work" / DOCUMENTS)
    subprocess.run(["git", "init", "-q", "--bare", desk / "cloud.git"], env=ENVIRONMENT, check=True)
    git(desk, "init", "-q", "-b", "main")
    git(desk, "remote", "add", "origin", str(desk / "cloud.git"))
    return desk


def options(desk: Path) -> tuple[str, ...]:
    """How the branch is followed."""
    named = ("--git", str(desk / "cloud.git"), "--branch", "prod", "--path", DOCUMENTS)
    return (*named, "--secrets", str(desk / "secrets"), "--every", "1s")


def bivisor(desk: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    return subprocess.run(
        [PROGRAM, *arguments],
        cwd=desk, env=os.environ | environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip


def passes(folder: str, desk: Path) -> list[dict[str, Any]]:
    """Return the passes that made something of the port group, oldest first."""
    told = bivisor(desk, "history", GROUP, "--desired", folder, "-o", "json")
    found: list[dict[str, Any]] = json.loads(told.stdout)["passes"]
    return found[::-1]


def test_what_is_pushed_is_seen_to_and_its_commit_stands_in_the_history(repository: Path) -> None:
    """Each pass is of the commit that was in force then; who asks in the checkout is told the same, and who wrote it."""
    desk, zones = repository, repository / "work" / DOCUMENTS / "zones.yaml"
    first = push(desk)
    with running(desk, *options(desk)) as daemon:
        daemon.until(lambda: daemon.results() == ["converged"], "the port group is made")
        folder = daemon.lines("starting")[0]["desired"]
        assert "The daemon heeds it" in bivisor(desk, "pause", "VCenter/vc1", "--desired", folder, "--until", "1s").stdout
        edit(zones, "vlan: 100", "vlan: 101")
        second = push(desk)
        daemon.until(lambda: daemon.results() == ["converged"] * 2, "the change is seen to")
        good = zones.read_text()
        zones.write_text(good.replace("vlan: 101", "vlan: many"))
        push(desk)
        daemon.until(lambda: daemon.lines("desired")[-1]["reason"] == "Refused", "the error is told")
        assert f"{DOCUMENTS}/zones.yaml:" in daemon.lines("desired")[-1]["message"]
        assert "vlan: 101" in Path(folder, "zones.yaml").read_text()
        refused = bivisor(desk, "run", *options(desk), BIVISOR_STATE=str(desk / "state"))
        assert "another bivisor run keeps it already: stop that one first" in refused.stderr
        assert refused.returncode == 1
    done = passes(folder, desk)
    assert [one["commit"] for one in done] == [
        {"id": first, "branch": "prod", "dirty": False},
        {"id": second, "branch": "prod", "dirty": False},
    ]
    assert {one["command"] for one in done} == {"run"}
    why = bivisor(desk, "why", GROUP, "vlan", "--offline", "--desired", folder)
    assert second[:10] in why.stdout.partition("Last changes")[0], why.stdout + why.stderr


def test_it_can_be_stopped_while_a_file_that_it_reads_hangs(repository: Path) -> None:
    """A pipe that nobody writes to stands for the signers' file on a mount that hangs: it says what it waits for, and ends."""
    desk, signers = repository, repository / "signers"
    push(desk)
    os.mkfifo(signers)
    with running(desk, *options(desk), "--verify-signatures", str(signers)) as daemon:
        daemon.until(lambda: daemon.lines("desired")[-1:] and daemon.lines("desired")[-1]["reason"] == "Unsettled", "it waits")


def test_once_it_brings_about_what_the_branch_declares(repository: Path) -> None:
    """It fetches, applies and ends; what cannot be fetched or taken is an error."""
    desk, state = repository, str(repository / "state")
    commit = push(desk)
    once = bivisor(desk, "run", "--once", *options(desk), BIVISOR_STATE=state)
    assert once.returncode == 3, once.stdout + once.stderr  # the hosts are away
    folder = str(next((desk / "state").glob("cloud-prod-*/tree")) / DOCUMENTS)
    assert passes(folder, desk)[0]["commit"] == {"id": commit, "branch": "prod", "dirty": False}
    gone = bivisor(desk, "run", "--once", *options(desk), "--branch", "none", BIVISOR_STATE=state)
    assert gone.returncode == 1
    assert "couldn't find remote ref refs/heads/none: push that branch, or name another one with --branch" in gone.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--branch", "main"), "name its repository with --git"),
        (("--once", "--settings", "run.yaml"), "--settings: does not go with --once"),
        (("--beat", "beat"), "say as which node by --leader"),
        (("--git", "x", "--desired", "y"), "does not go with --git: name the folder within the repository with --path"),
        (("--git", "x", "--path", "../y"), "is a folder within the repository"),
        (("--git", "x", "--every", "0s"), "is at least 1s"),
        (("--git", "x", "--every", "5"), "--every: '5' is no length of time: write a number and s, m, h or d (5s, 30m, 7d)"),
        (("--git", "x", "--every", "soon"), "write a number and s, m, h or d"),
        (("--git", "-x"), "is no address of a git repository"),
        (("--git", "x", "--branch", "a..b"), '"a..b" is no name of a branch'),
        (("--git", "x", "--path", ".", "--secrets", "y"), "stands beside the folder of the documents"),
        (("--git", "x", "--secrets", "nope"), "/nope: no such folder: name the one that holds the secrets' files"),
        (("--git", "x", "--secrets", "/etc/passwd"), "--secrets: /etc/passwd: is a file, not a folder"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    """Before anything is fetched, with what would be right."""
    done = bivisor(tmp_path, "run", *arguments, BIVISOR_STATE=str(tmp_path / "state"), COLUMNS="500")
    assert done.returncode == 1
    assert told in done.stderr


def test_the_repository_may_be_named_by_the_environment(tmp_path: Path) -> None:
    """Where its address holds a token: arguments are for everybody to read."""
    done = bivisor(
        tmp_path, "run", "--once", BIVISOR_GIT=f"https://anna:t0ken-of-hers@127.0.0.1:9/{tmp_path.name}",
        BIVISOR_STATE=str(tmp_path / "state"), BIVISOR_DESIRED="/elsewhere",
    )  # fmt: skip
    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr
    assert "t0ken" not in done.stderr
