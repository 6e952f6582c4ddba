"""Elements of Pacemaker's CIB as text: read what they say, edit them, and keep everything that is not ours.

The CIB keeps options as `nvpair` elements in sets (`meta_attributes`, `instance_attributes`); sets that carry a
`rule` hold only now and then, so they are never read as the plain value and never edited.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.contract import Value

_TRUE = frozenset({"true", "on", "yes", "y", "1"})
_FALSE = frozenset({"false", "off", "no", "n", "0"})
_DURATION = re.compile(r"(\d+)\s*(us|usec|ms|msec|s|sec|m|min|h|hr|)", re.IGNORECASE)
_MILLISECONDS = {"us": 0.001, "usec": 0.001, "ms": 1, "msec": 1, "": 1000, "s": 1000, "sec": 1000}
_MILLISECONDS |= {"m": 60_000, "min": 60_000, "h": 3_600_000, "hr": 3_600_000}


def parse(text: str) -> ET.Element:
    """Return the element with its comments. Raises ValueError when the text is no XML."""
    try:
        return ET.fromstring(text, parser=ET.XMLParser(target=ET.TreeBuilder(insert_comments=True)))  # noqa: S314
    except ET.ParseError as error:
        raise ValueError(f"not XML: {error}") from error


def to_text(element: ET.Element) -> str:
    """Return the element alone, without the white space that follows it in its document."""
    return ET.tostring(element, encoding="unicode").strip()


def canonical(text: str) -> str:
    """Return a form that is equal for elements that mean the same, whatever their attribute order and white space."""
    return ET.canonicalize(text, strip_text=True)


def nvpairs(element: ET.Element, tag: str) -> dict[str, str]:
    """Return name to value over all plain sets of that tag; the first of a name counts, as it does for Pacemaker."""
    found: dict[str, str] = {}
    for _, pair in _pairs(element, tag):
        found.setdefault(pair.get("name", ""), pair.get("value", ""))
    return found


def set_nvpair(element: ET.Element, tag: str, name: str, value: str) -> None:
    """Set an option where it stands, or add it to the first plain set, or to a new one with the conventional id."""
    for _, pair in _pairs(element, tag):
        if pair.get("name") == name:
            pair.set("value", value)
            return
    home = next(_plain_sets(element, tag), None)
    if home is None:
        home = ET.SubElement(element, tag, {"id": free_id(element, f"{element.get('id')}-{tag}")})
    ET.SubElement(home, "nvpair", {"id": free_id(element, f"{home.get('id')}-{name}"), "name": name, "value": value})


def free_id(element: ET.Element, wanted: str) -> str:
    """Return the conventional id, or that with a number where somebody has called something else in the element so."""
    taken = {each.get("id") for each in element.iter()}
    return next(each for each in (wanted, *(f"{wanted}-{number}" for number in range(2, len(taken) + 3))) if each not in taken)


def remove_nvpair(element: ET.Element, tag: str, name: str) -> None:
    """Remove an option from every plain set."""
    for home, pair in list(_pairs(element, tag)):
        if pair.get("name") == name:
            home.remove(pair)


def in_words_of(declared: Value, observed: str | None) -> Value:
    """Return `observed` in the words of the declaration where both mean the same to Pacemaker, else as it is.

    Durations (`10s` is `10`, `2min` is `120s`) and truth values (`false` is `no`) have several spellings.
    """
    if observed is None or declared is None:
        return observed
    text = to_value(declared)
    return declared if text == observed or _same_meaning(text, observed) else observed


def to_value(declared: Value) -> str:
    """Return a declared value as the CIB spells it."""
    if isinstance(declared, bool):
        return "true" if declared else "false"
    return str(declared)


def seconds(declared: Value) -> float | None:
    """Return a declared duration in seconds, None when it is none."""
    found = _milliseconds(str(declared))
    return None if found is None else found / 1000


def _pairs(element: ET.Element, tag: str) -> Iterator[tuple[ET.Element, ET.Element]]:
    for home in _plain_sets(element, tag):
        for pair in home.findall("nvpair"):
            yield home, pair


def _plain_sets(element: ET.Element, tag: str) -> Iterator[ET.Element]:
    return (home for home in element.findall(tag) if home.find("rule") is None)


def _same_meaning(one: str, other: str) -> bool:
    return any(meaning(one) == meaning(other) is not None for meaning in (_truth, _milliseconds))


def _truth(text: str) -> bool | None:
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _milliseconds(text: str) -> float | None:
    found = _DURATION.fullmatch(text.strip())
    return int(found[1]) * _MILLISECONDS[found[2].lower()] if found else None
