"""The desired folder as a commit of its git repository holds it; nothing is checked out, and nothing is written.

    RevisionError    git cannot say what the folder was: there is none, or no such revision, or the folder is not in it

Git is asked as a program: the repository's own format, its alternates and its promises are git's business.
"""

from __future__ import annotations

import io
import os
import posixpath
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from reconciler import git
from reconciler.core.errors import BivisorError, InputError, LocatedProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GIT_TIMEOUT_S = 60
"""How long one question to git may take: a partial clone fetches what it was spared."""

_LINK = "120000"


class RevisionError(BivisorError):
    """Git cannot say what the folder was in a revision."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit of the repository around the folder. `name` is what the person called it, `place` the folder's path in git."""

    name: str
    commit: str
    folder: Path
    place: str
    root: Path

    def texts(self) -> dict[str, str]:
        """Return the texts of all YAML files below the folder, named as they would be in the folder. Raises InputError."""
        entries = list(self._entries())
        blobs = _blobs(self.root, [blob for _, mode, blob in entries if mode != _LINK])
        texts: dict[str, str] = {}
        problems = []
        for path, mode, blob in entries:
            try:
                content = self._followed(path) if mode == _LINK else blobs[blob]
                if content is None:
                    problems.append(self.located(_problem(path, "is a symbolic link that leads to no file of the revision")))
                else:
                    texts[path] = _text(content)
            except UnicodeDecodeError:
                problems.append(self.located(_problem(path, "cannot be read: the file is not UTF-8 text")))
        if problems:
            raise InputError(problems)
        return texts

    def file(self, path: str) -> str | None:
        """Return the text of any file of the repository, by its path from here; None for what git does not have."""
        content = self._followed(path)
        try:
            return None if content is None else _text(content)
        except UnicodeDecodeError:
            return None

    def located(self, problem: LocatedProblem) -> LocatedProblem:
        """Return the problem with its place as git writes it: `main:desired/zones.yaml`, which `git show` takes."""
        return replace(problem, file=f"{self.name}:{self._named(problem.file)}")

    def _followed(self, path: str) -> bytes | None:
        """Return what a file holds, links followed as long as they stay in the revision; None where they lead to no file."""
        name = f"{self.commit}:{self._named(path)}"
        if "\n" in name:  # git takes one name a line
            return None
        done = _git(self.root, "cat-file", "--batch", "--follow-symlinks", asked=os.fsencode(f"{name}\n"))
        head, _, rest = done.stdout.partition(b"\n")
        # `HASH blob SIZE`; else `NAME missing`, or `symlink`, `dangling`, `loop` or `notdir` and a size
        found = re.fullmatch(rb"[0-9a-f]+ blob (\d+)", head)
        return rest[: int(found[1])] if found else None

    def _named(self, path: str) -> str:
        """Return how git calls a path: from the root of the repository, wherever links on the way to it lead."""
        return posixpath.normpath(posixpath.join(self.place, os.path.relpath(path, self.folder)))

    def _entries(self) -> Iterator[tuple[str, str, str]]:
        """Yield path, mode and blob of each document, sorted by path: hidden files and folders are left out."""
        listed = _git(self.root, "ls-tree", "-r", "-z", "--full-tree", self.commit, *([self.place] if self.place else []))
        for entry in listed.stdout.decode("utf-8", "surrogateescape").split("\0"):
            head, _, path = entry.partition("\t")
            mode, kind, blob = head.split() if head else ("", "", "")
            below = PurePosixPath(path).relative_to(self.place) if kind == "blob" else None
            if below and below.suffix in (".yaml", ".yml") and not any(part.startswith(".") for part in below.parts):
                yield str(self.folder / below), mode, blob


def find_revision(folder: Path, name: str) -> Revision:
    """Return the commit of that name (a branch, a tag, `HEAD~3`, the beginning of a hash). Raises RevisionError.

    HEAD of a repository without commits is the tree that has nothing in it.
    """
    near = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.is_dir())
    top = _git(near, "rev-parse", "--show-toplevel")
    if top.returncode:
        raise RevisionError(f"{folder}: git finds no repository around this folder: {_said(top.stderr)}")
    root = Path(os.fsdecode(top.stdout.removesuffix(b"\n")))
    asked = _git(near, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if asked.returncode and name == "HEAD" and _git(near, "symbolic-ref", "--quiet", "HEAD").returncode == 0:
        asked = _git(near, "hash-object", "-t", "tree", "--stdin")  # before the first commit there is nothing
    if asked.returncode:
        raise RevisionError(
            f'git knows no commit "{name}" in {root} (git log shows some; a shallow clone has few: git fetch --unshallow)'
        )
    place = folder.resolve().relative_to(root.resolve()).as_posix()
    return Revision(name, asked.stdout.decode().strip(), folder, "" if place == "." else place, root)


def _text(content: bytes) -> str:
    """Return the text as reading the file gives it: each line ends with one character. Raises UnicodeDecodeError."""
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8").read()


def _blobs(root: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Return the contents of blobs: one question for all of them."""
    if not names:
        return {}
    done = _git(root, "cat-file", "--batch", asked="".join(f"{name}\n" for name in names).encode())
    found: dict[str, bytes] = {}
    rest = done.stdout
    for name in names:
        head, _, rest = rest.partition(b"\n")
        if not head.startswith(name.encode() + b" blob "):
            raise RevisionError(f"git has lost the object {name}: {_said(done.stderr) or head.decode(errors='replace')}")
        size = int(head.split()[-1])
        found[name], rest = rest[:size], rest[size + 1 :]
    return found


def _git(where: Path, *arguments: str, asked: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Ask git, which may say no. Raises RevisionError when there is no git, or it does not answer."""
    environment = git.environment() | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        return subprocess.run(  # noqa: S603 - no shell; names that begin with - are refused by --end-of-options or are git's own
            ["git", *arguments],  # noqa: S607 - found by PATH, as a person's git is
            cwd=where, env=environment, input=asked or b"", capture_output=True, check=False, timeout=GIT_TIMEOUT_S,
        )  # fmt: skip
    except FileNotFoundError:
        raise RevisionError("to compare revisions the program git is needed and was not found: apt-get install git") from None
    except subprocess.TimeoutExpired:
        raise RevisionError(f"git {arguments[0]} gave no answer within {GIT_TIMEOUT_S} s") from None


def _said(said: bytes) -> str:
    """Return the first line that git said; what follows it is advice about other things."""
    return next(iter(said.decode(errors="replace").strip().splitlines()), "").removeprefix("fatal: ")


def _problem(file: str, message: str) -> LocatedProblem:
    return LocatedProblem(file, 0, 0, None, "", message)
