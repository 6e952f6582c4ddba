"""How names and values are put into sentences, so that every message of the core speaks alike."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

MOST_SHOWN = 60
"""A longer text is cut: it stands in one line of a message."""

MOST_NAMES = 8
"""As many names are listed; of more, the nearest one helps better."""


def quoted(text: str) -> str:
    """Return the text in double quotes on one line, cut after 60 characters."""
    cut = text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"
    return json.dumps(cut, ensure_ascii=False)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that `name` was probably meant to be, or '' when none is near."""
    by_folded = {other.casefold(): other for other in sorted(known)}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else ""


def listed(names: Collection[str]) -> str:
    """Return the names, sorted and separated by commas; of more than 8 the first ones and how many there are more."""
    ordered = sorted(names)
    shown = ", ".join(ordered[:MOST_NAMES])
    return shown if len(ordered) <= MOST_NAMES else f"{shown} and {len(ordered) - MOST_NAMES} more"


def hint(name: str, known: Collection[str], label: str = "known") -> str:
    """Return what would be right in place of an unknown name, in brackets: the nearest one, else all that are known."""
    if not known:
        return "(there is none)"
    near = nearest(name, known)
    return f"(did you mean {quoted(near)}?)" if near else f"({label}: {listed(known)})"


def one_of(choices: Iterable[str]) -> str:
    """Return `"a"`, `"a" or "b"`, `"a", "b" or "c"`."""
    words = [quoted(choice) for choice in choices]
    return any_of(words)


def any_of(words: Sequence[str]) -> str:
    """Return `a`, `a or b`, `a, b or c`; some of the words have an `or` of their own."""
    if any(" or " in one for one in words):
        return ", ".join(words)
    return " or ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def dotted(path: Iterable[str | int]) -> str:
    """Return `spec.vmware.computes[0].host`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
