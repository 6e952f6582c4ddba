"""OBSERVE: one of the two holes to the outside. Ask every target once, read the answers into facts.

An answer that does not come, or makes no sense, is `Unobserved`: never taken for absence.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from reconciler.core.diff import Observed, Unobserved
from reconciler.core.plan import NOT_ASKED
from reconciler.mistakes import mistake
from reconciler.targets import TargetError
from resources.contract import Reply, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from reconciler.targets.open import Targets
    from resources.contract import Address, Query, TargetId, Unit

    Answer = Sequence[Reply | None] | TargetError


@dataclass(frozen=True, slots=True)
class _Questions:
    """What each target is asked, and where in its answer the replies for each unit stand, in the order of its queries.

    `mistaken` are the units that fail to say what is to be asked, each with a sentence why.
    """

    by_target: Mapping[TargetId, tuple[Query, ...]]
    places: Mapping[Address, tuple[tuple[TargetId, int], ...]]
    mistaken: Mapping[Address, str]


class Heard(Enum):
    """What came of asking a target: an answer, none, or nothing that counts any more, so that it has to be asked again."""

    ANSWER = auto()
    SILENCE = auto()
    NOTHING = auto()


class Observer:
    """Asks the targets about units. Keeps the questions, and reads an answer again only when it is another one."""

    def __init__(self, targets: Targets, redact: Callable[[str], str]) -> None:
        """Observe through these targets; whatever they say passes `redact` before it becomes a value."""
        self._targets = targets
        self.redact = redact
        self._units: Mapping[Address, Unit] = {}
        self._questions = _questions(())
        self._answers: dict[TargetId, Answer] = {}
        self._observed: Mapping[Address, Observed] = {}
        self._news: set[TargetId] = set()
        self._partly: set[TargetId] = set()
        self._looks: dict[TargetId, object] = {}
        self.silent: set[TargetId] = set()
        """Those that were asked and have not answered yet."""

    async def everything(self, units: Mapping[Address, Unit]) -> Mapping[Address, Observed]:
        """Return what is known about each unit: one round trip per target, all targets at the same time.

        When no target has answered anything new about the same units, the very mapping of the last time is returned.
        """
        self.declare(units)
        async with asyncio.TaskGroup() as group:
            for target in self._questions.by_target:
                group.create_task(self.refresh(target))
        return self.known()

    def declare(self, units: Mapping[Address, Unit]) -> frozenset[TargetId]:
        """Ask about these units from now on; return whom that asks something else than before.

        Replies to questions that stay the same are kept: else what was seen could make us ask, and asking forget what was seen.
        """
        if units is self._units:
            return frozenset()
        before, now = self._questions.by_target, _questions(units.values())
        kept = {target: asked for target, asked in before.items() if now.by_target.get(target) == asked}
        self._questions = replace(now, by_target={**now.by_target, **kept})
        partly = {target for target in before.keys() & now.by_target.keys() - kept.keys() if target in self._answers}
        self._partly = (self._partly & kept.keys()) | partly
        found = {target: answer for target, answer in self._answers.items() if target in kept}
        self._answers = found | {target: self._carried(target, before[target], now.by_target[target]) for target in partly}
        self._units, self._observed, self._news = units, {}, set(now.by_target)
        return frozenset(now.by_target.keys() - kept.keys())

    def _carried(self, target: TargetId, before: tuple[Query, ...], now: tuple[Query, ...]) -> Answer:
        """Return the last answer in the order of other questions, with None for what was not asked."""
        answer = self._answers[target]
        if isinstance(answer, TargetError):
            return answer
        said = {repr(query): reply for query, reply in zip(before, answer, strict=True)}
        return tuple(said.get(repr(query)) for query in now)

    def forget(self, targets: Collection[TargetId]) -> None:
        """Take nothing for known of these targets: they are others than before, though they are called the same."""
        for target in targets:
            if self._answers.pop(target, None) is not None:
                self._news.add(target)
            self._partly.discard(target)
            self._looks.pop(target, None)

    async def refresh(self, target: TargetId) -> Heard:
        """Ask one target all that is to be known of it. Nobody else is waited for.

        An answer to what is not asked any more, or of who was forgotten meanwhile, is dropped.
        """
        asked = self._questions.by_target.get(target)
        if asked is None:
            return Heard.NOTHING
        look = self._looks[target] = object()
        answer = await self._target(target, asked)
        if self._looks.get(target) is not look or self._questions.by_target.get(target) is not asked:
            return Heard.NOTHING
        del self._looks[target]
        if answer is not self._answers.get(target):
            self._answers[target] = answer
            self._partly.discard(target)
            self._news.add(target)
        return Heard.SILENCE if isinstance(answer, TargetError) else Heard.ANSWER

    def known(self) -> Mapping[Address, Observed]:
        """Return what the last answers say about each unit; what was not asked yet nobody knows."""
        if self._news or len(self._observed) != len(self._units):
            news, before = self._news, self._observed
            places = self._questions.places
            self._observed = {
                address: self._read(unit, self._questions, self._answers)
                if address not in before or any(target in news for target, _ in places[address])
                else before[address]
                for address, unit in self._units.items()
            }
            self._news = set()
        return self._observed

    @property
    def unasked(self) -> frozenset[TargetId]:
        """The targets that were asked nothing yet, or not all that there is to ask."""
        return frozenset((self._questions.by_target.keys() - self._answers.keys()) | self._partly)

    @property
    def asked(self) -> Mapping[TargetId, tuple[Query, ...]]:
        """What each target is asked; the very tuple of the last time where that is the same."""
        return self._questions.by_target

    def asked_about(self, units: Iterable[Address]) -> Mapping[TargetId, frozenset[Address]]:
        """Return the targets that are asked about these units, each with those that it is asked about."""
        found: dict[TargetId, set[Address]] = {}
        for address in units:
            for target, _ in self._questions.places.get(address, ()):
                found.setdefault(target, set()).add(address)
        return {target: frozenset(about) for target, about in found.items()}

    async def one(self, unit: Unit) -> Observed:
        """Return what is known about this unit now."""
        questions = _questions((unit,))
        async with asyncio.TaskGroup() as group:
            asked = {t: group.create_task(self._target(t, queries)) for t, queries in questions.by_target.items()}
        return self._read(unit, questions, {target: task.result() for target, task in asked.items()})

    async def _target(self, target: TargetId, queries: tuple[Query, ...]) -> Answer:
        self.silent.add(target)
        try:
            return await self._targets.get(target).ask(queries)
        except TargetError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a mistake in asking one target is no answer of that one
            return TargetError(target, mistake(f"ask {target}", error))
        finally:
            self.silent.discard(target)

    def _read(self, unit: Unit, questions: _Questions, answers: Mapping[TargetId, Answer]) -> Observed:
        replies = self._replies(unit, questions, answers)
        if isinstance(replies, Unobserved):
            return replies
        try:
            return unit.observe(replies)
        except UnreadableError as error:
            return Unobserved(self.redact(str(error)), retry=True)
        except Exception as error:  # noqa: BLE001 - a mistake in reading one unit is none of the others'
            return Unobserved(mistake(f"read {unit.address}", error))

    def _replies(self, unit: Unit, questions: _Questions, answers: Mapping[TargetId, Answer]) -> tuple[Reply, ...] | Unobserved:
        if why := questions.mistaken.get(unit.address):
            return Unobserved(why)
        replies = []
        for target, index in questions.places[unit.address]:
            answer = answers.get(target)
            if answer is None:
                return NOT_ASKED
            if not isinstance(answer, TargetError):
                reply = answer[index]
                if reply is None:
                    return NOT_ASKED
                replies.append(reply)
            elif target == unit.address.target:
                return Unobserved(self.redact(answer.reason), retry=answer.retry)
            else:
                replies.append(Reply({}, "unanswered", self.redact(answer.reason)))
        return tuple(replies)


def _questions(units: Iterable[Unit]) -> _Questions:
    by_target: dict[TargetId, list[Query]] = {}
    places: dict[Address, tuple[tuple[TargetId, int], ...]] = {}
    mistaken: dict[Address, str] = {}
    for unit in units:
        found = []
        try:
            queries = unit.queries()
        except Exception as error:  # noqa: BLE001 - as when it is read
            queries, mistaken[unit.address] = (), mistake(f"ask for {unit.address}", error)
        for query in queries:
            target = query.target or unit.address.target
            asked = by_target.setdefault(target, [])
            found.append((target, len(asked)))
            asked.append(query)
        places[unit.address] = tuple(found)
    return _Questions({target: tuple(asked) for target, asked in by_target.items()}, places, mistaken)
