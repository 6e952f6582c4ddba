"""What the commands share: the options' types, a printing press, and a session with the cloud."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable

    from rich.console import Console
    from rich.text import Text

    from reconciler.core.report import Report
    from reconciler.core.shown import Line, Paper
    from reconciler.desired import Desired
    from reconciler.reconcile import Look, Reconciler

T = TypeVar("T")

DesiredFolder = Annotated[Path, typer.Option("--desired", "-d", help="Folder of the documents.", envvar="BIVISOR_DESIRED")]

AsIfRelease = Annotated[
    str | None,
    typer.Option(
        "--release", metavar="NAME", help="As if the cloud had this OpenStack release: look at an upgrade before you make it."
    ),
]


ConfirmDeletes = Annotated[
    bool,
    typer.Option("--confirm-deletes", help="Take away what is declared no more, even if it is more than maxDeletes allows."),
]


OutsideWindows = Annotated[
    bool,
    typer.Option("--outside-windows", help="Wait for no maintenance window: interrupt what runs now, within maxUnavailable."),
]


class Allowed(TypedDict, total=False):
    """What a person has agreed to beforehand."""

    confirm_deletes: bool
    outside_windows: bool


class Form(StrEnum):
    """How a page is written."""

    TEXT = "text"
    JSON = "json"


OutputForm = Annotated[Form, typer.Option("--output", "-o", help="text for people, json for programs.")]

LOGGING: dict[str, Any] = {}
"""The options of the log, kept until secrets are known and it can be set up with them."""

PIPED_WIDTH = 120
"""Columns of a page that no terminal shows."""

COLOURS = {
    "create": "green",
    "update": "yellow",
    "delete": "red",
    "restart": "bold magenta",
    "wait": "cyan",
    "held": "bold yellow",
    "unknown": "bold red",
    "title": "bold",
    "dim": "dim",
    "before": "red",
    "after": "green",
    "reason": "italic",
    "good": "green",
    "bad": "bold red",
}


@dataclass(slots=True)
class Press:
    """Prints pages: in colour and as wide as the terminal through its `console`, or plainly where there is none."""

    paper: Paper
    console: Console | None = None

    @property
    def on_terminal(self) -> bool:
        """Tell whether somebody watches."""
        return self.console is not None and self.console.is_terminal

    def print(self, lines: Iterable[Line]) -> None:
        """Print lines of spans."""
        if self.console is None:
            for line in lines:
                print("".join(span.text for span in line))
            sys.stdout.flush()  # the reader at the other end of the pipe may watch, or may be gone
            return
        for line in lines:
            self.console.print(text_of((line,)), soft_wrap=True, highlight=False)


def text_of(lines: Iterable[Line]) -> Text:
    """Return lines of spans in colour."""
    from rich.text import Text  # noqa: PLC0415 - only when something is printed in colour

    return Text("\n").join(Text.assemble(*((span.text, COLOURS.get(span.tone.value, "")) for span in line)) for line in lines)


def press() -> Press:
    """Return the printing press for standard output."""
    from reconciler.core.shown import Paper  # noqa: PLC0415 - not needed for help

    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    if not (sys.stdout.isatty() or os.environ.get("FORCE_COLOR")):
        return Press(Paper(width=PIPED_WIDTH, unicode=unicode))
    from rich.console import Console  # noqa: PLC0415 - slow to import, not needed in a pipe

    console = Console(highlight=False, emoji=False, markup=False)
    return Press(Paper(width=console.width, unicode=unicode), console)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end. SIGTERM ends it as Ctrl-C does: everything that is open is closed."""
    import uvloop  # noqa: PLC0415 - slow to import, not needed for help

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_until_terminated(coroutine))
    except asyncio.CancelledError:
        raise typer.Exit(128 + signal.SIGTERM) from None


async def _until_terminated(coroutine: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    if task is None:
        raise AssertionError("a coroutine runs in a task")
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await coroutine


def confirmed(question: str) -> bool:
    """Ask a person. Signals do at once what they do to any program: while it waits here, the event loop hears none.

    Raises typer.Abort on Ctrl-C and at the end of input.
    """
    heard = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        while (answer := _answer(f"{question} [y/N]: ").lower()) not in _ANSWERS:
            print("Please answer y or n.")
        return _ANSWERS[answer]
    except (KeyboardInterrupt, EOFError):
        print()  # the cursor stands behind the question
        raise typer.Abort from None
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)


_ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}


def _answer(prompt: str) -> str:
    """Return the line that somebody types. Raises KeyboardInterrupt and EOFError.

    A signal that comes between the prompt and the reading would interrupt nothing, and `input` would wait for a key: so what
    is waited for is the line or a signal, whichever comes first.
    """
    from select import select  # noqa: PLC0415 - only where somebody is asked

    came, wakes = os.pipe()
    os.set_blocking(wakes, False)
    others = signal.set_wakeup_fd(wakes)
    try:
        print(prompt, end="", flush=True)
        select([sys.stdin, came], [], [])
        line = sys.stdin.readline()
    finally:
        signal.set_wakeup_fd(others)
        os.close(came)
        os.close(wakes)
    if not line:
        raise EOFError
    return line.strip()


@dataclass(slots=True)
class Session:
    """A desired state, and the reconciler over its open targets."""

    desired: Desired
    reconciler: Reconciler

    async def look(self) -> Look:
        """Look at everything; whoever watches is told whom that waits for."""
        if not sys.stderr.isatty():
            return await self.reconciler.look()
        from reconciler.cli.progress import looking  # noqa: PLC0415 - slow to import, not needed in a pipe

        with looking(self.reconciler):
            return await self.reconciler.look()

    def report(self, look: Look) -> Report:
        """Return what is told of a look: its plan, what it is for, and who is down when."""
        from reconciler.core.report import report_of  # noqa: PLC0415 - not needed for help

        desired = self.reconciler.desired
        return report_of(look.plan, desired.catalog, desired.supposed)


@asynccontextmanager
async def session(
    folder: Path, release: str | None = None, *, confirm_deletes: bool = False, outside_windows: bool = False
) -> AsyncIterator[Session]:
    """Read the folder, set the log up with its secrets, open targets; close them at the end. Raises BivisorError.

    `release` replaces that of the Cluster, for whoever only looks. `confirm_deletes` lets more go than maxDeletes allows,
    `outside_windows` interrupts what runs although no maintenance window is open.
    """
    from reconciler import log  # noqa: PLC0415 - heavy imports stay out of the help
    from reconciler.desired import read_desired  # noqa: PLC0415 - as above
    from reconciler.permits import Permits  # noqa: PLC0415 - as above
    from reconciler.reconcile import Reconciler  # noqa: PLC0415 - as above
    from reconciler.targets.open import Targets  # noqa: PLC0415 - as above

    desired = await read_desired(folder, release)
    log.set_up(**LOGGING, redact=desired.redact)
    warn((*desired.loaded.warnings, *desired.catalog.warnings))
    gc.freeze()  # the program and what is declared stay until the end: no need to search them for garbage
    gc.enable()
    async with Targets(desired.catalog.endpoints) as targets:
        permits = Permits.of(folder, outside_windows=outside_windows)
        yield Session(desired, Reconciler(desired, targets, confirm_deletes=confirm_deletes, permits=permits))


def warn(warnings: Iterable[object]) -> None:
    """Print the warnings about documents to standard error."""
    for warning in warnings:
        print(warning, file=sys.stderr)
