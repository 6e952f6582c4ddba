"""Passes over open channels: the controller's CPU per host, and how often it speaks to each."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from reconciler.cli import session
from tests.bench.launcher import add_kind
from tests.bench.measured import middle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.reconcile import Reconciler
    from tests.bench.items import Items

PASSES = 200
CHANGED_PASSES = 40
BATCH = 10
"""Passes, and how many of them are timed together: the clock of a process is not fine enough for one."""


@dataclass(frozen=True, slots=True)
class Warm:
    """What a pass costs when nothing has changed, per host; and when every host's answer is another one.

    `parsing_ms` is what reading the JSON of the answers takes alone: nothing when nothing has changed, since an answer
    that is the same as before comes as that word.
    """

    hosts: int
    cpu_ms: float
    parsing_ms: float
    wall_ms: float
    round_trips: float
    most_round_trips: int
    bytes_received: float
    changed_cpu_ms: float
    changed_parsing_ms: float

    @property
    def above_parsing_ms(self) -> float:
        """CPU per host and pass without the parsing."""
        return self.cpu_ms - self.parsing_ms

    def data(self) -> dict[str, float]:
        """Return it for a report."""
        return {**asdict(self), "above_parsing_ms": self.above_parsing_ms}


def measure(documents: Path, items: Items) -> Warm:
    """Open the channels once, in the event loop that the program itself uses, and measure passes over them."""
    add_kind()
    return session.run(_measure(documents, items))


async def _measure(documents: Path, items: Items) -> Warm:
    async with session.session(documents) as cloud:
        looker = cloud.reconciler
        hosts = len(cloud.desired.catalog.endpoints)
        for _ in range(BATCH):
            await _unchanged(looker)
        with _counted() as heard:
            await _unchanged(looker)
        cpu, wall = [], []
        for _ in range(PASSES // BATCH):
            used, passed = time.process_time(), time.perf_counter()
            for _ in range(BATCH):
                await _unchanged(looker)
            cpu.append((time.process_time() - used) / BATCH)
            wall.append((time.perf_counter() - passed) / BATCH)
        changed, parsing = await _changed_passes(looker, items)
        trips = [len(lines) for lines in heard.values()]
        return Warm(
            hosts=hosts,
            cpu_ms=middle(cpu) / hosts * 1000,
            parsing_ms=_parsing_s([line for lines in heard.values() for line in lines if b'"replies":' in line]) / hosts * 1000,
            wall_ms=middle(wall) * 1000,
            round_trips=sum(trips) / hosts,
            most_round_trips=max(trips),
            bytes_received=sum(len(line) for lines in heard.values() for line in lines) / hosts,
            changed_cpu_ms=changed / hosts * 1000,
            changed_parsing_ms=parsing / hosts * 1000,
        )


async def _unchanged(looker: Reconciler) -> None:
    look = await looker.look()
    if look.plan.pending or look.plan.unknown or look.plan.held:
        raise RuntimeError("a warm pass finds something to change")


async def _changed_passes(looker: Reconciler, items: Items) -> tuple[float, float]:
    """Return the CPU seconds of a pass in which every host's answer is new, and those of parsing these answers alone."""
    foreign = items.config_file.read_text(encoding="utf-8")
    used = []
    lines: list[bytes] = []
    try:
        for number in range(CHANGED_PASSES):
            items.config_file.write_text(f"{foreign}\n# somebody was here {number}\n", encoding="utf-8")
            with _counted() as heard:
                begun = time.process_time()
                await _unchanged(looker)
                used.append(time.process_time() - begun)
            lines = [line for each in heard.values() for line in each]
    finally:
        items.config_file.write_text(foreign, encoding="utf-8")
    return middle(used), _parsing_s(lines)


def _parsing_s(lines: list[bytes]) -> float:
    begun = time.process_time()
    for _ in range(BATCH):
        for line in lines:
            json.loads(line)
    return (time.process_time() - begun) / BATCH


@contextmanager
def _counted() -> Iterator[dict[int, list[bytes]]]:
    """Gather the answers that come over each channel while the block runs."""
    from reconciler.targets.helper_channel import HelperChannel  # noqa: PLC0415 - asyncssh is loaded by the first target

    heard: dict[int, list[bytes]] = {}
    request = HelperChannel.request

    async def noted(channel: HelperChannel, body: bytes) -> bytes:
        line = await request(channel, body)
        heard.setdefault(id(channel), []).append(line)
        return line

    HelperChannel.request = noted  # type: ignore[method-assign, assignment] # the one place that every round trip passes
    try:
        yield heard
    finally:
        HelperChannel.request = request  # type: ignore[method-assign]
