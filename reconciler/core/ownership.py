"""What is ours and declared by nobody any more: units that take it away, in the reverse of the order in which it was made.

Ours is what a host remembers. Whatever nobody can be asked about stays: an inventory that was not read allows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reconciler.core.claiming import REMEMBERING, same_thing, tellers, tells
from reconciler.core.compile import Catalog, Former, introduce, order_of
from reconciler.core.diff import Unobserved
from resources.contract import EXISTS, Address, Need, TargetId, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.core.diff import Observed
    from resources.claims import Claim, Taking

_NO_ORDER = "the order in which it was made does not fit that of what is declared now: remove it by hand"

_HOW_TO = "docs/how-to/remove-from-the-cloud.md"


def find_former(catalog: Catalog, observed: Mapping[Address, Observed], taking: Taking) -> Former:
    """Return what the hosts remember as ours and the documents in `catalog` do not declare; `catalog` is without it."""
    claims, unread = _remembered(catalog, observed)
    strange = _strange(catalog, observed)
    if not (claims or strange):
        return Former()
    search = _Search(catalog, claims, unread, taking, held=strange)
    search.find()
    return Former(
        units={address: search.units[address] for address in sorted(search.units, key=order_of)},
        without=search.without,
        after=search.after,
        held=search.held,
        doubtful=dict(search.doubtful()),
        unaware=search.unaware,
        claims=claims,
    )


def kept_back(former: Former) -> Former:
    """Return all of it held: the ways in which things are made have changed so much that the remembered order is of no use."""
    units = {address: replace(unit, needs=()) for address, unit in former.units.items()}
    held = {**dict.fromkeys((*former.units, *former.without), _NO_ORDER), **former.held}
    return replace(former, units=units, after={}, held=held)


def with_former(catalog: Catalog, former: Former) -> Catalog:
    """Return the catalogue with what has to go: it is observed, ordered and planned like everything else."""
    if not (former.units or former.without or former.forgotten):
        return replace(catalog, former=former)
    units = {**catalog.units, **former.units}
    for address, claim in former.without.items():
        units[address] = units[address].without(claim.fields, claim)
    for address, claims in former.forgotten.items():
        units[address] = units[address].forgetting(claims)
    for address, needs in former.after.items():
        units[address] = replace(units[address], needs=(*units[address].needs, *needs))
    return replace(catalog, units=introduce({a: units[a] for a in sorted(units, key=order_of)}), former=former)


def _remembered(catalog: Catalog, observed: Mapping[Address, Observed]) -> tuple[dict[Address, Claim], frozenset[TargetId]]:
    """Return the claims of all hosts that told them all, and the hosts that did not.

    What a ring holds is ours when most of its members say so: one that was away when it was made or removed says otherwise.
    Of their words the latest counts.
    """
    found: dict[Address, list[Claim]] = {}
    unread = set()
    for address, unit in catalog.units.items():
        if not tells(unit):
            continue
        seen = observed.get(address)
        if seen is None or isinstance(seen, Unobserved):
            unread.add(address.target)
            continue
        for claim in unit.claims(seen):
            if address.target in tellers(catalog, claim.address.target):
                found.setdefault(claim.address, []).append(claim)
    claims = {
        a: max(said, key=lambda claim: claim.at) for a, said in found.items() if 2 * len(said) > len(tellers(catalog, a.target))
    }
    return claims, frozenset(unread)


def _strange(catalog: Catalog, observed: Mapping[Address, Observed]) -> dict[Address, str]:
    """Return why nothing is done to the units of a target that is not the one that is declared, by their addresses.

    A host is another one when all that it remembers was made under another name; a ring is, when hosts remember what it holds
    and none of its members does: beside the one that runs, its resources would run twice.
    """
    why: dict[TargetId, str] = {}
    told: dict[TargetId, set[TargetId]] = {}
    for address, unit in catalog.units.items():
        seen = observed.get(address)
        if tells(unit) and seen is not None and not isinstance(seen, Unobserved):
            why[address.target] = unit.blocked(seen)
            for claim in unit.claims(seen):
                told.setdefault(claim.address.target, set()).add(address.target)
    for target, hosts in told.items():
        members = tellers(catalog, target)
        if target in catalog.endpoints and hosts.isdisjoint(members) and why.keys() >= set(members):
            names = ", ".join(sorted(host.name for host in hosts))
            why[target] = (
                f"what it holds was made on {names}, none of which is a member any more: move it by one node at a time"
            )
    return {address: why[address.target] for address in catalog.units if why.get(address.target)} if any(why.values()) else {}


@dataclass(slots=True)
class _Search:
    """Goes through the claims; `gone` are those of whole units that nobody declares, `rests` wait for the end of a process."""

    catalog: Catalog
    claims: Mapping[Address, Claim]
    unread: frozenset[TargetId]
    taking: Taking
    needed_by: dict[Address, tuple[Address, ...]] = field(default_factory=dict)
    gone: dict[Address, Claim] = field(default_factory=dict)
    units: dict[Address, Unit] = field(default_factory=dict)
    without: dict[Address, Claim] = field(default_factory=dict)
    after: dict[Address, tuple[Need, ...]] = field(default_factory=dict)
    held: dict[Address, str] = field(default_factory=dict)
    unaware: dict[Address, tuple[str, ...]] = field(default_factory=dict)
    rests: dict[str, list[Address]] = field(default_factory=dict)

    def find(self) -> None:
        self._join_needs()
        for address, claim in self.claims.items():
            declared = self.catalog.units.get(address)
            if declared is None:
                if self.catalog.units.keys().isdisjoint(same_thing(address, self.taking)):
                    self._undeclared(address, claim)
            elif declared.desired is not None and type(declared).without is not Unit.without:
                left = self._kept_from_others(address, claim)
                fields = left.fields - declared.desired.keys() - {EXISTS}
                if fields:
                    self.without[address] = replace(left, fields=fields)
        for address in (*self.gone, *self.without):
            self._hold_for_lodgers(address, self.claims[address])
        self._keep_together()
        for address, claim in self.gone.items():
            self._order(address, claim)
        self._move()

    def _join_needs(self) -> None:
        """Find what needed each when it was made, and what came to need it later, though it was not written again for that."""
        found = {address: list(claim.needed_by) for address, claim in self.claims.items()}
        for address, claim in self.claims.items():
            for need in claim.needs:
                if need in found and address not in found[need]:
                    found[need].append(address)
        self.needed_by = {address: tuple(others) for address, others in found.items()}

    def _kept_from_others(self, address: Address, claim: Claim) -> Claim:
        """Return the claim without the fields that its documents leave to others."""
        unit = self.catalog.units.get(address)
        origins = dict.fromkeys((*(unit.origins if unit else ()), *claim.origins))
        ignored = self.catalog.ignored
        fields = (name for name in claim.fields if name == EXISTS or not ignored.left_by(tuple(origins), address, name))
        return replace(claim, fields=frozenset(fields)) if ignored.patterns else claim

    def _undeclared(self, address: Address, claim: Claim) -> None:
        kind = self.taking.types.get(address.type)
        known = kind is not None and address.target in self.catalog.endpoints
        unit = kind.former(self._kept_from_others(address, claim)) if kind and known else None
        if unit is not None:
            self.gone[address] = claim
            left = self.catalog.ignored.left_out({address: replace(unit, origins=claim.origins)})
            self.units[address] = left[address]

    def _hold_for_lodgers(self, address: Address, claim: Claim) -> None:
        """Hold what instances or volumes live by, if their service is neither declared nor on its declared way out."""
        # what needed it and is held for the same lodgers goes before it, and tells why
        kept = {each for other in self.needed_by[address] if other in self.gone for each in self.claims[other].lodging}
        lost = [each for each in claim.lodging if each not in kept and not self._spoken_of(each)]
        if lost:
            gone = [origin for origin in claim.origins if origin not in self.catalog.resources]
            who, lodgers = ", ".join(map(str, gone or claim.origins)), self.taking.lodgers[lost[0].type]
            self.held[address] = (
                f"{who} no longer declares {lost[0].name}, where {lodgers} may live: declare it again, and say that it leaves "
                f"({_HOW_TO})"
            )

    def doubtful(self) -> Iterator[tuple[Address, str]]:
        """Yield what a document declared that kept something, images say, and that is gone; and why a person has to agree."""
        for address in (*self.gone, *self.without):
            origins = (each for each in self.claims[address].origins if each not in self.catalog.resources)
            stores = [each for each in origins if each.kind in self.taking.stores]
            if stores:
                kept = self.taking.stores[stores[0].kind]
                yield (
                    address,
                    (
                        f"no document declares {', '.join(map(str, stores))} any more, and {kept} may be kept there: "
                        "when none are, apply with --confirm-deletes"
                    ),
                )

    def _spoken_of(self, service: Address) -> bool:
        leaving = Address(service.target, self.taking.exits[service.type], f"{service.name} empty")
        return service in self.catalog.units or leaving in self.catalog.units

    def _keep_together(self) -> None:
        """Hold what the same documents declared: the agent that connects the instances of a compute, say."""
        held = {origin: address for address in self.held if address in self.gone for origin in self.claims[address].origins}
        for address, claim in self.gone.items():
            with_it = next((held[origin] for origin in claim.origins if origin in held), None)
            if with_it is not None and address not in self.held and self.gone.keys().isdisjoint(self.needed_by[address]):
                self.held[address] = f"it came with {with_it}, which is held"

    def _order(self, address: Address, claim: Claim) -> None:
        needs = [need for other in self.needed_by[address] for need in self._before(address, other)]
        readers = claim.remembered("readers").split()
        if EXISTS in claim.fields:
            needs += [need for process in readers for need in self._ended(claim, process)]
        else:
            self.unaware[address] = tuple(process for process in readers if not self._keepers(claim, process))
        self.units[address] = replace(self.units[address], needs=tuple(dict.fromkeys(needs)))

    def _before(self, address: Address, other: Address) -> Iterator[Need]:
        """Yield that what needed it is gone, or does without it; hold it while nobody knows whether that is ours."""
        if other.type in self.taking.lodgers:
            return  # it does not go without this: that would be the wrong way round
        if other in self.gone:
            yield Need(other, "what needed it goes first")
        elif other in self.catalog.units:
            yield Need(other, "what needed it must do without it first")
        elif self._silent(other.target):
            self.held.setdefault(
                address, f"{other} needed it, and whether that is ours nobody knows: {other.target} does not tell"
            )

    def _silent(self, target: TargetId) -> bool:
        """Tell whether those who told are too few to say what is ours on that target."""
        those = tellers(self.catalog, target)
        return 2 * len(self.unread.intersection(those)) >= len(those)

    def _ended(self, claim: Claim, process: str) -> Iterator[Need]:
        """Yield that a process that was started with it runs there no more, unless what needs it says so already."""
        target, name = claim.address.target, process.removesuffix(".service")
        moved: tuple[Need, ...] = ()
        for keeper in self._keepers(claim, process):
            unit = self.catalog.units.get(keeper)
            loads = () if unit is None else unit.loads
            if keeper.target == target or keeper in self.held or any(loaded.target == target for loaded in loads):
                return
            if unit is None:
                moved = (Need(keeper, "what kept it running must have gone"),)
                continue
            places = (each for each, other in self.gone.items() if each.target == keeper.target and keeper in other.needed_by)
            moved = (Need(keeper, "it runs elsewhere"), *(Need(place, "it must not run here") for place in places))
        rest = replace(self.taking.rest(target, process, moved), origins=claim.origins)
        if rest.address not in self.units:
            self.units[rest.address] = rest
            self.rests.setdefault(name, []).append(rest.address)
        yield Need(rest.address, "what was started with it must not run any more")

    def _keepers(self, claim: Claim, process: str) -> list[Address]:
        """Return what keeps that process and needed the thing, if that is declared, or ours."""
        name, needed_by = process.removesuffix(".service"), self.needed_by[claim.address]
        return [other for other in needed_by if other.name == name and (other in self.gone or other in self.catalog.units)]

    def _move(self) -> None:
        """Find the services with lodgers that something else keeps from now on: what kept them goes, or stays without them."""
        for address, claim in self.gone.items():
            ends = (address, *self.rests.get(address.name, ()))
            for service in claim.lodging:
                if service in claim.needed_by:
                    self._replaced(service, ends, "what kept it before must have ended: two of them must never run at once")
        lodging = {address: claim.lodging for address, claim in self.without.items() if claim.lodging}
        for unit in self.catalog.units.values() if lodging else ():
            for loads in unit.loads:
                for service in lodging.get(loads, ()):
                    why = "what kept it before must do without it: two of them must never run at once"
                    self._replaced(service, (unit.address,), why)

    def _replaced(self, service: Address, before: tuple[Address, ...], why: str) -> None:
        """Have whatever keeps a service with lodgers now wait for what kept it before, and for its processes."""
        declared = self.catalog.units.get(service)
        now = [need.address for need in declared.needs if need.address.target.kind in REMEMBERING] if declared else []
        for keeper in now if before[0] not in now else ():
            self.after[keeper] = (*self.after.get(keeper, ()), *(Need(end, why) for end in before))
