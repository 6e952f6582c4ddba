"""The shape of what people write: which fields a model has, by their YAML names, and which of them point elsewhere.

The only place that looks into pydantic's models. Optional, union, list and mapping types are looked through.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

from reconciler.core.documents import Path
from resources.cloud import DocumentPath
from resources.contract import Reference

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Mark = Reference | DocumentPath
"""What a field may be marked with beside its type."""

Handler = Callable[[Mark, str, Path], str]
"""Gets a mark, the text that bears it and its path, and returns the text to stand there."""

ModelT = TypeVar("ModelT", bound=BaseModel)


def is_model(annotation: Any) -> bool:
    """Tell whether a type is a pydantic model."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


@functools.cache
def fields_of(model: type[BaseModel]) -> Mapping[str, tuple[str, FieldInfo]]:
    """Return the fields of a model by YAML name: (attribute name, definition)."""
    return {info.alias or name: (name, info) for name, info in model.model_fields.items()}


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """Return the types that a type may be, without None: one for most, several for a union."""
    return tuple(option for option, _ in _options(annotation, ()))


def inside(annotation: Any, part: str | int) -> tuple[Any, ...]:
    """Return the types that may stand at `part` (a field, a key or an index) of a type; empty when there is no such."""
    return tuple(child for option, _ in _options(annotation, ()) for child in _children(option, part))


def annotations_at(annotation: Any, path: Iterable[str | int]) -> tuple[Any, ...]:
    """Return the types that may stand at a path below a type, as far as their fields are known."""
    found: tuple[Any, ...] = (annotation,)
    for part in path:
        found = tuple(child for one in found for child in inside(one, part))
    return tuple(option for one in found for option in alternatives(one))


def marks_of(annotation: Any) -> tuple[Mark, ...]:
    """Return the marks of a type itself: `Annotated[str, Reference("Node")]`, alone or in a union."""
    return tuple(mark for _, marks in _options(annotation, ()) for mark in marks)


def map_marked(spec: ModelT, handle: Handler, path: Path) -> ModelT:
    """Return the model with each marked text replaced by what `handle` returns; the same model if all stay the same."""
    changes = {}
    for name, alias, info in _marked_fields(type(spec)):
        before = getattr(spec, name)
        marks = tuple(mark for mark in info.metadata if isinstance(mark, Mark))
        after = _map(before, info.annotation, marks, handle, (*path, alias))
        if after is not before:
            changes[name] = after
    return spec.model_copy(update=changes) if changes else spec


def _map(value: Any, annotation: Any, marks: tuple[Mark, ...], handle: Handler, path: Path) -> Any:
    """Return the value with marked texts handled, at any depth; the identical value if nothing changed."""
    match value:
        case str():
            for mark in marks + marks_of(annotation):
                value = handle(mark, value, path)
            return value
        case BaseModel():
            return map_marked(value, handle, path)
        case tuple() | list():
            items = [_map_one(item, inside(annotation, index), handle, (*path, index)) for index, item in enumerate(value)]
            return value if all(new is old for new, old in zip(items, value, strict=True)) else type(value)(items)
        case dict():
            return _map_dict(value, annotation, handle, path)
        case _:
            return value


def _map_dict(value: dict[Any, Any], annotation: Any, handle: Handler, path: Path) -> dict[Any, Any]:
    """Do the same for a mapping, whose keys may be marked as well."""
    keys = tuple(get_args(option)[0] for option in alternatives(annotation) if get_origin(option) is dict)
    items = {
        _map_one(key, keys, handle, (*path, key)): _map_one(item, inside(annotation, key), handle, (*path, key))
        for key, item in value.items()
    }
    same = all(
        new is old for pair, was in zip(items.items(), value.items(), strict=True) for new, old in zip(pair, was, strict=True)
    )
    return value if same else items


def _map_one(value: Any, annotations: tuple[Any, ...], handle: Handler, path: Path) -> Any:
    for annotation in annotations:
        value = _map(value, annotation, (), handle, path)
    return value


@functools.cache
def _marked_fields(model: type[BaseModel]) -> tuple[tuple[str, str, FieldInfo], ...]:
    """Return (attribute, YAML name, definition) of the fields with a mark in them at any depth: most have none."""
    return tuple(
        (name, alias, info)
        for alias, (name, info) in fields_of(model).items()
        if any(isinstance(mark, Mark) for mark in info.metadata) or _has_marks(info.annotation, frozenset({model}))
    )


def _has_marks(annotation: Any, above: frozenset[type]) -> bool:
    """Tell whether a mark stands anywhere in a type. `above` are the models around it, which answer for themselves."""
    if marks_of(annotation):
        return True
    for option in alternatives(annotation):
        if is_model(option) and option not in above:
            around = above | {option}
            infos = [info for _, info in fields_of(option).values()]
            if any(isinstance(mark, Mark) for info in infos for mark in info.metadata):
                return True
            if any(_has_marks(info.annotation, around) for info in infos):
                return True
        elif is_model(option) or any(_has_marks(argument, above) for argument in get_args(option)):
            return True
    return False


def _options(annotation: Any, marks: tuple[Mark, ...]) -> Iterator[tuple[Any, tuple[Mark, ...]]]:
    """Yield the types a type may be, each with its marks."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        yield from _options(inner, marks + tuple(mark for mark in metadata if isinstance(mark, Mark)))
    elif origin is Union or origin is types.UnionType:
        for option in get_args(annotation):
            yield from _options(option, marks)
    elif annotation is not type(None):
        yield annotation, marks


def _children(option: Any, part: str | int) -> tuple[Any, ...]:
    """Return the types at one step below a type that is no union."""
    if is_model(option):
        found = fields_of(option).get(str(part))
        return (found[1].annotation,) if found and isinstance(part, str) else ()
    origin, arguments = get_origin(option), get_args(option)
    if origin is dict:
        return arguments[1:]
    if origin in {tuple, list, frozenset, set} and isinstance(part, int):
        fixed = origin is tuple and arguments[-1:] != (...,)
        return arguments[part : part + 1] if fixed else arguments[:1]
    return ()
