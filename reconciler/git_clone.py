"""A clone of one branch in a private folder, and checkouts of its commits of which one is in force.

Nothing of the repository is run: no hook, no filter, no submodule; what stands in the commit is what stands in the checkout,
byte for byte, so that of a file in LFS there is the pointer. What was half done when somebody was killed is taken away.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler import git
from reconciler.aside import aside
from reconciler.core.errors import TakenError
from reconciler.followed import CLONE, TREE, TREES
from reconciler.git_remote import FollowError, Remote

FETCHED, IN_FORCE = "refs/bivisor/fetched", "refs/bivisor/in-force"
"""Where the clone keeps what the branch is now, and what is in force, which no clean-up of git's may lose."""

SHORT = 12
"""As many characters of a commit are told."""

_QUIET = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.attributesFile=/dev/null", "core.excludesFile=/dev/null",
    "core.fsync=all", "submodule.recurse=false", "advice.detachedHead=false", "gc.autoDetach=false",
)  # fmt: skip
_OPTIONS = tuple(text for setting in _QUIET for text in ("-c", setting))

_VARIABLES = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "SSH_ASKPASS_REQUIRE": "never",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
}

_ATTRIBUTES = "* -text -ident !eol !filter !working-tree-encoding\n"
"""In a repository's own `info/attributes`, which is stronger than any file that was committed (gitattributes(5))."""

_OURS = 0o077


@dataclass(frozen=True, slots=True)
class Patience:
    """How long git may take, in seconds.

    `fetch`     for all that is new, the whole repository the first time.
    `silence`   without a word of progress meanwhile: then nobody is there any more.
    `local`     for anything that needs no network.
    """

    fetch: float = 1800.0
    silence: float = 30.0
    local: float = 120.0


class Clone:
    """What is kept of one branch of one repository, below one folder. Whoever uses it holds the lock of that folder."""

    def __init__(self, place: Path, remote: Remote, branch: str, patience: Patience | None = None) -> None:
        """Know where it is; nothing is done yet."""
        self.place = place
        self.path = place / CLONE
        self.tree = place / TREE
        self.remote = remote
        self.branch = branch
        self._patience = patience or Patience()

    async def open(self) -> None:
        """Make it where it is not there, and take away what is half done. Raises FollowError."""
        try:
            await self._git("check-ref-format", "--branch", self.branch, where=())
        except FileNotFoundError:
            raise FollowError(
                "NoGit", "to follow a branch the program git is needed and was not found: apt-get install git"
            ) from None
        except FollowError as error:
            if "valid branch name" not in str(error):
                raise
            raise FollowError("NoBranch", f'"{self.branch}" is no name of a branch: name one with --branch') from None
        try:
            await aside(self._tidy)
        except OSError as error:
            raise FollowError("GitFailed", f"{self.place}: {error}") from None
        await self._git("init", "--quiet", "--bare", "--template=", str(self.path), where=())

    async def fetch(self) -> str:
        """Return the commit that the branch is now, fetched whole. Raises FollowError."""
        refspec = f"+refs/heads/{self.branch}:{FETCHED}"
        options = ("--progress", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-gc")
        command = ("--git-dir", str(self.path), "fetch", *options, "--", self.remote.url, refspec)
        patience, variables = self._patience, _VARIABLES | self.remote.variables()
        try:
            answer = await git.ask(
                *_OPTIONS, *self.remote.options(), *command,
                within_s=patience.fetch, silence_s=patience.silence, variables=variables,
            )  # fmt: skip
        except TimeoutError:
            await aside(self._unlock)
            silent = f"no answer within {patience.silence:g} s, or not all of it within {patience.fetch:g} s"
            raise FollowError("Unreachable", f"{self.remote.shown}: {silent}: it was given up") from None
        if answer.code:
            await aside(self._unlock)
            raise self.remote.trouble(answer.said)
        return await self._git("rev-parse", "--verify", f"{FETCHED}^{{commit}}")

    async def descends(self, commit: str, ancestor: str) -> bool:
        """Tell whether a commit has that one in its past; one that the clone has not is in no past. Raises FollowError."""
        return (await self._ask("merge-base", "--is-ancestor", ancestor, commit)).code == 0

    async def check_out(self, commit: str, linked: tuple[str, Path] | None = None) -> Path:
        """Return a folder that holds that commit and nothing else. Raises FollowError, OSError.

        `linked` are a path in it that has to be a link, and where to: what is beside the documents and in no repository.
        """
        found = [path for path in self._trees() if _commit(path) == commit]
        for path in found:
            if await self.clean(path, linked):
                return path
        fresh = self.place / TREES / f".{commit}"
        await aside(self._prepare, fresh)
        await self._git("init", "--quiet", "--template=", "--initial-branch", self.branch, str(fresh), where=())
        await aside(self._equip, fresh, linked)
        await self._git("update-ref", f"refs/heads/{self.branch}", commit, where=("-C", str(fresh)))
        await self._git("read-tree", "--reset", "-u", "HEAD", where=("-C", str(fresh)))
        if linked is not None:
            await aside(_link, fresh / linked[0], linked[1])
        number = next(number for number in range(len(found) + 2) if not self._tree(commit, number).exists())
        return await aside(fresh.rename, self._tree(commit, number))

    async def clean(self, tree: Path, linked: tuple[str, Path] | None = None) -> bool:
        """Tell whether a checkout is as it was made, and of the commit by which it is called. Raises FollowError."""
        if linked is not None and not await aside(_is_link, tree / linked[0], linked[1]):
            return False
        asked = await self._ask("status", "--porcelain=v2", "--branch", "--untracked-files=all", where=("-C", str(tree)))
        lines = asked.out.decode(errors="surrogateescape").splitlines()
        return f"# branch.oid {_commit(tree)}" in lines and all(line.startswith("# ") for line in lines)

    async def switch(self, tree: Path) -> None:
        """Have that checkout in force from now on, and no other one kept. Raises FollowError, OSError."""
        await self._git("update-ref", IN_FORCE, _commit(tree))
        await aside(_link_anew, self.tree, Path(TREES) / tree.name)
        await aside(self._remove_trees, tree)

    async def pack(self) -> None:
        """Let git put its objects in order, when it finds that there are many. Raises FollowError."""
        await self._git("gc", "--auto", "--quiet", within_s=self._patience.fetch)

    def in_force(self) -> str:
        """Return the commit that is in force, '' where there is none yet."""
        tree = self.checkout()
        return "" if tree is None else _commit(tree)

    def checkout(self) -> Path | None:
        """Return the folder of what is in force, its own name and not the link."""
        try:
            found = self.place / TREES / self.tree.readlink().name
        except OSError:
            return None
        return found if found.is_dir() else None

    async def _ask(self, *arguments: str, where: tuple[str, ...] | None = None, within_s: float = 0.0) -> git.Answer:
        """Ask git about the clone, or what `where` options say. Raises FollowError when there is no answer in time."""
        where, within_s = ("--git-dir", str(self.path)) if where is None else where, within_s or self._patience.local
        try:
            return await git.ask(*_OPTIONS, *where, *arguments, within_s=within_s, variables=_VARIABLES)
        except TimeoutError:
            raise FollowError("GitFailed", f"git took more than {within_s:g} s in {self.path}") from None

    async def _git(self, *arguments: str, where: tuple[str, ...] | None = None, within_s: float = 0.0) -> str:
        """Return what git prints when it does as told. Raises FollowError."""
        answer = await self._ask(*arguments, where=where, within_s=within_s)
        if answer.code:
            told = self.remote.words(answer.said) or f"git ended with {answer.code}"
            raise FollowError("GitFailed", f"{self.path}: {told}: if that does not pass, delete that folder: it is made anew")
        return answer.out.decode(errors="surrogateescape").strip()

    def _tree(self, commit: str, number: int) -> Path:
        return self.place / TREES / (f"{commit}.{number}" if number else commit)

    def _trees(self) -> list[Path]:
        return sorted((self.place / TREES).glob("*"))

    def _tidy(self) -> None:
        """Take away what somebody who was killed left behind."""
        (self.place / TREES).mkdir(mode=0o700, exist_ok=True)
        self._unlock()
        for left in (
            *self.path.glob("objects/pack/tmp_*"),
            *self.path.glob("objects/pack/.tmp-*"),
            *self.path.glob("objects/??/tmp_obj_*"),
        ):
            left.unlink(missing_ok=True)
        now = self.checkout()
        for tree in self._trees():
            if tree != now:
                shutil.rmtree(tree, ignore_errors=True)  # a git that outlived who was killed may be at work yet
        _beside(self.tree).unlink(missing_ok=True)

    def _unlock(self) -> None:
        """Take away the locks of a git that was killed, and names that it had half written; nobody else writes here."""
        for lock in self.path.rglob("*.lock"):
            lock.unlink(missing_ok=True)
        for name in (FETCHED, IN_FORCE):
            path = self.path / name
            if path.is_file() and not re.fullmatch(rb"[0-9a-f]{40,64}\n", path.read_bytes()):
                path.unlink()

    def _prepare(self, fresh: Path) -> None:
        """Make room for another checkout: what is in force stays, and nothing else."""
        self._remove_trees(self.checkout())
        if fresh.exists():
            shutil.rmtree(fresh)

    def _remove_trees(self, kept: Path | None) -> None:
        for tree in self._trees():
            if tree != kept:
                shutil.rmtree(tree)

    def _equip(self, fresh: Path, linked: tuple[str, Path] | None) -> None:
        """Let a checkout have its objects from the clone, and no surprises from attributes."""
        info = fresh / ".git/info"
        info.mkdir(parents=True)
        (info / "attributes").write_text(_ATTRIBUTES)
        (info / "exclude").write_text(f"/{linked[0]}\n" if linked else "")
        alternates = fresh / ".git/objects/info/alternates"
        alternates.parent.mkdir(parents=True, exist_ok=True)
        alternates.write_text(f"{self.path / 'objects'}\n")


def make_place(place: Path) -> None:
    """Make the folder, for nobody but us. Raises TakenError."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = place.stat()
        if there.st_uid == os.geteuid():
            place.chmod(there.st_mode & ~_OURS)
            return
    except OSError as error:
        raise TakenError(f"{place}: cannot be made: {error.strerror}: name a folder of your own with BIVISOR_STATE") from None
    raise TakenError(f"{place}: belongs to somebody else: name a folder of your own with BIVISOR_STATE")


def _commit(tree: Path) -> str:
    """Return the commit by which a checkout is called."""
    return tree.name.partition(".")[0]


def _link(path: Path, to: Path) -> None:
    """Make a link where the repository has nothing. Raises FollowError."""
    try:
        if path.parent.is_dir():  # else the folder of the documents is not there either, and that is told
            path.symlink_to(to)
    except FileExistsError:
        raise FollowError(
            "Refused", f"the repository has {path.name} itself: leave --secrets away, or remove it there"
        ) from None


def _is_link(path: Path, to: Path) -> bool:
    with suppress(OSError):
        return path.readlink() == to
    return False


def _link_anew(path: Path, to: Path) -> None:
    """Let a link lead elsewhere, in one moment."""
    beside = _beside(path)
    beside.unlink(missing_ok=True)
    beside.symlink_to(to)
    beside.replace(path)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}")
