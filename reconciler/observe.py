"""OBSERVE: one of the two holes to the outside. Ask every target once, read the answers into facts.

An answer that does not come, or makes no sense, is `Unobserved`: never taken for absence.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.core.diff import Observed, Unobserved
from reconciler.targets import TargetError
from resources.contract import Reply, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from reconciler.targets.open import Targets
    from resources.contract import Address, Query, TargetId, Unit

    Answer = Sequence[Reply] | TargetError


@dataclass(frozen=True, slots=True)
class _Questions:
    """What each target is asked, and where in its answer the replies for each unit stand, in the order of its queries."""

    by_target: Mapping[TargetId, tuple[Query, ...]]
    places: Mapping[Address, tuple[tuple[TargetId, int], ...]]


@dataclass(slots=True)
class _Everything:
    """All units, what was asked about them, and what the last answers said."""

    units: Mapping[Address, Unit]
    questions: _Questions
    answers: dict[TargetId, Answer] = field(default_factory=dict)
    observed: Mapping[Address, Observed] = field(default_factory=dict)


class Observer:
    """Asks the targets about units. Keeps the questions, and reads an answer again only when it is another one."""

    def __init__(self, targets: Targets, redact: Callable[[str], str]) -> None:
        """Observe through these targets; whatever they say passes `redact` before it becomes a value."""
        self._targets = targets
        self._redact = redact
        self._last = _Everything({}, _questions(()))
        self.silent: set[TargetId] = set()
        """Those that were asked and have not answered yet."""

    async def everything(self, units: Mapping[Address, Unit]) -> Mapping[Address, Observed]:
        """Return what is known about each unit: one round trip per target, all targets at the same time.

        When no target has answered anything new about the same units, the very mapping of the last time is returned.
        """
        if units is not self._last.units:
            self._last = _Everything(units, _questions(units.values()))
        last = self._last
        answers = await self._ask(last.questions.by_target)
        news = {target for target, answer in answers.items() if answer is not last.answers.get(target)}
        if news:
            last.answers = answers
            last.observed = {
                address: self._read(unit, last.questions, answers)
                if any(target in news for target, _ in last.questions.places[address])
                else last.observed[address]
                for address, unit in units.items()
            }
        return last.observed

    async def one(self, unit: Unit) -> Observed:
        """Return what is known about this unit now."""
        questions = _questions((unit,))
        return self._read(unit, questions, await self._ask(questions.by_target))

    async def _ask(self, questions: Mapping[TargetId, tuple[Query, ...]]) -> dict[TargetId, Answer]:
        async with asyncio.TaskGroup() as group:
            tasks = {target: group.create_task(self._target(target, asked)) for target, asked in questions.items()}
        return {target: task.result() for target, task in tasks.items()}

    async def _target(self, target: TargetId, queries: tuple[Query, ...]) -> Answer:
        self.silent.add(target)
        try:
            return await self._targets.get(target).ask(queries)
        except TargetError as error:
            return error
        finally:
            self.silent.discard(target)

    def _read(self, unit: Unit, questions: _Questions, answers: Mapping[TargetId, Answer]) -> Observed:
        replies = []
        for target, index in questions.places[unit.address]:
            answer = answers[target]
            if not isinstance(answer, TargetError):
                replies.append(answer[index])
            elif target == unit.address.target:
                return Unobserved(self._redact(answer.reason), retry=answer.retry)
            else:
                replies.append(Reply({}, "unanswered", self._redact(answer.reason)))
        try:
            return unit.observe(tuple(replies))
        except UnreadableError as error:
            return Unobserved(self._redact(str(error)), retry=True)


def _questions(units: Iterable[Unit]) -> _Questions:
    by_target: dict[TargetId, list[Query]] = {}
    places: dict[Address, tuple[tuple[TargetId, int], ...]] = {}
    for unit in units:
        found = []
        for query in unit.queries():
            target = query.target or unit.address.target
            asked = by_target.setdefault(target, [])
            found.append((target, len(asked)))
            asked.append(query)
        places[unit.address] = tuple(found)
    return _Questions({target: tuple(asked) for target, asked in by_target.items()}, places)
