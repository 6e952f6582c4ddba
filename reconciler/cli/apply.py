"""`bivisor apply`: carry the plan out, pass after pass, until the cloud is converged, held or stuck."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import session
from reconciler.cli.session import ConfirmDeletes, DesiredFolder, Press, Session

if TYPE_CHECKING:
    from reconciler.reconcile import Look, Pass

NAME = "apply"


def run(
    desired: DesiredFolder = Path("desired"),
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing anything.")] = False,
    confirm_deletes: ConfirmDeletes = False,
) -> None:
    """Make the cloud as declared: show the plan, ask, carry it out. Each step is checked by looking again.

    Goes on pass after pass while there is progress; each restart waits for its turn. Interrupting it at any moment is
    safe: the next apply goes on from what is there.
    """
    raise typer.Exit(session.run(_apply(desired, yes=yes, confirm_deletes=confirm_deletes)))


async def _apply(folder: Path, *, yes: bool, confirm_deletes: bool) -> int:
    from reconciler.core.render import plan_lines  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.status import exit_code  # noqa: PLC0415 - as above

    press = session.press()
    async with session.session(folder, confirm_deletes=confirm_deletes) as cloud:
        look = await cloud.look()
        press.print(plan_lines(look.plan, press.paper))
        if not look.plan.pending:
            return exit_code(look.plan)
        agreed = look if yes else await _agreed(cloud, press, look)
        if agreed is None:
            return 1
        last = await _passes(cloud, press, agreed)
    return exit_code(last.look.plan, last.results)


async def _agreed(cloud: Session, press: Press, look: Look) -> Look | None:
    """Ask until the plan that is agreed to is still the one that would be made now; return that look, or None."""
    from reconciler.core.render import plan_lines  # noqa: PLC0415 - keeps --help fast

    if not (sys.stdin.isatty() and press.on_terminal):
        print("apply asks before it changes anything, and nobody can answer here: add --yes", file=sys.stderr)
        return None
    while session.confirmed("\nCarry this out?"):
        shown, look = look, await cloud.look()
        if look.plan.pending == shown.plan.pending:
            return look
        print("\nMeanwhile something has changed. This is the plan now:\n")
        press.print(plan_lines(look.plan, press.paper))
        if not look.plan.pending:
            return look
    print("Nothing was changed.")
    return None


async def _passes(cloud: Session, press: Press, look: Look) -> Pass:
    from reconciler.cli.progress import Watcher  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.render import plan_lines, result_lines  # noqa: PLC0415 - as above

    last: Pass | None = None
    with Watcher(press) as watcher:
        async for done in cloud.reconciler.passes(look, watcher.report):
            if done.acted:
                watcher.say("Looking again.")
            last = done
    if last is None:
        raise AssertionError("there is always a first pass")
    if last.converged:
        print("Everything is as declared.")
    else:
        print("\nThis is left:\n")
        press.print(plan_lines(last.look.plan, press.paper))
        press.print(result_lines(last.look.plan, last.results, press.paper))
    return last
