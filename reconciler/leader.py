"""That a cloud has one daemon, whatever machines it could run on: who leads stands in the CIB of its Pacemaker cluster.

    claim a higher epoch ─▶ ask every member who leads, again and again ─▶ a majority says we do: the lease goes on
                                                                        └▶ one says another does, or the lease ends: stop

A majority of the *declared* members has to say so, each asked for itself: what one member says may be old, if it has been
cut off and does not know it yet, but of any two majorities one member is in both.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from reconciler import log
from reconciler.core.errors import LeadError
from reconciler.mistakes import outlived
from reconciler.targets import TargetError
from reconciler.targets.fence import UNFENCED, Fence, boottime
from reconciler.targets.open import Targets
from reconciler.targets.ssh_connection import CONNECT_S
from resources.contract import Action, Query
from resources.endpoints import PacemakerEndpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from reconciler.targets import Target
    from resources.contract import TargetId
    from resources.endpoints import Endpoint

ASK_EVERY_S = 1.5
ANSWER_S = 3.0
FIRST_ANSWER_S = CONNECT_S + ANSWER_S
"""Seconds from one question to a member to the next, for its answer, and for its first one with the login: given up early, a
slow login would begin from nothing each time. The lease has to outlast two late answers."""

CLAIM_S = 20.0
REST_S = 0.5
"""Seconds in which the lead must be won, and between two attempts."""

PAIR = 2
"""A ring of two has no majority but both: there one is enough, and fencing has to tell the two apart."""


class Told(NamedTuple):
    """What a member says: whether its part of the ring has quorum, epoch and leader in its CIB, the epoch its host has seen."""

    quorate: bool
    number: int
    leader: str
    heard: int


class Leader:
    """Leads as `node`, the ring's name of the host it runs on; elsewhere any name that tells people where."""

    def __init__(
        self, node: str, *, clock: Callable[[], float] = boottime, now: Callable[[], float] = time.time,
        open_targets: Callable[[Mapping[TargetId, Endpoint]], Targets] = Targets,
    ) -> None:  # fmt: skip
        """Lead nothing yet. `clock` is the lease's; `now` tells seconds since 1970."""
        self._node = node
        self._clock = clock
        self._now = now
        self._open = open_targets
        self._targets: Targets | None = None
        self._ring: PacemakerEndpoint | None = None
        self._fence: Fence | None = None
        self._confirmed: dict[str, float] = {}
        self._reached: set[TargetId] = set()
        self._polls: dict[str, asyncio.Task[None]] = {}
        self._given_up = False
        self.leads = False
        """Whether it has won the lead and not lost it; what is open may still have to be closed then."""

    @property
    def epoch(self) -> int:
        """The number under which it leads, 0 while it does not."""
        return self._fence.number if self.leads and self._fence is not None else 0

    @asynccontextmanager
    async def lead(self, endpoints: Mapping[TargetId, Endpoint]) -> AsyncIterator[Fence]:
        """Lead until it is left; who is inside when the lead is lost is cancelled. Raises LeadError.

        The members are asked over connections of their own: a long step on one of them must not keep the lease waiting.
        """
        self._ring = _ring(endpoints)
        body = asyncio.current_task()
        assert body is not None  # noqa: S101 - a coroutine runs in a task
        async with self._open(endpoints) as self._targets:
            fence = self._fence = await self._claim()
            watching: asyncio.Task[None] | None = None
            try:
                self._poll_all()
                await self._first_lease(fence)
                self.leads = True
                log.logger().info("leads", epoch=fence.number, node=self._node)
                watching = asyncio.create_task(self._until_lost(fence, body))
                yield fence
            except asyncio.CancelledError:
                if watching is None or not watching.done() or watching.cancelled():
                    raise
                body.uncancel()
                raise LeadError(f"{self._node} does not lead any more: {fence.closed}") from None
            finally:
                self.leads = False
                fence.lose("this daemon has ended")
                for task in (*self._polls.values(), *((watching,) if watching else ())):
                    task.cancel()
                self._polls, self._confirmed, self._reached = {}, {}, set()

    def give_up(self) -> None:
        """Take no lead any more; one that is taken is kept until it is left."""
        self._given_up = True

    async def follow(self, endpoints: Mapping[TargetId, Endpoint]) -> None:
        """Ask these members from now on. The lead ends where there is no ring any more, or the cloud is called otherwise."""
        if self._targets is None or self._fence is None:
            return
        try:
            ring = _ring(endpoints)
        except LeadError as error:
            self._fence.lose(error.message)
            return
        if ring.target.name != self._fence.cloud:
            # hosts know its leaders by that name: under another one nobody would refuse a former leader
            named = f"the cloud is called {ring.target.name} now, and this leads {self._fence.cloud}"
            self._fence.lose(f"{named}: the next start leads it by its new name")
            return
        self._ring = ring
        former = self._targets.replace(endpoints)
        self._reached -= former.keys()
        self._confirmed = {name: at for name, at in self._confirmed.items() if name in self._ring.members}
        self._poll_all()  # before anything is awaited: the lease goes on running
        await self._targets.close(former.values())

    async def _claim(self) -> Fence:
        """Put a higher epoch into the CIB. Raises LeadError."""
        assert self._ring is not None  # noqa: S101 - see `lead`
        trouble = ""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLAIM_S):
                while True:
                    answers, silent = await self._asked_once()
                    self._heed_giving_up()
                    quorate = {name: told for name, told in answers.items() if told.quorate}
                    if quorate:
                        known = max(told.number for told in quorate.values())
                        heard = max(told.heard for told in answers.values())
                        # higher even when somebody has made the CIB anew, and has put a clock back
                        number = max(known + 1, heard + 1, int(self._now()))
                        best = min(quorate, key=lambda name: (name != self._node, name))
                        args = {"known": known, "number": number, "leader": self._node}
                        trouble = await self._tried(best, Action("epoch.claim", args))
                        if not trouble:
                            log.logger().info("claimed", epoch=number, node=self._node, after=known)
                            return Fence(self._ring.target.name, number, self._node, self._clock)
                    else:
                        without = [f"{name}: its part of the ring has no quorum" for name in sorted(answers)]
                        trouble = "; ".join((*without, *silent)) or "no member answers"
                    await asyncio.sleep(REST_S)
        raise LeadError(f"{self._ring.target}: {self._node} cannot take the lead within {CLAIM_S:.0f} s: {trouble}")

    def _heed_giving_up(self) -> None:
        """Raise LeadError when nobody wants this one to lead any more."""
        if self._given_up:
            raise LeadError(f"{self._node} takes no lead: it is told to stop")

    async def _tried(self, member: str, action: Action) -> str:
        """Return why it was not done, or ''."""
        try:
            reply = await self._target(member).do(action)
        except TargetError as error:
            return error.reason
        return "" if reply.ok else f"{member}: {reply.error}"

    async def _asked_once(self) -> tuple[dict[str, Told], list[str]]:
        """Ask all members until enough have answered and one has quorum: whether the others ever will, may be long unknown."""
        assert self._ring is not None  # noqa: S101 - see `lead`
        tasks = {asyncio.create_task(self._ask(name)): name for name in self._ring.members}
        told: dict[str, Told] = {}
        silent: list[str] = []
        try:
            for finished in asyncio.as_completed(tasks):
                try:
                    name, told[name] = await finished
                except TargetError as error:
                    silent.append(str(error))
                if len(told) + len(silent) >= self._needed and any(answer.quorate for answer in told.values()):
                    break
        finally:
            for task in tasks:
                task.cancel()
        return told, silent

    async def _ask(self, name: str) -> tuple[str, Told]:
        """Ask one member. Raises TargetError."""
        target, member = self._target(name), self._id(name)
        limit_s = ANSWER_S if member in self._reached else FIRST_ANSWER_S
        self._reached.discard(member)
        try:
            async with asyncio.timeout(limit_s):
                (reply,) = await target.ask([self._who_leads])
        except TimeoutError:
            await self._renew(name)  # else it would wait for a connection that is dead until the kernel knows it
            raise TargetError(member, f"no answer within {limit_s:.0f} s") from None
        self._reached.add(member)
        if not reply.ok:
            raise TargetError(member, reply.error)
        data = reply.data
        return name, Told(bool(data["quorate"]), int(data["number"]), str(data["leader"]), int(data["heard"]))

    def _poll_all(self) -> None:
        """Ask each member again and again, for itself: one that hangs must not hold up the others' word."""
        assert self._ring is not None  # noqa: S101 - see `lead`
        for name in self._polls.keys() - self._ring.members.keys():
            self._polls.pop(name).cancel()
        for name in self._ring.members.keys() - self._polls.keys():
            self._polls[name] = asyncio.create_task(self._poll(name))

    async def _poll(self, name: str) -> None:
        while True:
            asked_at = self._clock()
            with outlived(f"ask {name} who leads"), suppress(TargetError):
                _, told = await self._ask(name)
                self._hear(name, asked_at, told)
            await asyncio.sleep(max(ASK_EVERY_S - (self._clock() - asked_at), 0.0))

    def _hear(self, name: str, asked_at: float, told: Told) -> None:
        """Take a member's word."""
        fence = self._fence
        if fence is None or not told.quorate:
            return
        if told.number > fence.number:
            fence.lose(f"{told.leader} leads with epoch {told.number}, says {name}; ours is {fence.number}")
        elif told.number == fence.number:
            self._confirmed[name] = asked_at
            if len(self._confirmed) >= self._needed:
                fence.extend(sorted(self._confirmed.values())[-self._needed])

    async def _first_lease(self, fence: Fence) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_ANSWER_S):
                while fence.closed:
                    self._heed_giving_up()
                    await asyncio.sleep(REST_S / 10)
                self._heed_giving_up()
                return
        raise LeadError(f"{self._node} has claimed epoch {fence.number}, and cannot lead: {fence.closed}")

    async def _until_lost(self, fence: Fence, body: asyncio.Task[object]) -> None:
        """Cancel the body as soon as we do not lead any more."""
        while not fence.closed:  # noqa: ASYNC110 - as above
            await asyncio.sleep(min(fence.left_s, REST_S))
        self.leads = False
        log.logger().error("lost_the_lead", epoch=fence.number, node=self._node, reason=fence.closed)
        body.cancel()

    @property
    def _who_leads(self) -> Query:
        assert self._ring is not None  # noqa: S101 - see `lead`
        return Query("epoch.show", {"cloud": self._ring.target.name})

    @property
    def _needed(self) -> int:
        """How many members must confirm that we lead."""
        assert self._ring is not None  # noqa: S101 - see `lead`
        count = len(self._ring.members)
        return 1 if count <= PAIR else count // 2 + 1

    def _target(self, name: str) -> Target:
        assert self._targets is not None  # noqa: S101 - see `lead`
        return self._targets.get(self._id(name))

    async def _renew(self, name: str) -> None:
        assert self._targets is not None  # noqa: S101 - see `lead`
        await self._targets.renew(self._id(name))

    def _id(self, name: str) -> TargetId:
        assert self._ring is not None  # noqa: S101 - see `lead`
        return self._ring.members[name]


@asynccontextmanager
async def led(leader: Leader | None, endpoints: Mapping[TargetId, Endpoint]) -> AsyncIterator[Fence]:
    """Lead, where there is somebody who leads; without, nobody is asked. Raises LeadError."""
    if leader is None:
        yield UNFENCED
        return
    async with leader.lead(endpoints) as fence:
        yield fence


def _ring(endpoints: Mapping[TargetId, Endpoint]) -> PacemakerEndpoint:
    """Return the one ring that is declared. Raises LeadError."""
    rings = [endpoint for endpoint in endpoints.values() if isinstance(endpoint, PacemakerEndpoint)]
    if len(rings) != 1:
        raise LeadError(f"who leads stands in the CIB of one Pacemaker cluster; the documents declare {len(rings)}")
    return rings[0]
