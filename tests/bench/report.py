"""What is promised, the table, and the verdict."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """Something measured; with a promise, it must be at least or at most so much."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def kept(self) -> bool:
        """Tell whether the promise, if there is one, is kept."""
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    @property
    def promise(self) -> str:
        """Return the promise and whether it is kept, in words."""
        if self.at_least is None and self.at_most is None:
            return ""
        if self.at_least == self.at_most:
            bound = f"exactly {self.at_least:g}"
        else:
            bound = f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"
        return f"{bound}: {'kept' if self.kept else 'MISSED'}"


def tell(figures: Sequence[Figure], file: Path) -> bool:
    """Print the table and write it as JSON; return whether every promise is kept."""
    widest = max(len(figure.name) for figure in figures)
    print()
    for figure in figures:
        print(f"{figure.name:<{widest}}  {figure.value:>9.3f} {figure.unit:<5}  {figure.promise or figure.note}".rstrip())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        json.dumps([{**asdict(figure), "kept": figure.kept} for figure in figures], indent=2) + "\n", encoding="utf-8"
    )
    missed = [figure.name for figure in figures if not figure.kept]
    print(f"\nMissed: {'; '.join(missed)}." if missed else "\nAll promises are kept.")
    return not missed
