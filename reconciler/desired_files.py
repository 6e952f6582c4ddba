"""What the files of a desired folder look like at a moment: whether anything moved, what is in them, and who is at work.

Nothing here waits or parses; whatever cannot be looked at is part of what is seen, never an error.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from reconciler.desired import find_documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.core.errors import LocatedProblem

Stamp: TypeAlias = tuple[int, ...] | str
"""Device, inode, size, and the times of its last change in ns; or why it cannot be looked at."""

_AT_WORK = {
    "index.lock": "git is at work, or was killed: it goes on when that file is gone",
    "rebase-merge": "a rebase has not ended: finish it, or end it with git rebase --abort",
    "rebase-apply": "a rebase or git am has not ended: finish it, or end it with --abort",
}
"""What stands in git's own folder while the files are not what somebody wants yet, and what is said of it."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What can be looked at quickly: which folder there is now, and the files that no watch on it would tell of."""

    place: str
    apart: Mapping[str, Stamp]


@dataclass(frozen=True, slots=True)
class Stamps:
    """How all files look from outside: `documents` are those below the folder, as far as they are no links."""

    glance: Glance
    documents: Mapping[str, Stamp]


@dataclass(frozen=True, slots=True)
class Contents:
    """Digests of what the documents hold, and of what the files hold that they name."""

    documents: str
    named: str = field(repr=False)


def glance_at(folder: Path, apart: Iterable[str]) -> Glance:
    """Return which folder that is now, links followed and its identity with it, and how those files look."""
    try:
        there = folder.stat()
        place = f"{os.path.realpath(folder)} {there.st_dev} {there.st_ino}"
    except OSError as error:
        place = f"! {error.strerror}"
    return Glance(place, {path: _stamp(path) for path in apart})


def stamps_of(folder: Path, named: Iterable[str]) -> Stamps:
    """Return how the documents of the folder, and the files that they name, look now."""
    paths, problems = _documents(folder)
    links = {path for path in paths if os.path.islink(path)}  # noqa: PTH114 - they are no Path objects, there may be thousands
    documents = {path: _stamp(path) for path in paths if path not in links} | problems
    return Stamps(glance_at(folder, (*named, *sorted(links))), documents)


def contents_of(folder: Path, named: Iterable[str]) -> Contents:
    """Return the digests of what is there to be read now."""
    paths, problems = _documents(folder)
    return Contents(_digest(paths, problems), _digest(sorted(named), {}))


def git_at_work(folder: Path) -> str:
    """Return why the files of the folder may be in between two states of its git repository, or ''."""
    real = Path(os.path.realpath(folder))
    for parent in (real, *real.parents):
        git = _git_folder(parent)
        if git is not None:
            found = next((name for name in _AT_WORK if (git / name).exists()), None)
            return f"{git / found}: {_AT_WORK[found]}" if found else ""
    return ""


def _documents(folder: Path) -> tuple[list[str], dict[str, str]]:
    problems: list[LocatedProblem] = []
    paths = [str(path) for path in find_documents(folder, problems)]
    return paths, {problem.file: problem.message for problem in problems}


def _stamp(path: str) -> Stamp:
    try:
        there = os.stat(path)  # noqa: PTH116 - as above
    except OSError as error:
        return error.strerror or str(error)
    return (there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns, there.st_ctime_ns)


def _digest(paths: Iterable[str], problems: Mapping[str, str]) -> str:
    digest = hashlib.sha256(repr(sorted(problems.items())).encode())
    for path in paths:
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            content = (error.strerror or str(error)).encode()
        digest.update(f"\0{path}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
        digest.update(content)
    return digest.hexdigest()


def _git_folder(parent: Path) -> Path | None:
    """Return where git keeps what it does in that folder's working tree: `.git`, or what a file of that name points to."""
    git = parent / ".git"
    try:
        if git.is_dir():
            return git
        if git.is_file():
            return parent / git.read_text(encoding="utf-8", errors="surrogateescape").removeprefix("gitdir:").strip()
    except OSError:
        pass
    return None
