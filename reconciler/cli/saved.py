"""What `plan --out` and `apply --plan` share: saved plans."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import session

if TYPE_CHECKING:
    from reconciler.cli.session import Press, Session
    from reconciler.core.saved import PlanFile
    from reconciler.core.shown import Line
    from reconciler.reconcile import Look

DAY = "24h"
HERE = Path("desired")

PlanOut = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Save the plan, for apply --plan. The file holds no secret.")
]
PlanIn = Annotated[
    Path | None,
    typer.Option(
        "--plan", metavar="FILE", help="Carry out this saved plan and nothing else. It is the consent: nobody is asked."
    ),
]
MaxAge = Annotated[
    str | None,
    typer.Option("--max-age", metavar="AGE", help=f"How old a saved plan may be: 30m, 7d; else {DAY}. Only with --plan."),
]

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def age(text: str, option: str = "--max-age") -> timedelta:
    """Read `30m`, the value of that option. Raises typer.BadParameter."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if found is None:
        raise typer.BadParameter(
            f"{text!r} is no length of time: write a number and s, m, h or d (5s, 30m, 7d)", param_hint=option
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def check(path: Path) -> None:
    """Say before the look, not after it, that no plan can be saved there. Raises PlanFileError."""
    from reconciler.plan_file import place_of  # noqa: PLC0415 - keeps --help fast

    place_of(path)


async def save(path: Path, folder: Path, cloud: Session, look: Look) -> None:
    """Write the plan of that look to the file, and say so where it is in nobody's way."""
    from reconciler.plan_file import command, write_plan  # noqa: PLC0415 - keeps --help fast

    await write_plan(path, folder, cloud.reconciler.desired, look)
    print(f"Saved. To carry out exactly this: {command('apply', '--plan', path, folder)}", file=sys.stderr)


async def look_again(
    path: Path, file: PlanFile, cloud: Session, max_age: timedelta, press: Press, *, folder: Path = HERE
) -> tuple[Session, Look | None]:
    """Return a session within the saved plan's scope, and a look that shows that it still fits; None for an empty plan.

    Raises PlanFileError and StalePlanError.
    """
    from reconciler.core.errors import StalePlanError  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.stale import changed_units, moved  # noqa: PLC0415 - as above
    from reconciler.plan_file import command, fitting, reach  # noqa: PLC0415 - as above

    again = f"Plan again: {command('plan', '--out', path, folder)}"
    saved, desired = fitting(path, file, cloud.desired, max_age, again)
    if changed_units(saved, desired.catalog):  # a look at everything may tell more than the documents do
        await cloud.look()
        desired = cloud.reconciler.desired
    scope = reach(path, saved, desired, again)
    press.print(_head(path, file))
    if not scope.allowed:
        return cloud, None
    within = session.Session(desired, cloud.reconciler.keeping_to(desired, scope))
    look = await within.look()
    if lines := moved(saved, scope, desired.catalog, desired.graph, look.observed):
        raise StalePlanError(f"{path}: the cloud has moved since it was made; nothing was changed", again, lines)
    return within, look


def _head(path: Path, file: PlanFile) -> tuple[Line, ...]:
    from reconciler.core.shown import Span, Tone, printable  # noqa: PLC0415 - keeps --help fast

    words = f"{path}, made {file.made}"
    if file.commit is not None:
        dirty = " with uncommitted changes" if file.commit.changed else ""
        words += f", of commit {file.commit.id[:12]}{dirty}"
    acts = {address for address, unit in file.units.items() if unit.acts}
    left = len([step for step in file.plan["steps"] if step["address"] not in acts])
    more = f" Held for good or unknown, and no part of this: {left} of its steps." if left else ""
    return ((Span(printable(f"Saved plan {words}.{more}"), Tone.TITLE),), ())
