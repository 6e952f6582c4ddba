"""Plain values become typed models; what is wrong with them is said in our words.

The words of the validating library never reach a person. Numbers and truth values must be such: a text that looks like
a number is refused (strict), so that one document means one thing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from reconciler.core.documents import BOOLEANS
from reconciler.core.fields import alternatives, annotations_at, fields_of, inside, is_model
from reconciler.core.wording import any_of, hint, nearest, one_of, quoted
from resources.cloud import SecretRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic_core import ErrorDetails

    from reconciler.core.documents import Path

ModelT = TypeVar("ModelT", bound=BaseModel)

_EXPECTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "mapping": "a mapping",
}
"""The beginnings of the library's `…_type`, `…_parsing` and `…_from_…` errors, and what they want in our words."""

_LIMITS = {
    "greater_than": ("gt", "must be more than {}"),
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than": ("lt", "must be less than {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "string_too_short": ("min_length", "must have at least {} characters"),
    "string_too_long": ("max_length", "must have at most {} characters"),
    "too_short": ("min_length", "must have at least {} entries"),
    "too_long": ("max_length", "must have at most {} entries"),
    "string_pattern_mismatch": ("pattern", "must match {}"),
}

_MISSING = "is required"
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a path (from the root of the document)."""

    path: Path
    message: str


def validate(
    model: type[ModelT], value: Any, *, at: Path = (), plain: Mapping[Path, str] | None = None
) -> ModelT | tuple[Finding, ...]:
    """Return the value as a model, or everything that is wrong with it.

    `at` is the path of the value in its document, `plain` the document's unquoted scalars that are no text.
    """
    try:
        return model.model_validate_json(json.dumps(value), strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        return _Translation(model, value, at, plain or {}).findings(errors)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A type that was expected at a path; several stand at one path where a union failed."""

    path: Path
    words: str


class _Translation:
    """Puts the library's errors about one value into our words."""

    def __init__(self, model: type[BaseModel], value: Any, at: Path, plain: Mapping[Path, str]) -> None:
        self._model = model
        self._value = value
        self._at = at
        self._plain = plain
        self._meant: set[Path] = set()

    def findings(self, errors: Sequence[ErrorDetails]) -> tuple[Finding, ...]:
        """Return one finding for each wrong place.

        The branches of a union that do not fit at all say nothing, nor does a missing field that is only misspelt.
        """
        said = [self._translate(error) for error in errors]
        missing = {(*self._at, *path) for path in self._meant}
        findings = [one for one in said if isinstance(one, Finding) and not (one.path in missing and one.message == _MISSING)]
        wanted: dict[Path, list[str]] = {}
        for one in said:
            if isinstance(one, _Wanted):
                wanted.setdefault(one.path, []).append(one.words)
        inner = {one.path if isinstance(one, Finding) else (*self._at, *one.path) for one in said}
        for path, words in wanted.items():
            whole = (*self._at, *path)
            if not any(other != whole and other[: len(whole)] == whole for other in inner):
                findings.append(Finding((*self._at, *path), self._wrong_type(path, words)))
        return tuple(dict.fromkeys(findings))

    def _translate(self, error: ErrorDetails) -> Finding | _Wanted:
        path = self._path(error)
        kind, context = error["type"], error.get("ctx", {})
        stem = re.sub(r"_(type|parsing|parsing_size|from_float)$", "", kind)
        if stem != kind and stem in _EXPECTED:
            return _Wanted(path, _EXPECTED[stem])
        if "discriminator" in context:
            path = (*path, str(context["discriminator"]).strip("'"))
        if kind in {"enum", "literal_error"}:
            return _Wanted(path, one_of(re.findall(r"'([^']*)'", str(context.get("expected", "")))))
        return Finding((*self._at, *path), self._message(error, path))

    def _message(self, error: ErrorDetails, path: Path) -> str:
        kind, context = error["type"], error.get("ctx", {})
        match kind:
            case "missing" | "union_tag_not_found":
                message = _MISSING
            case "extra_forbidden":
                message = self._unknown_field(path)
            case "value_error" | "assertion_error":
                message = str(context.get("error", error["msg"]))
            case "union_tag_invalid":
                choices = re.findall(r"'([^']*)'", str(context.get("expected_tags", "")))
                tag = str(context.get("tag", ""))
                message = f"must be {one_of(choices)}, not {quoted(tag)}{_near(tag, choices)}"
            case "string_too_short" | "too_short" if context.get("min_length") == 1:
                message = "must not be empty"
            case _ if kind in _LIMITS:
                name, words = _LIMITS[kind]
                limit = context.get(name)
                shown = f"{limit:g}" if isinstance(limit, float) else limit
                message = f"{words.format(shown)}, not {_shown(self._at_path(path), '')}"
            case _:
                words = error["msg"].replace("Input should be", "must be")
                message = words[:1].lower() + words[1:]
        return message

    def _unknown_field(self, path: Path) -> str:
        name = str(path[-1])
        models = [one for one in annotations_at(self._model, path[:-1]) if is_model(one)]
        known = {field for model in models for field in fields_of(model)}
        self._meant.add((*path[:-1], nearest(name, known)))
        return f"unknown field {quoted(name)} {hint(name, known, 'fields here')}"

    def _wrong_type(self, path: Path, words: Iterable[str]) -> str:
        """Say what was expected and what stands there; never the value where a secret may have been written."""
        if any(one is SecretRef for one in annotations_at(self._model, path)):
            return "must be a reference to a Secret, like {secret: NAME}, never the value itself"
        expected = any_of(tuple(dict.fromkeys(words)))
        value, plain = self._at_path(path), self._plain.get((*self._at, *path), "")
        choices = re.findall(r'"([^"]*)"', expected)
        return _difference(expected, choices, value, plain)

    def _path(self, error: ErrorDetails) -> Path:
        """Return where the error is, without the names of union branches that the library puts into its paths."""
        parts: list[str | int] = []
        annotations: tuple[Any, ...] = (self._model,)
        rest = list(error["loc"])
        while rest:
            options = [option for one in annotations for option in alternatives(one)]
            if any(len(alternatives(one)) > 1 for one in annotations):
                branch = rest.pop(0)
                options = [option for option in options if getattr(option, "__name__", None) == branch] or options
            if not rest or rest[0] == "[key]":
                break
            part = rest.pop(0)
            parts.append(part)
            annotations = tuple(child for one in options for child in inside(one, part))
        return tuple(parts)

    def _at_path(self, path: Path) -> Any:
        value = self._value
        for part in path:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value


def _difference(expected: str, choices: Sequence[str], value: Any, plain: str) -> str:
    """Say in one line what is expected and what stands there, and how to write it where that is known."""
    text_wanted = bool(choices) or "text" in expected
    match value:
        case None:
            said = f"is empty, but must be {expected}"
        case bool() if plain and text_wanted:
            meaning = "true" if value else "false"
            said = f'must be {expected}, but {plain} without quotes means {meaning} in YAML: write "{plain}"'
        case int() | float() if plain and text_wanted:
            said = f'must be {expected}, but {plain} without quotes is a number in YAML: write "{plain}"'
        case str() if "number" in expected and not plain and _NUMBER.fullmatch(value):
            said = f"must be {expected}, but in quotes it is text: write {value}"
        case str() if expected == "true or false" and value.lower() in BOOLEANS:
            said = f"must be {expected}, but in quotes it is text: write {json.dumps(BOOLEANS[value.lower()])}"
        case str() if expected == "a list":
            said = f"must be a list, not {quoted(value)}: write [{value}]"
        case str():
            said = f"must be {expected}, not {quoted(value)}{_near(value, choices)}"
        case _:
            said = f"must be {expected}, not {_shown(value, plain)}"
    return said


def _near(text: str, choices: Iterable[str]) -> str:
    near = nearest(text, choices)
    return f" (did you mean {quoted(near)}?)" if near else ""


def _shown(value: Any, plain: str) -> str:
    """Return a value in a few words."""
    match value:
        case dict():
            return "a mapping"
        case list():
            return "a list" if value else "an empty list"
        case str():
            return quoted(value)
        case _:
            return plain or json.dumps(value)
