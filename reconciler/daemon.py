"""What keeps running: the folder of documents as a source, a keeper of what it declares, and ears at every target."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from reconciler import keep, log
from reconciler.desired_source import DesiredSource, Folder
from reconciler.keep import Keeper, Manner
from reconciler.reconcile import UNRECORDED, Reconciler, Records
from reconciler.targets.open import Targets
from reconciler.watch import Watches

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.desired import Desired


class Audience(keep.Audience, Protocol):
    """Whoever is told what happens."""

    def folder(self, folder: Folder) -> None:
        """Hear what is known of the documents."""
        ...

    async def taking(self) -> None:
        """Hear that the documents that stand there now are about to be in force."""
        ...

    def keeping(self, reconciler: Reconciler, watches: Watches) -> None:
        """Hear who decides and who listens from now on."""
        ...

    def ending(self) -> None:
        """Hear that nobody listens any more from now on, and nothing new is begun."""
        ...


class Daemon:
    """Keeps the cloud as one folder declares it, until it is stopped."""

    def __init__(self, folder: Path, audience: Audience, records: Records = UNRECORDED, *, acts: bool = True) -> None:
        """Keep what `folder` declares; without `acts` only look and decide."""
        self._records = records
        self._audience = audience
        self._manner = Manner(acts=acts)
        self._source = DesiredSource(folder, self._told)
        self._news = asyncio.Event()
        self._desired: Desired | None = None
        self._stopping = False

    async def run(self) -> None:
        """Go on until `stop`. What is in hand then is finished; then everything that is open is closed."""
        async with asyncio.TaskGroup() as group:
            source = group.create_task(self._source.run())
            desired = await self._next()
            if desired is not None:
                await self._keep(desired)
            source.cancel()

    def stop(self) -> None:
        """Begin nothing any more."""
        self._stopping = True
        self._news.set()

    def reload(self) -> None:
        """Read everything anew, the Secrets that are told by commands too."""
        self._source.reload()

    def _told(self, folder: Folder) -> None:
        self._audience.folder(folder)
        if folder.desired is not None and folder.desired is not self._desired:
            self._desired = folder.desired
            self._news.set()

    async def _next(self) -> Desired | None:
        """Wait for documents that were not taken in yet; None when it is to stop."""
        await self._news.wait()
        self._news.clear()
        return None if self._stopping else self._desired

    async def _keep(self, first: Desired) -> None:
        log.mask(first.redact)
        await self._audience.taking()
        async with Targets(first.catalog.endpoints) as targets, asyncio.TaskGroup() as group:
            reconciler = Reconciler(first, targets)

            keeper = Keeper(reconciler, self._audience, self._records, self._manner)
            watches = Watches(group, targets, keeper.look_again, self._manner.rng)
            keeper.asks = watches.follow
            self._audience.keeping(reconciler, watches)
            group.create_task(keeper.run())
            while (desired := await self._next()) is not None:
                log.mask(desired.redact)
                await self._audience.taking()
                others = await targets.replace(desired.catalog.endpoints)
                keeper.declare(desired, others)
                for target in others:
                    watches.again(target)
            self._audience.ending()
            keeper.stop()
            watches.stop()
