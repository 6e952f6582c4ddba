"""Why something differs: the document has changed, the world has, or it never was ours. As far as a host remembers.

What an API or a vCenter holds nobody remembers; of that the class stays empty.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.core.claiming import REMEMBERING, declared_digest
from reconciler.core.plan import FRESH, Plan, Step
from resources.contract import Unit

if TYPE_CHECKING:
    from reconciler.core.compile import Catalog


class Drift(StrEnum):
    """The classes. `declared`: we wrote it otherwise or never yet; `corrective`: we wrote it so; `foreign`: it was found so."""

    DECLARED = "declared"
    CORRECTIVE = "corrective"
    FOREIGN = "foreign"


def classed(plan: Plan, catalog: Catalog) -> Plan:
    """Return the plan with the class of each difference, and since when: the moment of our last write, told by the host.

    A process that has only not loaded its configuration differs for no reason of its own.
    """
    return replace(plan, steps=tuple(_classed(step, catalog) for step in plan.steps))


def _classed(step: Step, catalog: Catalog) -> Step:
    unit = catalog.units[step.address]
    if all(change.field == FRESH for change in step.changes) or step.address.target.kind not in REMEMBERING:
        return step
    if type(unit).ownable is Unit.ownable:
        return step
    claim = catalog.former.claims.get(step.address)
    if step.address in catalog.former.units or step.address in catalog.former.without:
        return replace(step, drift=Drift.DECLARED, since=claim.at if claim else "")
    if claim is None:
        found = any(change.before is not None for change in step.changes)
        return replace(step, drift=Drift.FOREIGN if found else Drift.DECLARED)
    if claim.wrote != declared_digest(unit):
        return replace(step, drift=Drift.DECLARED, since=claim.at)
    why = f"it has changed since Bivisor made it so ({claim.at})"
    return replace(step, drift=Drift.CORRECTIVE, since=claim.at, reasons=(why, *step.reasons))
