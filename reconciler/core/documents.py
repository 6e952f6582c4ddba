"""YAML texts become plain values that remember where each field stands.

YAML here means YAML 1.1 as PyYAML reads it, without the parts that surprise people: a number that begins with 0
(`0640`), a number in base 60 (`12:30`, a MAC address) and a date are text, every key is text, only YAML's own plain
types exist. Anchors, aliases and merge keys work; what they may expand to has a limit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from reconciler.core.errors import LocatedProblem
from reconciler.core.syntax import DEEPEST, BrokenYamlError, compose, place_of
from reconciler.core.wording import dotted, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from yaml.nodes import Node

Path = tuple[str | int, ...]
"""Leads from the root of a document to one of its fields: ("spec", "vmware", "computes", 0, "host")."""

MOST_ALIASED = 100_000
"""Values that aliases may add to a file; a few lines of aliases to aliases can mean billions."""

BOOLEANS: Final = {"yes": True, "no": False, "true": True, "false": False, "on": True, "off": False}
"""The words that YAML 1.1 reads as truth values, in lower case."""

_TAG: Final = "tag:yaml.org,2002:"
_TEXT_NUMBER = re.compile(r"[-+]?0[0-9_]|.*:")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """Return `desired/zones.yaml:14`, the form that stands inside of sentences."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Positions:
    """Where the fields of one document stand: each at its key, items of lists at their own beginning."""

    file: str
    places: Mapping[Path, tuple[int, int]]

    def of(self, path: Path = ()) -> Position:
        """Return the place of a field; for one that is not there, the place of the nearest field around it."""
        while path and path not in self.places:
            path = path[:-1]
        line, column = self.places.get(path, (1, 1))
        return Position(self.file, line, column)


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document.

    `plain` has the source text of each unquoted scalar that YAML does not read as text (`no`, `1.10`). `problems` are
    those of its keys; the value leaves such keys out.
    """

    value: Any
    positions: Positions
    plain: Mapping[Path, str]
    problems: tuple[LocatedProblem, ...]


def read_documents(file: str, text: str) -> tuple[tuple[Document, ...], tuple[LocatedProblem, ...]]:
    """Return the documents of a file, without the empty ones, and what cannot be read at all.

    A syntax error ends the file, but not what stands before it.
    """
    documents: list[Document] = []
    problems: list[LocatedProblem] = []
    budget = [MOST_ALIASED + len(text)]  # without aliases, no text has more values than characters
    try:
        for node in compose(text):
            try:
                document = _Builder(file, budget).document(node)
            except BrokenYamlError as error:
                problems.append(LocatedProblem(file, *error.place, None, "", error.message))
                continue
            if document.value is not None:
                documents.append(document)
    except BrokenYamlError as error:
        problems.append(LocatedProblem(file, *error.place, None, "", error.message))
    return tuple(documents), tuple(problems)


class _Builder:
    """Turns the nodes of one document into plain values, and notes where they stand."""

    def __init__(self, file: str, budget: list[int]) -> None:
        self._file = file
        self._budget = budget
        self._problems: list[LocatedProblem] = []
        self._places: dict[Path, tuple[int, int]] = {}
        self._plain: dict[Path, str] = {}
        self._open: set[int] = set()

    def document(self, root: Node) -> Document:
        """Return the document. Raises BrokenYamlError."""
        self._places[()] = place_of(root)
        value = self._value(root, ())
        return Document(value, Positions(self._file, self._places), self._plain, tuple(self._problems))

    def _value(self, node: Node, path: Path) -> Any:
        self._budget[0] -= 1
        if self._budget[0] < 0:
            raise BrokenYamlError(f"aliases add more than {MOST_ALIASED} values to this file", place_of(node))
        if len(path) > DEEPEST:
            raise BrokenYamlError(f"nested deeper than {DEEPEST} levels, when aliases are expanded", place_of(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            raise BrokenYamlError("an alias stands inside of what it refers to", place_of(node))
        self._open.add(id(node))
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            value: Any = self._list(node, path)
        elif isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            value = self._mapping(node, path)
        else:
            raise _unknown_tag(node)
        self._open.discard(id(node))
        return value

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        tag, text = node.tag.removeprefix(_TAG), node.value
        if tag == "str":
            return text
        if not node.style:
            self._plain[path] = text
        try:
            value = _read_scalar(tag, text)
        except ValueError:
            raise BrokenYamlError(f"{quoted(text)} cannot be read as !!{tag}", place_of(node)) from None
        if value is _UNKNOWN:
            raise _unknown_tag(node)
        return value

    def _list(self, node: yaml.SequenceNode, path: Path) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            at = (*path, index)
            self._places[at] = place_of(item)
            values.append(self._value(item, at))
        return values

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, item in self._own_pairs(node, path):
            at = (*path, key.value)
            self._places[at] = place_of(key)
            values[key.value] = self._value(item, at)
        for key, item in self._merged_pairs(node, len(path)):
            at = (*path, key.value)
            if key.value not in values:
                self._places[at] = place_of(key)
                values[key.value] = self._value(item, at)
        return values

    def _own_pairs(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[yaml.ScalarNode, Node]]:
        """Yield the pairs that stand in the mapping itself, each key once; report the others."""
        first: dict[str, Node] = {}
        for key, item in node.value:
            if key.tag == f"{_TAG}merge":
                continue
            message = _wrong_key(key)
            if not message and key.value in first:
                message = f"{quoted(key.value)} stands here twice (first in line {place_of(first[key.value])[0]})"
            if message:
                self._problems.append(LocatedProblem(self._file, *place_of(key), None, dotted(path), message))
                continue
            first[key.value] = key
            yield key, item

    def _merged_pairs(self, node: yaml.MappingNode, depth: int) -> Iterator[tuple[yaml.ScalarNode, Node]]:
        """Yield the pairs that `<<` brings in, the nearer ones first."""
        if depth > DEEPEST:
            raise BrokenYamlError(f"nested deeper than {DEEPEST} levels, when aliases are expanded", place_of(node))
        for key, item in node.value:
            if key.tag != f"{_TAG}merge":
                continue
            for source in item.value if isinstance(item, yaml.SequenceNode) else [item]:
                if not isinstance(source, yaml.MappingNode):
                    raise BrokenYamlError("<< merges a mapping or a list of mappings, nothing else", place_of(source))
                for pair in source.value:
                    self._budget[0] -= 1
                    if pair[0].tag != f"{_TAG}merge" and not _wrong_key(pair[0]):
                        yield pair
                yield from self._merged_pairs(source, depth + 1)


_UNKNOWN: Final = object()


def _read_scalar(tag: str, text: str) -> Any:
    """Return the value of a scalar of YAML's own types, _UNKNOWN for any other. Raises ValueError."""
    match tag:
        case "null":
            return None
        case "bool":
            return _boolean(text)
        case "int":
            return text if _TEXT_NUMBER.match(text) else int(text.replace("_", ""), 0)
        case "float":
            return text if ":" in text else _finite(text.replace("_", ""))
        case "timestamp" | "value":
            return text
        case _:
            return _UNKNOWN


def _boolean(text: str) -> bool:
    """Return the truth value. Raises ValueError."""
    if text.lower() not in BOOLEANS:
        raise ValueError(text)
    return BOOLEANS[text.lower()]


def _finite(text: str) -> float:
    """Return the number. Raises ValueError for infinity and not-a-number as well."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _wrong_key(key: Node) -> str:
    """Return what is wrong with the key of a mapping, or ''."""
    if not isinstance(key, yaml.ScalarNode):
        return "a key must be text"
    if key.tag in {f"{_TAG}str", f"{_TAG}value", f"{_TAG}timestamp"}:
        return ""
    if key.tag == f"{_TAG}null":
        return "a key is empty here"
    if not key.style and key.tag.startswith(_TAG):
        kind = "a truth value" if key.tag == f"{_TAG}bool" else "a number"
        return f'a key must be text, but {key.value} without quotes is {kind} in YAML: write "{key.value}"'
    return "a key must be text"


def _unknown_tag(node: Node) -> BrokenYamlError:
    return BrokenYamlError(f"the tag {node.tag.replace(_TAG, '!!')} has no meaning here", place_of(node))
