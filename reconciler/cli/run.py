"""`bivisor run`: keep the cloud as declared for as long as it runs."""

from __future__ import annotations

import asyncio
import gc
import signal
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from reconciler.cli import apply, following, session
from reconciler.cli.session import DesiredFolder

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="The daemon's own settings, in YAML.", envvar="BIVISOR_SETTINGS"),
]

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from reconciler.daemon import Daemon, Opener
    from reconciler.git_source import Following
    from reconciler.operate import Operation

NAME = "run"


class _Wishes(NamedTuple):
    """What the one who starts it wants.

    Which node of the ring it leads as, if it is to lead; the file that is touched as a sign of life; the settings' file; and
    the signals that came before there was a daemon to heed them.
    """

    node: str | None
    beat: Path | None
    settings: Path | None
    heard: list[int]


def run(
    context: typer.Context,
    desired: DesiredFolder = Path("desired"),
    *,
    observe_only: Annotated[bool, typer.Option("--observe-only", help="Look, decide and tell, and change nothing.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Bring everything about once, without asking, and end.")] = False,
    git: following.Git = "",
    branch: following.Branch = "",
    path: following.InRepository = "",
    every: following.Every = "",
    verify_signatures: following.Verify = None,
    allow_rewind: following.Rewind = False,
    secrets: following.SecretsFolder = None,
    leader: Annotated[
        str | None,
        typer.Option(
            "--leader",
            metavar="NODE",
            help="Be the one daemon of several machines: take the lead over from any other before anything is written. NODE is "
            "what Pacemaker calls this machine. For Pacemaker's agent ocf:bivisor:bivisor, not for people.",
        ),
    ] = None,
    beat: Annotated[
        Path | None,
        typer.Option(
            "--beat", metavar="FILE", help="Touch this file each second while it leads, as a sign of life for that agent."
        ),
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Keep the cloud as declared, as long as it runs.

    A changed document, a hand edit, a dead service is noticed and seen to.

    It decides as plan does and acts as apply does; no host waits for another one, and never is more down at once than
    allowed. What it does stands in the log on standard error, and in bivisor history. A folder that cannot be read as
    declared changes nothing: the last good one stays in force. SIGTERM finishes the step in hand and ends; SIGHUP reads
    everything anew, the settings too.

    With --git it keeps what a branch declares: it fetches it, and takes what is pushed if it descends from what is in force
    and can be read as declared. SIGHUP fetches at once.
    """
    wishes = _Wishes(leader, beat, settings, [])
    if not once:
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, lambda number, _: wishes.heard.append(number))
    _refuse_what_makes_no_sense(context, wishes, once=once, observe_only=observe_only)
    given = {
        "--branch": branch, "--path": path, "--every": every, "--verify-signatures": verify_signatures,
        "--allow-rewind": allow_rewind, "--secrets": secrets,
    }  # fmt: skip
    followed = following.following(git, given, desired=_said(context, "desired"))
    if once:
        raise typer.Exit(apply.once(desired) if followed is None else _once_of(followed))
    acts = not observe_only
    keeping = _keep(desired, wishes, acts=acts) if followed is None else _follow(followed, wishes, acts=acts)
    raise typer.Exit(session.run(_begun(keeping, wishes)))


def _said(context: typer.Context, name: str) -> bool:
    """Tell whether that option stands on the command line: the environment is set for other calls as well."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _refuse_what_makes_no_sense(context: typer.Context, wishes: _Wishes, *, once: bool, observe_only: bool) -> None:
    if wishes.node and (once or observe_only):
        raise typer.BadParameter("goes with neither --once nor --observe-only: who leads keeps", param_hint="--leader")
    if once and observe_only:
        raise typer.BadParameter("does not go with --observe-only: to look once, bivisor plan", param_hint="--once")
    if once and _said(context, "settings"):
        raise typer.BadParameter(
            "does not go with --once: nothing listens then, and no webhook is told", param_hint="--settings"
        )
    if wishes.beat is not None and not wishes.node:
        raise typer.BadParameter("is the sign of life of one who leads: say as which node by --leader", param_hint="--beat")


async def _begun(keeping: Coroutine[Any, Any, int], wishes: _Wishes) -> int:
    """Keep, and heed signals until the daemon does: the command of a secret may take long, and a reload is nobody's end."""
    from reconciler import log  # noqa: PLC0415 - keeps --help fast
    from reconciler.operate import DEFAULT_LEVEL  # noqa: PLC0415 - as above

    log.set_up(**{"level": DEFAULT_LEVEL, **session.LOGGING})
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop() -> None:
        wishes.heard.append(signal.SIGTERM)
        if task is not None:
            task.cancel()

    loop.add_signal_handler(signal.SIGHUP, wishes.heard.append, signal.SIGHUP)
    loop.add_signal_handler(signal.SIGTERM, stop)
    if signal.SIGTERM in wishes.heard:
        stop()
    try:
        return await keeping
    except asyncio.CancelledError:
        if signal.SIGTERM not in wishes.heard:
            raise
    log.logger().info("stopped")
    return 0


async def _keep(folder: Path, wishes: _Wishes, *, acts: bool) -> int:
    from reconciler.desired_source import DesiredSource  # noqa: PLC0415 - keeps --help fast
    from reconciler.lock import only_one  # noqa: PLC0415 - as above
    from reconciler.pauses_file import heeded  # noqa: PLC0415 - as above

    with only_one(folder), heeded(folder):  # at once, so that nobody takes it for one that keeps to other pauses
        return await _run(folder, partial(DesiredSource, folder), wishes, acts=acts)


async def _follow(followed: Following, wishes: _Wishes, *, acts: bool) -> int:
    from reconciler.git_source import Follower, GitSource, keeping  # noqa: PLC0415 - keeps --help fast

    with keeping(followed):
        follower = Follower(followed)
        await follower.clone.open()
        return await _run(follower.folder, partial(GitSource, followed), wishes, acts=acts)


def _once_of(followed: Following) -> int:
    """Bring about what the branch declares now, once; return the exit code."""
    from reconciler.git_source import fetch_once, keeping  # noqa: PLC0415 - keeps --help fast

    with keeping(followed):
        return apply.once(session.run(fetch_once(followed)))


async def _run(folder: Path, source: Opener, wishes: _Wishes, *, acts: bool) -> int:
    from reconciler import log, notify  # noqa: PLC0415 - keeps --help fast
    from reconciler.cli.chronicle import Chronicle  # noqa: PLC0415 - as above
    from reconciler.daemon import Daemon, Terms  # noqa: PLC0415 - as above
    from reconciler.leader import Leader  # noqa: PLC0415 - as above
    from reconciler.operate import Given, Operation  # noqa: PLC0415 - as above
    from reconciler.pauses_file import heeded  # noqa: PLC0415 - as above
    from reconciler.permits import Permits  # noqa: PLC0415 - as above

    leader = Leader(wishes.node) if wishes.node else None
    given = Given(wishes.settings, session.LOGGING.get("level"), (lambda: leader.epoch) if leader is not None else int)
    first = await given.read()
    gc.freeze()  # the program stays until the end; what comes and goes in months is searched for what nobody needs
    gc.enable()
    log.take_in_libraries()
    with heeded(folder), Chronicle(folder, acts=acts, retention=first.retention) as chronicle:
        terms = Terms(acts, Permits.of(folder), leader)
        operation = Operation(folder, chronicle, chronicle.recorder, given, acts=acts)
        daemon = Daemon(source, operation, operation, terms)

        def ill() -> bool:
            return bool(operation.ill) or (leader is not None and not leader.leads)

        async with operation.around(first):
            beat = asyncio.create_task(notify.touch(wishes.beat, ill))
            with _heeding(daemon, operation, wishes.heard):
                lost = await daemon.run()
            beat.cancel()
        if lost is not None:
            raise lost
        log.logger().info("stopped")
    return 0


@contextmanager
def _heeding(daemon: Daemon, operation: Operation, heard: list[int]) -> Iterator[None]:
    """Take SIGTERM and SIGINT for the wish to stop, and a second one for impatience; SIGHUP for the wish to read anew.

    A SIGHUP that was `heard` before may have come after the settings were read.
    """
    from reconciler import log  # noqa: PLC0415 - keeps --help fast
    from reconciler.notify import notify  # noqa: PLC0415 - as above

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    limits: list[asyncio.TimerHandle] = []

    def end() -> None:
        log.logger().error("abandoned", steps=", ".join(operation.in_hand))
        if task is not None:
            task.cancel()

    def stop() -> None:
        notify("STOPPING=1")
        operation.stopping()
        daemon.stop()
        limits.append(loop.call_later(operation.settings.stop_within_s, end))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)

    def reload() -> None:
        daemon.reload()
        operation.reload()

    loop.add_signal_handler(signal.SIGHUP, reload)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if signal.SIGHUP in heard:
        reload()
    try:
        yield
    finally:
        for limit in limits:  # the steps in hand have ended: what is closed after them has limits of its own
            limit.cancel()
