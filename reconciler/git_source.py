"""A branch of a git repository as a source: what is pushed is fetched, judged, checked out, and read as a folder is.

    fetch ─▶ signed? ─▶ a descendant of what is in force? ─▶ check out beside it ─▶ readable? ─▶ switch ─▶ the folder's source

Whatever stands against a commit leaves the one before in force, across restarts too, and is told as a condition; the next
fetch tries anew. What is in force is one folder behind one link, so nobody ever reads half a checkout.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from reconciler import log
from reconciler.aside import aside
from reconciler.branch_conditions import FETCHED, Candidate, Known, unfetched
from reconciler.core.errors import BivisorError
from reconciler.core.status import Condition, Truth
from reconciler.desired import compiled, load_folder
from reconciler.desired_source import DesiredSource, Pace
from reconciler.folder import Folder
from reconciler.git_clone import SHORT, Clone, Patience, make_place
from reconciler.git_remote import FollowError, Remote
from reconciler.history import state_folder
from reconciler.lock import only_one
from reconciler.mistakes import mistake
from reconciler.queue import JITTER
from reconciler.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.git_signers import Signers

BESIDE = "secrets"
"""What a folder of secrets is called beside that of the documents."""


def folder_beside(folder: Path) -> Path:
    """Return where the secrets of a folder of documents are."""
    return folder.parent / BESIDE


@dataclass(frozen=True, slots=True)
class Following:
    """What is followed, and how.

    `path`      the folder of the documents within the repository.
    `every_s`   between two fetches.
    `signers`   whose signature a commit must have; None: nobody's.
    `rewind`    whether a commit may be taken that does not descend from what is in force.
    `secrets`   a folder of this machine that stands as `secrets` beside the documents, or None.
    """

    remote: Remote
    branch: str
    path: str
    every_s: float = 30.0
    signers: Signers | None = None
    rewind: bool = False
    secrets: Path | None = None

    @property
    def place(self) -> Path:
        """Where it is kept: another folder for another repository, branch or path. Raises HistoryError: nobody knows where."""
        called = re.split(r"[/:]", self.remote.url.rstrip("/").removesuffix(".git"))[-1]
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", f"{called}-{self.branch}").lstrip(".-")[:80]
        whole = repr((self.remote.url, self.branch, self.path))
        return state_folder() / f"{name}-{hashlib.sha256(whole.encode()).hexdigest()[:10]}"

    @property
    def linked(self) -> tuple[str, Path] | None:
        """The link that every checkout has, and where it leads to."""
        return None if self.secrets is None else (str(folder_beside(Path(self.path))), self.secrets.absolute())


class Follower:
    """Brings what a branch is now into force, commit by commit."""

    def __init__(self, following: Following, patience: Patience | None = None) -> None:
        """Know what is followed; nothing is done yet."""
        self._following = following
        self.clone = Clone(following.place, following.remote, following.branch, patience)
        self._taken = ""

    @property
    def folder(self) -> Path:
        """Where the documents that are in force can always be found."""
        return self.clone.tree / self._following.path

    async def resume(self) -> bool:
        """Go on with what was in force, without asking anybody; return False where nothing was. Raises FollowError, OSError."""
        commit = self.clone.in_force()
        if commit:
            await self._verify(commit)
            await self._mend(commit)
            self._taken = commit
        return bool(commit)

    async def take(self, commit: str) -> None:
        """Have that commit in force, or raise a BivisorError that says why not; OSError where its files cannot be written."""
        before = self.clone.in_force()
        if commit != self._taken or commit != before:
            await self._verify(commit)
            await self._descend(commit, before)
        if commit == before:
            await self._mend(commit)
        else:
            tree = await self.clone.check_out(commit, self._following.linked)
            await self._read(tree)
            await self.clone.switch(tree)
        self._taken = commit

    async def _verify(self, commit: str) -> None:
        if self._following.signers is not None:
            await self._following.signers.verify(self.clone.path, commit)

    async def _descend(self, commit: str, before: str) -> None:
        if not before or self._following.rewind or await self.clone.descends(commit, before):
            return
        raise FollowError(
            "Rewritten",
            f"it does not descend from {before[:SHORT]}, which is in force: the branch was rewritten. If that was meant, "
            "start again with --allow-rewind; else push a descendant of it",
        )

    async def _mend(self, commit: str) -> None:
        """Check what is in force out anew when somebody changed its files."""
        now, linked = self.clone.checkout(), self._following.linked
        if now is None or not await self.clone.clean(now, linked):
            log.logger().warning("checkout", folder=str(now), message="its files are not as committed: it is made anew")
            await self.clone.switch(await self.clone.check_out(commit, linked))

    async def _read(self, tree: Path) -> None:
        """Read the documents of a checkout, their secrets too, as they will be read. Raises BivisorError."""
        folder = tree / self._following.path
        if not await aside(folder.is_dir):
            raise FollowError("NoFolder", f"it has no folder {self._following.path}: name that of the documents with --path")
        try:
            loaded = await aside(load_folder, folder)
            secrets, files = await resolve(loaded)
            await aside(compiled, folder, loaded, secrets, files)
        except BivisorError as error:
            # where it stands in the repository, and not in a checkout that nobody will keep
            raise FollowError("Refused", str(error).replace(f"{tree}/", "") + await self._hint(tree, str(error))) from None

    async def _hint(self, tree: Path, said: str) -> str:
        secrets = folder_beside(tree / self._following.path)
        missed = f"{secrets}/" in said and not await aside(secrets.exists)
        return f"\nWhere {BESIDE} is in no repository, name its folder here with --secrets" if missed else ""


@contextmanager
def keeping(following: Following) -> Iterator[None]:
    """Have the place of what is followed to ourselves. Raises TakenError, HistoryError."""
    make_place(following.place)
    with only_one(following.place):
        yield


async def fetch_once(following: Following) -> Path:
    """Bring into force what the branch is now; return the folder of its documents. Raises BivisorError."""
    follower = Follower(following)
    try:
        await follower.clone.open()
        await follower.take(await follower.clone.fetch())
    except OSError as error:
        raise FollowError("GitFailed", f"{following.place}: {error}") from None
    return follower.folder


@dataclass(slots=True)
class GitSource:
    """Follows a branch for as long as `run` runs."""

    following: Following
    tell: Callable[[Folder], None]
    pace: Pace | None = None
    patience: Patience | None = None
    rng: Random = field(default_factory=Random)
    _follower: Follower = field(init=False)
    _documents: DesiredSource = field(init=False)
    _folder: Folder = field(init=False, default_factory=Folder)
    _known: Known = field(init=False, default_factory=Known)
    _asked: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Prepare to read what is in force; nothing is done yet."""
        self._follower = Follower(self.following, self.patience)
        clone = self._follower.clone
        self._documents = DesiredSource(self._follower.folder, self._heard, self.pace, revision=clone.in_force)

    def reload(self) -> None:
        """Fetch at once, and have everything read anew."""
        self._documents.reload()
        self._asked.set()

    async def run(self) -> None:
        """Tell what is known each time when it is something else, until cancelled. Once in its life."""
        followed = self.following
        log.logger().info("following", repository=followed.remote.shown, branch=followed.branch, path=followed.path)
        async with asyncio.TaskGroup() as group:
            reading = await self._resumed(first=True) and group.create_task(self._documents.run())
            if not reading:
                self._tell()
            while True:
                self._asked.clear()
                try:
                    taken = await self._round()
                    if not reading and (taken or await self._resumed()):
                        reading = group.create_task(self._documents.run())
                except Exception as error:  # noqa: BLE001 - whoever follows for months is not ended by one round
                    why = mistake(f"follow {self.following.branch}", error)
                    self._say(self._known._replace(fetched=Condition("Fetched", Truth.FALSE, "Mistake", why)))
                await self._pause()

    async def _resumed(self, *, first: bool = False) -> bool:
        """Go on with what was in force; what stands against it may have ended since the first time, when it was told."""
        try:
            resumed = await self._follower.resume()
        except (BivisorError, OSError) as error:
            if first:
                self._say(self._known._replace(current=self._candidate(self._follower.clone.in_force()).refused(error)))
            return False
        if resumed and self._known.fetched.status is Truth.FALSE:
            self._say(self._known._replace(current=Known().current))
        return resumed

    async def _round(self) -> bool:
        """Fetch, and take what is new; tell whether what the branch is now is in force."""
        try:
            commit = await self._follower.clone.fetch()
        except (FollowError, OSError) as error:
            self._say(self._known._replace(fetched=unfetched(error, self.following.every_s)))
            return False
        before = self._follower.clone.in_force()
        late = asyncio.get_running_loop().call_later((self.pace or Pace()).patience, self._late, commit)
        try:
            await self._follower.take(commit)
        except (BivisorError, OSError) as error:
            self._say(Known(FETCHED, self._candidate(commit).refused(error)))
            return False
        finally:
            late.cancel()
        self._say(Known(FETCHED, self._candidate(commit).taken()))
        if commit != before:
            self._documents.stir()
            await self._pack()
        return True

    async def _pack(self) -> None:
        try:
            await self._follower.clone.pack()
        except (FollowError, OSError) as error:
            log.logger().warning("git", message=str(error))

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self.following.every_s * (1.0 - JITTER * self.rng.random())):
                await self._asked.wait()
        except TimeoutError:
            return

    def _late(self, commit: str) -> None:
        self._say(Known(FETCHED, self._candidate(commit).late()))

    def _candidate(self, commit: str) -> Candidate:
        return Candidate(commit, self.following.branch, self._folder.revision)

    def _heard(self, folder: Folder) -> None:
        self._folder = folder
        self._tell()

    def _say(self, known: Known) -> None:
        if known != self._known:
            self._known = known
            self._tell()

    def _tell(self) -> None:
        self.tell(replace(self._folder, branch=self.following.branch, source=tuple(self._known)))
