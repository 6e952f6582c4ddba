"""Git, asked as a program, from wherever somebody called us."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping

_OF_A_HOOK = (
    "GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX",
    "GIT_INTERNAL_SUPER_PREFIX", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_REPLACE_REF_BASE", "GIT_NO_REPLACE_OBJECTS",
)  # fmt: skip
"""What git tells its hooks and aliases of the repository that they are of: another one than the one that is asked about.

As `git rev-parse --local-env-vars` lists them, but for configuration that somebody gave: that is meant for any repository.
"""

GRACE_S = 2.0
"""A git that is told to end removes what it had half written; after so long it is killed."""

MOST_SAID = 65_536
"""So many bytes of what git says about its work are kept, the last ones."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What git printed, and said about it, when it ended with `code`."""

    code: int
    out: bytes
    said: str


def environment() -> dict[str, str]:
    """Return our own environment without what a hook was told, so that git looks where it is asked about."""
    return {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}


async def ask(
    *arguments: str, within_s: float, silence_s: float | None = None, variables: Mapping[str, str] | None = None
) -> Answer:
    """Run git to its end, in a session of its own: there is no terminal on which anything could ask for a password.

    Raises TimeoutError after `within_s`, or when nothing was said for `silence_s`; and OSError where there is no git.
    Nothing of it is left running then, nor when this is cancelled.
    """
    loop = asyncio.get_running_loop()
    process = await asyncio.create_subprocess_exec(
        "git", *arguments,
        env=environment() | dict(variables or {}), stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True,
    )  # fmt: skip
    said = bytearray()

    async def listen() -> None:
        while process.stderr is not None and (heard := await process.stderr.read(4096)):
            said.extend(heard)
            del said[:-MOST_SAID]
            if silence_s is not None:
                quiet.reschedule(loop.time() + silence_s)

    async def read() -> bytes:
        return b"" if process.stdout is None else await process.stdout.read()

    try:
        async with asyncio.timeout(within_s), asyncio.timeout(silence_s) as quiet:
            out, _ = await asyncio.gather(read(), listen())
            code = await process.wait()
    finally:
        await _end(process)
    return Answer(code, out, said.decode(errors="replace"))


async def _end(process: Process) -> None:
    """End it with all that it began; where it has ended by itself, what it left running has its reason."""
    if process.returncode is not None:
        return
    _signal(process, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE_S):
            await process.wait()
            return
    _signal(process, signal.SIGKILL)
    await process.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
