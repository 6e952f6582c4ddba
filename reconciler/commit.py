"""Of which git commit a folder of documents is, and each line of them. Only told: what binds a plan are their own digests."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler import git
from reconciler.core.places import Written
from reconciler.core.saved import Commit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

GIT_S = 10.0
"""How long git may take; a saved plan without its commit is better than none."""


async def commit_of(folder: Path) -> Commit | None:
    """Return the commit, and the files below the folder that differ from it; None without git, or outside of a repository."""
    head, changed = await asyncio.gather(
        _git(folder, "rev-parse", "HEAD"),
        _git(folder, "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--", "."),
    )
    if head is None or changed is None:
        return None
    return Commit(id=head.strip(), changed=tuple(line[3:] for line in changed.split("\0") if line))


async def branch_of(folder: Path) -> str:
    """Return the branch that is checked out there, '' where there is none."""
    return (await _git(folder, "symbolic-ref", "--short", "--quiet", "HEAD") or "").strip()


async def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints, None when it does not do as told."""
    try:
        answer = await git.ask("--no-optional-locks", "-C", str(folder), *arguments, within_s=GIT_S)
    except (OSError, TimeoutError):
        return None
    return None if answer.code else answer.out.decode(errors="surrogateescape")


async def authors_of(files: Iterable[str]) -> Mapping[str, Mapping[int, Written]]:
    """Return who wrote each line of these files, as they are now: one question for each. What git does not know is left out."""
    places = _resolved(files)
    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(_lines_of(place)) for name, place in places.items()}
    return {name: task.result() for name, task in tasks.items()}


def _resolved(files: Iterable[str]) -> dict[str, Path]:
    return {name: Path(name).resolve() for name in sorted(set(files))}


async def _lines_of(file: Path) -> Mapping[int, Written]:
    """Return who wrote each line; of a file that the repository does not have yet, nobody has committed any."""
    blamed = await _git(file.parent, "blame", "--porcelain", "--", file.name)
    if blamed is not None:
        return dict(_blamed(blamed.split("\n")))
    committed = await _git(file.parent, "ls-tree", "--name-only", "HEAD", "--", file.name)
    # without an answer there is no repository; of a file that is in it, blame has only not told
    return {} if committed is None or committed else _of_nobody(file)


def _of_nobody(file: Path) -> Mapping[int, Written]:
    try:
        return dict.fromkeys(range(1, file.read_bytes().count(b"\n") + 2), Written())
    except OSError:
        return {}


def _blamed(lines: Iterable[str]) -> Iterator[tuple[int, Written]]:
    """Yield number and author of each line. A commit is described where it comes first; `git help blame`, porcelain."""
    known: dict[str, Written] = {}
    commit, number, told = "", 0, dict[str, str]()
    for line in lines:
        if line.startswith("\t"):
            if commit not in known:
                known[commit] = _written(commit, told)
            yield number, known[commit]
            commit = ""
        elif line and not commit:
            commit, _, now, *_ = line.split()
            number, told = int(now), {}
        else:
            name, _, value = line.partition(" ")
            told[name] = value


def _written(commit: str, told: Mapping[str, str]) -> Written:
    if not commit.strip("0"):  # the commit of what is not committed
        return Written()
    date = datetime.fromtimestamp(int(told["author-time"]), UTC)
    return Written(commit, told["author"], date.strftime("%Y-%m-%dT%H:%M:%SZ"), told["summary"])
