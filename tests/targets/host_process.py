"""The real host helper as a process of its own, spoken to in its own protocol."""

from __future__ import annotations

import json
import select
import shlex
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from reconciler.targets.helper_stream import make_stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ANSWER_S = 20

QUIET_BEATS = 6
"""Beats without a signal after which there is nothing more to tell: longer than any news may wait."""


class HostProcess:
    """A helper with its inventory in `folder`; a context manager that ends it.

    With `sbin`, which needs root, that folder is the host's /usr/sbin for this helper alone: programs in it are found
    before those of the machine. `within` are the words of a program that runs the helper in other surroundings.
    """

    def __init__(
        self, folder: Path, python: str = sys.executable, *, sbin: Path | None = None, within: Sequence[str] = ()
    ) -> None:
        """Start it."""
        stream = make_stream(sudo=False, python=python, folder=str(folder))
        self.folder = folder
        command = shlex.split(stream.command)
        if sbin is not None:
            command = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /usr/sbin && exec "$@"', str(sbin), *command]
        self.process = subprocess.Popen([*within, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._number = 0
        self.write(stream.program)

    def __enter__(self) -> Self:
        """Enter."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it the hard way; what it does at a regular end has tests of its own."""
        self.process.kill()
        self.process.wait(ANSWER_S)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    def write(self, content: bytes) -> None:
        """Write to its input."""
        assert self.process.stdin is not None
        self.process.stdin.write(content)
        self.process.stdin.flush()

    def send(self, **request: Any) -> None:
        """Send a request and wait for nothing."""
        self._number += 1
        self.write(json.dumps({"id": self._number, **request}).encode() + b"\n")

    def line(self) -> dict[str, Any]:
        """Read one line of its output."""
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def receive(self) -> dict[str, Any]:
        """Read the answer to the request that was sent last."""
        while "id" not in (answer := self.line()):
            pass  # the greeting, or a signal
        assert answer["id"] == self._number
        return answer

    def ask(self, *queries: tuple[str, dict[str, Any]]) -> list[tuple[dict[str, Any], str, str]]:
        """Ask, and return data, code and error of each reply."""
        self.send(slot=0, ask=[list(query) for query in queries])
        return [tuple(reply) for reply in self.receive()["replies"]]

    def look(self, op: str, **args: Any) -> dict[str, Any]:
        """Ask one thing that has to go well."""
        ((data, code, error),) = self.ask((op, args))
        assert (code, error) == ("", "")
        return data

    def watch(self, *paths: object, units: Sequence[str] = (), cib: bool = False, beat: float = 0.05) -> list[str]:
        """Have it watch; return what it cannot hear."""
        self.send(watch={"paths": list(map(str, paths)), "units": list(units), "cib": cib, "beat": beat})
        data, code, error = self.receive()["reply"]
        assert (code, error) == ("", "")
        deaf: list[str] = data["deaf"]
        return deaf

    def signal(self) -> dict[str, Any]:
        """Read the next signal; after so many beats there is none, and nothing is returned."""
        for _ in range(QUIET_BEATS):
            told: dict[str, Any] = self.line()["signal"]
            if "beat" not in told:
                return told
        return {}

    def do(self, op: str, **args: Any) -> tuple[str, str]:
        """Do one action; return code and error."""
        self.send(do=[op, args])
        _, code, error = self.receive()["reply"]
        return code, error

    def has_answered(self, patience_s: float) -> bool:
        """Wait for output, but not longer than that; tell whether there is some."""
        assert self.process.stdout is not None
        return bool(select.select([self.process.stdout], [], [], patience_s)[0])

    def close_input(self) -> None:
        """Vanish, as a controller does."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def wait(self) -> int:
        """Wait for its end; return the exit code."""
        return self.process.wait(ANSWER_S)
