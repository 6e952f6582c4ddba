"""Documents are in force before git has said of which commit they are; what is done meanwhile is of that commit too."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.cli.chronicle import Chronicle
from reconciler.event_file import read_events
from reconciler.folder import Folder
from reconciler.history import History
from reconciler.operate import Given, Operation
from reconciler.settings import Settings
from reconciler.status_file import read_kept
from tests.cli.repository import ENVIRONMENT, Repository
from tests.drive.world import World, desired_of, thing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from reconciler.status_file import Keeper

DEADLINE_S = 30.0


class Slow:
    """A git that waits for a word before it does anything, as one whose disk hangs."""

    def __init__(self, folder: Path) -> None:
        """Have it stand before the real one."""
        self.folder = folder / "bin"
        self.path, self.asked = self.folder / "word", self.folder / "asked"
        self.folder.mkdir()
        os.mkfifo(self.path)
        self._number = os.open(self.path, os.O_RDWR)
        program = f'#!/bin/sh\necho >> {self.asked}\nread word < {self.path}\nexec {shutil.which("git")} "$@"\n'
        (self.folder / "git").write_text(program)
        (self.folder / "git").chmod(0o755)

    def go_on(self) -> None:
        """Let each of them go on."""
        os.write(self._number, b"go\n" * 100)

    def close(self) -> None:
        """Let go of the word."""
        os.close(self._number)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Documents in a repository, whose history nobody else shares."""
    monkeypatch.setenv("BIVISOR_STATE", str(tmp_path / "state"))
    for name in ("HOME", "GIT_CONFIG_NOSYSTEM"):
        monkeypatch.setenv(name, ENVIRONMENT[name])
    (tmp_path / "repository").mkdir()
    return Repository(tmp_path / "repository")


@pytest.fixture
def slow(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    """A git that hangs, once there is a repository."""
    made = Slow(repository.root.parent)
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    yield made
    made.go_on()
    made.close()


def head(repository: Repository) -> str:
    """Return the commit that is checked out."""
    command = ["git", "-C", str(repository.root), "rev-parse", "HEAD"]
    return subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout.strip()


def keeper(folder: Path) -> Keeper:
    """Return what stands of the daemon of that folder."""
    kept = read_kept(History.place(folder)).keeper
    assert kept is not None
    return kept


def documents(size: int) -> Folder:
    """Return documents that say something else for another size."""
    return Folder(replace(desired_of((thing("a", "x", size=size),)), files={"x": str(size)}))


@asynccontextmanager
async def operating(folder: Path) -> AsyncIterator[tuple[Chronicle, Operation]]:
    """Be about to keep that folder, with all that is around a daemon."""
    with Chronicle(folder) as chronicle:
        operation = Operation(folder, chronicle, chronicle.recorder, Given(), acts=True)
        async with operation.around(Settings()):
            yield chronicle, operation


async def act(operation: Operation) -> None:
    """Make something as declared, as the daemon does."""
    reconciler = World().reconciler(thing("a", "x", size=1))
    await reconciler.carry_out(await reconciler.look(), operation.step, operation)


async def until(holds: Callable[[], object]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 - git tells no loop
            await asyncio.sleep(0.01)


async def test_git_that_hangs_holds_up_no_documents_and_names_their_passes_later(repository: Repository, slow: Slow) -> None:
    """Who acts meanwhile is recorded; when git answers, history, status and events have the commit, of that pass as well."""
    commit = head(repository)
    folder = repository.folder
    async with operating(folder) as (chronicle, operation):
        operation.taking(Folder(desired_of((thing("a", "x", size=1),))))
        await act(operation)
        assert chronicle.recorder.origin.commit == ""
        slow.go_on()
        await until(lambda: chronicle.recorder.origin.commit)
        await act(operation)
    assert [(one.commit, one.branch, one.dirty) for one in History(History.place(folder)).passes()] == [
        (commit, "main", False)
    ] * 2
    assert (keeper(folder).commit, keeper(folder).branch) == (commit, "main")
    (taken,) = (each.event for each in read_events(History.place(folder)) if each.event.reason == "Taken")
    assert taken.message == f"commit {commit[:12]} (main)"


async def test_documents_that_are_in_force_no_more_are_not_named(repository: Repository, slow: Slow) -> None:
    """What git says of later documents is said of no pass of the former ones: of which commit those were nobody knows."""
    commit = head(repository)
    folder = repository.folder
    async with operating(folder) as (chronicle, operation):
        operation.taking(documents(1))
        await until(slow.asked.exists)
        await act(operation)
        operation.taking(documents(2))
        await act(operation)
        slow.go_on()
        await until(lambda: chronicle.recorder.origin.commit)
    assert [one.commit for one in History(History.place(folder)).passes()] == [commit, ""]


@pytest.mark.usefixtures("slow")
async def test_the_commit_of_a_branch_is_known_without_git(repository: Repository) -> None:
    """Of what was fetched and checked out it is known of which commit it is: a pass has it from its beginning on."""
    folder = repository.folder
    async with operating(folder) as (_, operation):
        operation.taking(Folder(desired_of((thing("a", "x", size=1),)), branch="main", revision="c0ffee"))
        await act(operation)
    assert [(one.commit, one.branch) for one in History(History.place(folder)).passes()] == [("c0ffee", "main")]
    assert keeper(folder).commit == "c0ffee"


async def test_documents_that_are_read_anew_and_are_as_before_are_no_news(repository: Repository) -> None:
    """SIGHUP tells of them again only where something is another: a document, or that what was changed is committed by now."""
    folder = repository.folder
    document = folder / "all.yaml"
    document.write_text(document.read_text() + "\n")
    news: list[bool] = []

    async def read(chronicle: Chronicle) -> None:
        found = Folder(desired_of((thing("a", "x", size=1),)))
        chronicle.taking(found)
        news.append(await chronicle.name(found))

    with Chronicle(folder) as chronicle:
        for _ in range(3):
            await read(chronicle)
        repository.commit("more", {})
        for _ in range(2):
            await read(chronicle)
    assert news == [True, False, False, True, False]
    told = [each for each in read_events(History.place(folder)) if each.event.reason == "Taken"]
    assert [each.count for each in told] == [1, 1]
    assert ["uncommitted" in each.event.message for each in told] == [True, False]


async def test_documents_that_are_back_are_of_their_commit_again(repository: Repository) -> None:
    """Others were in force for a moment, of which git was never asked: status has the commit of those that are back."""
    commit = head(repository)
    folder = repository.folder
    with Chronicle(folder) as chronicle:
        for size in (1, 2, 1):
            found = documents(size)
            chronicle.taking(found)
            if size == 1:
                await chronicle.name(found)
    assert keeper(folder).commit == commit


async def test_passes_of_documents_that_are_read_anew_are_named_all_the_same(repository: Repository) -> None:
    """SIGHUP before git answered: what was done before it and after it is of the commit that git tells then."""
    commit = head(repository)
    folder = repository.folder
    with Chronicle(folder) as chronicle:
        for _ in range(2):
            found = documents(1)
            chronicle.taking(found)
            reconciler = World().reconciler(thing("a", "x", size=1))
            await reconciler.carry_out(await reconciler.look(), chronicle.step, chronicle.recorder)
        await chronicle.name(found)
    assert [one.commit for one in History(History.place(folder)).passes()] == [commit] * 2
