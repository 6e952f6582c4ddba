"""TOUCH: how to reach the world. The only importers of asyncssh, pyVmomi and openstacksdk.

A target has one primitive: `ask` questions, `do` one action; both are plain data. Some can be watched as well.
Not in this room: what an answer means, and whether something should be done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Sequence

    from resources.contract import Action, Query, Reply, TargetId

BEAT_S = 10.0
"""Seconds between two signs of life of what is watched, unless a watcher wishes otherwise."""

SILENT_BEATS = 2.5
"""So many beats of silence and what is watched is lost: a link that swallows everything is told within 25 s."""


class TargetError(Exception):
    """No answer: nobody knows what is there. The one thing that is an error and not a reply.

    `reason` is a sentence for a person with what to do about it; `retry` tells whether trying again by itself may help
    (a refused host key never does).
    """

    def __init__(self, target: TargetId, reason: str, *, retry: bool = True) -> None:
        """Keep who did not answer, why, and whether trying again may help."""
        super().__init__(f"{target}: {reason}")
        self.target = target
        self.reason = reason
        self.retry = retry


class Target(Protocol):
    """One thing that can be asked and told."""

    async def ask(self, queries: Sequence[Query]) -> Sequence[Reply]:
        """Answer all queries in one round trip, in order. Raises TargetError when there is no answer."""
        ...

    async def do(self, action: Action) -> Reply:
        """Carry out one action. Raises TargetError when it is unknown whether it was done."""
        ...

    async def close(self) -> None:
        """Let go of connections. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Signal:
    """Something may have changed there: a reason to look, and no more than that. What is named was asked for.

    `everything` when what changed is unknown: at the beginning, and after something was lost. `deaf` tells what cannot be
    heard as long as this is the newest signal, a sentence each for a person; for that there is only looking from time to time.
    `objects` are the MoRefs of what changed in a vCenter.
    """

    target: TargetId
    paths: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    cib: bool = False
    everything: bool = False
    deaf: tuple[str, ...] = ()
    objects: frozenset[str] = frozenset()

    def and_then(self, later: Signal) -> Signal:
        """Return both as one."""
        return Signal(
            self.target, self.paths | later.paths, self.units | later.units, cib=self.cib or later.cib,
            everything=self.everything or later.everything, deaf=later.deaf, objects=self.objects | later.objects,
        )  # fmt: skip


@runtime_checkable
class Watchable(Protocol):
    """A target that tells by itself that something may have changed."""

    def watch(
        self, paths: Collection[str], units: Collection[str], *, cib: bool = False, beat_s: float = BEAT_S
    ) -> AsyncGenerator[Signal, None]:
        """Watch files, systemd units and, if `cib`, the cluster's configuration, until the generator is closed.

        A vCenter has none of these: there it is everything that its answers are made of.
        The first signal is `everything`; what happens while nobody takes one is told by one. Raises TargetError when
        nothing is heard any more, and at the latest after SILENT_BEATS times `beat_s` without a sign of life.
        Several may watch at the same time, each for itself. Who gives up waiting for the next signal (a time-out, a cancelled
        task) ends the watch with that, as with any generator.
        """
        ...
