"""What a document would be with another word in one place: each of its words in turn exchanged for one that may stand there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from reconciler.core.fields import annotations_at, fields_of
from reconciler.core.validate import validate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from reconciler.core.documents import Path
    from reconciler.core.load import Loaded
    from resources.cloud import Kind, Resource
    from resources.contract import Address, Key

_MOST_PLACES = 12
"""As many letters of a text are tried for one that may be another."""


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """A field of a document: `path` from the document's root. One that is not `written` has its default."""

    key: Key
    path: Path
    written: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """How documents are read: by which kinds, with which names that were followed.

    `scales` are words that stand for each other, in their order: the names of releases.
    """

    kinds: Mapping[str, Kind[Any]]
    aliases: Mapping[Address, str] = field(default_factory=dict)
    scales: Sequence[Sequence[str]] = ()


def variants_of(loaded: Loaded, key: Key, reading: Reading) -> Iterator[tuple[Source, Iterator[Resource[Any]]]]:
    """Yield each word of a document, with the resources that it would be with another one there: its name, then its spec's."""
    resource, model = loaded.resources[key], reading.kinds[key.kind].spec
    yield Source(key, ("metadata", "name")), iter([_renamed(resource)])
    spec = resource.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    written = [path[1:] for path in loaded.positions[key].places if path[:1] == ("spec",)]
    words = [(path, _at(spec, path), True) for path in written]
    words += [(path, word, False) for path, word in _defaults(resource.spec)]
    for path, word, is_written in words:
        if isinstance(word, str | int | float):
            for others in _Words(annotations_at(model, path), reading.scales).instead_of(word):
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
