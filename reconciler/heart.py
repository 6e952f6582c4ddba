"""Whether the daemon lives: its event loop turns, and what is due is decided.

systemd's watchdog, `/healthz` and this are one thing: a beat that stays away when the decider is stuck, and that cannot come
when the loop is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from reconciler.notify import notify, watchdog_s

if TYPE_CHECKING:
    from collections.abc import Callable

STUCK_S = 120.0
"""Seconds for which something may be due and not decided: a decision over 20,000 units takes about one."""

BEAT_S = 5.0
"""Seconds between two beats, where systemd wants none oftener."""


class Heart:
    """Beats for as long as all is well."""

    def __init__(self, due: Callable[[], bool]) -> None:
        """Not beat yet. `due` tells whether something waits to be decided."""
        self._loop = asyncio.get_running_loop()
        self._due = due
        self._since: float | None = None

    def decided(self) -> None:
        """Hear of a decision, or of one that was tried."""
        self._since = None

    @property
    def trouble(self) -> str:
        """Why it does not live, a sentence, or ''."""
        waits_s = 0.0 if self._since is None else self._loop.time() - self._since
        return f"nothing was decided for {waits_s:.0f} s although something was seen" if waits_s > STUCK_S else ""

    async def run(self) -> None:
        """Beat until cancelled."""
        within_s = watchdog_s()
        pause_s = min(BEAT_S, within_s / 2) if within_s else BEAT_S
        while True:
            if not self._due():
                self._since = None
            elif self._since is None:
                self._since = self._loop.time()
            if not self.trouble:
                notify("WATCHDOG=1")
            await asyncio.sleep(pause_s)
