"""What did not come through its restart stands against that of others until it has been as declared for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.plan import Verb

if TYPE_CHECKING:
    from reconciler.core.plan import Plan
    from reconciler.reconcile import Reconciler
    from resources.contract import Address

FORGIVEN_S = 120.0
"""Seconds for which a service that did not come through its restart must be as declared before another one is interrupted."""


class Forgiving:
    """Since when what is broken has been whole again (the loop's time)."""

    def __init__(self, reconciler: Reconciler) -> None:
        """Forgive what that reconciler holds against others."""
        self._reconciler = reconciler
        self._whole_since: dict[Address, float] = {}

    def forgive(self, plan: Plan, now: float) -> bool:
        """Let the rollout go on where that is due; return whether anything was forgiven."""
        broken, known = self._reconciler.broken, self._reconciler.desired.catalog.units
        whole = {step.address for step in plan.steps if step.verb is Verb.NOTHING}
        for address in self._whole_since.keys() - broken.keys():
            del self._whole_since[address]
        forgiven = [
            address for address in broken if address not in known or self._is_well(address, now, whole=address in whole)
        ]
        for address in forgiven:  # or no document declares it any more
            self._whole_since.pop(address, None)
            self._reconciler.forgive(address)
        return bool(forgiven)

    def _is_well(self, address: Address, now: float, *, whole: bool) -> bool:
        if not whole:
            self._whole_since.pop(address, None)
        return whole and now - self._whole_since.setdefault(address, now) >= FORGIVEN_S
