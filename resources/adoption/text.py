"""Documents as YAML text with comments, which no writer of the YAML library makes: small mappings, in block style."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from resources.adoption.draft import without_none

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resources.adoption.draft import Document, Path

API_VERSION = "bivisor/v1alpha1"
WIDTH = 110
_PLAIN = re.compile(r"([A-Za-z/]|\.\./)[A-Za-z0-9_./@+-]*( [A-Za-z0-9_./@+=-]+)*|\d+\.\d+\.\d+\.\d+")
"""Texts that YAML takes for nothing else; an address with three dots is no number to it."""
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")
"""What YAML takes for a line's end, or refuses, inside of quotes."""
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def text_of(documents: list[Document], head: str) -> str:
    """Return the text of a file with these documents; `head` is a comment above them."""
    return "".join(_comment(head, "")) + "\n" + "---\n".join(_document(document) for document in documents)


def secret_text(values: str | Mapping[str, str]) -> str:
    """Return the text of a Secret's file: several values as YAML by name, one text as it is."""
    if isinstance(values, str):
        return values
    return "".join(f"{name}: {quoted(value)}\n" for name, value in values.items())


def _document(document: Document) -> str:
    metadata: dict[str, Any] = {"name": document.name}
    if document.annotations:
        metadata["annotations"] = document.annotations
    lines = [*_comment(document.notes.get((), ""), ""), f"apiVersion: {API_VERSION}\n", f"kind: {document.kind}\n"]
    lines += _mapping({"metadata": metadata}, "", {}, ())
    lines += _mapping(
        {"spec": without_none(document.spec)}, "", {("spec", *path): note for path, note in document.notes.items()}, ()
    )
    return "".join(lines)


def _mapping(values: Mapping[Any, Any], indent: str, notes: Mapping[Path, str], at: Path) -> Iterator[str]:
    for key, value in values.items():
        path = (*at, key)
        yield from _comment(notes.get(path, "") if path != ("spec",) else "", indent)
        yield from _entry(f"{indent}{_scalar(str(key))}:", value, indent, notes, path)


def _entry(start: str, value: Any, indent: str, notes: Mapping[Path, str], path: Path) -> Iterator[str]:
    match value:
        case dict() if value and (_noted(notes, path) or not _is_flat(value, start)):
            yield f"{start}\n"
            yield from _mapping(value, f"{indent}  ", notes, path)
        case list() if value and (_noted(notes, path) or not _is_flat(value, start)):
            yield f"{start}\n"
            for index, item in enumerate(value):
                yield from _item(item, f"{indent}  ", notes, (*path, index))
        case _:
            yield f"{start} {_flow(value)}\n"


def _item(item: Any, indent: str, notes: Mapping[Path, str], path: Path) -> Iterator[str]:
    if not isinstance(item, dict) or not item:
        yield f"{indent}- {_flow(item)}\n"
        return
    lines = list(_mapping(item, f"{indent}  ", notes, path))
    first = next(index for index, line in enumerate(lines) if not line.lstrip().startswith("#"))
    yield from lines[:first]
    yield f"{indent}- {lines[first].lstrip()}"
    yield from lines[first + 1 :]


def _noted(notes: Mapping[Path, str], path: Path) -> bool:
    return any(len(noted) > len(path) and noted[: len(path)] == path for noted in notes)


def _is_flat(value: Any, start: str) -> bool:
    """Tell whether it stands on one line: nothing deep, and short."""
    items = value.values() if isinstance(value, dict) else value
    shallow = all(not isinstance(item, dict) or all(not isinstance(one, dict) for one in item.values()) for item in items)
    return (start.strip() != "spec:" or len(value) == 1) and shallow and len(start) + len(_flow(value)) < WIDTH


def _flow(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{_scalar(str(key))}: {_flow(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case _:
            return _scalar(str(value))


def _scalar(text: str) -> str:
    """Return a text as YAML reads it back, whatever is in it; JSON's strings are YAML's."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else quoted(text)


def quoted(text: str) -> str:
    """Return a text in quotes, as JSON has it and YAML reads it back."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def printable(text: str) -> str:
    """Return a text that may hold names of others with what is no character of a line as a question mark."""
    return "".join(char if char.isprintable() or char.isspace() else "?" for char in text)


def _comment(note: str, indent: str) -> Iterator[str]:
    line = ""
    for word in printable(note).split():
        if line and len(indent) + len(line) + len(word) > WIDTH:
            yield f"{indent}# {line}\n"
            line = ""
        line = f"{line} {word}".strip()
    if line:
        yield f"{indent}# {line}\n"
