"""`bivisor resume`: let go on what was paused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.follow import clock
from reconciler.cli.pause import Selector, file_of
from reconciler.cli.session import DesiredFolder

if TYPE_CHECKING:
    from reconciler.core.pauses import Pause

NAME = "resume"


def run(selector: Selector = "", desired: DesiredFolder = Path("desired")) -> None:
    """Go on with what was paused.

    With SELECTOR, as bivisor pauses shows it, that pause ends, and with everything the one of everything; without it, all.
    """
    from reconciler.core.shown import printable  # noqa: PLC0415 - keeps --help fast

    file = file_of(desired)
    ended: list[Pause] = []

    def left(pauses: tuple[Pause, ...]) -> tuple[Pause, ...]:
        ended.extend(_meant(pauses, selector, desired))
        return tuple(pause for pause in pauses if pause not in ended)

    file.change(left)
    for pause in ended:
        print(printable(f"Goes on: {pause.what} ({pause.said(clock)})."))
    if not ended:
        print("Nothing is paused.")


def _meant(pauses: tuple[Pause, ...], text: str, folder: Path) -> tuple[Pause, ...]:
    """Return the pauses that are to end. Raises UnknownNameError for one that is not there."""
    from reconciler.core.errors import BivisorError, UnknownNameError  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.pauses import EVERYTHING, selector_of  # noqa: PLC0415 - as above
    from reconciler.core.wording import quoted  # noqa: PLC0415 - as above
    from reconciler.desired import compile_offline  # noqa: PLC0415 - as above

    if not text:
        return pauses
    names = {"" if text == EVERYTHING else text}
    with suppress(BivisorError):  # what is no longer declared may be paused still
        names.add(selector_of(text, compile_offline(folder)[1]))
    found = tuple(pause for pause in pauses if pause.selector in names)
    if not found:
        there = ", ".join(pause.what for pause in pauses) or "nothing"
        raise UnknownNameError(f"{quoted(text)} is not paused by itself (paused: {there})")
    return found
