"""Canaries: of the services that restart alike some go first, and the others when these are seen to be as declared.

Nothing of that is remembered. A service that is as declared runs with what is declared, and so has shown that it can; one
that is being restarted, or is down, has yet to show it. Whoever looks next, and whenever, comes to the same.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from reconciler.core.plan import Step, Verb, named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.compile import Catalog
    from reconciler.core.plan import Plan
    from resources.contract import Address, Key, Unit

Kin: TypeAlias = "tuple[Key, str]"
"""Whose and what: the resource that declares services, and the name that they share (`Unit.alike`)."""


@dataclass(slots=True)
class _Group:
    """Services that restart alike: how many have shown that they run with what is declared; what is said of who has yet to."""

    shown: int = 0
    trying: dict[str, bool] = field(default_factory=dict)


class Canaries:
    """Who has to go before whom. Steps are asked about in the plan's order, and told of when they are let go."""

    def __init__(
        self, plan: Plan, catalog: Catalog, first: int, unproven: Mapping[Address, bool], down: Mapping[Address, str]
    ) -> None:
        """So many go `first`, 0: nobody does.

        `unproven` are those that are in hand (True) or did not come through their restart (False), however they look now.
        `down` are the services of units that are down, but for those that can only be repaired after a disruption: these
        must not stand against it.
        """
        self._first = first
        self._unproven = unproven
        self._units = catalog.units
        self._groups: dict[Kin, _Group] = defaultdict(_Group)
        for step in plan.steps if first else ():
            for kin in _kin(catalog.units[step.address]):
                group = self._groups[kin]
                if step.address in unproven:
                    name = step.disruption.service if step.disruption else str(step.address)
                    group.trying[f"{name} is not through yet"] = unproven[step.address]
                elif step.address in down:
                    group.trying[f"{down[step.address]} is down"] = step.pending
                elif step.verb is Verb.NOTHING:
                    group.shown += 1

    def before(self, step: Step) -> tuple[str, bool] | None:
        """Return why a disruptive step has to wait for others like it, and whether that ends by itself; None if it may go."""
        if step.address in self._unproven:
            return None
        for kin in _kin(self._units[step.address]) if self._first else ():
            group = self._groups[kin]
            if group.shown < self._first and group.shown + len(group.trying) >= self._first:
                why = f"canary is {self._first}: {named(group.trying)}; the other {kin[1]} of {kin[0]} wait for that"
                return why, all(group.trying.values())
        return None

    def go(self, step: Step) -> None:
        """Count a disruptive step that was let go."""
        if self._first and step.disruption is not None:
            for kin in _kin(self._units[step.address]):
                self._groups[kin].trying[f"{step.disruption.service} restarts first"] = True


def _kin(unit: Unit) -> tuple[Kin, ...]:
    alike = unit.alike()
    return tuple((origin, alike) for origin in unit.origins) if alike else ()
