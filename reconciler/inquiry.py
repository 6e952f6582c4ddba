"""Gather what is known of one thing: from the documents, from git, from the cloud, and from what was done before.

No more of the cloud is asked than the unit in question and what it needs; with no reconciler nobody is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from reconciler.commit import authors_of
from reconciler.core.asked import Asked, find_asked, find_field
from reconciler.core.errors import HistoryError, UnknownNameError
from reconciler.core.places import Places
from reconciler.core.provenance import trace
from reconciler.core.status import Outcome
from reconciler.core.variants import Reading
from reconciler.core.why import (
    Known,
    Past,
    ResourceWhy,
    UnitWhy,
    fields_to_ask_for,
    units_of,
    why_resource,
    why_unit,
    worst_of,
)
from resources.claims import address_of
from resources.contract import Address, Key
from resources.kinds.registry import KINDS
from resources.releases.table import RELEASES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from reconciler.core.compile import Catalog
    from reconciler.core.graph import Graph
    from reconciler.core.load import Loaded
    from reconciler.core.plan import Plan
    from reconciler.core.provenance import Provenance
    from reconciler.history import History
    from reconciler.reconcile import Look, Reconciler
    from resources.contract import Unit

MOST_PAST = 5
"""As many passes that did something about it are told."""

PASSES_READ = 200
"""So many passes are searched for them: most of a long outage did nothing."""

SCALES = tuple(tuple(name for name in RELEASES if name[0].isdigit() is by_number) for by_number in (True, False))
"""The names of the releases, in their order: to find out whether a value would be another one in another release."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Where it is looked up what a person wants to know. Without a `reconciler` nobody is asked.

    `warn` is told what cannot be read and is no reason to say nothing: the history.
    """

    loaded: Loaded
    catalog: Catalog
    graph: Graph
    history: History
    warn: Callable[[Iterable[object]], None]
    reconciler: Reconciler | None = None
    aliases: Mapping[Address, str] = field(default_factory=dict)

    async def about(self, text: str, wanted: str = "") -> tuple[UnitWhy | ResourceWhy, Plan | None]:
        """Return all that is known of what the text names, and the plan for it. Raises UnknownNameError."""
        asked = self._asked(text, wanted)
        if isinstance(asked.about, Key):
            return await self._about_resource(asked.about)
        inquiry, look = await self._looking((asked.about,))
        unit = inquiry.catalog.units.get(asked.about)
        if unit is None:
            find_asked(text, wanted, self.loaded.resources, inquiry.catalog.units)  # says what is near
            raise UnknownNameError(f"{asked.about} is declared by no document, and nothing of it is Bivisor's")
        name = inquiry.find_field(unit, asked.field)
        return await inquiry.unit(unit, name, look), _only(look, (unit.address,))

    def find_field(self, unit: Unit, wanted: str) -> str:
        """Return the field of the unit that is meant, '' for all; one may be left to others. Raises UnknownNameError."""
        if not wanted or self.catalog.ignored.fits(unit, wanted):
            return wanted
        return find_field(wanted, fields_to_ask_for(unit, self.catalog), unit.address)

    def _asked(self, text: str, wanted: str) -> Asked:
        """Return what is meant; an address that no document declares may be one that a host remembers as ours."""
        try:
            return find_asked(text, wanted, self.loaded.resources, self.catalog.units)
        except UnknownNameError:
            try:
                address = address_of(text)
            except ValueError:
                address = None
            if address is None or self.reconciler is None or address.target not in self.catalog.endpoints:
                raise
            return Asked(address, wanted)

    async def _about_resource(self, key: Key) -> tuple[ResourceWhy, Plan | None]:
        inquiry, look = await self._looking(units_of(self.catalog, key))
        known = await inquiry.known(look, (inquiry.loaded.positions[key].file,))
        units = units_of(inquiry.catalog, key)
        worst = worst_of(units, known.steps)
        why = await inquiry.unit(inquiry.catalog.units[worst], "", look) if worst else None
        return why_resource(known, key, why, self._past(key=str(key))), _only(look, units)

    async def _looking(self, addresses: Iterable[Address]) -> tuple[Inquiry, Look | None]:
        """Return the inquiry into what is declared as it was seen, and the look; no look where nobody is asked."""
        if self.reconciler is None:
            return self, None
        look = await self.reconciler.look_at(tuple(addresses))
        desired = self.reconciler.desired
        return replace(self, catalog=desired.catalog, graph=desired.graph, aliases=desired.aliases), look

    async def unit(self, unit: Unit, name: str, look: Look | None) -> UnitWhy:
        """Return why that unit, or a field of it, is as it is."""
        provenance = trace(unit, self.loaded, Reading(KINDS, self.aliases, SCALES), name)
        known = await self.known(look, _files(unit, provenance, name, self.loaded))
        return why_unit(known, unit, provenance, name, self._past(address=str(unit.address)))

    async def known(self, look: Look | None, files: Iterable[str]) -> Known:
        """Return what is known of everything, and who wrote the lines of these files."""
        places = Places(self.loaded.positions, await authors_of(files))
        if look is None:
            return Known(self.catalog, self.graph, places, {}, {})
        steps = {step.address: step for step in look.plan.steps}
        return Known(self.catalog, self.graph, places, steps, look.observed, _written(datetime.now(UTC)))

    def _past(self, *, key: str = "", address: str = "") -> tuple[Past, ...]:
        """Return what the last passes did that did something; what was only held or unknown in them is no change."""
        try:
            passes = self.history.passes(key=key, address=address, limit=PASSES_READ)
        except HistoryError as error:
            self.warn((error,))
            return ()
        done = ((one, tuple(step for step in one.steps if step.outcome != Outcome.SKIPPED)) for one in passes)
        return tuple(
            Past(one.number, _written(one.began), one.commit, one.dirty, one.user, step)
            for one, steps in islice(((one, steps) for one, steps in done if steps), MOST_PAST)
            for step in steps
        )


def _files(unit: Unit, provenance: Provenance, name: str, loaded: Loaded) -> set[str]:
    """Return the files of all words that are told."""
    sources = [
        each for about, found in provenance.sources.items() if name in ("", about) or about == "exists" for each in found
    ]
    keys = {*(each.key for each in sources), *(key for key in unit.origins if key in loaded.positions)}
    return {loaded.positions[key].file for key in keys}


def _only(look: Look | None, addresses: Iterable[Address]) -> Plan | None:
    """Return the plan for these units, None where nobody was asked."""
    if look is None:
        return None
    wanted = set(addresses)
    return replace(look.plan, steps=tuple(step for step in look.plan.steps if step.address in wanted))


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
