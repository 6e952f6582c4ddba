"""Which lines of the documents decide what is declared of one unit: found by supposing that they said something else.

The kinds make units of specs in ways of their own, and tell nobody which field became what. But they are functions: a field
of a document decides a field of a unit exactly when another word there gives another value. So each written word of the
documents that matter is exchanged for another one that could stand there, and the unit is compiled anew. Secrets and files
stand as references meanwhile: what they hold decides nothing but itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice
from typing import TYPE_CHECKING, Any

from reconciler.core.variants import variants_of
from resources.cloud import Cloud
from resources.contract import EXISTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from reconciler.core.load import Loaded
    from reconciler.core.variants import Reading, Source
    from resources.cloud import Resource
    from resources.contract import Address, Key, Unit, Value

MOST_OF_A_KIND = 10
"""As many documents of one kind are searched for words, beside those that declare the unit: an aggregate is of all Nodes."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What decides the fields of one unit, by field; `exists` stands for the unit itself and its name.

    `owners` are the documents that say each field, `sources` their words, and those of others, that decide its value.
    A field without sources is the same whatever the documents say: it is the kind's own word. Of the kinds in `more` further
    documents decide something, too many to be told unless one field is asked for.
    """

    owners: Mapping[str, tuple[Key, ...]]
    sources: Mapping[str, tuple[Source, ...]]
    more: tuple[str, ...] = ()


def trace(unit: Unit, loaded: Loaded, reading: Reading, about: str = "") -> Provenance:
    """Return what decides a declared unit, or one field of it, `about`."""
    owners = tuple(key for key in unit.origins if key in loaded.resources)
    supposing = _Supposing(unit.address, about, owners, loaded, reading)
    said: dict[str, list[Key]] = {}
    fragments = supposing.fragments()
    for owner, fragment in fragments:
        for name in fragment:
            said.setdefault(name, []).append(owner)
    sources: dict[str, dict[Source, None]] = {}
    # what nobody declares any more is decided by nothing
    concerned, more = supposing.concerned() if fragments else ((), ())
    for key in concerned:
        for source, variants in variants_of(loaded, key, reading):
            for name in sorted(supposing.decided(key, variants)):
                sources.setdefault(name, {})[source] = None
    return Provenance(
        {name: tuple(keys) for name, keys in said.items()}, {name: tuple(found) for name, found in sources.items()}, more
    )


_Fragments = list[tuple["Key", "Mapping[str, Value]"]]


class _Supposing:
    """Compiles one unit under suppositions. What the other documents publish is kept."""

    def __init__(self, address: Address, about: str, owners: tuple[Key, ...], loaded: Loaded, reading: Reading) -> None:
        self._address = address
        self._about = about
        self._owners = owners
        self._resources = loaded.resources
        self._kinds = reading.kinds
        self._aliases = reading.aliases
        self._published = {key: self._publish(resource) for key, resource in loaded.resources.items()}
        self._units = self._compile(self._published, loaded.resources)
        self._fields = self._united(self._units, address)
        self._gone = all(unit.desired is None for _, unit in self._units if unit.address == address)

    def fragments(self) -> _Fragments:
        """Return what each document says of the unit."""
        return [(owner, unit.desired or {}) for owner, unit in self._units if unit.address == self._address]

    def concerned(self) -> tuple[tuple[Key, ...], tuple[str, ...]]:
        """Return the documents whose words count, and the kinds of which there are more than are told.

        They are those that declare the unit, and those without which it would not be the same.
        """
        others: dict[str, list[Key]] = {}
        for key in self._resources:
            if key not in self._owners:
                others.setdefault(key.kind, []).append(key)
        found = {kind: tuple(islice(self._needed(keys), MOST_OF_A_KIND + 1)) for kind, keys in others.items()}
        told = [key for keys in found.values() for key in keys[:MOST_OF_A_KIND]]
        return (*self._owners, *told), tuple(kind for kind, keys in found.items() if len(keys) > MOST_OF_A_KIND)

    def decided(self, key: Key, variants: Iterable[Resource[Any]]) -> frozenset[str]:
        """Return the fields of the unit that are others in the first variant of the document that means anything."""
        for variant in variants:
            try:
                published = self._publish(variant)
                if key not in self._owners and published == self._published[key]:
                    return frozenset()
                units = self._compile({**self._published, key: published}, {**self._resources, key: variant})
            except Exception:  # noqa: BLE001, S112 - what no rule has seen may be nonsense to a kind, which says so in its own way
                continue
            return self._different(units)
        return frozenset()

    def _needed(self, keys: Sequence[Key]) -> Iterator[Key]:
        """Yield those of the documents without which the unit would be another one; halves are left out at once."""
        if not keys or not self._matter(frozenset(keys)):
            return
        if len(keys) == 1:
            yield keys[0]
            return
        half = len(keys) // 2
        yield from self._needed(keys[:half])
        yield from self._needed(keys[half:])

    def _matter(self, keys: frozenset[Key]) -> bool:
        rest = {key: items for key, items in self._published.items() if key not in keys}
        try:
            different = self._different(self._compile(rest, self._resources))
        except Exception:  # noqa: BLE001 - as above: it cannot be compiled without them
            return True
        return bool(different & {self._about, EXISTS} if self._about else different)

    def _different(self, units: Sequence[tuple[Key, Unit]]) -> frozenset[str]:
        """Return the fields that are others now; with `exists` where the unit is gone or has become one of another name."""
        there = {unit.address for _, unit in units if unit.address.type == self._address.type}
        if self._address in there:
            if not self._gone and all(unit.desired is None for _, unit in units if unit.address == self._address):
                return frozenset({EXISTS})
            return self._compared(self._united(units, self._address))
        new = there - {unit.address for _, unit in self._units}
        if not new:
            return frozenset({EXISTS})
        renamed = min(new, key=lambda other: (-_likeness(other, self._address), other))
        return self._compared(self._united(units, renamed)) | {EXISTS}

    def _compared(self, fields: Mapping[str, Value]) -> frozenset[str]:
        names = fields.keys() | self._fields.keys()
        return frozenset(name for name in names & self._fields.keys() if fields.get(name) != self._fields[name])

    def _united(self, units: Sequence[tuple[Key, Unit]], address: Address) -> Mapping[str, Value]:
        found: dict[str, Value] = {}
        for _, unit in units:
            if unit.address == address:
                found.update(unit.desired or {})
        return found

    def _publish(self, resource: Resource[Any]) -> tuple[object, ...]:
        return tuple(self._kinds[resource.key.kind].publish(resource, Cloud((), None, None, self._aliases)))

    def _compile(
        self, published: Mapping[Key, tuple[object, ...]], resources: Mapping[Key, Resource[Any]]
    ) -> tuple[tuple[Key, Unit], ...]:
        cloud = Cloud((item for items in published.values() for item in items), None, None, self._aliases)
        return tuple(
            (owner, unit) for owner in self._owners for unit in self._kinds[owner.kind].compile(resources[owner], cloud).units
        )


def _likeness(one: Address, other: Address) -> float:
    return SequenceMatcher(None, str(one), str(other), autojunk=False).ratio()
