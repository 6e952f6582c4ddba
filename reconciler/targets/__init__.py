"""TOUCH: how to reach the world. The only importers of asyncssh, pyVmomi and openstacksdk.

A target has one primitive: `ask` questions, `do` one action; both are plain data.
Not in this room: what an answer means, and whether something should be done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resources.contract import Action, Query, Reply, TargetId


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
