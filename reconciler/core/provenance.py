"""Which lines of the documents decide what is declared of one unit: found by supposing that they said something else.

The kinds make units of specs in ways of their own, and tell nobody which field became what. But they are functions: a field
of a document decides a field of a unit exactly when another word there gives another value. So each written word of the
documents that matter is exchanged for another one that could stand there, and the unit is compiled anew. Secrets and files
stand as references meanwhile: what they hold decides nothing but itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from enum import Enum
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from reconciler.core.fields import annotations_at, fields_of
from reconciler.core.validate import validate
from resources.cloud import Cloud
from resources.contract import EXISTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from reconciler.core.documents import Path
    from reconciler.core.load import Loaded
    from resources.cloud import Kind, Resource
    from resources.contract import Address, Key, Unit, Value

_MOST_PLACES = 12
"""As many letters of a text are tried for one that may be another."""


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """A field of a document: `path` from the document's root. One that is not `written` has its default."""

    key: Key
    path: Path
    written: bool = True


@dataclass(frozen=True, slots=True)
class Provenance:
    """What decides the fields of one unit, by field; `exists` stands for the unit itself and its name.

    `owners` are the documents that say each field, `sources` their words, and those of others, that decide its value.
    A field without sources is the same whatever the documents say: it is the kind's own word.
    """

    owners: Mapping[str, tuple[Key, ...]]
    sources: Mapping[str, tuple[Source, ...]]


def trace(
    unit: Unit,
    loaded: Loaded,
    kinds: Mapping[str, Kind[Any]],
    aliases: Mapping[Address, str],
    scales: Sequence[Sequence[str]] = (),
) -> Provenance:
    """Return what decides a declared unit. `scales` are words that stand for each other in order: releases, say."""
    owners = tuple(key for key in unit.origins if key in loaded.resources)
    supposing = _Supposing(unit.address, owners, loaded, kinds, aliases)
    said: dict[str, list[Key]] = {}
    fragments = supposing.fragments()
    for owner, fragment in fragments:
        for name in fragment:
            said.setdefault(name, []).append(owner)
    sources: dict[str, dict[Source, None]] = {}
    for key in supposing.concerned() if fragments else ():  # what nobody declares any more is decided by nothing
        for source, variants in _variants(loaded, key, kinds, scales):
            for name in sorted(supposing.decided(key, variants)):
                sources.setdefault(name, {})[source] = None
    return Provenance(
        {name: tuple(keys) for name, keys in said.items()}, {name: tuple(found) for name, found in sources.items()}
    )


_Fragments = list[tuple["Key", "Mapping[str, Value]"]]


class _Supposing:
    """Compiles one unit under suppositions. What the other documents publish is kept."""

    def __init__(
        self,
        address: Address,
        owners: tuple[Key, ...],
        loaded: Loaded,
        kinds: Mapping[str, Kind[Any]],
        aliases: Mapping[Address, str],
    ) -> None:
        self._address = address
        self._owners = owners
        self._resources = loaded.resources
        self._kinds = kinds
        self._aliases = aliases
        self._published = {key: self._publish(resource) for key, resource in loaded.resources.items()}
        self._units = self._compile(self._published, loaded.resources)
        self._fields = self._united(self._units, address)
        self._gone = all(unit.desired is None for _, unit in self._units if unit.address == address)

    def fragments(self) -> _Fragments:
        """Return what each document says of the unit."""
        return [(owner, unit.desired or {}) for owner, unit in self._units if unit.address == self._address]

    def concerned(self) -> tuple[Key, ...]:
        """Return the documents whose words count: those that declare the unit, and those it would not be the same without."""
        others = [key for key in self._resources if key not in self._owners]
        return (*self._owners, *self._needed(others))

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
            return bool(self._different(self._compile(rest, self._resources)))
        except Exception:  # noqa: BLE001 - as above: it cannot be compiled without them
            return True

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


def _variants(
    loaded: Loaded, key: Key, kinds: Mapping[str, Kind[Any]], scales: Sequence[Sequence[str]]
) -> Iterator[tuple[Source, Iterator[Resource[Any]]]]:
    """Yield each word of a document, with the resources that it would be with another one there: its name, then its spec's."""
    resource, model = loaded.resources[key], kinds[key.kind].spec
    yield Source(key, ("metadata", "name")), iter([_renamed(resource)])
    spec = resource.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    written = [path[1:] for path in loaded.positions[key].places if path[:1] == ("spec",)]
    words = [(path, _at(spec, path), True) for path in written]
    words += [(path, word, False) for path, word in _defaults(resource.spec)]
    for path, word, is_written in words:
        if isinstance(word, str | int | float):
            for others in _Words(annotations_at(model, path), scales).instead_of(word):
                specs = map(partial(_with, spec, path), others)
                yield Source(key, ("spec", *path), is_written), _made(resource, model, specs)


def _renamed(resource: Resource[Any]) -> Resource[Any]:
    name = f"{resource.key.name}x"
    return replace(resource, key=replace(resource.key, name=name), metadata=replace(resource.metadata, name=name))


def _defaults(spec: BaseModel, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the fields that nobody wrote, with their defaults, of all models that somebody wrote."""
    for name, (attribute, _) in fields_of(type(spec)).items():
        value = getattr(spec, attribute)
        if attribute not in spec.model_fields_set:
            yield (*path, name), value
            continue
        for place, inner in _models((*path, name), value):
            yield from _defaults(inner, place)


def _models(path: Path, value: Any) -> Iterator[tuple[Path, BaseModel]]:
    if isinstance(value, BaseModel):
        yield path, value
    elif isinstance(value, tuple | list):
        for number, item in enumerate(value):
            yield from _models((*path, number), item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _models((*path, str(name)), item)


def _made(resource: Resource[Any], model: type[BaseModel], specs: Iterable[Any]) -> Iterator[Resource[Any]]:
    """Yield the resource with each of the specs that may be."""
    for spec in specs:
        made = validate(model, spec)
        if isinstance(made, BaseModel):
            yield replace(resource, spec=made)


@dataclass(frozen=True, slots=True)
class _Words:
    """What else could stand in a field of these types."""

    types: tuple[Any, ...]
    scales: Sequence[Sequence[str]]

    def instead_of(self, word: Any) -> Iterator[Iterable[Any]]:
        """Yield groups of other words: each group may mean another thing, and its first word that may stand there is tried."""
        choices = [choice for each in self.types for choice in _choices(each)]
        scale: Sequence[str] = next((scale for scale in self.scales if word in scale), ())
        if choices:
            yield from ([choice] for choice in choices if choice != word)
        elif scale:
            at = scale.index(word)
            yield from (scale[at + 1 : at + 2], scale[max(at - 1, 0) : at])
        elif isinstance(word, bool):
            yield [not word]
        elif isinstance(word, int | float):
            yield (word + 1, word - 1)
        elif isinstance(word, str):
            yield _texts(word)


def _texts(word: str) -> Iterator[str]:
    yield f"{word}x"
    for place in _places(word):
        yield word[:place] + ("1" if word[place] != "1" else "2") + word[place + 1 :]


def _places(word: str) -> Iterator[int]:
    """Yield where letters and digits stand, from the end: as many as it may take to come before a suffix that must be."""
    return islice((place for place in range(len(word) - 1, -1, -1) if word[place].isalnum()), _MOST_PLACES)


def _choices(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(each.value for each in annotation) if isinstance(annotation, type) and issubclass(annotation, Enum) else ()


def _at(value: Any, path: Path) -> Any:
    """Return what stands at the path of nested mappings and lists, None where there is nothing."""
    for part in path:
        try:
            value = value[part]
        except (LookupError, TypeError):
            return None
    return value


def _with(value: Any, path: Path, word: Any) -> Any:
    """Return a copy of nested mappings and lists with another word at the path."""
    if not path:
        return word
    part: Any = path[0]
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    copy[part] = _with(_at(value, path[:1]), path[1:], word)
    return copy
