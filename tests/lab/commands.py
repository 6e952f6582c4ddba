"""Running the machine's commands: one after the other, output kept, bound to our own life.

A command that builds something is started below `setpriv --pdeathsig` and in a PID and mount
namespace of its own: when the lab's process is killed, the command, all its children and all its
mounts are gone at the same moment.
"""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from tests.lab.errors import CommandError, LateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_JAIL = (
    "setpriv", "--pdeathsig", "KILL",
    "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
)  # fmt: skip

_ENTER = """
set -e
root=$1; shift
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount --bind /dev/pts "$root/dev/pts"
exec chroot "$root" /usr/bin/env -i "$@"
"""

CLEAN_ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LC_ALL=C.UTF-8",
)


def run(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 120,
) -> str:
    """Run `argv` to its end and return its output (standard error included).

    With `log`, the output is written there as it comes. Raises `CommandError` on any status
    but 0 and `LateError` after `timeout_s`.
    """
    sink = log.open("w+") if log else None
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=sink or subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        message = f"`{' '.join(argv)[:300]}` was still running after {timeout_s:.0f} s"
        raise LateError(message) from late
    finally:
        if sink:
            sink.close()
    output = log.read_text(errors="replace") if log else done.stdout
    if done.returncode != 0:
        raise CommandError(argv, done.returncode, output)
    return output


def run_jailed(
    argv: Sequence[str],
    *,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 900,
) -> str:
    """Run `argv` so that it, its children and its mounts cannot outlive this process."""
    return run([*_JAIL, *argv], log=log, environment=environment, timeout_s=timeout_s)


def run_in_root(
    root: Path,
    argv: Sequence[str],
    *,
    log: Path | None = None,
    environment: Sequence[str] = (),
    timeout_s: float = 900,
) -> str:
    """Run `argv` inside the file system `root`, with `/proc` and `/dev`, jailed as above."""
    inside = [*CLEAN_ENVIRONMENT, *environment, *argv]
    return run_jailed(["sh", "-c", _ENTER, "sh", str(root), *inside], log=log, timeout_s=timeout_s)


def wait_until(
    condition: Callable[[], object],
    *,
    what: str,
    timeout_s: float,
    every_s: float = 0.1,
) -> None:
    """Return as soon as `condition()` is true; raise `LateError` naming `what` otherwise."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            message = f"{what}: not within {timeout_s:.0f} s"
            raise LateError(message)
        time.sleep(every_s)
