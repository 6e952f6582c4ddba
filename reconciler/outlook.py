"""What the daemon sees of the cloud, folded into how every resource stands, and into what is news of that.

Only the latest look counts, and it is folded once, however often it is asked about.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.events import NO_PERMIT, changed, troubles
from reconciler.core.plan import NOT_ASKED
from reconciler.core.standing import Former, dated, digest_of
from reconciler.core.status import fold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.compile import Catalog
    from reconciler.core.events import Event, Troubles
    from reconciler.core.load import Loaded
    from reconciler.core.pauses import Permit
    from reconciler.core.plan import Plan
    from reconciler.core.policy import Rollout
    from reconciler.core.status import Hearing, Result, Status
    from resources.contract import Address, Key

FIRST_S = 10.0
"""Seconds for which what was kept before stands after a start, while somebody was not asked yet."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What was decided, and what else is known then: documents, rollout, services that did not come through, pauses."""

    plan: Plan
    catalog: Catalog
    loaded: Loaded
    broken: Mapping[Address, str]
    rollout: Rollout
    permit: Permit = NO_PERMIT


@dataclass(frozen=True, slots=True)
class Standing:
    """How everything stands: when it was seen, with the digests of the documents and of what nobody has looked at yet."""

    at: str
    status: Status
    declared: Mapping[Key, str]
    unasked: frozenset[Key]


class Outlook:
    """Knows what was folded last. One thread asks it."""

    def __init__(self) -> None:
        """Nothing is seen yet."""
        self._folded: tuple[object, ...] = ()
        self._waits_until = math.inf
        self._digests: tuple[Loaded | None, Mapping[Key, str]] = (None, {})
        self._troubles: Troubles = {}
        self.news: tuple[Event, ...] = ()
        """What came up or is over since the time before."""

    def seen(
        self, sight: Sight, failed: Mapping[Address, Result], hearing: Hearing, now: str, *, first: bool = False
    ) -> Standing | None:
        """Return how everything stands; None where nothing is known that was not folded the last time.

        `first`: nothing was kept before that could stand meanwhile.
        """
        known = sight, failed, hearing.deaf
        if known == self._folded:
            return None
        nobody = {step.address for step in sight.plan.steps if step.held == NOT_ASKED.reason}
        self._waits_until = min(self._waits_until, time.monotonic() + FIRST_S) if nobody and not first else -math.inf
        if time.monotonic() < self._waits_until:
            return None  # what was kept before stands until each was asked once: a new start is no transition
        self._folded = known
        pending = {step.address for step in sight.plan.pending}
        results = {address: result for address, result in failed.items() if address in pending}
        status = fold(sight.plan, results, sight.catalog, hearing)
        unasked = (step for step in sight.plan.steps if step.address in nobody or step.root in nobody)
        keys = frozenset(key for step in unasked for key in step.origins)
        if self._digests[0] is not sight.loaded:
            self._digests = sight.loaded, {key: digest_of(each) for key, each in sight.loaded.resources.items()}
        before, self._troubles = self._troubles, _troubles(sight, hearing)
        self.news = tuple(changed(before, self._troubles))
        return Standing(now, status, self._digests[1], keys)


def _troubles(sight: Sight, hearing: Hearing) -> Troubles:
    return troubles(sight.plan, hearing.deaf, sight.broken, sight.rollout, sight.permit)


def to_keep(standing: Standing, former: Mapping[Key, Former]) -> dict[Key, Former]:
    """Return what is to be kept of everything; of what nobody has looked at yet that is what was kept before."""
    after: dict[Key, Former] = {key: former[key] for key in standing.unasked if key in former}
    for each in dated(standing.status, standing.declared, former, standing.at).resources:
        known = former[each.key].declared if each.key in former else ""
        after.setdefault(each.key, Former(standing.declared.get(each.key, known), each))
    return after
