"""A target that is a function, for tests of whoever drives targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resources.contract import Action, Query, Reply


class FakeTarget:
    """Answers each query and each action by one function, which may raise TargetError; remembers what was said."""

    def __init__(self, answer: Callable[[Query | Action], Reply]) -> None:
        """Answer by this function."""
        self._answer = answer
        self.asked: list[tuple[Query, ...]] = []
        self.done: list[Action] = []
        self.closed = False

    async def ask(self, queries: Sequence[Query]) -> Sequence[Reply]:
        """Answer all queries."""
        self.asked.append(tuple(queries))
        return tuple(self._answer(query) for query in queries)

    async def do(self, action: Action) -> Reply:
        """Answer the action."""
        self.done.append(action)
        return self._answer(action)

    async def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True
