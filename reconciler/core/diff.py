"""What differs: the declared facts of one unit beside the observed ones, field by field.

This comparison is deliberately dumb. Units have already brought replies into the form of the declaration, so nothing
here knows what a field means. Only declared fields are compared: whatever else is out there is not ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from resources.contract import EXISTS, Change, Facts, SecretText, Value

if TYPE_CHECKING:
    from resources.contract import Unit


@dataclass(frozen=True, slots=True)
class Unobserved:
    """Nobody knows what is there, which is not the same as nothing being there.

    `reason` is a sentence for a person; `retry` tells whether asking again by itself may help.
    """

    reason: str
    retry: bool = True


Observed: TypeAlias = Facts | Unobserved | None
"""What is known of a unit: its facts, None when it does not exist, or that nobody knows."""


def diff(unit: Unit, facts: Facts | None) -> tuple[Change, ...]:
    """Return the fields in which the world differs from the declaration, in the declaration's order.

    A unit declared absent has one change, `exists`, while it exists. One that does not exist changes in each
    declared field, and in `exists` when its bare existence is all that is declared. Names that begin with `@` are
    for the unit's own use and never compared.
    """
    if unit.desired is None:
        return () if facts is None else (Change(EXISTS, before=True, after=None),)
    if facts is None and not unit.desired:
        return (Change(EXISTS, before=None, after=True),)
    found = facts or {}
    return tuple(
        Change(name, before=_as_secret_as(after, found.get(name)), after=after)
        for name, after in unit.desired.items()
        if not name.startswith("@") and not _same(found.get(name), after)
    )


def _same(before: Value, after: Value) -> bool:
    """Compare by type as well: True is not 1. A secret equals the same text in clear."""
    before, after = _revealed(before), _revealed(after)
    return type(before) is type(after) and before == after


def _as_secret_as(after: Value, before: Value) -> Value:
    """Hide what was found where what is declared is a secret: the old password is one too."""
    return SecretText(before) if isinstance(after, SecretText) and isinstance(before, str) else before


def _revealed(value: Value) -> Value:
    return value.reveal if isinstance(value, SecretText) else value
