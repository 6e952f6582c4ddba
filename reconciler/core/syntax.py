"""YAML texts become nodes, or one sentence about what is wrong with their syntax, and where."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yaml.nodes import Node

DEEPEST = 50
"""Levels of nesting; a document for people needs ten."""

_HARMLESS: Final = 1_000

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

_HINTS = {
    "mapping values are not allowed": 'text that contains ": " needs quotes',
    "character that cannot start any token": "text that begins with this character needs quotes",
    "a tab character": "indent with spaces",
    "end of stream": "a closing quote or bracket is missing",
    "did not find expected key": "check the indentation",
    "unknown escape character": "in single quotes a backslash is only a backslash",
    "did not find expected ',' or": "a closing bracket or a comma is missing",
    "could not find expected ':'": "the line where this begins is no field: a colon is missing",
    "undefined alias": "no anchor of that name stands before it in this document",
}


class BrokenYamlError(Exception):
    """The file or the document cannot be read past this place (line and column from 1)."""

    def __init__(self, message: str, place: tuple[int, int]) -> None:
        """Keep what is wrong, and where."""
        super().__init__(message)
        self.message = message
        self.place = place


def compose(text: str) -> Iterator[Node]:
    """Yield the root node of each document. Raises BrokenYamlError."""
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
        raise BrokenYamlError(message, _end_of(before)) from None
    except UnicodeEncodeError as error:
        raise BrokenYamlError("this is not a Unicode text", _end_of(text[: error.start])) from None


def _refuse_deep(text: str) -> None:
    """Raise BrokenYamlError for a text nested so deep that the parser, which recurses in C, would crash on it.

    Each level needs a bracket, or one more column for at most two levels; texts with few of both need no closer look.
    """
    if text.count("[") + text.count("{") <= _HARMLESS and max(map(len, text.splitlines()), default=0) <= _HARMLESS:
        return
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise BrokenYamlError(f"nested deeper than {DEEPEST} levels", place_of(event))


def _syntax_error(error: yaml.MarkedYAMLError, text: str) -> BrokenYamlError:
    """Say a parser's error in one line: what, where it began, and what usually helps."""
    mark = error.problem_mark or error.context_mark
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    message = f"not valid YAML: {error.problem or error.context}"
    begun = error.context_mark
    if "duplicate anchor" in (error.context or "") and begun:
        message = f"not valid YAML: an anchor of this name stands in line {begun.line + 1} already"
    elif begun and error.problem and mark and (begun.line, begun.column) != (mark.line, mark.column):
        message += f" {error.context} that begins at {begun.line + 1}:{begun.column + 1}"
    lines = _BREAK.split(text)
    if place[0] > len(lines):
        place = (len(lines), len(lines[-1]) + 1)
    if lines[place[0] - 1][place[1] - 1 : place[1]] == "\t":
        return BrokenYamlError("not valid YAML: a tab stands here (indent with spaces)", place)
    advice = next((advice for words, advice in _HINTS.items() if words in message), "")
    return BrokenYamlError(f"{message} ({advice})" if advice else message, place)


def _end_of(text: str) -> tuple[int, int]:
    """Return line and column of the character after the text."""
    lines = _BREAK.split(text)
    return len(lines), len(lines[-1]) + 1


def place_of(node: Node | yaml.Event) -> tuple[int, int]:
    """Return line and column of a node, from 1."""
    mark = node.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
