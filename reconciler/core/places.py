"""Where the words of the documents stand, and who wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from reconciler.core.wording import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.core.documents import Positions
    from reconciler.core.variants import Source
    from resources.contract import Key


@dataclass(frozen=True, slots=True)
class Written:
    """Who wrote a line of a document. `commit` is '' for a line that is not committed yet; `date` is the author's, in UTC."""

    commit: str = ""
    author: str = ""
    date: str = ""
    summary: str = ""


Authors: TypeAlias = "Mapping[str, Mapping[int, Written]]"
"""File to line to who wrote it; what git does not know is not in it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A document, or a word of it: `path` is `spec.region`, or '' for the whole. One that is a `default` nobody has written."""

    key: Key
    path: str
    file: str
    line: int
    default: bool = False
    by: Written | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Finds documents and words in the files."""

    positions: Mapping[Key, Positions]
    authors: Authors

    def document(self, key: Key) -> Place:
        """Return where a document stands; its author is that of its youngest line."""
        positions = self.positions[key]
        at, last = positions.of(), max((line for line, _ in positions.places.values()), default=1)
        written = self.authors.get(at.file, {})
        lines = [written[line] for line in range(at.line, last + 1) if line in written]
        youngest = max(lines, key=lambda each: (not each.commit, each.date), default=None)
        return Place(key, "", at.file, at.line, by=youngest)

    def words(self, sources: Iterable[Source]) -> tuple[Place, ...]:
        """Return where words stand; of a default, where it would be written."""
        return tuple(map(self._word, sources))

    def _word(self, source: Source) -> Place:
        at = self.positions[source.key].of(source.path)
        by = self.authors.get(at.file, {}).get(at.line) if source.written else None
        return Place(source.key, dotted(source.path), at.file, at.line, not source.written, by)
