"""Who listens to one host helper: each hears what it asked for, and the helper is asked for all of that together."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconciler.targets import Signal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.contract import TargetId


class Mailbox:
    """Holds at most one signal, which grows until it is taken: nobody is slow enough to fill it."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._held: Signal | None = None
        self._end: Exception | None = None
        self._news = asyncio.Event()

    def put(self, signal: Signal) -> None:
        """Add a signal to what is held."""
        self._held = self._held.and_then(signal) if self._held else signal
        self._news.set()

    def end(self, why: Exception) -> None:
        """Have this raised to whoever takes next: what was held is no news compared with it."""
        self._end = why
        self._news.set()

    async def take(self) -> Signal:
        """Wait for a signal and return it. Raises what `end` was told."""
        await self._news.wait()
        if self._end is not None:
            raise self._end
        assert self._held is not None  # noqa: S101 - there is news, and it is not the end
        signal, self._held = self._held, None
        self._news.clear()
        return signal


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """One who watches the target, and what it wants to hear."""

    target: TargetId
    paths: frozenset[str]
    units: frozenset[str]
    cib: bool
    beat_s: float
    mailbox: Mailbox = field(default_factory=Mailbox)

    def hear(self, told: Mapping[str, Any]) -> None:
        """Take of what the helper tells what this one wants to know."""
        signal = Signal(
            self.target, self.paths.intersection(told["paths"]), self.units.intersection(told["units"]),
            cib=self.cib and told["cib"], everything=told["all"], deaf=tuple(told["deaf"]),
        )  # fmt: skip
        if signal.paths or signal.units or signal.cib or signal.everything:
            self.mailbox.put(signal)


class Listeners:
    """All who listen on one channel."""

    def __init__(self) -> None:
        """Nobody does yet."""
        self._all: list[Listener] = []

    def add(self, listener: Listener) -> None:
        """Let one more listen."""
        self._all.append(listener)

    def remove(self, listener: Listener) -> None:
        """Let it listen no more."""
        if listener in self._all:
            self._all.remove(listener)

    def request(self) -> bytes:
        """Return what to ask the helper for, so that everybody hears what they want."""
        watch = {
            "paths": sorted(frozenset[str]().union(*(listener.paths for listener in self._all))),
            "units": sorted(frozenset[str]().union(*(listener.units for listener in self._all))),
            "cib": any(listener.cib for listener in self._all),
            "beat": min((listener.beat_s for listener in self._all), default=0.0),
        }
        return b'"watch":%b' % json.dumps(watch, separators=(",", ":")).encode()

    def tell(self, line: bytes) -> None:
        """Tell everybody what the helper says. A beat says nothing but that it is there."""
        told = json.loads(line)["signal"]
        if "beat" in told:
            return
        for listener in self._all:
            listener.hear(told)

    def end(self, why: Exception) -> None:
        """Tell everybody that nothing follows."""
        for listener in self._all:
            listener.mailbox.end(why)
