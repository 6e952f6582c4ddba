"""A change as the lines of a unified difference: what was with a -, what is declared with a +, masked and printable."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from reconciler.core.shown import is_secret, masked, masked_lines, masked_text, printable, written

if TYPE_CHECKING:
    from resources.contract import Change


def difference(change: Change, *, creating: bool = False) -> tuple[str, ...]:
    """Return a change as the lines of a unified difference, masked and printable, without its field's name.

    A text of several lines has those that differ and two around them, a list its entries that go or come, another
    value a line with - and one with +; with `creating`, that nothing was there is not worth a line.
    """
    before, after = change.before, change.after
    secret = is_secret(change.field, before) or is_secret(change.field, after)
    if not secret and isinstance(before, tuple) and isinstance(after, tuple) and set(before) != set(after):
        gone = [f"-{written(masked_text(item))}" for item in before if item not in after]
        return (*gone, *(f"+{written(masked_text(item))}" for item in after if item not in before))
    if not secret and of_lines(change):
        return tuple(map(printable, text_difference(change)))
    old, new = (written(value) for value in masked(change))
    return (f"+{new}",) if creating and before is None else (f"-{old}", f"+{new}")


def of_lines(change: Change) -> bool:
    """Tell whether a text of several lines changes."""
    return any(isinstance(each, str) and "\n" in each for each in (change.before, change.after))


def text_difference(change: Change) -> list[str]:
    """Return the unified difference of a text, passwords in it masked; the whole text where there is only one side.

    Of what cannot be seen in lines that may be shown, one line tells what it is.
    """
    before, after = (masked_lines(value) for value in (change.before, change.after))
    if before and before == after:
        same = str(change.before).splitlines() == str(change.after).splitlines()
        return [" (only line ends differ)" if same else " (only what is masked differs)"]
    if before and after:
        return list(difflib.unified_diff(before, after, n=2, lineterm=""))[2:]
    return [f"-{line}" for line in before] + [f"+{line}" for line in after]
