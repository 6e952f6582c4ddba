"""What a service reads from its oslo.config files, layer by layer, with `$name` as it means it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from resources.cloud import UnfitReleaseError
from resources.contract import UnreadableError
from resources.releases.spelling import written

if TYPE_CHECKING:
    from resources.ini import Document

_SIGN = re.compile(r"\$(?:(?P<sign>\$)|(?P<name>[_a-z][._a-z0-9]*)|\{(?P<braced>[_a-z][._a-z0-9]*)\})", re.IGNORECASE)
"""What oslo.config replaces in a value (oslo_config/cfg.py, `Template`); any other `$` stands for itself."""

_DEEPEST = 8
"""A value names another one, which names another one: further than that it is a circle, and no service starts with it."""


@dataclass(frozen=True)
class Conf:
    """A file of a service; options are looked up as the newest release calls them, whatever this one does.

    `beside` are all files that its process reads, the one that counts first: `$name` may mean an option of any of them.
    """

    place: str
    document: Document
    service: str
    release: str
    beside: tuple[Document, ...] = ()

    def get(self, section: str, name: str, own: str = "") -> str | None:
        """Return what the service reads: the last of several values; None where it is not set. Raises UnreadableError."""
        values = self.all(section, name, own)
        return None if not values else values[-1]

    def all(self, section: str, name: str, own: str = "") -> tuple[str, ...]:
        """Return every value of a multi-valued option. Raises UnreadableError."""
        section, name = _place(self.release, self.service, section, name, own)
        values = self.document.values(section, name)
        if any("\udc80" <= char <= "\udcff" for value in values for char in value):
            raise UnreadableError(f"{self.place}: [{section}] {name} holds bytes that are no UTF-8: save the file as UTF-8")
        return tuple(self._meant(value, section, f"[{section}] {name}", _DEEPEST) for value in values)

    def has(self, section: str) -> bool:
        """Tell whether there is a section of that name."""
        return section.lower() in {name.lower() for name in self.document.sections}

    def __eq__(self, other: object) -> bool:
        """Compare what is written, not where."""
        return isinstance(other, Conf) and self.document.entries == other.document.entries

    __hash__ = None  # type: ignore[assignment]

    def _meant(self, value: str, section: str, option: str, depth: int) -> str:
        r"""Return the value with `$$` and `\$` as `$`, and with what other options say in the place of their names."""

        def replaced(found: re.Match[str]) -> str:
            return "$" if found["sign"] else self._named(found["name"] or found["braced"], section, option, depth)

        return _SIGN.sub(replaced, value.replace("\\$", "$$"))

    def _named(self, name: str, section: str, option: str, depth: int) -> str:
        group, _, short = name.rpartition(".")
        for at in (group or section, "DEFAULT"):
            for document in self.beside or (self.document,):
                values = document.values(at, short if at == group else name)
                if values and depth:
                    return self._meant(values[-1], at, option, depth - 1)
        raise UnreadableError(
            f"{self.place}: {option} has a $ that means the value of another option, which none of the files says: write the "
            "value itself there; where the sign belongs to it, $$"
        )


Layers: TypeAlias = tuple[Conf, ...]
"""Files that one process reads, the one that counts first."""


def first(layers: Layers, section: str, name: str) -> str | None:
    """Return the value that counts, or None. Raises UnreadableError."""
    return next((value for conf in layers if (value := conf.get(section, name)) is not None), None)


def _place(release: str, service: str, section: str, name: str, own: str) -> tuple[str, str]:
    """Return where the release's service has an option; where it has none, where the newest one has."""
    try:
        found = written(release, service, {section: {name: "x"}}, own=own)
    except UnfitReleaseError:
        return section, name
    places = [(at, key) for at, keys in found.items() for key, value in keys.items() if value is not None]
    return places[0] if places else (section, name)
