"""The desired folder as a source, with real files: what settles is told, whatever brings it about."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.core.status import Truth
from tests.cli.repository import ENVIRONMENT
from tests.drive.told import DEADLINE_S, NODES, QUICK, node, nodes_of, telling, write_cloud

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.drive.told import Told


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of good documents."""
    return write_cloud(tmp_path)


def written(path: Path, text: str) -> None:
    """Write as `echo >` does."""
    path.write_text(text)


def renamed(path: Path, text: str) -> None:
    """Write beside it and rename over it, as careful editors and programs do."""
    beside = path.with_name(f".{path.name}.swp")
    beside.write_text(text)
    beside.replace(path)


def kept_aside(path: Path, text: str) -> None:
    """Rename the old one away, write anew, remove the old one, as vim does."""
    aside = path.with_name(f"{path.name}~")
    if path.exists():
        path.rename(aside)
    path.write_text(text)
    aside.unlink(missing_ok=True)


def removed_first(path: Path, text: str) -> None:
    """Remove it, then write anew."""
    path.unlink(missing_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("save", [written, renamed, kept_aside, removed_first])
async def test_what_an_editor_saves_is_told(folder: Path, save: Callable[[Path, str], None]) -> None:
    """Each way to save a file ends in one new tree; a file that says the same as before is nothing new."""
    async with telling(folder) as (_, told):
        await told.nodes(*NODES)
        save(folder / "more.yaml", node("a"))
        await told.nodes(*NODES, "a")
        save(folder / "more.yaml", node("a"))
        save(folder / "more.yaml", node("b"))
        await told.nodes(*NODES, "b")
        (folder / "more.yaml").unlink()
        await told.nodes(*NODES)
    assert not told.refusals
    assert len(told.desired) == 4


async def test_folders_below_count_from_the_moment_they_are_there(folder: Path, tmp_path: Path) -> None:
    """Documents in new folders, moved in as a whole or made step by step, are told, and so is what changes in them."""
    async with telling(folder) as (_, told):
        await told.nodes(*NODES)
        deep = folder / "a/b/c"
        deep.mkdir(parents=True)
        (deep / "x.yaml").write_text(node("x"))
        await told.nodes(*NODES, "x")
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere/y.yaml").write_text(node("y"))
        (tmp_path / "elsewhere").rename(folder / "inside")
        await told.nodes(*NODES, "x", "y")
        (folder / "inside/y.yaml").write_text(node("z"))
        await told.nodes(*NODES, "x", "z")
        shutil.rmtree(folder / "a")
        await told.nodes(*NODES, "z")


async def test_an_invalid_tree_keeps_the_last_good_one(folder: Path) -> None:
    """A mistake is told with its place, as a value; what was declared before stays in force until it is mended."""
    async with telling(folder) as (_, told):
        good = (await told.nodes(*NODES)).desired
        (folder / "more.yaml").write_text(node("a").replace("Node", "Nod"))
        bad = await told.until(lambda state: state.refused is not None)
        assert bad.desired is good
        assert 'more.yaml:1:32: Nod/a: kind: unknown kind "Nod" (did you mean "Node"?)' in str(bad.refused)
        ready = bad.conditions[0]
        assert (ready.type, ready.status, ready.reason) == ("Ready", Truth.FALSE, "Refused")
        (folder / "more.yaml").write_text(node("a"))
        mended = await told.nodes(*NODES, "a")
        assert mended.conditions[0].status is Truth.TRUE


async def test_a_mistake_before_the_first_good_tree_is_told(folder: Path) -> None:
    """A source can begin with a tree that is wrong: there is nothing desired until it is right."""
    (folder / "more.yaml").write_text("kind: [")
    async with telling(folder) as (_, told):
        bad = await told.until(lambda state: state.refused is not None)
        assert bad.desired is None
        (folder / "more.yaml").unlink()
        await told.nodes(*NODES)


async def test_a_file_that_is_being_written_is_not_read(folder: Path) -> None:
    """Between the halves of a file that somebody has open nothing is read, however long that takes; it is told why."""
    async with telling(folder) as (_, told):
        await told.nodes(*NODES)
        with (folder / "more.yaml").open("w") as file:
            file.write(node("a") + "---\nkind: ")
            file.flush()
            waiting = await told.until(lambda state: "somebody" in state.waiting)
            assert waiting.waiting == f"{folder}/more.yaml: somebody is writing to it"
            assert waiting.conditions[0].reason == "Unsettled"
            file.seek(0)
            file.truncate()
            file.write(node("b"))
        settled = await told.nodes(*NODES, "b")
        assert not settled.waiting
    assert not told.refusals
    assert len(told.desired) == 2


async def test_a_writer_that_is_silent_is_not_waited_for(folder: Path) -> None:
    """A file that somebody has open and does not write to any more counts as it is."""
    pace = QUICK.__class__(**{name: getattr(QUICK, name) for name in QUICK.__slots__} | {"writer": 0.2})
    async with telling(folder, pace) as (_, told):
        await told.nodes(*NODES)
        with (folder / "more.yaml").open("w") as file:
            file.write(node("a"))
            file.flush()
            await told.nodes(*NODES, "a")


async def test_what_moves_while_it_is_read_is_read_again(folder: Path) -> None:
    """A tree that is changed between the reading of its first and its last file is never told as it was in between."""
    more = folder / "more.yaml"
    more.write_text(node("a"))
    written_meanwhile = ["sh", "-c", f"printf %s '{node('b').strip()}' > {more}; echo value"]
    spec = f"spec: {{command: {json.dumps(written_meanwhile)}}}\n"
    (folder / "secret.yaml").write_text(f"apiVersion: bivisor/v1alpha1\nkind: Secret\nmetadata: {{name: told}}\n{spec}")
    async with telling(folder) as (_, told):
        await told.nodes(*NODES, "b")
    assert all(nodes_of(state) == {*NODES, "b"} for state in told.states if state.desired)


async def test_what_never_settles_is_told(folder: Path) -> None:
    """Of files that change all the time none is read; after a while that is told, and when they rest all is well."""
    async with telling(folder) as (_, told):
        await told.nodes(*NODES)
        number = 0
        while not ("change all" in told.now.waiting or "somebody" in told.now.waiting):
            number += 1
            (folder / "more.yaml").write_text(node(f"n{number}"))
            await asyncio.sleep(0)
        assert not (await told.nodes(*NODES, f"n{number}")).waiting


class Git:
    """The folder's repository."""

    def __init__(self, root: Path) -> None:
        """Make it, with everything committed on the branch main."""
        self.root = root
        self("init", "-q", "-b", "main")
        self.commit("first")

    def __call__(self, *arguments: str, fails: bool = False) -> None:
        """Run git there."""
        done = subprocess.run(["git", *arguments], cwd=self.root, env=ENVIRONMENT, check=False, capture_output=True)
        assert bool(done.returncode) == fails, done

    def commit(self, message: str) -> None:
        """Commit everything."""
        self("add", "-A")
        self("commit", "-q", "-m", message)


async def test_a_checkout_is_told_whole(folder: Path, tmp_path: Path) -> None:
    """Of branches that differ in hundreds of files each tree that is told is one of them, never a mixture."""
    git = Git(tmp_path)
    git("switch", "-q", "-c", "other")
    for number in range(300):
        (folder / f"n{number}.yaml").write_text(node(f"n{number}"))
    git.commit("many")
    many = {*NODES, *(f"n{number}" for number in range(300))}
    async with telling(folder) as (_, told):
        await told.nodes(*many)
        for branch, there in 3 * (("main", set(NODES)), ("other", many)):
            await asyncio.to_thread(git, "checkout", "-q", branch)
            await told.nodes(*there)
    assert not told.refusals
    assert {len(nodes_of(state)) for state in told.states if state.desired} == {5, 305}


async def test_nothing_is_read_while_git_is_at_work(folder: Path, tmp_path: Path) -> None:
    """While git holds its lock nothing is read; after a while it is told which file that is."""
    Git(tmp_path)
    async with telling(folder) as (_, told):
        await told.nodes(*NODES)
        lock = tmp_path / ".git/index.lock"
        lock.write_text("")
        (folder / "more.yaml").write_text("kind: [")
        await told.until(lambda state: str(lock) in state.waiting)
        (folder / "more.yaml").write_text(node("a"))
        lock.unlink()
        assert not (await told.nodes(*NODES, "a")).waiting
    assert not told.refusals


@pytest.mark.parametrize("worktree", [False, True])
async def test_a_rebase_that_stops_is_waited_for(folder: Path, tmp_path: Path, *, worktree: bool) -> None:
    """The files of a rebase that has stopped for a person are not what anybody declares; also in a worktree."""
    git = Git(tmp_path)
    for branch, name in (("left", "a"), ("right", "b")):
        git("switch", "-q", "-c", branch, "main")
        (folder / "more.yaml").write_text(node(name))
        git.commit(branch)
    if worktree:
        git("switch", "-q", "main")
        git("worktree", "add", "-q", str(tmp_path / "tree"), "right")
        git.root, folder = tmp_path / "tree", tmp_path / "tree/desired"
    async with telling(folder) as (_, told):
        await told.nodes(*NODES, "b")
        git("rebase", "-q", "left", fails=True)
        await told.until(lambda state: "rebase-merge: a rebase has not ended" in state.waiting)
        git("rebase", "--abort")
        assert not (await told.until(lambda state: not state.waiting)).refused
    assert not told.refusals
    assert len(told.desired) == 1


async def test_a_folder_may_be_replaced_as_a_whole(folder: Path, tmp_path: Path) -> None:
    """A symbolic link that leads elsewhere now, or another folder in the same place, is the folder from then on."""
    for name in "ab":
        shutil.copytree(folder, tmp_path / name)
        (tmp_path / name / "more.yaml").write_text(node(name))
    shutil.rmtree(folder)
    folder.symlink_to("a")  # noqa: ASYNC240 - a test may
    async with telling(folder) as (_, told):
        await told.nodes(*NODES, "a")
        (tmp_path / "new").symlink_to("b")
        (tmp_path / "new").replace(folder)
        await told.nodes(*NODES, "b")
        (tmp_path / "b/more.yaml").write_text(node("c"))
        await told.nodes(*NODES, "c")
        assert not any(state.unwatched for state in told.states)
        (tmp_path / "b").rename(tmp_path / "aside")
        (tmp_path / "a").rename(tmp_path / "b")
        await told.nodes(*NODES, "a")
        (tmp_path / "b/more.yaml").write_text(node("d"))
        await told.nodes(*NODES, "d")
        assert not told.now.unwatched


async def test_a_folder_that_vanishes_takes_nothing_away(folder: Path, tmp_path: Path) -> None:
    """Without the folder the last good tree stays, and it is told; when the folder is back all is as before."""
    async with telling(folder) as (_, told):
        good = (await told.nodes(*NODES)).desired
        folder.rename(tmp_path / "aside")  # noqa: ASYNC240 - a test may
        gone = await told.until(lambda state: state.refused is not None)
        assert gone.desired is good
        assert str(gone.refused) == f"{folder}: this folder has gone: bring it back. What it declared last stays in force"
        (tmp_path / "aside").rename(folder)
        await told.until(lambda state: state.refused is None and not state.unwatched)
        (folder / "more.yaml").write_text(node("a"))
        await told.nodes(*NODES, "a")


async def test_secrets_beside_the_folder_are_watched(folder: Path, tmp_path: Path) -> None:
    """A changed secrets file makes another tree; a missing one is told as a mistake, and noticed when it comes back."""
    account, text = tmp_path / "secrets/account.yaml", tmp_path / "secrets/text"

    def password(told: Told) -> str:
        assert told.now.desired is not None
        return told.now.desired.secrets["account"]["password"].reveal

    text.unlink()
    async with telling(folder) as (_, told):
        refused = await told.until(lambda state: state.refused is not None)
        assert "secrets/text cannot be read: No such file or directory" in str(refused.refused)
        text.write_text(f"rabbit://{130 * 'y'}")
        await told.nodes(*NODES)
        assert password(told) == "first"
        account.write_text("username: admin\npassword: second\n")
        await told.until(lambda _: password(told) == "second")
        renamed(account, "username: admin\npassword: third\n")
        await told.until(lambda _: password(told) == "third")
        account.unlink()
        await told.until(lambda state: state.refused is not None)
        assert password(told) == "third"
    assert all("third" not in repr(state) for state in told.states)


@pytest.mark.parametrize("name", ["secrets/account.yaml", "desired/more.yaml"])
async def test_a_file_that_hangs_keeps_the_last_good_tree(folder: Path, tmp_path: Path, name: str) -> None:
    """A pipe into which nobody writes stands for a file of a mount that hangs: that is told, and the loop goes on meanwhile.

    When the file can be read again it is, and what was told is over.
    """
    path, text = tmp_path / name, (tmp_path / "secrets/account.yaml").read_text().replace("first", "second")
    async with telling(folder) as (_, told):
        good = (await told.nodes(*NODES)).desired
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "pipe").rename(path)
        hangs = await told.until(lambda state: "may not answer" in state.waiting)
        assert hangs.desired is good
        assert (hangs.conditions[0].status, hangs.conditions[0].reason) == (Truth.FALSE, "Unsettled")
        number = os.open(path, os.O_RDWR)  # whoever waits for a writer goes on when this is closed
        renamed(path, node("a") if path.suffix == ".yaml" and path.parent == folder else text)
        os.close(number)
        await told.until(lambda state: not state.waiting and state.refused is None and state.desired is not good)
    assert told.now.desired is not None
    changed = told.now.desired.secrets["account"]["password"].reveal == "second"
    assert changed != ("a" in nodes_of(told.now))


async def test_a_source_ends_though_a_file_hangs(folder: Path, tmp_path: Path) -> None:
    """Whoever is told to stop does not wait for a mount."""
    async with telling(folder) as (_, told):
        await told.nodes(*NODES)
        os.mkfifo(tmp_path / "pipe")
        pipe = (tmp_path / "pipe").rename(tmp_path / "secrets/text")
        await told.until(lambda state: "may not answer" in state.waiting)
    os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))


async def test_documents_that_are_links_are_followed(folder: Path, tmp_path: Path) -> None:
    """What a link in the folder leads to is watched, wherever it is: a mounted volume changes its links in this way."""
    (tmp_path / "elsewhere.yaml").write_text(node("a"))
    (folder / "more.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    async with telling(folder) as (_, told):
        await told.nodes(*NODES, "a")
        (tmp_path / "elsewhere.yaml").write_text(node("b"))
        await told.nodes(*NODES, "b")
        assert not told.now.unwatched


async def test_what_no_file_tells_is_read_anew_when_asked_for(folder: Path, tmp_path: Path) -> None:
    """After `reload` a Secret's command is asked again; a command that fails is asked again by itself."""
    answer = tmp_path / "answer"
    answer.write_text("one")
    secret = f"apiVersion: bivisor/v1alpha1\nkind: Secret\nmetadata: {{name: told}}\nspec: {{command: [cat, {answer}]}}\n"
    (folder / "secret.yaml").write_text(secret)

    async with telling(folder) as (source, told):

        def value() -> str:
            return told.now.desired.secrets["told"]["value"].reveal if told.now.desired else ""

        await told.nodes(*NODES)
        answer.write_text("two")
        source.reload()
        await told.until(lambda _: value() == "two")
        answer.unlink()
        source.reload()
        await told.until(lambda state: state.refused is not None)
        assert value() == "two"
        answer.write_text("three")
        await told.until(lambda state: state.refused is None and value() == "three")


async def test_a_watch_that_ends_is_begun_again(folder: Path) -> None:
    """When the thread of the watch is dead, changes are noticed all the same, and are watched again."""
    async with telling(folder) as (source, told):
        await told.nodes(*NODES)
        assert source._watch._observer is not None
        await asyncio.to_thread(source._watch._observer.stop)
        (folder / "more.yaml").write_text(node("a"))
        await told.nodes(*NODES, "a")
        await told.until(lambda state: not state.unwatched)
        assert source._watch.trouble == ""


_UNSHARED = subprocess.run(["unshare", "-Ur", "true"], check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not _UNSHARED, reason="needs a user namespace, to have limits of its own")
@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (
            "max_inotify_instances",
            "cannot be watched: inotify instance limit reached; raise fs.inotify in sysctl: it is looked at",
        ),
        ("max_inotify_watches", "cannot be watched: inotify watch limit reached; raise fs.inotify in sysctl: it is looked at"),
    ],
)
async def test_without_inotify_the_folder_is_swept(folder: Path, limit: str, words: str) -> None:
    """Where a limit of the kernel is reached it is told, with the remedy; changes are found by looking."""
    async with asyncio.timeout(DEADLINE_S):
        process = await _limited(f"{limit} 0", folder)
        line = await _line(process, f"5 {folder}")
        assert words in line
        (folder / "more.yaml").write_text(node("a"))
        await _line(process, "6 ")
        process.terminate()
        await process.wait()


@pytest.mark.skipif(not _UNSHARED, reason="needs a user namespace, to have limits of its own")
async def test_a_watch_that_hears_nothing_is_found_out(folder: Path) -> None:
    """Where the kernel watches only some of the folders, a sweep finds what changes elsewhere; the watch is not trusted."""
    (folder / "below").mkdir()
    async with asyncio.timeout(DEADLINE_S):
        process = await _limited("max_inotify_watches 1", folder)
        await _line(process, "5 \n")
        (folder / "below/more.yaml").write_text(node("a"))
        assert "files changed and the kernel did not say so" in await _line(process, f"5 {folder}")
        await _line(process, "6 ")
        process.terminate()
        await process.wait()


async def _limited(limit: str, folder: Path) -> asyncio.subprocess.Process:
    """Start a source whose user namespace has that limit."""
    name, most = limit.split()
    script = f"echo {most} > /proc/sys/user/{name} && exec {sys.executable} -m tests.drive.told {folder}"
    return await asyncio.create_subprocess_exec(
        "unshare", "-Ur", "sh", "-c", script, cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE
    )


async def _line(process: asyncio.subprocess.Process, begin: str) -> str:
    """Return the next line that begins so."""
    assert process.stdout is not None
    line = begin + "?"
    while line:
        line = (await process.stdout.readline()).decode()
        if line.startswith(begin):
            return line
    raise AssertionError("the source has ended")


async def _reload(folder: Path, turns: int) -> tuple[int, int]:
    """Reload that often in every way, with the folder replaced now and then; return how fds and KiB in use have grown."""

    async def turn(number: int) -> None:
        if number % 20 == 19:
            shutil.copytree(folder, folder.with_name("new"))
            folder.rename(folder.with_name("old"))  # noqa: ASYNC240 - a test may
            folder.with_name("new").rename(folder)
            shutil.rmtree(folder.with_name("old"))
        save = (written, renamed, kept_aside)[number % 3]
        save(folder / "more.yaml", node(f"n{number}") if number % 7 else f"kind: [ # {number}")
        if number % 7:
            await told.nodes(*NODES, f"n{number}")
        else:
            await told.until(lambda state: state.refused is not None)
        del told.states[:-1]

    async with telling(folder) as (_, told):
        await told.nodes(*NODES)
        for number in range(40):
            await turn(number)
        before = _in_use()
        for number in range(40, 40 + turns):
            await turn(number)
        after = _in_use()
    return after[0] - before[0], after[1] - before[1]


def _in_use() -> tuple[int, int]:
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    return sum(1 for _ in Path("/proc/self/fd").iterdir()), resident


async def test_hundreds_of_reloads_leave_nothing_behind(folder: Path) -> None:
    """Neither open files nor threads nor memory grow with the number of reloads; when the source ends nothing is left."""
    fds, threads = _in_use()[0], threading.active_count()
    more, kib = await _reload(folder, 200)
    assert more <= 2
    assert kib < 20_000
    assert threading.active_count() <= threads + 1
    assert _in_use()[0] <= fds + 2


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_ten_thousand_reloads_leave_nothing_behind(folder: Path) -> None:
    """The same for 10,000 reloads: what months of commits bring."""
    more, kib = await _reload(folder, 10_000)
    assert more <= 2
    assert kib < 30_000
