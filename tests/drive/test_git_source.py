"""A branch of a real repository as a source: what is pushed is in force, or it is told why not and what is instead."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.core.errors import TakenError
from reconciler.core.status import Truth
from reconciler.git_clone import SHORT, Clone
from reconciler.git_remote import Remote
from reconciler.git_source import Follower, keeping
from reconciler.history import History
from tests.cli.repository import ENVIRONMENT
from tests.drive.branch import Branch, followed, named, refused
from tests.drive.told import DEADLINE_S, NODES, node

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Branch:
    """Return a repository that can be followed, and a state folder of its own."""
    monkeypatch.setenv("BIVISOR_STATE", str(tmp_path / "state"))
    return Branch(tmp_path)


async def test_what_is_pushed_is_in_force(branch: Branch) -> None:
    """Each commit of the branch is taken, with its name; another branch is nobody's business."""
    async with followed(branch.following) as (_, told):
        state = await told.nodes(*NODES)
        assert (state.revision, state.branch) == (branch.first, "main")
        second = branch.commit({"desired/more.yaml": node("a")})
        assert (await told.nodes(*NODES, "a")).revision == second
        branch.git("switch", "-q", "-c", "other")
        branch.commit({"desired/more.yaml": node("b")})
        branch.git("switch", "-q", "main")
        third = branch.commit({"desired/more.yaml": None})
        assert (await told.nodes(*NODES)).revision == third
        current = await told.until(lambda now: third[:SHORT] in named(now, "Current").message)
        assert {named(current, kind).status for kind in ("Ready", "WatchHealthy", "Fetched", "Current")} == {Truth.TRUE}
    assert not told.refusals


async def test_a_mistake_in_following_ends_nothing(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as a reason why nothing is fetched; what was in force stays so, and what is pushed later is taken."""

    async def fails(_: object) -> str:
        raise KeyError("canary")

    async with followed(branch.following) as (_, told):
        await told.nodes(*NODES)
        with monkeypatch.context() as broken:
            broken.setattr(Clone, "fetch", fails)
            state = await told.until(lambda state: named(state, "Fetched").status is Truth.FALSE)
            assert "a mistake of Bivisor's (KeyError" in named(state, "Fetched").message
        branch.commit({"desired/more.yaml": node("a")})
        await told.nodes(*NODES, "a")
        assert named(told.now, "Fetched").status is Truth.TRUE


async def test_a_commit_that_declares_the_same_is_told_and_nothing_else(branch: Branch) -> None:
    """Passes after it are of that commit; what is declared is not taken for something new."""
    async with followed(branch.following) as (_, told):
        before = (await told.nodes(*NODES)).desired
        commit = branch.commit({"README.md": "two hypervisors\n"})
        after = await told.until(lambda state: state.revision == commit)
        assert after.desired is before


async def test_a_commit_that_cannot_be_read_leaves_the_one_before_in_force(branch: Branch) -> None:
    """It is told where the mistake stands in the repository; a restart does not change that, and mending it ends it."""
    async with followed(branch.following) as (_, told):
        await told.nodes(*NODES)
        bad = branch.commit({"desired/more.yaml": node("a").replace("Node", "Nod")})
        message = await refused(told, "Refused")
        assert message == (
            f"{bad[:SHORT]} of main is not taken, {branch.first[:SHORT]} stays in force: "
            'desired/more.yaml:1:32: Nod/a: kind: unknown kind "Nod" (did you mean "Node"?)'
        )
        assert told.now.revision == branch.first
    async with followed(branch.following) as (_, told):
        assert (await told.nodes(*NODES)).revision == branch.first
        await refused(told, "Refused")
        mended = branch.commit({"desired/more.yaml": node("a")})
        assert (await told.nodes(*NODES, "a")).revision == mended
        await told.until(lambda state: named(state, "Current").status is Truth.TRUE)


async def test_a_secret_that_hangs_leaves_the_commit_before_in_force(branch: Branch) -> None:
    """A pipe stands for a file of a mount that hangs: it is told that nobody knows yet, and when it is read that is over."""
    async with followed(branch.following) as (_, told):
        before = (await told.nodes(*NODES)).revision
        account = branch.secrets / "account.yaml"
        text = account.read_text()
        os.mkfifo(branch.secrets / "pipe")
        (branch.secrets / "pipe").rename(account)
        branch.commit({"desired/more.yaml": node("a")})
        hangs = await told.until(lambda state: named(state, "Current").reason == "Unsettled")
        assert hangs.revision == before
        assert named(hangs, "Current").status is Truth.UNKNOWN
        assert f"{before[:SHORT]} stays in force" in named(hangs, "Current").message
        number = os.open(account, os.O_RDWR)  # whoever waits for a writer goes on when this is closed
        (branch.secrets / "new").write_text(text)
        (branch.secrets / "new").rename(account)
        os.close(number)
        await told.nodes(*NODES, "a")
        await told.until(lambda state: named(state, "Current").status is Truth.TRUE)


async def test_rewritten_history_is_refused_until_somebody_allows_it(branch: Branch) -> None:
    """Both commits are named, and what helps; that lasts over a restart, and --allow-rewind takes it."""
    async with followed(branch.following) as (_, told):
        await told.nodes(*NODES)
        good = branch.commit({"desired/more.yaml": node("a")})
        await told.nodes(*NODES, "a")
        other = branch.commit({"desired/more.yaml": node("b")}, "--amend")
        message = await refused(told, "Rewritten")
        assert other[:SHORT] in message
        assert good[:SHORT] in message
        assert "--allow-rewind" in message
    async with followed(branch.following) as (_, told):
        await told.nodes(*NODES, "a")
        await refused(told, "Rewritten")
        branch.git("reset", "-q", "--hard", branch.first)  # back to what was before is no descendant either
        await told.until(lambda state: branch.first[:SHORT] in named(state, "Current").message)
        assert told.now.revision == good
    async with followed(replace(branch.following, rewind=True)) as (_, told):
        assert (await told.nodes(*NODES)).revision == branch.first


async def test_a_refused_commit_may_be_replaced(branch: Branch) -> None:
    """What was never in force may be rewritten: what replaces it descends from what is."""
    async with followed(branch.following) as (_, told):
        await told.nodes(*NODES)
        branch.commit({"desired/more.yaml": "kind: ["})
        await refused(told, "Refused")
        branch.commit({"desired/more.yaml": node("a")}, "--amend")
        await told.nodes(*NODES, "a")


async def test_asked_to_it_fetches_at_once(branch: Branch) -> None:
    """Reloading does not wait for the next turn."""
    async with followed(replace(branch.following, every_s=3600)) as (source, told):
        await told.nodes(*NODES)
        branch.commit({"desired/more.yaml": node("a")})
        source.reload()
        await told.nodes(*NODES, "a")


async def test_secrets_stand_beside_the_documents_and_are_read_when_they_change(branch: Branch) -> None:
    """They are in no repository; without them it is told what helps."""
    async with followed(replace(branch.following, secrets=None)) as (_, told):
        message = await refused(told, "Refused")
        assert "secrets/account.yaml cannot be read" in message
        assert message.endswith("name its folder here with --secrets")
        assert told.now.desired is None
        assert told.now.stuck
    async with followed(branch.following) as (_, told):
        await told.nodes(*NODES)
        (branch.secrets / "account.yaml").write_text("username: admin\npassword: second\n")
        await told.until(lambda state: state.desired is not None and "second" in revealed(state.desired.secrets))
    taken = Branch(branch.root.parent / "another")
    taken.commit({"secrets": "a file of that name"})
    async with followed(taken.following) as (_, told):
        assert "the repository has secrets itself" in await refused(told, "Refused")


def revealed(secrets: object) -> str:
    """Return the values of secrets."""
    assert isinstance(secrets, dict)
    return " ".join(value.reveal for values in secrets.values() for value in values.values())


async def test_a_folder_that_the_repository_does_not_have_is_told(branch: Branch) -> None:
    """With the option that names it."""
    async with followed(replace(branch.following, path="cloud/desired")) as (_, told):
        assert await refused(told, "NoFolder") == (
            f"{branch.first[:SHORT]} of main is not taken, nothing is in force: "
            "it has no folder cloud/desired: name that of the documents with --path"
        )


async def test_what_somebody_did_to_the_checkout_is_undone(branch: Branch) -> None:
    """What is in force is what was committed; a file that somebody edits there is as committed again after the next fetch."""
    following = branch.following
    async with followed(following) as (source, told):
        await told.nodes(*NODES)
        tree = following.place / "tree"
        (tree / "desired/more.yaml").write_text(node("a"))
        source.reload()
        await until(lambda: not (tree / "desired/more.yaml").exists())
        await told.nodes(*NODES)
        commit_there(tree)
        source.reload()
        await until(lambda: asked(tree, "rev-parse", "HEAD") == branch.first)
        await told.nodes(*NODES)
    assert told.now.revision == branch.first


async def test_nothing_of_the_repository_is_run_or_changed(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No hook, filter or submodule; line ends stay, and a file that a filter would make is what was committed."""
    ran = tmp_path / "ran"
    template = tmp_path / "template"
    (template / "hooks").mkdir(parents=True)
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        (template / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (template / "hooks" / hook).chmod(0o755)
    settings = tmp_path / "gitconfig"
    settings.write_text(
        f"[init]\ntemplateDir = {template}\n[core]\nautocrlf = true\nhooksPath = {template}/hooks\n"
        f'[filter "run"]\nsmudge = touch {ran}\nrequired = true\n[submodule]\nrecurse = true\n'
        '[protocol "ext"]\nallow = always\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    text = node("a").replace("\n", "\r\n")
    files: dict[str, str | None] = {
        ".gitattributes": "*.yaml filter=run text eol=lf ident\n*.md working-tree-encoding=UTF-16\n",
        ".gitmodules": f'[submodule "s"]\npath = s\nurl = ext::sh -c "touch {ran}"\n',
    }
    (branch.root / ".git/info/attributes").write_text("* -text !filter !working-tree-encoding\n")
    branch.commit({"desired/more.yaml": text, **files})
    branch.git("update-index", "--add", "--cacheinfo", f"160000,{branch.first},s")
    branch.git("commit", "-q", "-m", "a submodule")
    async with followed(branch.following) as (_, told):
        await told.nodes(*NODES, "a")
        tree = branch.following.place / "tree"
        assert (tree / "desired/more.yaml").read_bytes() == text.encode()
        assert (tree / "README.md").read_bytes() == b"a cloud\n"
        assert list((tree / "s").iterdir()) == []
    async with followed(replace(branch.following, remote=Remote(f"ext::sh -c 'touch {ran}'"))) as (_, told):
        assert "transport 'ext' not allowed" in await refused(told, "NotAllowed", "Fetched")
    assert not ran.exists()


async def test_it_is_followed_as_well_from_within_a_hook(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    """What git tells its hooks of their repository leads nobody to it."""
    told_by_git = (
        "GIT_DIR",
        "GIT_COMMON_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_QUARANTINE_PATH",
    )
    for name in told_by_git:
        monkeypatch.setenv(name, "/nonexistent")
    async with followed(branch.following) as (_, told):
        await told.nodes(*NODES)


async def test_there_is_one_place_for_a_branch_and_one_history(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ours alone; the history is one for all commits, wherever the state of who asks is."""
    following, place = branch.following, branch.following.place
    async with followed(following) as (_, told):
        await told.nodes(*NODES)
        with pytest.raises(TakenError, match="another bivisor run keeps it already"), keeping(following):
            pass
        folder = Follower(following).folder
        history = History.place(folder)
        assert history == place.with_name(f"{place.name}.sqlite")
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("BIVISOR_STATE", "/nonexistent")
            assert History.place(folder) == History.place(folder.resolve()) == history
    assert place.stat().st_mode & 0o777 == 0o700
    assert len({replace(following, branch="b").place, replace(following, path="p").place, following.place}) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_place_of_somebody_else_is_refused(branch: Branch) -> None:
    """Whoever owns it could have put anything into it."""
    place = branch.following.place
    place.mkdir(parents=True)
    shutil.chown(place, user=65534)
    with pytest.raises(TakenError, match="belongs to somebody else"), keeping(branch.following):
        pass


async def test_a_deleted_clone_is_made_anew(branch: Branch) -> None:
    """The clone is a cache; what is in force is known without it, and so is that history was rewritten."""
    async with followed(branch.following) as (_, told):
        await told.nodes(*NODES)
    shutil.rmtree(branch.following.place / "clone.git")
    async with followed(branch.following) as (_, told):
        branch.commit({"desired/more.yaml": node("a")})
        await told.nodes(*NODES, "a")
    shutil.rmtree(branch.following.place / "clone.git")
    branch.commit({"desired/more.yaml": node("b")}, "--amend")
    async with followed(branch.following) as (_, told):
        await refused(told, "Rewritten")


async def test_a_person_can_ask_git_in_the_checkout(branch: Branch) -> None:
    """Its branch, its commit and who wrote each line are there, and nothing is modified."""
    async with followed(branch.following) as (_, told):
        await told.nodes(*NODES)
        folder = Follower(branch.following).folder
        for arguments, answer in (
            (("rev-parse", "HEAD"), branch.first),
            (("symbolic-ref", "--short", "HEAD"), "main"),
            (("status", "--porcelain"), ""),
        ):
            assert asked(folder, *arguments) == answer
        assert branch.first[:7] in asked(folder, "blame", "cloud.yaml")


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds. Raises TimeoutError."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.02)


def commit_there(tree: Path) -> None:
    """Commit there."""
    subprocess.run(["git", "-C", tree, "commit", "-q", "--allow-empty", "-m", "mine"], env=ENVIRONMENT, check=True)


def asked(folder: Path, *arguments: str) -> str:
    """Return what git prints there."""
    return subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True).stdout.strip()
