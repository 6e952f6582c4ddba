"""What keeps running: a source of documents, a keeper of what it declares, and ears at every target."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from reconciler import keep, log
from reconciler.core.errors import LeadError, TakenError
from reconciler.folder import Folder
from reconciler.hosts_told import Tidings
from reconciler.keep import Keeper, Manner
from reconciler.leader import led
from reconciler.lock import Clouds
from reconciler.mistakes import outlived
from reconciler.permits import Permits
from reconciler.reconcile import UNRECORDED, Reconciler, Records
from reconciler.targets.open import Targets
from reconciler.watch import Watches

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import TypeAlias

    from reconciler.desired import Desired
    from reconciler.leader import Leader
    from reconciler.targets import Target
    from resources.contract import TargetId

    Opener: TypeAlias = Callable[[Callable[[Folder], None]], "Source"]


TRY_AGAIN_S = 5.0
"""Seconds from one try to have a cloud to ourselves that a change declares to the next."""


class Source(Protocol):
    """Where documents come from."""

    async def run(self) -> None:
        """Tell what is known each time when it is something else, until cancelled."""
        ...

    def reload(self) -> None:
        """Read everything anew."""
        ...


class Audience(keep.Audience, Protocol):
    """Whoever is told what happens."""

    def folder(self, folder: Folder) -> None:
        """Hear what is known of the documents."""
        ...

    def taking(self, folder: Folder) -> None:
        """Hear that these documents are about to be in force."""
        ...

    def keeping(self, keeper: Keeper, watches: Watches) -> None:
        """Hear who decides and who listens from now on."""
        ...

    def ending(self) -> None:
        """Hear that nobody listens any more from now on, and nothing new is begun."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms something is kept.

    `acts`     False: only look and decide.
    `permits`  knows what may be done at the moment.
    `leader`   sees to it that there is no other daemon on another machine.
    """

    acts: bool = True
    permits: Permits = field(default_factory=Permits)
    leader: Leader | None = None


class Daemon:
    """Keeps the cloud as one source declares it, until it is stopped."""

    def __init__(self, source: Opener, audience: Audience, records: Records = UNRECORDED, terms: Terms | None = None) -> None:
        """Keep what that source tells, on these terms."""
        terms = terms or Terms()
        self._leader = terms.leader
        self._permits = terms.permits
        self._manner = Manner(acts=terms.acts)
        self._clouds = Clouds()
        self._later: asyncio.TimerHandle | None = None
        self._records = records
        self._audience = audience
        self._source = source(self._told)
        self._news = asyncio.Event()
        self._folder = Folder()
        self._stopping = False

    async def run(self) -> LeadError | TakenError | None:
        """Go on until `stop`. What is in hand then is finished; then everything that is open is closed.

        Return why it does not lead any more, or that another one on this machine keeps the cloud, if that has ended it:
        raised, each group around would wrap it.
        """
        lost: LeadError | TakenError | None = None
        async with asyncio.TaskGroup() as group:
            source = group.create_task(self._source.run())
            folder = await self._next()
            if folder is not None and folder.desired is None:
                lost = LeadError(f"{folder.hopeless}\nThere is nothing to keep on this machine: another one has to lead")
            elif folder is not None:
                try:
                    self._have_alone(folder)
                    await self._keep(folder)
                except (LeadError, TakenError) as error:
                    lost = error
            source.cancel()
        if self._later is not None:
            self._later.cancel()
        self._clouds.let_go()
        return None if self._stopping else lost

    def stop(self) -> None:
        """Begin nothing any more."""
        self._stopping = True
        if self._leader is not None:
            self._leader.give_up()
        self._news.set()

    def reload(self) -> None:
        """Read everything anew, the Secrets that are told by commands too."""
        self._source.reload()

    def _told(self, folder: Folder) -> None:
        if self._later is not None:
            self._later.cancel()
        if self._folder.desired is not None:
            try:
                self._have_alone(folder)
            except TakenError as error:  # what is in force stays so until the other daemon has ended
                self._later = asyncio.get_running_loop().call_later(TRY_AGAIN_S, self._told, folder)
                folder = replace(folder, desired=self._folder.desired, revision=self._folder.revision, refused=error)
        with outlived("tell of the documents"):
            self._audience.folder(folder)
        before, self._folder = self._folder, folder
        other = folder.desired is not before.desired or folder.revision != before.revision
        if folder.desired is not None and other:
            log.logger().debug("noticed", target="desired")
            self._news.set()
        elif folder.hopeless and self._leader is not None:
            self._news.set()  # waiting would keep the place of another machine, whose documents may be whole

    def _have_alone(self, folder: Folder) -> None:
        """Have the clouds that are declared there to ourselves, on this machine. Raises TakenError."""
        if self._manner.acts and folder.desired is not None:
            self._clouds.hold(folder.desired.catalog.endpoints.values())

    async def _next(self) -> Folder | None:
        """Wait for documents that were not taken in yet, or another commit of them; None when it is to stop.

        Who is to lead also hears that there are none, and need not wait for any.
        """
        await self._news.wait()
        self._news.clear()
        return None if self._stopping else self._folder

    def _taken(self, folder: Folder) -> Desired:
        if folder.desired is None:
            raise AssertionError("what is told as new was read")
        log.mask(folder.desired.redact)
        with outlived("tell which documents are taken"):
            self._audience.taking(folder)
        return folder.desired

    async def _keep(self, folder: Folder) -> None:
        desired = self._taken(folder)
        endpoints = desired.catalog.endpoints
        async with led(self._leader, endpoints) as fence, Targets(endpoints, fence) as targets, asyncio.TaskGroup() as group:
            reconciler = Reconciler(desired, targets, permits=self._permits)
            keeper = Keeper(reconciler, self._audience, self._records, self._manner)
            tidings = Tidings(fence, targets, endpoints)
            watches = Watches(group, targets, _to_both(keeper.look_again, tidings.heard), self._manner.rng)
            keeper.asks = watches.follow
            self._audience.keeping(keeper, watches)
            group.create_task(keeper.run())
            telling = group.create_task(tidings.run())
            while (new := await self._next()) is not None:
                before, desired = desired, self._taken(new)
                if desired is before:
                    continue  # another commit that declares the same
                with outlived("take other documents"):
                    former = targets.replace(desired.catalog.endpoints)
                    # nothing is awaited in between: what is known is of whoever was reached before
                    keeper.declare(desired, frozenset(former))
                    for target in former:
                        watches.again(target)
                    group.create_task(self._leave(targets, former.values(), keeper))
                    if self._leader is not None:
                        await self._leader.follow(desired.catalog.endpoints)
            telling.cancel()
            self._audience.ending()
            keeper.stop()
            watches.stop()

    async def _leave(self, targets: Targets, former: Collection[Target], keeper: Keeper) -> None:
        """Let go of what is reached otherwise by now, and leave the clouds to others that nobody declares here any more."""
        await _let_go(targets, former, keeper)
        ours = (each for each in (keeper.reconciler.desired, self._folder.desired) if each is not None)
        self._clouds.let_go(but=[endpoint for each in ours for endpoint in each.catalog.endpoints.values()])


def _to_both(one: Callable[[TargetId], None], other: Callable[[TargetId], None]) -> Callable[[TargetId], None]:
    """Return what tells both of what is heard of a target."""

    def heard(target: TargetId) -> None:
        one(target)
        other(target)

    return heard


async def _let_go(targets: Targets, former: Collection[Target], keeper: Keeper) -> None:
    """Close what is reached otherwise by now as soon as nobody is in the middle of something with it."""
    await keeper.over()
    await targets.close(former)
