"""What a person means who asks about something: a resource, a unit, a field of a unit. Names may be shortened.

Of an address, any end that belongs to one unit alone will do (`nova-compute-vcenter-c0`), and the target's name before such
an end (`kvm1/nova.conf`). A field may stand behind the address, after a dot, and be shortened to the option's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from heapq import nlargest
from typing import TYPE_CHECKING

from reconciler.core.errors import UnknownNameError
from reconciler.core.wording import listed, nearest, one_of, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from resources.contract import Address, Key

MOST_NEAR = 3
"""As many nearest names are told."""

_FAR = 0.5


@dataclass(frozen=True, slots=True)
class Asked:
    """About what: a resource, or a unit, with the `field` as it was typed ('' for all of it)."""

    about: Key | Address
    field: str = ""


def find_asked(text: str, field: str, keys: Collection[Key], units: Collection[Address]) -> Asked:
    """Return what is meant by a text, and a field beside it. Raises UnknownNameError with the nearest names."""
    for name, rest in _divided(text, field):
        by_text = {str(key): key for key in keys}
        if name in by_text and not rest:
            return Asked(by_text[name])
        found = [address for address in units if str(address) == name] or [each for each in units if _ends(each, name)]
        if len(found) == 1:
            return Asked(found[0], rest)
        if found and name == text:
            several = listed([str(each) for each in found])
            raise UnknownNameError(f"{quoted(name)} may be {len(found)} units: write more of the address ({several})")
    raise UnknownNameError(f"nothing is called {quoted(text)} {_near(text, [*map(str, keys), *map(str, units)])}")


def find_field(wanted: str, known: Collection[str], address: Address) -> str:
    """Return the field of a unit that is meant: its name, or the option's alone. Raises UnknownNameError."""
    if wanted in known:
        return wanted
    options = {name: name.rpartition("] ")[2].casefold() for name in known}
    ends = [name for name, option in options.items() if option == wanted.casefold()]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise UnknownNameError(f"{quoted(wanted)} stands in several sections of {address}: write {one_of(ends)}")
    near = nearest(wanted, known) or nearest(wanted, options.values())
    meant = [quoted(name) for name, option in options.items() if near in (name, option)]
    told = f"(did you mean {' or '.join(meant)}?)" if meant else f"(bivisor why {address} tells what is declared)"
    raise UnknownNameError(f"no document declares {quoted(wanted)} of {address}: Bivisor leaves it as it is {told}")


def _divided(text: str, field: str) -> Iterator[tuple[str, str]]:
    """Yield the ways to read a text as an address and a field: the longest address first."""
    yield text, field
    if not field:
        for place in range(len(text) - 2, 0, -1):
            if text[place] == ".":
                yield text[:place], text[place + 1 :]


def _ends(address: Address, text: str) -> bool:
    """Tell whether a text is the end of an address, or a target's name and such an end."""
    rest = f"/{address.type}/{address.name}"
    if rest.endswith(f"/{text}"):
        return True
    head, _, tail = text.partition("/")
    return head in (address.target.name, str(address.target)) and bool(tail) and rest.endswith(f"/{tail}")


def _near(text: str, names: Collection[str]) -> str:
    scored = ((_likeness(text, name), name) for name in names)
    near = [quoted(name) for score, name in nlargest(MOST_NEAR, scored) if score >= _FAR]
    return f"(near are {', '.join(near)})" if near else "(bivisor status lists the resources, bivisor graph all addresses)"


def _likeness(text: str, name: str) -> float:
    """Return how much alike they are, 0 to 1: a text that names the end may be like the end alone, or host and end."""
    host, end = name.partition("/")[0].rpartition(":")[2], name.rpartition("/")[2]
    return max(SequenceMatcher(None, text, form, autojunk=False).ratio() for form in (name, end, f"{host}/{end}"))
