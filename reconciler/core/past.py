"""What is kept of a step after its pass: words as they may be shown, so that no secret is kept with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.shown import OTHER_MASK, masked, masked_urls
from reconciler.core.status import Outcome
from resources.contract import MASK, Change

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.core.plan import Step
    from resources.contract import Value

PLANNED, BEGUN = "planned", "begun"
"""In place of an outcome: of a step whose turn has not come, and of one that was begun; nobody has said what came of it."""

MOST_CHARACTERS = 20_000
"""A longer value is kept cut: whole files change, and a history of them would outgrow what it tells."""


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """A field that differed, as it was shown: `"text"`, `10`, `true`, `["a", "b"]`; None was absent. No secret in clear."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What was to be done about one unit, and what came of it.

    `outcome`     unchanged, converged, failed or skipped; or `PLANNED` or `BEGUN`, where the pass was interrupted.
    `message`     why it failed or was skipped.
    `reasons`     why it was to be done.
    `origins`     the keys of the resources that declared it.
    `duration_s`  seconds from its beginning to its outcome; None where it was not begun, or has no outcome.
    """

    address: str
    verb: str
    outcome: str
    message: str
    reasons: tuple[str, ...]
    origins: tuple[str, ...]
    changes: tuple[ChangeRecord, ...]
    duration_s: float | None


def planned(step: Step, redact: Callable[[str], str]) -> StepRecord:
    """Return what is kept of a step before it is begun; one that is held or unknown is skipped from the start."""
    return StepRecord(
        address=storable(str(step.address)),
        verb=str(step.verb),
        outcome=PLANNED if step.pending else str(Outcome.SKIPPED),
        message=kept(step.held, redact),
        reasons=tuple(kept(reason, redact) for reason in step.reasons),
        origins=tuple(storable(str(origin)) for origin in step.origins),
        changes=tuple(_change(change, redact) for change in step.changes),
        duration_s=None,
    )


def change_of(record: ChangeRecord) -> Change:
    """Return the change again that was kept as it was shown: what was masked is a mask."""
    return Change(record.field, _read(record.before), _read(record.after))


def kept(text: str, redact: Callable[[str], str]) -> str:
    """Return a text as it may be kept: without secrets, not endless, and in characters that a file takes."""
    return storable(_cut(redact(masked_urls(text))))


def storable(text: str) -> str:
    """Return the text with bytes of a host that are no text written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _change(change: Change, redact: Callable[[str], str]) -> ChangeRecord:
    before, after = masked(change)
    return ChangeRecord(storable(change.field), _value(before, redact), _value(after, redact))


def _value(value: Value, redact: Callable[[str], str]) -> str | None:
    """Return a masked value as JSON, so that it can be shown again as it was; a mask that stands for all of it as it is."""
    if value is None:
        return None
    plain = _cut(redact(value)) if isinstance(value, str) else value
    return storable(redact(plain if plain in (MASK, OTHER_MASK) else json.dumps(plain, ensure_ascii=False)))


def _read(shown: str | None) -> Value:
    """Return the value that was written so; a mask stands for itself."""
    try:
        value = json.loads(shown) if shown is not None else None
    except ValueError:
        return shown
    return tuple(value) if isinstance(value, list) else value


def _cut(text: str) -> str:
    more = len(text) - MOST_CHARACTERS
    return text if more <= 0 else f"{text[:MOST_CHARACTERS]}… ({more} more characters)"
