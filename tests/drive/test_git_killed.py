"""Whoever follows a branch may be killed at any moment: the next one goes on, and nobody ever reads half a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.core.status import Truth
from tests.drive.branch import Branch, followed, named
from tests.drive.told import NODES, node

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Moment: TypeAlias = Callable[[Path, str], bool]

PATIENCE_S = 60.0  # programs start slowly on a loaded machine

MOMENTS: tuple[Moment, ...] = (
    lambda place, _: (place / "clone.git").exists(),
    lambda place, commit: (place / "clone.git/objects" / commit[:2]).exists(),
    lambda place, commit: holds(place / "clone.git/refs/bivisor/fetched", commit),
    lambda place, commit: (place / f"trees/.{commit}").exists(),
    lambda place, commit: (place / f"trees/.{commit}/desired").exists(),
    lambda place, commit: (place / f"trees/.{commit}/other/30").exists(),
    lambda place, commit: (place / f"trees/{commit}").exists(),
    lambda place, commit: holds(place / "clone.git/refs/bivisor/in-force", commit),
    lambda place, commit: os.path.realpath(place / "tree").endswith(commit),
)
"""What is there for the first time when somebody is killed."""


def holds(path: Path, text: str) -> bool:
    """Tell whether a file says that."""
    return path.exists() and path.read_text().strip() == text


@pytest.fixture
def branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Branch:
    """Return a repository that can be followed, and a state folder of its own."""
    monkeypatch.setenv("BIVISOR_STATE", str(tmp_path / "state"))
    return Branch(tmp_path)


def pushed(branch: Branch, number: int) -> str:
    """Push two files that only belong together, and some more, so that a checkout takes a while."""
    more: dict[str, str | None] = {f"desired/{name}.yaml": node(f"{name}{number}") for name in "ab"}
    return branch.commit(more | {f"other/{n}": f"{number}\n" * 100 for n in range(60)})


async def test_killed_at_any_moment_the_next_one_goes_on(branch: Branch, tmp_path: Path) -> None:
    """Whatever was in force is one commit in whole; at the end it is the last one, and nothing half done is left."""
    place = branch.following.place
    commits = {branch.first: {*NODES}}
    for number, moment in enumerate(MOMENTS):
        commits[pushed(branch, number)] = {*NODES, f"a{number}", f"b{number}"}
        for line in until_killed(branch, tmp_path, moment):
            commit, *nodes = line.split(" ")
            assert not nodes or set(nodes) == commits[commit], line
    async with followed(branch.following) as (_, told):
        state = await told.nodes(*sorted(commits[branch.head]))
        assert state.revision == branch.head
        await told.until(lambda now: named(now, "Current").status is Truth.TRUE)
    assert sorted(path.name for path in (place / "trees").iterdir()) == [branch.head]
    assert list((place / "clone.git").rglob("*.lock")) == []
    branch.git("--git-dir", str(place / "clone.git"), "fsck", "--no-dangling")


def until_killed(branch: Branch, root: Path, moment: Moment) -> list[str]:
    """Let a program follow the branch and kill it at that moment; return what it told."""
    log, place, head = root / "log", branch.following.place, branch.head
    with log.open("w") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.drive.branch", str(root), os.environ["BIVISOR_STATE"]],
            stdout=told, stderr=subprocess.STDOUT, cwd=Path(__file__).parents[2],
        )  # fmt: skip
    deadline = time.monotonic() + PATIENCE_S
    while not moment(place, head):
        assert time.monotonic() < deadline, log.read_text()
        assert process.poll() is None, log.read_text()
        time.sleep(0.0005)
    process.kill()
    process.wait()
    return log.read_text().splitlines()


async def test_what_a_killed_git_left_behind_stands_in_nobodys_way(branch: Branch) -> None:
    """Locks, half a checkout and half a link are taken away by the next one."""
    place = branch.following.place
    async with followed(branch.following) as (_, told):
        await told.nodes(*NODES)
    clone = place / "clone.git"
    for lock in (clone / "refs/bivisor/fetched.lock", clone / "config.lock", clone / "packed-refs.lock"):
        lock.write_text("")
    (clone / "objects/pack").mkdir(exist_ok=True)
    (clone / "objects/pack/tmp_pack_abc").write_text("half")
    half = place / f"trees/.{branch.first}"
    half.mkdir()
    (half / "desired.yaml").write_text("half")
    (place / ".tree").symlink_to("nowhere")
    async with followed(branch.following) as (_, told):
        branch.commit({"desired/more.yaml": node("a")})
        await told.nodes(*NODES, "a")
    assert not list(clone.rglob("*.lock"))
    assert not list(clone.rglob("tmp_pack*"))
    assert not half.exists()
