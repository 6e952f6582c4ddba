"""The last border before eyes: no text that leaves the program may hold a secret.

Secrets are masked by their type wherever values travel as values. This is the second wall, for texts that the world
wrote: the error output of a command, an exception of a library.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from resources.contract import MASK
from resources.ini import oslo_escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from resources.cloud import Secrets

SHORTEST = 4
"""Values below this length are not searched for: replacing each "no" in a message would hide the message."""


_XML = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_XML_ATTRIBUTE = {ord('"'): "&quot;", ord("'"): "&apos;"}


class Redactor:
    """Replaces every known secret in a text by the mask."""

    def __init__(self, secrets: Secrets | None = None) -> None:
        """Know the values of these secrets, user names left out: they belong into messages."""
        values = _values(secrets or {})
        self._values = tuple(sorted(values, key=len, reverse=True))

    def __eq__(self, other: object) -> bool:
        """Tell whether it is one that replaces the same."""
        return isinstance(other, Redactor) and self._values == other._values

    def __hash__(self) -> int:
        """Return the same number for those that are equal."""
        return hash(self._values)

    def __call__(self, text: str) -> str:
        """Return the text without any secret."""
        for value in self._values:
            if value in text:
                text = text.replace(value, MASK)
        return text


def _values(secrets: Secrets) -> Iterable[str]:
    found: set[str] = set()
    for values in secrets.values():
        for key, secret in values.items():
            if key != "username":
                found.update(text for text in _spellings(secret.reveal) if len(text) >= SHORTEST)
    return found


def _spellings(value: str) -> Iterator[str]:
    """Yield the forms in which a value may stand in somebody's words: as part of a URL, of JSON, XML or oslo.config."""
    for text in (value, *value.split("\n"), *_url_password(value)):
        plain = text.encode("utf-8", "surrogateescape")  # a secret may be bytes that are no text
        yield from (text, oslo_escape(text), text.replace("$", "$$"), quote(plain, safe=""), quote(plain))
        yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1])
        yield from (text.translate(_XML), text.translate({**_XML, **_XML_ATTRIBUTE}))


def _url_password(value: str) -> Iterator[str]:
    """Yield the password inside of a URL, as it stands there and as it is meant."""
    with suppress(ValueError):
        password = urlsplit(value).password if "://" in value else None
        if password:
            yield from (password, unquote(password))
