"""Live progress of an apply: what is being done now and for how long, and a line for each step that is done.

On a terminal the running steps stand at the bottom and move; piped, there are only the lines of finished steps.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from reconciler.apply import Phase, Progress
from reconciler.core.render import outcome_lines
from reconciler.core.shown import Span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from rich.console import RenderableType

    from reconciler.cli.session import Press
    from reconciler.core.status import Result
    from reconciler.reconcile import Reconciler
    from resources.contract import Address

SOON_S = 1.0
"""A look that takes longer says whom it waits for."""

MOST_SHOWN = 12
"""As many running steps are listed; the rest is counted, so that the list fits on any terminal."""


@contextmanager
def looking(reconciler: Reconciler) -> Iterator[None]:
    """While it is entered, say on a terminal whom a look waits for; to standard error, so that no page holds it."""
    began = time.monotonic()

    def page() -> Text:
        seconds, silent = time.monotonic() - began, [str(target) for target in reconciler.silent]
        if seconds < SOON_S or not silent:
            return Text()
        more = f" and {len(silent) - MOST_SHOWN} more" if len(silent) > MOST_SHOWN else ""
        return Text(f"Looking for {seconds:.0f} s; no answer yet from {', '.join(silent[:MOST_SHOWN])}{more}", style="dim")

    with Live(get_renderable=page, console=Console(stderr=True), refresh_per_second=4, transient=True, redirect_stdout=False):
        yield


class Watcher:
    """Shows progress while it is entered."""

    def __init__(self, press: Press) -> None:
        """Print on this press."""
        self._press = press
        self._running: dict[Address, tuple[Phase, float]] = {}
        self._said: dict[Address, Result] = {}
        self._live = Live(
            get_renderable=self._page, console=press.console, refresh_per_second=4, transient=True, redirect_stdout=False
        )

    def __enter__(self) -> Self:
        """Begin to draw, on a terminal."""
        if self._press.on_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Take the moving part off the screen."""
        if self._press.on_terminal:
            self._live.stop()

    def report(self, progress: Progress) -> None:
        """Take note of what happened to a step."""
        address = progress.step.address
        if progress.result is not None:
            self._running.pop(address, None)
            if self._said.get(address) == progress.result:
                return
            self._said[address] = progress.result
            self._press.print(outcome_lines(progress.step, progress.result, self._press.paper))
        else:
            _, since = self._running.get(address, (None, time.monotonic()))
            self._running[address] = (progress.phase, since)

    def say(self, text: str) -> None:
        """Print a sentence between the steps."""
        self._press.print([(Span(text),)])

    def _page(self) -> RenderableType:
        now = time.monotonic()
        lines = [
            Text(f"  … {address}  {'settling' if phase is Phase.SETTLING else 'acting'}  {now - since:.0f} s", style="dim")
            for address, (phase, since) in list(self._running.items())[:MOST_SHOWN]
        ]
        if len(self._running) > MOST_SHOWN:
            lines.append(Text(f"  … and {len(self._running) - MOST_SHOWN} more", style="dim"))
        return Group(*lines)
