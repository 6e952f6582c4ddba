"""The program `bivisor`: its commands, and the one place where errors become messages and exit codes.

Each command's module imports what it needs when it runs, so that `bivisor --help` starts at once.
"""

from __future__ import annotations

import errno
import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import (
    adopt,
    apply,
    diff,
    events,
    explain,
    graph,
    history,
    pause,
    pauses,
    plan,
    resume,
    run,
    schema,
    status,
    validate,
    why,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DESCRIPTION = """Keep a mixed OpenStack cloud, KVM and VMware vCenter side by side, as a folder of YAML files declares it.

Exit codes: 0 converged or no changes; 1 error in input or configuration; 2 changes pending (plan --detailed-exitcode);
3 something is held, unknown or failed; 4 a saved plan does not fit any more; 5 another daemon leads, or nobody can tell
(run --leader); 130 interrupted; 143 terminated.
"""

INTERRUPTED, TERMINATED, UNHEARD = 130, 143, 141
"""The exit codes after Ctrl-C, after SIGTERM, and when nobody reads the output any more; as shells count signals."""

LAST_STREAM = 2
"""The number of standard error, the last of the three standard streams."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors that mean that the output, put into a file, found no room there."""

app = typer.Typer(
    name="bivisor",
    help=DESCRIPTION,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    validate,
    plan,
    diff,
    apply,
    run,
    pause,
    resume,
    pauses,
    status,
    why,
    history,
    events,
    adopt,
    graph,
    schema,
    explain,
):
    app.command(name=command.NAME)(command.run)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # noqa: PLC0415 - only for this option

        print(f"bivisor {version('bivisor')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    log_level: Annotated[
        str | None,
        typer.Option(
            metavar="debug|info|warning|error",
            help="Least level of log lines on standard error; warning, and info for run.",
            envvar="BIVISOR_LOG_LEVEL",
        ),
    ] = None,
    log_json: Annotated[bool, typer.Option("--log-json", help="Write log lines as JSON.", envvar="BIVISOR_LOG_JSON")] = False,
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that all commands share."""
    if log_level is not None and log_level.lower() not in {"debug", "info", "warning", "error"}:
        raise typer.BadParameter("one of debug, info, warning, error", param_hint="--log-level")
    from reconciler.cli import session  # noqa: PLC0415 - light, but not needed for help

    session.LOGGING.update(as_json=log_json, **({} if log_level is None else {"level": log_level}))


def main() -> None:
    """Run the program. A user's mistake is a message and exit code 1, never a stack trace.

    That holds for the command line as well: code 2, which such libraries take for it, says here that changes are pending.
    """
    _open_streams()
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as end:
        if not isinstance(end.__context__ or end, BrokenPipeError):  # click ends in its own way when nobody reads
            raise
        # the reader of our output went away (`bivisor plan | head`); that is its right
        _forget_output()
        sys.exit(UNHEARD)
    except Exception as error:  # noqa: BLE001 - the last border: what nobody foresaw passes the redactor as well
        sys.exit(_tell(error))
    if code in (INTERRUPTED, TERMINATED):
        _say(code, "bivisor: interrupted; what was begun on a host is finished there. Run it again to go on.")
    sys.exit(code)


def _open_streams() -> None:
    """Give the three standard streams a place where they have none, and let no character be too much for them.

    A file or socket that gets the number of a closed one would be written to; and the event loop refuses such numbers.
    """
    number = os.open(os.devnull, os.O_RDWR)
    while number <= LAST_STREAM:
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - it is open to the end
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as above
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    """Let nothing be written any more, not even at the very end, where another error would follow from it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _tell(error: Exception) -> int:
    """Tell what is wrong: a sentence for a person's mistake, a stack trace without secrets for one of ours.

    Returns the exit code.
    """
    from reconciler.core.errors import BivisorError  # noqa: PLC0415 - only when something went wrong

    show = getattr(error, "show", None)  # how typer tells what is wrong with a command line
    match error:
        case BivisorError():
            _say(error.exit_code, str(error))
            return error.exit_code
        case typer.Abort():
            _say(1, "Nothing was changed.")
        case typer.TyperException() if show is not None:
            error.message = error.message.removeprefix("Value error, ")  # pydantic's words, which tell a person nothing
            if "unexpected extra argument" in error.message and _takes_a_folder(error):
                error.message += ". The folder of the documents is named by --desired"
            _say(1, error.format_message(), show)
        case OSError() if error.errno in FULL and error.filename is None:
            _say(1, f"bivisor: the output cannot be written: {error.strerror}")
            _forget_output()
        case _:
            import traceback  # noqa: PLC0415 - as above

            from reconciler import log  # noqa: PLC0415 - as above

            trace, what = log.masked("".join(traceback.format_exception(error))), "this is a mistake of the program, not yours"
            text = f"{trace}bivisor: {what}; please report it."
            _say(1, f"{what}: report it with the exception", lambda: print(text, file=sys.stderr), exception=trace)
    return 1


def _takes_a_folder(error: Exception) -> bool:
    """Tell whether the command that was called has the option --desired."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    return any(each.name == "desired" for each in getattr(command, "params", ()))


def _say(code: int, message: str, show: Callable[[], None] | None = None, **more: str) -> None:
    """Say why it ends: for a person, or as the last line of a log of JSON, where a program looks for it."""
    from reconciler.cli import session  # noqa: PLC0415 - as above

    if session.LOGGING.get("as_json"):
        from reconciler import log  # noqa: PLC0415 - as above

        log.write_json()
        log.logger().error("ended", exit=code, **more, message=message)  # last, where Pacemaker's agent finds it
    elif show is not None:
        show()
    else:
        print(message, file=sys.stderr)


if __name__ == "__main__":
    main()
