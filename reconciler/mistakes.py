"""A mistake of the program itself ends the one thing that it befell: that is told, and everything else goes on.

An exception that nobody foresaw becomes a value here and nowhere else: a sentence for whoever waits for the result. Its
traceback stands in the log once, however often the same mistake is made at the same place.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING

from reconciler import log

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_TOLD = 1_000
"""So many places are remembered at which a mistake was made; then all of them are told anew."""

_HOME = Path(__file__).resolve().parent.parent

_TOLD: set[object] = set()


def mistake(doing: str, error: Exception) -> str:
    """Return a sentence for a person; have the traceback in the log if it is not there yet.

    The sentence has the place in the program, and not the words of the exception: those may be of a secret, which only the
    log masks.
    """
    frames = extract_tb(error.__traceback__)
    kind, way = type(error).__name__, tuple((frame.filename, frame.lineno) for frame in frames)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_HOME)] or frames
    place = f" in {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    if (kind, way) not in _TOLD:
        if len(_TOLD) >= MOST_TOLD:
            _TOLD.clear()
        _TOLD.add((kind, way))
        log.logger().error("mistake", doing=doing, message="a mistake of Bivisor's: report it", exc_info=error)
    return f"a mistake of Bivisor's ({kind}{place}): report it, with the traceback that the log has"


@contextmanager
def outlived(doing: str) -> Iterator[None]:
    """Let what fails in here by a mistake of the program have failed, and go on behind it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the border at which mistakes become values
        mistake(doing, error)
