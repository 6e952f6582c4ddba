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
from reconciler.core.wording import dotted, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from yaml.nodes import Node

Path = tuple[str | int, ...]
"""Leads from the root of a document to one of its fields: ("spec", "vmware", "computes", 0, "host")."""

DEEPEST = 50
"""Levels of nesting; a document for people needs ten."""

MOST_VALUES = 200_000
"""Values in one file after aliases are expanded; a few lines of aliases to aliases can mean billions."""

_HARMLESS: Final = 1_000

_TAG: Final = "tag:yaml.org,2002:"
_TEXT_NUMBER = re.compile(r"[-+]?0[0-9_]|.*:")
_BOOLEANS = {"yes": True, "no": False, "true": True, "false": False, "on": True, "off": False}

_HINTS = {
    "mapping values are not allowed": 'text that contains ": " needs quotes',
    "character that cannot start any token": "text that begins with this character needs quotes",
    "a tab character": "indent with spaces",
    "end of stream": "a closing quote or bracket is missing",
    "did not find expected key": "check the indentation",
    "undefined alias": "no anchor of that name stands before it in this document",
}


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
    budget = [MOST_VALUES]
    try:
        for node in _compose(text):
            try:
                document = _Builder(file, budget).document(node)
            except _UnreadableError as error:
                problems.append(LocatedProblem(file, *error.place, None, "", error.message))
                continue
            if document.value is not None:
                documents.append(document)
    except _UnreadableError as error:
        problems.append(LocatedProblem(file, *error.place, None, "", error.message))
    return tuple(documents), tuple(problems)


class _UnreadableError(Exception):
    """The file or the document cannot be read past this place (line and column from 1)."""

    def __init__(self, message: str, place: tuple[int, int]) -> None:
        super().__init__(message)
        self.message = message
        self.place = place


def _compose(text: str) -> Iterator[Node]:
    """Yield the root node of each document. Raises _UnreadableError."""
    try:
        _refuse_deep(text)
        loader = yaml.CSafeLoader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                yield node
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text) from None
    except yaml.reader.ReaderError as error:
        before = text.encode()[: error.position].decode(errors="ignore")
        message = f"character U+{error.character:04X} cannot stand in YAML"
        raise _UnreadableError(message, _end_of(before)) from None
    except UnicodeEncodeError as error:
        raise _UnreadableError("this is not a Unicode text", _end_of(text[: error.start])) from None


def _refuse_deep(text: str) -> None:
    """Raise _UnreadableError for a text nested so deep that the parser, which recurses in C, would crash on it.

    Each level needs a bracket, or one more column for at most two levels; texts with few of both need no closer look.
    """
    if text.count("[") + text.count("{") <= _HARMLESS and max(map(len, text.splitlines()), default=0) <= _HARMLESS:
        return
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _UnreadableError(f"nested deeper than {DEEPEST} levels", _place(event))


def _syntax_error(error: yaml.MarkedYAMLError, text: str) -> _UnreadableError:
    """Say a parser's error in one line: what, where it began, and what usually helps."""
    mark = error.problem_mark or error.context_mark
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    message = f"not valid YAML: {error.problem or error.context}"
    begun = error.context_mark
    if "duplicate anchor" in (error.context or "") and begun:
        message = f"not valid YAML: an anchor of this name stands in line {begun.line + 1} already"
    elif begun and error.problem and mark and (begun.line, begun.column) != (mark.line, mark.column):
        message += f" {error.context} that begins at {begun.line + 1}:{begun.column + 1}"
    lines = text.splitlines()
    line = lines[place[0] - 1] if place[0] <= len(lines) else ""
    if line[place[1] - 1 : place[1]] == "\t":
        return _UnreadableError("not valid YAML: a tab stands here (indent with spaces)", place)
    advice = next((advice for words, advice in _HINTS.items() if words in message), "")
    return _UnreadableError(f"{message} ({advice})" if advice else message, place)


def _end_of(text: str) -> tuple[int, int]:
    """Return line and column of the character after the text."""
    return text.count("\n") + 1, len(text) - text.rfind("\n")


class _Builder:
    """Turns the nodes of one document into plain values, and notes where they stand."""

    def __init__(self, file: str, budget: list[int]) -> None:
        self._file = file
        self._budget = budget
        self._problems: list[LocatedProblem] = []
        self._places: dict[Path, tuple[int, int]] = {}
        self._plain: dict[Path, str] = {}

    def document(self, root: Node) -> Document:
        """Return the document. Raises _UnreadableError."""
        self._places[()] = _place(root)
        value = self._value(root, ())
        return Document(value, Positions(self._file, self._places), self._plain, tuple(self._problems))

    def _value(self, node: Node, path: Path) -> Any:
        self._budget[0] -= 1
        if self._budget[0] < 0:
            raise _UnreadableError(f"more than {MOST_VALUES} values, when aliases are expanded", _place(node))
        if len(path) > DEEPEST:
            raise _UnreadableError(f"nested deeper than {DEEPEST} levels, when aliases are expanded", _place(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return self._list(node, path)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path)
        raise _unknown_tag(node)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        tag, text = node.tag.removeprefix(_TAG), node.value
        if tag == "str":
            return text
        if not node.style:
            self._plain[path] = text
        try:
            value = _read_scalar(tag, text)
        except ValueError:
            raise _UnreadableError(f"{quoted(text)} cannot be read as !!{tag}", _place(node)) from None
        if value is _UNKNOWN:
            raise _unknown_tag(node)
        return value

    def _list(self, node: yaml.SequenceNode, path: Path) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            at = (*path, index)
            self._places[at] = _place(item)
            values.append(self._value(item, at))
        return values

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, item in self._own_pairs(node, path):
            at = (*path, key.value)
            self._places[at] = _place(key)
            values[key.value] = self._value(item, at)
        for key, item in self._merged_pairs(node, len(path)):
            at = (*path, key.value)
            if key.value not in values:
                self._places[at] = _place(key)
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
                message = f"{quoted(key.value)} stands here twice (first in line {_place(first[key.value])[0]})"
            if message:
                self._problems.append(LocatedProblem(self._file, *_place(key), None, dotted(path), message))
                continue
            first[key.value] = key
            yield key, item

    def _merged_pairs(self, node: yaml.MappingNode, depth: int) -> Iterator[tuple[yaml.ScalarNode, Node]]:
        """Yield the pairs that `<<` brings in, the nearer ones first."""
        if depth > DEEPEST:
            raise _UnreadableError(f"nested deeper than {DEEPEST} levels, when aliases are expanded", _place(node))
        for key, item in node.value:
            if key.tag != f"{_TAG}merge":
                continue
            for source in item.value if isinstance(item, yaml.SequenceNode) else [item]:
                if not isinstance(source, yaml.MappingNode):
                    raise _UnreadableError("<< merges a mapping or a list of mappings, nothing else", _place(source))
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
    if text.lower() not in _BOOLEANS:
        raise ValueError(text)
    return _BOOLEANS[text.lower()]


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


def _unknown_tag(node: Node) -> _UnreadableError:
    return _UnreadableError(f"the tag {node.tag.replace(_TAG, '!!')} has no meaning here", _place(node))


def _place(node: Node | yaml.Event) -> tuple[int, int]:
    """Return line and column of a node, from 1."""
    mark = node.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
