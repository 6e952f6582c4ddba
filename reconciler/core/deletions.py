"""How much of what is ours may be taken away by one plan because nobody declares it any more.

Many deletions at once are more likely a wrong folder, branch or placement than a wish. What a document says outright
(`remove: true`) is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.core.claiming import tells
from reconciler.core.diff import Unobserved
from reconciler.core.plan import NOT_ASKED, Plan, Step, Verb, held_by_needs, hold
from resources.contract import EXISTS, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.compile import Catalog, Former
    from reconciler.core.diff import Observed
    from resources.contract import Address

_TAKES = frozenset({Verb.DELETE, Verb.UPDATE, Verb.RESTART})
"""What taking away can be: a file goes, an option goes from a file, a service that runs ends."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many things may go at once: `count`, and `percent` of all that is ours, rounded up; or any, once `confirmed`.

    `taken` is what this run has taken away already: pass by pass, as hosts begin to answer, no more goes than at once.
    """

    count: int = 10
    percent: int = 20
    confirmed: bool = False
    taken: frozenset[Address] = frozenset()

    def of(self, owned: int) -> int:
        """Return how many of so many things may go."""
        return min(self.count, -(-owned * self.percent // 100))


def hold_deletions(plan: Plan, catalog: Catalog, allowance: Allowance) -> Plan:
    """Hold all that is taken away if it is more than allowed, else what may still keep something; and what needs it."""
    taken = taken_by(plan, catalog)
    owned = len(catalog.former.claims.keys() | allowance.taken)
    most = allowance.of(owned)
    doubtful = {address: why for address, why in catalog.former.doubtful.items() if address in taken}
    if allowance.confirmed or not taken:
        return plan
    if len(taken | allowance.taken) <= most:
        return _holding(plan, doubtful)
    gone = f", {len(allowance.taken)} have gone" if allowance.taken else ""
    things = "1 thing" if len(taken) == 1 else f"{len(taken)} things"
    why = (
        f"{things} that no document declares any more would go{gone}, and maxDeletes allows {most} "
        f"({allowance.count}, and {allowance.percent} % of the {owned} that are Bivisor's): "
        "look at them, then apply with --confirm-deletes"
    )
    return _holding(plan, {**dict.fromkeys(taken, why), **doubtful})


def _holding(plan: Plan, reasons: Mapping[Address, str]) -> Plan:
    steps: dict[Address, Step] = {}
    for step in plan.steps:
        why = reasons.get(step.address)
        steps[step.address] = held_by_needs(hold(step, why) if why and step.verb is not Verb.UNKNOWN else step, steps)
    return replace(plan, steps=tuple(steps.values())) if reasons else plan


def taken_by(plan: Plan, catalog: Catalog) -> frozenset[Address]:
    """Return what the plan takes away because nobody declares it any more, or would if it were not for maxDeletes."""
    return frozenset(step.address for step in plan.steps if _takes(step, catalog.former))


def told_unknown(plan: Plan, catalog: Catalog, observed: Mapping[Address, Observed]) -> Plan:
    """Return the plan with a remark on each host that remembers nothing while things stand there as they are declared.

    It was made anew, say, and its files came from a backup; or all was as declared before Bivisor came.
    """
    forgetful = {a: 0 for a, unit in catalog.units.items() if _remembers_nothing(unit, observed.get(a, NOT_ASKED))}
    if not forgetful:
        return plan
    by_target = {address.target: address for address in forgetful}
    for step in plan.steps:
        inventory = by_target.get(step.address.target)
        if inventory is not None and step.verb is Verb.NOTHING and _could_be_ours(catalog.units[step.address]):
            forgetful[inventory] += 1
    return replace(plan, steps=tuple(_told(step, forgetful.get(step.address, 0)) for step in plan.steps))


def _remembers_nothing(unit: Unit, seen: Observed) -> bool:
    return tells(unit) and not isinstance(seen, Unobserved) and not unit.claims(seen)


def _told(step: Step, count: int) -> Step:
    if not count or step.held:
        return step
    things = "1 thing that stands here as declared is" if count == 1 else f"{count} things that stand here as declared are"
    remark = f"{things} not known to be Bivisor's (was the host made anew?): when no document declares them, they stay"
    return replace(step, remarks=(*step.remarks, remark))


def _could_be_ours(unit: Unit) -> bool:
    """Tell whether it would be ours if we had made it."""
    return unit.desired is not None and any(map(unit.ownable, (EXISTS, *unit.desired)))


def _takes(step: Step, former: Former) -> bool:
    """Tell whether the step takes something away that nothing but another step of the plan stands against."""
    if step.address in former.held or step.root in former.held or step.intended not in _TAKES:
        return False
    claim = former.without.get(step.address)
    if claim is not None:
        return any(change.field in claim.fields for change in step.changes)
    return step.address in former.units and bool(step.changes)
