"""What hosts remember as ours and is so no more: somebody else has removed it, it was left to others, the ring goes on alone.

A claim that stays behind would one day take away what somebody else has made in that place.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.core.claiming import tellers, tells
from reconciler.core.diff import Unobserved, diff
from reconciler.core.plan import NOT_ASKED
from resources.claims import written
from resources.contract import EXISTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from reconciler.core.compile import Catalog, Former
    from reconciler.core.diff import Observed
    from resources.contract import Address


def with_forgotten(former: Former, catalog: Catalog, observed: Mapping[Address, Observed]) -> Former:
    """Return it with what each host has to forget, by the address of its inventory: claims as `inventory.claim` takes them.

    `catalog` is without what is former. What nobody has looked for yet is not gone.
    """
    lost = {**_gone(former, observed), **_left(former, catalog, observed)}
    seen = ((unit, observed.get(address, NOT_ASKED)) for address, unit in catalog.units.items() if tells(unit))
    told = {unit.address: unit.claims(facts) for unit, facts in seen if not isinstance(facts, Unobserved)}
    found: dict[Address, Mapping[str, Any]] = {}
    for address, claims in told.items():
        forgotten = {str(claim.address): lost[claim.address] for claim in claims if claim.address in lost}
        others = (claim.address for claim in claims if address.target not in tellers(catalog, claim.address.target))
        forgotten |= {str(other): None for other in others if other in former.claims}
        if forgotten:
            found[address] = forgotten
    return replace(former, forgotten=found)


def _gone(former: Former, observed: Mapping[Address, Observed]) -> dict[Address, None]:
    """Return what nobody declares and of which nothing is left."""
    return {
        address: None
        for address, unit in former.units.items()
        if address in former.claims
        and not isinstance(seen := observed.get(address, NOT_ASKED), Unobserved)
        and not diff(unit, seen)
    }


def _left(former: Former, catalog: Catalog, observed: Mapping[Address, Observed]) -> dict[Address, dict[str, Any]]:
    """Return the claims of what is declared, without those of their fields that are gone, or left to others."""
    found = {}
    for address, claim in former.claims.items():
        unit = catalog.units.get(address)
        if unit is None:
            continue
        fields = {n for n in claim.fields - {EXISTS} if catalog.ignored.fits(unit, n) and unit.dispensable(n)}
        seen = observed.get(address, NOT_ASKED)
        if address in former.without and not isinstance(seen, Unobserved):
            fields |= {n for n in former.without[address].fields if seen is None or (n in seen and seen[n] is None)}
        if fields:
            found[address] = written(replace(claim, fields=frozenset()), frozenset(fields))
    return found
