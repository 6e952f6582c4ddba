"""`bivisor run`: keep the cloud as declared for as long as it runs."""

from __future__ import annotations

import asyncio
import gc
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import apply, session
from reconciler.cli.session import DesiredFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.daemon import Daemon

NAME = "run"


def run(
    desired: DesiredFolder = Path("desired"),
    *,
    observe_only: Annotated[bool, typer.Option("--observe-only", help="Look, decide and tell, and change nothing.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Bring everything about once, without asking, and end.")] = False,
) -> None:
    """Keep the cloud as declared, as long as it runs.

    A changed document, a hand edit, a dead service is noticed and seen to.

    It decides as plan does and acts as apply does; no host waits for another one, and never is more down at once than
    allowed. What it does stands in the log on standard error, and in bivisor history. A folder that cannot be read as
    declared changes nothing: the last good one stays in force. SIGTERM finishes the step in hand and ends; SIGHUP reads
    everything anew.
    """
    if once and observe_only:
        raise typer.BadParameter("goes not with --observe-only: to look once, bivisor plan", param_hint="--once")
    raise typer.Exit(apply.once(desired) if once else session.run(_keep(desired, acts=not observe_only)))


async def _keep(folder: Path, *, acts: bool) -> int:
    from reconciler import log, notify  # noqa: PLC0415 - keeps --help fast
    from reconciler.cli.chronicle import Chronicle  # noqa: PLC0415 - as above
    from reconciler.daemon import Daemon  # noqa: PLC0415 - as above
    from reconciler.lock import only_one  # noqa: PLC0415 - as above

    gc.freeze()  # the program stays until the end; what comes and goes in months is searched for what nobody needs
    gc.enable()
    log.set_up(**{"level": "info", **session.LOGGING})
    with only_one(folder), Chronicle(folder, acts=acts) as chronicle:
        daemon = Daemon(folder, chronicle, chronicle.recorder, acts=acts)
        alive = asyncio.create_task(notify.keep_alive())
        with _heeding(daemon):
            await daemon.run()
        alive.cancel()
        log.logger().info("stopped")
    return 0


@contextmanager
def _heeding(daemon: Daemon) -> Iterator[None]:
    """Take SIGTERM and SIGINT for the wish to stop, and a second one for impatience; SIGHUP for the wish to read anew."""
    from reconciler.notify import notify  # noqa: PLC0415 - keeps --help fast

    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop() -> None:
        notify("STOPPING=1")
        daemon.stop()
        if task is not None:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, task.cancel)

    loop.add_signal_handler(signal.SIGHUP, daemon.reload)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    yield
