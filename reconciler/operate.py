"""What surrounds the daemon while it runs: its settings, numbers, health, and whoever is told what happens.

    settings ─▶ listen ─▶ daemon ─▶ audience: chronicle, newsroom ─▶ webhooks
                                            └ metrics, heart  ◀─ /metrics /healthz /readyz

None of it has a say in what the daemon does.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from reconciler import log
from reconciler.core.errors import InputError, LocatedProblem
from reconciler.endpoint import application, bound, serving
from reconciler.gathered import Gathered
from reconciler.heart import Heart
from reconciler.metrics import Metrics, State
from reconciler.mistakes import mistake, outlived
from reconciler.news import Newsroom
from reconciler.settings import Settings, read_settings
from reconciler.webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from reconciler.apply import Progress
    from reconciler.core.plan import Plan
    from reconciler.daemon import Audience
    from reconciler.folder import Folder
    from reconciler.keep import Keeper
    from reconciler.news import News
    from reconciler.reconcile import Entry, Look
    from reconciler.recorder import Recorder
    from reconciler.retention import Retention
    from reconciler.watch import Watches

    class Teller(Audience, Protocol):
        """The one of the audience who keeps what it hears."""

        def keep(self, retention: Retention) -> None:
            """Keep so much of it from now on."""
            ...

        def over(self, plan: Plan) -> None:
            """Hear that nothing of that plan is in hand any more."""
            ...

        async def name(self, folder: Folder) -> bool:
            """Find out of which commit these documents are; tell whether it is news that they are in force."""
            ...


DEFAULT_LEVEL = "info"
"""The least level of log lines of a daemon, unless somebody says otherwise."""

READ_S = 60.0
"""Seconds in which the settings and the secrets that they name must be read."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says: the file of the settings, if there is one, and the level of the log, which has precedence.

    `epoch` tells under which it leads at the moment, where it is to lead; else 0.
    """

    file: Path | None = None
    log_level: str | None = None
    epoch: Callable[[], int] = int

    async def read(self) -> Settings:
        """Return the settings that are in the file now. Raises InputError, also when that takes too long: a mount may hang."""
        if self.file is None:
            return Settings()
        try:
            async with asyncio.timeout(READ_S):
                return await read_settings(self.file)
        except TimeoutError:
            asked = "does the file system of it and of its secrets answer, and do their commands end? Then reload it"
            why = f"is not read, with the secrets that it names, within {READ_S:g} s: {asked}"
            raise InputError([LocatedProblem(str(self.file), 0, 0, None, "", why)]) from None


class Operation:
    """Hears what the daemon does, beside the one who tells it in the log; and stands between it and who records it."""

    def __init__(self, folder: Path, first: Teller, recorder: Recorder, given: Given, *, acts: bool) -> None:
        """Pass on to `first` and `recorder` whatever they are to hear."""
        self._first = first
        self._recorder = recorder
        self._given = given
        self._reread = asyncio.Event()
        self._state = State(acts, epoch=given.epoch)
        self._gathered = Gathered(self._tell)
        self._newsroom = Newsroom(self._gathered.take, lambda: recorder.origin)
        self._metrics = Metrics(self._newsroom, self._state, lambda: self._webhooks.waiting)
        self._webhooks = Webhooks({"host": socket.gethostname(), "desired": str(folder.absolute())}, self._metrics)
        self._heart = Heart(self._due)
        self._keeper: Keeper | None = None
        self._in_force: Folder | None = None
        self._unnamed = asyncio.Event()
        self._undecided = ""
        self._stopping = False
        self.settings = Settings()
        """What is in force."""

    @asynccontextmanager
    async def around(self, settings: Settings) -> AsyncIterator[None]:
        """Surround a daemon while it is entered. Raises ListenError."""
        listener = None if settings.listen is None else bound(*settings.listen)
        self._use(settings)
        with self._webhooks, closing(self._gathered):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(each) for each in (self._heart.run(), self._rereading(), self._naming())]
                if listener is None:
                    yield
                else:
                    host, port = listener.getsockname()[:2]
                    log.logger().info("listening", address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
                    async with serving(application(self._metrics.page, lambda: self.ill, self._unready), listener):
                        yield
                for task in tasks:
                    task.cancel()

    def reload(self) -> None:
        """Read the settings anew; when they cannot be read, those stay in force that are."""
        self._reread.set()

    def stopping(self) -> None:
        """Hear that the daemon is to stop."""
        self._stopping = True

    @property
    def in_hand(self) -> tuple[str, ...]:
        """The steps that have begun and not ended."""
        return tuple(map(str, self._metrics.in_hand))

    @property
    def ill(self) -> tuple[str, ...]:
        """Why it does not live."""
        return (self._heart.trouble,) if self._heart.trouble else ()

    # --- as one of the daemon's audience

    def keeping(self, keeper: Keeper, watches: Watches) -> None:
        """Pass on who decides and who listens."""
        for each in (self._first, self._metrics, self._newsroom):
            each.keeping(keeper, watches)
        self._keeper = keeper

    def ending(self) -> None:
        """Pass on that nobody listens any more."""
        self._first.ending()

    def folder(self, folder: Folder) -> None:
        """Pass on what is known of the documents."""
        for each in (self._first, self._metrics, self._newsroom):
            each.folder(folder)

    def taking(self, folder: Folder) -> None:
        """Pass on that other documents are in force. Of which commit they are is asked meanwhile: git may hang."""
        self._first.taking(folder)
        self._metrics.taking(folder)
        self._in_force = folder
        self._unnamed.set()

    def decided(self, look: Look) -> None:
        """Pass on a decision."""
        for each in (self._first, self._metrics, self._newsroom):
            each.decided(look)
        self._undecided = ""
        self._heart.decided()

    def undecided(self, why: str) -> None:
        """Pass on that nothing can be decided. It is tried again, which is a sign of life."""
        for each in (self._first, self._metrics, self._newsroom):
            each.undecided(why)
        self._undecided = why
        self._heart.decided()

    def step(self, progress: Progress) -> None:
        """Pass on what became of a step."""
        for each in (self._first, self._metrics, self._newsroom):
            each.step(progress)

    # --- as the one who records

    @contextmanager
    def one_pass(self, plan: Plan, report: Callable[[Progress], None]) -> Iterator[Entry]:
        """Have a pass recorded, and count it."""
        try:
            with self._metrics.one_pass(self._recorder, plan, report) as entry:
                yield entry
        finally:
            self._first.over(plan)

    # --- inside

    def _tell(self, news: News) -> None:
        self._webhooks.tell(news)

    def _use(self, settings: Settings) -> None:
        """Keep to these settings, as far as they can change while it runs."""
        log.mask(settings.redact, own=True)
        if self._given.log_level is None:
            log.set_level(settings.log_level or DEFAULT_LEVEL)
        self._metrics.tells(hook.name for hook in settings.webhooks)
        self._webhooks.use(settings.webhooks)
        self._first.keep(settings.retention)
        self.settings = settings

    async def _naming(self) -> None:
        """Find out of which commit the documents are whenever others are in force, and tell it."""
        while True:
            await self._unnamed.wait()
            self._unnamed.clear()
            with outlived("find out of which commit the documents are"):
                if self._in_force is not None and await self._first.name(self._in_force):
                    self._newsroom.taken()

    async def _rereading(self) -> None:
        """Take in the settings whenever somebody asks for that."""
        while True:
            await self._reread.wait()
            self._reread.clear()
            listens = self.settings.listen
            why = ""
            try:
                self._use(await self._given.read())
            except InputError as error:
                why = str(error)
            except Exception as error:  # noqa: BLE001 - what a file brings to light ends no daemon
                why = mistake("read the settings", error)
            self._state.settings_valid = not why
            if why:
                log.logger().error("settings", status="refused", message=f"the former ones stay in force: {why}")
                continue
            log.logger().info("settings", status="taken")
            if self.settings.listen != listens:
                log.logger().warning("settings", status="later", message="listen changes with the next start")
                self.settings = replace(self.settings, listen=listens)

    def _due(self) -> bool:
        return self._keeper is not None and self._keeper.inside.due

    def _unready(self) -> tuple[str, ...]:
        """Say why it does not do its work."""
        if self._stopping:
            return ("it is told to stop",)
        if self._in_force is None:
            return (self._newsroom.refused or "the documents are not read yet",)
        if self._undecided:
            return (f"nothing can be decided: {self._undecided}",)
        return () if self._metrics.decided_at else ("nothing was decided yet",)
