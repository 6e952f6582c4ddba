"""Documents as they are about to be written: plain data, with notes at what was guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Leads to a field below the document's `spec`: ("vmware", "computes", 0, "host"); empty: the whole document."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Document:
    """One document. `spec` holds texts, numbers, truth values, lists and mappings; a None in it is left out."""

    kind: str
    name: str
    spec: dict[str, Any]
    notes: dict[Path, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """All documents; `secrets` by Secret name (a text, or a mapping for several values); `files` by name beside them.

    `left_out` are sentences on what runs and is in no document, and why. `instead` are the texts of what stands elsewhere now
    and is to become a file: by node and path.
    """

    documents: tuple[Document, ...]
    secrets: dict[str, str | dict[str, str]] = field(default_factory=dict, repr=False)
    files: dict[str, str] = field(default_factory=dict, repr=False)
    left_out: tuple[str, ...] = ()
    instead: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)


def secret_file(name: str, value: str | dict[str, str]) -> str:
    """Return what the file of a Secret is called: its end tells whether it holds several values."""
    return f"{name}.yaml" if isinstance(value, dict) else name


def unknown_secrets(draft: Draft) -> tuple[str, ...]:
    """Return the Secrets whose values nobody said: their documents only name a file that is yet to be written."""
    return tuple(
        name
        for name, value in sorted(draft.secrets.items())
        if not all(value.values() if isinstance(value, dict) else (value,))
    )


def is_name(text: str) -> bool:
    """Tell whether a document can be called so (a DNS label)."""
    return _NAME.fullmatch(text) is not None


def as_name(text: str) -> str:
    """Return the nearest name that a document can have."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-") or "unnamed"


def without_none(value: Any) -> Any:
    """Return the data without what is None, and without mappings that are empty because of that."""
    match value:
        case dict():
            kept = {key: without_none(item) for key, item in value.items() if item is not None}
            return {key: item for key, item in kept.items() if item != {} or value[key] == {}}
        case list() | tuple():
            return [without_none(item) for item in value]
        case _:
            return value
