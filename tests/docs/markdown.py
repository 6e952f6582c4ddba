"""The documents of this repository as tests read them: links, headings, and blocks of code with the mark above them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[a-z ]+): (?P<name>[^\n]*?) -->\n)?^```(?P<language>[a-z]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `mark` and `name` come from the comment above it: `<!-- complete: zones.yaml -->`."""

    mark: str
    name: str
    language: str
    text: str


def pages() -> tuple[Path, ...]:
    """Return every page that people read: README and its sisters, and all below docs."""
    return tuple(sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]))


def blocks(page: Path) -> Iterator[Block]:
    """Yield the page's blocks of code."""
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield Block(found["mark"] or "", found["name"] or "", found["language"], found["text"])


def links(page: Path) -> Iterator[str]:
    """Yield the targets of the page's links that lead to files, outside of code."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    text = re.sub(r"`[^`\n]*`", "", text)
    for found in _LINK.finditer(text):
        if not re.match(r"[a-z]+:", found["target"]):
            yield found["target"]


def anchors(page: Path) -> frozenset[str]:
    """Return what a page's headings are called in links, as forges make it."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)
