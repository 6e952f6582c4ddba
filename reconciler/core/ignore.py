"""What a document leaves to others: fields of its units that it would declare, and by its own word does not.

An ignored field is as one that nobody declares, with one difference: it is not taken away either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reconciler.core.load import IGNORE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resources.cloud import Resource
    from resources.contract import Address, Key, Unit


@dataclass(frozen=True, slots=True)
class Ignored:
    """The patterns of all documents. One fits a field of a unit to which its document contributes."""

    patterns: Mapping[Key, tuple[re.Pattern[str], ...]]

    def fits(self, unit: Unit, name: str) -> bool:
        """Tell whether one of the unit's documents leaves that field to others."""
        return self.left_by(unit.origins, unit.address, name)

    def left_by(self, origins: tuple[Key, ...], address: Address, name: str) -> bool:
        """Tell whether one of these documents, which declare the unit or did, leaves that field to others."""
        if not self.patterns:
            return False
        texts = (f"{address.type}/{address.name} {name}", f"{address} {name}")
        found = (pattern for origin in origins for pattern in self.patterns.get(origin, ()))
        return any(pattern.fullmatch(text) for pattern in found for text in texts)

    def left_out(self, units: Mapping[Address, Unit]) -> Mapping[Address, Unit]:
        """Return the units without the fields that are ignored, as far as a unit can do without."""
        if not self.patterns:
            return units
        return {address: self._left_out(unit) for address, unit in units.items()}

    def _left_out(self, unit: Unit) -> Unit:
        if unit.desired is None or self.patterns.keys().isdisjoint(unit.origins):
            return unit
        ignored = {name for name in unit.desired if unit.dispensable(name) and self.fits(unit, name)}
        kept = {name: value for name, value in unit.desired.items() if name not in ignored}
        return replace(unit, desired=kept) if ignored else unit


def ignored_by(resources: Mapping[Key, Resource[Any]]) -> Ignored:
    """Return what the documents leave to others: one pattern a line, `TYPE/NAME FIELD`, `*` for anything."""
    texts = ((key, resource.metadata.annotations.get(IGNORE, "")) for key, resource in resources.items())
    return Ignored({key: tuple(map(_pattern, _lines(text))) for key, text in texts if text})


def idle(resources: Mapping[Key, Resource[Any]], units: Mapping[Address, Unit]) -> Iterator[tuple[Key, str]]:
    """Yield the patterns that change nothing, with their documents: none of the units could do without what they fit."""
    for key, resource in resources.items():
        lines = _lines(resource.metadata.annotations.get(IGNORE, ""))
        mine = [unit for unit in units.values() if key in unit.origins] if lines else []
        for line in lines:
            alone = Ignored({key: (_pattern(line),)})
            if all(alone.left_out({unit.address: unit})[unit.address] is unit for unit in mine):
                yield key, line


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _pattern(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, line.split("*"))), re.DOTALL)
