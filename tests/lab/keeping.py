"""The daemon of a stream: it is killed, and another one begins."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from tests.lab.test_run import Running

if TYPE_CHECKING:
    from tests.lab.workspace import Workspace


class Keeping:
    """One daemon after the other."""

    def __init__(self, desk: Workspace) -> None:
        """Start the first one."""
        self._desk = desk
        self.lives: list[Running] = []
        self.start()

    @property
    def now(self) -> Running:
        """The one that lives."""
        return self.lives[-1]

    def start(self) -> None:
        """Have another one begin."""
        self.lives.append(Running(self._desk, f"run-{len(self.lives)}.log", "debug"))

    def kill(self) -> None:
        """End it without a word."""
        self.now.process.kill()
        self.now.process.wait()

    def stop(self) -> None:
        """End it as systemd would."""
        self.now.process.send_signal(signal.SIGTERM)
        assert self.now.process.wait(60) == 0, self.now.log.read_text()[-4000:]

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of that event of all lives."""
        return [line for life in self.lives for line in life.lines(event)]
