"""Hear of a cluster through its hosts: each is watched for itself, and what they tell becomes one.

What is heard: the configuration, by the file in which each member keeps it; what becomes of resources, by systemd on the
node where it happens, for that is who runs them; and the daemons of the cluster itself. What is not: changes that only
Pacemaker's memory holds, such as a failure that somebody cleaned up, or a lost quorum as long as it has stopped nothing.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from typing import TYPE_CHECKING

from reconciler.targets import Signal, TargetError
from reconciler.targets.listeners import Mailbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

    from resources.contract import TargetId

    Watch = Callable[[], AsyncGenerator[Signal, None]]

MEMBER_UNITS = frozenset({"corosync.service", "pacemaker.service"})
REMOTE_UNITS = frozenset({"pacemaker_remote.service"})
"""What makes a host a part of the cluster."""

REOPEN_S = 10.0
"""Seconds, more or less, until a host that is not heard is tried again; the others are heard meanwhile."""


async def watch_cluster(
    target: TargetId, watches: Mapping[str, Watch], members: Iterable[str], *, reopen_s: float = REOPEN_S
) -> AsyncGenerator[Signal, None]:
    """Tell what any host tells. Raises TargetError when no member is heard.

    `watches` begins to watch a host, by Pacemaker's name of it. The tasks have no group, since a generator cannot leave one
    in good order; they end with the generator.
    """
    ears = _Ears(target, frozenset(members))
    tasks = [asyncio.create_task(_listen(name, watch, ears, reopen_s)) for name, watch in watches.items()]
    for task in tasks:
        task.add_done_callback(ears.ended)
    try:
        while True:
            yield await ears.mailbox.take()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Ears:
    """What is known of who is heard, and what was heard and not taken yet.

    Before a member was heard it is not known whether the cluster is: until then nothing is told, but that all are lost.
    """

    def __init__(self, target: TargetId, members: frozenset[str]) -> None:
        self.mailbox = Mailbox()
        self._target = target
        self._members = members
        self._lost: dict[str, str] = {}
        self._deaf: dict[str, tuple[str, ...]] = {}
        self._begun = False

    def hear(self, name: str, signal: Signal) -> None:
        """Pass on what a host tells. Its daemons of the cluster were not asked for: they are the cluster's own news."""
        self._lost.pop(name, None)
        self._deaf[name] = signal.deaf
        self._begun = self._begun or name in self._members
        if not self._begun:
            return  # the first that a member tells is to look at everything
        cluster = signal.units & (MEMBER_UNITS | REMOTE_UNITS)
        self.mailbox.put(
            Signal(
                self._target, signal.paths, signal.units - cluster, cib=signal.cib or bool(cluster),
                everything=signal.everything, deaf=self._all_deaf(),
            )
        )  # fmt: skip

    def lose(self, name: str, reason: str) -> None:
        """Note that a host is not heard; that itself is news of the cluster."""
        known = name in self._lost
        self._lost[name] = reason
        self._deaf.pop(name, None)
        if self._members <= self._lost.keys():
            reasons = "; ".join(f"{member}: {self._lost[member]}" for member in sorted(self._members))
            self.mailbox.end(TargetError(self._target, f"none of the cluster's members is heard ({reasons})"))
        elif self._begun and not known:
            self.mailbox.put(Signal(self._target, everything=True, deaf=self._all_deaf()))

    def ended(self, task: asyncio.Task[None]) -> None:
        """Pass on what nobody foresaw: who listens never ends by itself."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self.mailbox.end(error)

    def _all_deaf(self) -> tuple[str, ...]:
        lost = {name: (reason,) for name, reason in self._lost.items()}
        return tuple(f"{name}: {why}" for name, reasons in sorted({**self._deaf, **lost}.items()) for why in reasons)


async def _listen(name: str, watch: Watch, ears: _Ears, reopen_s: float) -> None:
    """Listen to one host, and again when it was lost."""
    while True:
        try:
            async with aclosing(watch()) as signals:
                async for signal in signals:
                    ears.hear(name, signal)
        except TargetError as error:
            ears.lose(name, error.reason)
        await asyncio.sleep(random.uniform(0.5, 1.5) * reopen_s)  # noqa: S311 - it spreads, it hides nothing
