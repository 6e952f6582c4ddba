"""OBSERVE: one of the two holes to the outside. Ask every target once, read the answers into facts.

An answer that does not come, or makes no sense, is `Unobserved`: never taken for absence.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.core.diff import Observed, Unobserved
from reconciler.targets import TargetError
from resources.contract import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from reconciler.targets.open import Targets
    from resources.contract import Address, Query, Reply, TargetId, Unit


@dataclass(slots=True)
class _Round:
    """The questions to one target, and the facts that its last answer gave."""

    units: tuple[Unit, ...]
    queries: tuple[Query, ...]
    replies: Sequence[Reply] = ()
    facts: dict[Address, Observed] = field(default_factory=dict)


@dataclass(slots=True)
class _Everything:
    """All units by their targets, and what was seen of them last: by target, and together."""

    units: Mapping[Address, Unit]
    by_target: Mapping[TargetId, tuple[Unit, ...]]
    facts: Sequence[Mapping[Address, Observed]] = ()
    observed: Mapping[Address, Observed] = field(default_factory=dict)


class Observer:
    """Asks the targets about units. Keeps the questions, and reads an answer again only when it is another one."""

    def __init__(self, targets: Targets, redact: Callable[[str], str]) -> None:
        """Observe through these targets; whatever they say passes `redact` before it becomes a value."""
        self._targets = targets
        self._redact = redact
        self._rounds: dict[TargetId, _Round] = {}
        self._last = _Everything({}, {})

    async def everything(self, units: Mapping[Address, Unit]) -> Mapping[Address, Observed]:
        """Return what is known about each unit: one round trip per target, all targets at the same time.

        When no target has answered anything new about the same units, the very mapping of the last time is returned.
        """
        if units is not self._last.units:
            self._last = _Everything(units, _by_target(units.values()))
        last = self._last
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._target(target, found)) for target, found in last.by_target.items()]
        facts = [task.result() for task in tasks]
        if not _the_very_same(facts, last.facts):
            last.facts = facts
            last.observed = {address: seen for each in facts for address, seen in each.items()}
        return last.observed

    async def one(self, unit: Unit) -> Observed:
        """Return what is known about this unit now."""
        try:
            target = self._targets.get(unit.address.target)
            replies = await target.ask(unit.queries())
        except TargetError as error:
            return self._unobserved(error)
        return self._read(unit, tuple(replies))

    async def _target(self, target_id: TargetId, units: tuple[Unit, ...]) -> Mapping[Address, Observed]:
        last = self._rounds.get(target_id)
        if last is None or last.units != units:
            last = _Round(units, tuple(query for unit in units for query in unit.queries()))
            self._rounds[target_id] = last
        try:
            replies = await self._targets.get(target_id).ask(last.queries)
        except TargetError as error:
            nobody_knows = self._unobserved(error)
            return {unit.address: nobody_knows for unit in units}
        if replies is not last.replies:
            last.replies = replies
            last.facts = dict(self._read_all(units, replies))
        return last.facts

    def _read_all(self, units: Iterable[Unit], replies: Sequence[Reply]) -> Iterable[tuple[Address, Observed]]:
        start = 0
        for unit in units:
            end = start + len(unit.queries())
            yield unit.address, self._read(unit, tuple(replies[start:end]))
            start = end

    def _read(self, unit: Unit, replies: tuple[Reply, ...]) -> Observed:
        try:
            return unit.observe(replies)
        except UnreadableError as error:
            return Unobserved(self._redact(str(error)), retry=True)

    def _unobserved(self, error: TargetError) -> Unobserved:
        return Unobserved(self._redact(error.reason), retry=error.retry)


def _by_target(units: Iterable[Unit]) -> Mapping[TargetId, tuple[Unit, ...]]:
    found: dict[TargetId, list[Unit]] = {}
    for unit in units:
        found.setdefault(unit.address.target, []).append(unit)
    return {target: tuple(some) for target, some in found.items()}


def _the_very_same(some: Sequence[object], others: Sequence[object]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))
