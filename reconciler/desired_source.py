"""The desired folder as a source: whatever settles in it is read, and told as what is declared now or why it cannot be.

    stirred ─▶ settled ─▶ read ─▶ unmoved meanwhile? ─▶ tell

It is level, not edge: inotify is only a reason to look; what was told last and what the files look like now decide. So
nothing has to be understood of how editors, git or somebody with `mv` bring files about, and what is missed is found by
the next look: the folder's identity and the files beside it are looked at every half second, everything every ten.

A tree that cannot be read as declared never ends anything: the last good one stays, and the trouble is told as a value.
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, TypeVar

from reconciler.aside import aside
from reconciler.core.errors import BivisorError
from reconciler.desired import compiled, load_folder
from reconciler.desired_files import Contents, Glance, Stamps, contents_of, git_at_work, glance_at, stamps_of
from reconciler.folder import Folder
from reconciler.folder_watch import FolderWatch
from reconciler.mistakes import mistake
from reconciler.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from reconciler.core.load import Loaded
    from reconciler.desired import Desired

    T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, in seconds.

    `quiet`      nothing may have moved for so long before anything is read.
    `glance`     between two looks at the folder's identity and at the files that no watch tells of.
    `sweep`      between two looks at all files while they are watched, `unwatched` while they are not.
    `patience`   after so long without quiet it is told why nothing is read.
    `again`      what was refused is read again after so long: a Secret's command may answer by then.
    `rewatch`    between two attempts to watch again.
    `writer`     a writer that neither writes nor closes its file for so long counts as gone.
    """

    quiet: float = 0.2
    glance: float = 0.5
    sweep: float = 10.0
    unwatched: float = 2.0
    patience: float = 10.0
    again: float = 30.0
    rewatch: float = 60.0
    writer: float = 5.0


class _Time(Enum):
    """What was done last at some time."""

    WATCHED = auto()
    SWEPT = auto()
    READ = auto()


class DesiredSource:
    """Watches one folder for as long as `run` runs."""

    def __init__(
        self, folder: Path, tell: Callable[[Folder], None], pace: Pace | None = None, *, revision: Callable[[], str] = str
    ) -> None:
        """Know where the documents are; `tell` is called in the loop whenever something else is known.

        `revision` says which commit the folder is a checkout of, where it is changed as a whole.
        """
        self._loop = asyncio.get_running_loop()
        self._folder = folder
        self._tell = tell
        self._pace = pace or Pace()
        self._revision = revision
        self._stirred = asyncio.Event()
        self._watch = FolderWatch(self._loop, self._stirred.set, self._pace.writer)
        self._state = Folder()
        self._watched = ""
        self._named: frozenset[str] = frozenset()
        self._stamps = Stamps(Glance("", {}), {})
        self._contents: Contents | None = None
        self._forced = False
        self._heard = 0
        self._times = dict.fromkeys(_Time, -math.inf)

    def reload(self) -> None:
        """Have everything read anew, the Secrets that commands and the environment tell too, though no file has moved."""
        self._forced = True
        self._stirred.set()

    def stir(self) -> None:
        """Have it looked at now: something moved."""
        self._stirred.set()

    async def run(self) -> None:
        """Tell what is known each time when it is something else, the first tree first, until cancelled. Once in its life.

        All work on files is done aside: never two readings at once, and never in the loop's thread.
        """
        try:
            while True:
                try:
                    await self._look()
                    await self._something()
                except Exception as error:  # noqa: BLE001 - whoever watches for months is not ended by one look
                    self._say(replace(self._state, refused=self._mistaken(error)))
                    await asyncio.sleep(self._pace.again)
        finally:
            self._watch.stop()

    async def _look(self) -> None:
        """Read what has settled, until it did not move meanwhile."""
        begun = self._loop.time()
        while True:
            self._stirred.clear()
            await self._tend()
            stamps = await self._settled(begun)
            forced, self._forced = self._forced, False
            if await self._read(stamps, begun, forced=forced):
                return
            self._forced = self._forced or forced
            self._wait(begun, "")

    async def _something(self) -> None:
        """Return when there is a reason to look."""
        pace = self._pace
        while not (self._stirred.is_set() or self._forced):
            try:
                async with asyncio.timeout(pace.glance):
                    await self._stirred.wait()
            except TimeoutError:
                seen = self._stamps.glance
                if await self._off(glance_at, self._folder, seen.apart) != seen or seen.place != self._watched:
                    return
            if self._watch.trouble and (not self._state.unwatched or self._due(_Time.WATCHED, pace.rewatch)):
                return
            if self._due(_Time.SWEPT, pace.unwatched if self._state.unwatched else pace.sweep) and await self._sweep():
                return
            if self._state.refused is not None and self._due(_Time.READ, pace.again):
                self._forced = True

    async def _sweep(self) -> bool:
        """Look at all files; tell whether any moved. If the watch does not hear of that in a moment either, it is lost."""
        self._mark(_Time.SWEPT)
        if (await self._off(stamps_of, self._folder, self._named)).documents == self._stamps.documents:
            return False
        await asyncio.sleep(self._pace.quiet)
        if not self._watch.trouble and self._watch.heard == self._heard:
            self._watch.lost("files changed and the kernel did not say so, as on a network file system")
            self._mark(_Time.WATCHED)
        return True

    async def _tend(self) -> None:
        """Have that folder watched that is there now; where that cannot be, say why, and try again later."""
        place = (await self._off(glance_at, self._folder, ())).place
        trouble = self._watch.trouble
        if place != self._watched or (trouble and self._due(_Time.WATCHED, self._pace.rewatch)):
            self._watched = place
            self._mark(_Time.WATCHED)
            try:
                await self._off(self._watch.start, self._folder)
                trouble = ""
            except OSError as error:
                limit = "; raise fs.inotify in sysctl" if error.errno in (errno.EMFILE, errno.ENOSPC) else ""
                trouble = f"{error.strerror or error}{limit}"
        if trouble:
            every = f"it is looked at every {self._pace.unwatched:g} s instead"
            trouble = f"{self._folder} cannot be watched: {trouble}: {every}"
        self._say(replace(self._state, unwatched=trouble))

    async def _settled(self, begun: float) -> Stamps:
        """Return how the files look once they have stopped moving, and nobody is at work on them."""
        before = None
        while True:
            stamps = await self._off(stamps_of, self._folder, self._named)
            why = await self._off(git_at_work, self._folder)
            if not why and (path := self._watch.writing):
                why = f"{path}: somebody is writing to it"
            if not why and stamps == before:
                return stamps
            if why or before is not None:
                self._wait(begun, why)
            before = stamps
            await asyncio.sleep(self._pace.quiet)

    def _wait(self, begun: float, why: str) -> None:
        """Say why nothing is read, when that has lasted for some time."""
        if self._loop.time() - begun > self._pace.patience:
            self._say(replace(self._state, waiting=why or f"{self._folder}: its files change all the time"))

    async def _read(self, stamps: Stamps, begun: float, *, forced: bool) -> bool:
        """Read what is there, and tell it if it is something else. Return False when it moved meanwhile."""
        revision = self._revision()
        contents = await self._off(contents_of, self._folder, self._named)
        if contents == self._contents and not forced:
            if revision != self._revision():
                return False
            self._seen(stamps, contents)
            revision = self._state.revision if self._state.refused else revision  # another commit that says the same
            self._say(replace(self._state, waiting="", revision=revision))
            return True
        found = await self._loaded()
        named = self._named if isinstance(found, BivisorError) else frozenset(r.file for r in (*found.reads, *found.others))
        if named != self._named:
            self._named = named
            stamps = await self._settled(begun)
            now = await self._off(contents_of, self._folder, named)
            if now.documents != contents.documents:
                return False
            contents = now
        meant = found if isinstance(found, BivisorError) else await self._meant(found)
        if contents != await self._off(contents_of, self._folder, named) or revision != self._revision():
            return False
        self._mark(_Time.READ)
        self._seen(stamps, contents)
        self._take(meant, revision)
        return True

    async def _loaded(self) -> Loaded | BivisorError:
        try:
            return await self._off(load_folder, self._folder)
        except BivisorError as error:
            if self._state.desired is None or await self._off(os.path.exists, self._folder):
                return error
            return BivisorError(f"{self._folder}: this folder has gone: bring it back. What it declared last stays in force")
        except Exception as error:  # noqa: BLE001 - documents that bring a mistake to light are refused as any others
            return self._mistaken(error)

    async def _meant(self, loaded: Loaded) -> Desired | BivisorError:
        try:
            secrets, files = await self._patiently(resolve(loaded))
            return await self._off(compiled, self._folder, loaded, secrets, files)
        except BivisorError as error:
            return error
        except Exception as error:  # noqa: BLE001 - as above
            return self._mistaken(error)

    def _mistaken(self, error: Exception) -> BivisorError:
        return BivisorError(f"{self._folder}: cannot be read: {mistake(f'read {self._folder}', error)}")

    def _seen(self, stamps: Stamps, contents: Contents) -> None:
        self._stamps, self._contents, self._heard = stamps, contents, self._watch.heard
        self._mark(_Time.SWEPT)

    def _take(self, meant: Desired | BivisorError, revision: str) -> None:
        if isinstance(meant, BivisorError):
            self._say(replace(self._state, refused=meant, waiting=""))
        else:
            self._say(replace(self._state, desired=meant, revision=revision, refused=None, waiting=""))

    def _say(self, state: Folder) -> None:
        before, self._state = self._state, state
        moved = state.desired is not before.desired or state.revision != before.revision
        if moved or state.conditions != before.conditions:
            self._tell(state)

    def _due(self, what: _Time, every_s: float) -> bool:
        return self._loop.time() - self._times[what] >= every_s

    def _mark(self, what: _Time) -> None:
        self._times[what] = self._loop.time()

    async def _off(self, do: Callable[..., T], *arguments: object) -> T:
        return await self._patiently(aside(do, *arguments))

    async def _patiently(self, reading: Awaitable[T]) -> T:
        """Return what was read. When that takes long it is told meanwhile; the last good tree stays in force."""
        before = self._state.waiting
        late = self._loop.call_later(self._pace.patience, self._late)
        try:
            found = await reading
        finally:
            late.cancel()
        if self._state.waiting != before:
            self._say(replace(self._state, waiting=before))
        return found

    def _late(self) -> None:
        what = "a file system, or the command of a Secret, may not answer"
        self._say(replace(self._state, waiting=f"{self._folder}: to read it and what its documents name takes long: {what}"))
