"""`bivisor apply`: carry the plan out, pass after pass, until the cloud is converged, held or stuck."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import recording, saved, session
from reconciler.cli.saved import MaxAge, PlanIn
from reconciler.cli.session import Allowed, ConfirmDeletes, DesiredFolder, OutsideWindows, Press, Session

if TYPE_CHECKING:
    from datetime import timedelta

    from reconciler.reconcile import Look, Pass
    from reconciler.recorder import Recorder

NAME = "apply"


def run(
    desired: DesiredFolder = Path("desired"),
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing anything.")] = False,
    confirm_deletes: ConfirmDeletes = False,
    outside_windows: OutsideWindows = False,
    plan: PlanIn = None,
    max_age: MaxAge = None,
) -> None:
    """Make the cloud as declared: show the plan, ask, carry it out. Each step is checked by looking again.

    Goes on pass after pass while there is progress; each restart waits for its turn, and for a maintenance window where
    there are any. Interrupting it at any moment is safe: the next apply goes on from what is there.

    With --plan it does what that plan showed, and nothing else. It looks again at what the plan touches; if that or the
    documents are not as they were, it changes nothing and ends with 4.

    What it does is recorded on this machine, see bivisor history.
    """
    oldest = saved.age(saved.DAY if max_age is None else max_age)
    if plan is None and max_age is not None:
        raise typer.BadParameter("says how old a saved plan may be: give one with --plan", param_hint="--max-age")
    if plan is not None and confirm_deletes:
        raise typer.BadParameter(
            "is said when the plan is saved: plan --confirm-deletes --out FILE", param_hint="--confirm-deletes"
        )
    if plan is not None:
        raise typer.Exit(session.run(_apply_saved(desired, plan, oldest, outside_windows=outside_windows)))
    allowed: Allowed = {"confirm_deletes": confirm_deletes, "outside_windows": outside_windows}
    raise typer.Exit(session.run(_apply(desired, yes=yes, allowed=allowed)))


def once(folder: Path) -> int:
    """Carry everything out without asking, as `bivisor run --once` does; return the exit code."""
    return session.run(_apply(folder, yes=True, allowed={}))


async def _apply(folder: Path, *, yes: bool, allowed: Allowed) -> int:
    from reconciler.core.render import report_lines  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.status import exit_code  # noqa: PLC0415 - as above

    press = session.press()
    async with (
        session.session(folder, **allowed) as cloud,
        recording.recorder(folder, cloud, "apply") as recorder,
    ):
        look = await cloud.look()
        press.print(report_lines(cloud.report(look), press.paper))
        if not look.plan.pending:
            if exit_code(look.plan):
                recorder.not_begun(look.plan)  # nobody answers, or something stands against all of it
            return exit_code(look.plan)
        agreed = look if yes else await _agreed(cloud, press, look)
        if agreed is None:
            return 1
        last = await _passes(cloud, press, agreed, recorder)
    return exit_code(last.look.plan, last.results)


async def _apply_saved(folder: Path, path: Path, max_age: timedelta, *, outside_windows: bool) -> int:
    from reconciler.core.render import plan_lines  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.status import exit_code  # noqa: PLC0415 - as above
    from reconciler.plan_file import read_plan  # noqa: PLC0415 - as above

    file = read_plan(path)
    press = session.press()
    async with (
        session.session(folder, outside_windows=outside_windows) as cloud,
        recording.recorder(folder, cloud, "apply --plan") as recorder,
    ):
        within, look = await saved.look_again(path, file, cloud, max_age, press, folder=folder)
        if look is None:
            print("It has nothing to do.")
            return 0
        press.print(plan_lines(look.plan, press.paper))
        if not look.plan.pending:
            return exit_code(look.plan)
        last = await _passes(within, press, look, recorder, "All that was planned is done.")
    return exit_code(last.look.plan, last.results)


async def _agreed(cloud: Session, press: Press, look: Look) -> Look | None:
    """Ask until the plan that is agreed to is still the one that would be made now; return that look, or None."""
    from reconciler.core.render import report_lines  # noqa: PLC0415 - keeps --help fast

    if not (sys.stdin.isatty() and press.on_terminal):
        print("apply asks before it changes anything, and nobody can answer here: add --yes", file=sys.stderr)
        return None
    while session.confirmed("\nCarry this out?"):
        shown, look = look, await cloud.look()
        if look.plan.pending == shown.plan.pending:
            return look
        print("\nMeanwhile something has changed. This is the plan now:\n")
        press.print(report_lines(cloud.report(look), press.paper))
        if not look.plan.pending:
            return look
    print("Nothing was changed.")
    return None


async def _passes(
    cloud: Session, press: Press, look: Look, recorder: Recorder, good: str = "Everything is as declared."
) -> Pass:
    from reconciler.cli.progress import Watcher  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.render import report_lines, result_lines  # noqa: PLC0415 - as above

    last: Pass | None = None
    with Watcher(press) as watcher:
        async for done in cloud.reconciler.passes(look, watcher.report, recorder):
            if done.acted:
                watcher.say("Looking again.")
            last = done
    if last is None:
        raise AssertionError("there is always a first pass")
    if last.converged:
        print(good)
    else:
        print("\nThis is left:\n")
        press.print(report_lines(cloud.report(last.look), press.paper))
        press.print(result_lines(last.look.plan, last.results, press.paper))
    return last
