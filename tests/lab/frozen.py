"""A host that stands still: every process of it is stopped, and goes on later as if nothing had been."""

from __future__ import annotations

import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.lab import machines
from tests.lab.layout import host_named
from tests.lab.processes import Process, namespace_of, pids_in_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator


class Frozen:
    """A host's processes, stopped until `thaw`."""

    def __init__(self, host: str) -> None:
        """Stop all of them, those too that are made meanwhile."""
        first = machines.leader(host_named(host))
        assert first is not None
        self._stopped: dict[int, Process] = {}
        try:
            while fresh := set(pids_in_namespace("pid", namespace_of(first.pid, "pid"))) - self._stopped.keys():
                for pid in fresh:
                    with suppress(ProcessLookupError):
                        self._stopped[pid] = Process.of(pid)
                        self._stopped[pid].send(signal.SIGSTOP)
        except BaseException:
            self.thaw()
            raise

    def thaw(self) -> None:
        """Let them go on."""
        for process in self._stopped.values():
            process.send(signal.SIGCONT)


@contextmanager
def frozen(host: str) -> Iterator[None]:
    """Have a host stand still."""
    still = Frozen(host)
    try:
        yield
    finally:
        still.thaw()
