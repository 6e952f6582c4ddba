"""Whether we still lead, asked before every write: by hosts for themselves, by a lease where nobody there could ask.

A host and the CIB compare epochs, the numbers of leaders, and refuse an older one. OpenStack and vCenter know no epochs: for
them, and as the first of two locks for all others, there is the lease. It ends by itself LEASE_S after the question
whose answer confirmed it was *sent*, on a clock that runs on while a machine sleeps. Bytes that were sent in time and are
still under way are given up by the kernel after WIRE_S. A new leader leaves the APIs alone until both must be over.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.targets import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resources.contract import TargetId

LEASE_S = 5.0
"""Seconds for which a leader may write after it asked whether it still leads."""

WIRE_S = 5.0
"""Seconds after which the kernel gives up bytes that nobody has acknowledged."""

SLACK_S = 1.0
"""Seconds more, for clocks that differ in their pace and a CIB that travels."""


def boottime() -> float:
    """Return the seconds since the machine's boot, those included in which it slept (CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class FencedError(TargetError):
    """We do not lead, or do not know it any more: nothing was sent."""


class Fence:
    """One leader's right to write. `number` is its epoch in `cloud`, `node` the ring's name of the host it runs on."""

    def __init__(self, cloud: str, number: int, node: str, clock: Callable[[], float] = boottime) -> None:
        """Begin without a lease."""
        self.cloud = cloud
        self.number = number
        self.node = node
        self._clock = clock
        self._until = 0.0
        self._opens = clock() + LEASE_S + WIRE_S + SLACK_S
        self._lost = ""
        self._sending = threading.local()

    def extend(self, asked_at: float) -> None:
        """Take the lease that follows from a question of then, if it is a longer one."""
        self._until = max(self._until, asked_at + LEASE_S)

    def lose(self, why: str) -> None:
        """Write nothing any more, for this reason; the first one is kept."""
        self._lost = self._lost or why

    @property
    def left_s(self) -> float:
        """Seconds until the lease ends; 0 when it has, or when the lead is lost."""
        return 0.0 if self._lost else max(self._until - self._clock(), 0.0)

    @property
    def closed(self) -> str:
        """Why nothing may be written, or ''."""
        if self._lost or self.left_s:
            return self._lost
        return "no majority of the ring has confirmed for too long that we lead"

    def check(self, target: TargetId) -> None:
        """Raise FencedError unless we lead at this very moment."""
        if why := self.closed:
            raise FencedError(target, f"nothing was sent: {why}", retry=False)

    async def opened(self, target: TargetId) -> None:
        """Wait until nothing of a former leader can arrive at an API any more. Raises FencedError."""
        self.check(target)
        await asyncio.sleep(max(self._opens - self._clock(), 0.0))
        self.check(target)

    @contextmanager
    def sending(self, target: TargetId) -> Iterator[None]:
        """Have everything that this thread sends meanwhile checked, in `heed`."""
        self._sending.target = target
        try:
            yield
        finally:
            self._sending.target = None

    def heed(self) -> None:
        """Check if this thread is about to write. Raises FencedError."""
        target = getattr(self._sending, "target", None)
        if target is not None:
            self.check(target)

    def give_up_in_time(self, tcp: socket.socket) -> None:
        """Have the kernel forget what cannot be delivered on that connection: it must not arrive after the lease."""
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(WIRE_S * 1000))

    def words(self, place: str) -> bytes:
        """Return what a host helper is told before an action. `place` is '', or the host's in the ring: member, here."""
        return b'"epoch":%b,' % json.dumps([self.cloud, self.number, place], separators=(",", ":")).encode()


class Unfenced(Fence):
    """The right of whoever is alone by other means: a person, or the one daemon of a machine."""

    def __init__(self) -> None:
        """Lead nothing."""
        super().__init__("", 0, "")

    def check(self, target: TargetId) -> None:
        """Let it pass."""

    async def opened(self, target: TargetId) -> None:
        """Wait for nobody."""

    def give_up_in_time(self, tcp: socket.socket) -> None:
        """Leave the connection as it is."""

    def words(self, place: str) -> bytes:  # noqa: ARG002 - the same words as a leader's
        """Tell hosts nothing."""
        return b""


UNFENCED = Unfenced()
"""Whoever writes without an epoch."""
