"""The last border before eyes: no text that leaves the program may hold a secret.

Secrets are masked by their type wherever values travel as values. This is the second wall, for texts that the world
wrote: the error output of a command, an exception of a library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.contract import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resources.cloud import Secrets

SHORTEST = 4
"""Values below this length are not searched for: replacing each "no" in a message would hide the message."""


class Redactor:
    """Replaces every known secret in a text by the mask."""

    def __init__(self, secrets: Secrets | None = None) -> None:
        """Know the values of these secrets, user names left out: they belong into messages."""
        values = _values(secrets or {})
        self._values = tuple(sorted(values, key=len, reverse=True))

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
            if key == "username":
                continue
            texts = {secret.reveal, secret.reveal.replace("$", "$$"), *secret.reveal.split("\n")}
            found.update(text for text in texts if len(text) >= SHORTEST)
    return found
