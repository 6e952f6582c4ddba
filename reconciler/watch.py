"""Ears at every target that has a voice: what is heard is a reason to look, and silence is told."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler import log
from reconciler.mistakes import mistake
from reconciler.targets import TargetError, Watchable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from random import Random

    from reconciler.targets.open import Targets
    from resources.contract import Query, TargetId

FIRST_REST_S = 1.0
MOST_REST_S = 60.0
"""Seconds until a target that could not be watched is tried again, after the first failure and after many."""


WATCHED = ("ssh", "pacemaker", "vcenter")
"""The kinds of targets that have a voice."""


@dataclass(frozen=True, slots=True)
class Ears:
    """What is watched at one target: files, systemd units, and Pacemaker's configuration."""

    paths: frozenset[str]
    units: frozenset[str]
    cib: bool

    @classmethod
    def for_queries(cls, queries: Collection[Query]) -> Ears:
        """Return what is worth listening to for whoever asks these questions: just what the answers are made of."""
        args = [query.args for query in queries]
        paths = frozenset(str(each["path"]) for each in args if "path" in each)
        units = frozenset(str(each["unit"]) for each in args if each.get("unit"))
        return cls(paths, units, cib=any("cib" in query.op or query.op == "resource.show" for query in queries))


_WHOLE = Ears(frozenset(), frozenset(), cib=False)
"""A vCenter tells of all that its answers are made of, whatever it is asked."""


class Watches:
    """One watch for each target that can be watched; `heard` is told the target whenever something may have changed there.

    `deaf` says of each target that is not heard why, a sentence for a person.
    """

    def __init__(self, group: asyncio.TaskGroup, targets: Targets, heard: Callable[[TargetId], None], rng: Random) -> None:
        """Watch nothing yet; the tasks belong to the group."""
        self._group = group
        self._targets = targets
        self._heard = heard
        self._rng = rng
        self._asked: Mapping[TargetId, tuple[Query, ...]] = {}
        self._tasks: dict[TargetId, tuple[Ears, asyncio.Task[None]]] = {}
        self.deaf: dict[TargetId, str] = {}

    @property
    def watched(self) -> frozenset[TargetId]:
        """The targets that are listened to, those among them that are deaf included."""
        return frozenset(self._tasks)

    def follow(self, asked: Mapping[TargetId, tuple[Query, ...]]) -> None:
        """Listen to what these questions are about, and to nothing else any more."""
        before, self._asked = self._asked, asked
        for target in self._tasks.keys() - asked.keys():
            self._end(target)
        for target, queries in asked.items():
            if before.get(target) is not queries:
                self._listen(target, _WHOLE if target.kind == "vcenter" else Ears.for_queries(queries))

    def again(self, target: TargetId) -> None:
        """Begin anew with a target: it is another one than before, though it is asked the same."""
        if target in self._tasks:
            ears, _ = self._tasks[target]
            self._end(target)
            if target in self._asked:
                self._listen(target, ears)

    def stop(self) -> None:
        """Listen to nobody any more."""
        for target in tuple(self._tasks):
            self._end(target)

    def _listen(self, target: TargetId, ears: Ears) -> None:
        if target in self._tasks:
            if self._tasks[target][0] == ears:
                return
            self._end(target)
        if target.kind in WATCHED:
            self._tasks[target] = ears, self._group.create_task(self._watch(target, ears))

    def _end(self, target: TargetId) -> None:
        _, task = self._tasks.pop(target)
        task.cancel()
        self.deaf.pop(target, None)

    async def _watch(self, target: TargetId, ears: Ears) -> None:
        """Listen until it is cancelled; when the target falls silent say so, and begin again.

        What was heard for a shorter time than it rests is lost again and again: it rests longer each time. That something
        falls silent is a reason to look; that it still is would be one to look at the dead more often than at anybody else.
        """
        rest_s, clock = FIRST_REST_S, asyncio.get_running_loop()
        while True:
            heard_at: float | None = None
            try:
                there = self._targets.get(target)
                if not isinstance(there, Watchable):
                    return
                async with aclosing(there.watch(ears.paths, ears.units, cib=ears.cib)) as signals:
                    async for signal in signals:
                        heard_at = heard_at if heard_at is not None else clock.time()
                        log.logger().debug("noticed", target=str(target))
                        self._say(target, "; ".join(signal.deaf))
                        self._heard(target)
            except TargetError as error:
                self._lose(target, log.masked(error.reason), heard=heard_at is not None)
            except Exception as error:  # noqa: BLE001 - a mistake in one watch ends none, not even this one for ever
                self._lose(target, mistake(f"watch {target}", error), heard=heard_at is not None)
            if heard_at is not None and clock.time() - heard_at >= rest_s:
                rest_s = FIRST_REST_S
            await asyncio.sleep(rest_s * (0.5 + self._rng.random()))
            rest_s = min(rest_s * 2.0, MOST_REST_S)

    def _lose(self, target: TargetId, why: str, *, heard: bool) -> None:
        """Say that nothing is heard any more; it may not have been `heard` before either."""
        fell_silent = heard or target not in self.deaf
        self._say(target, why)
        if fell_silent:
            self._heard(target)

    def _say(self, target: TargetId, deaf: str) -> None:
        if deaf == self.deaf.get(target, ""):
            return
        if deaf:  # each attempt may find another reason of the same silence
            tell = log.logger().debug if target in self.deaf else log.logger().warning
            self.deaf[target] = deaf
            tell("deaf", target=str(target), reason=deaf)
        else:
            del self.deaf[target]
            log.logger().info("heard_again", target=str(target))
