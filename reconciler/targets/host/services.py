"""The query about systemd services: `service.show`, for all services of a batch at once."""

import os
import time

from reconciler.targets.host.commands import NO_SUCH_PROGRAM, last_lines, run
from reconciler.targets.host.files import NotAFile, content_of
from reconciler.targets.host.inventory import Moments, boot_id, has_loaded, keeps_loaded
from reconciler.targets.host.wire import Refusal, sha256_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from reconciler.targets.host.serve import Batch

    Shown = dict[str, str]

PROPERTIES = (
    "LoadState,ActiveState,SubState,UnitFileState,InvocationID,MainPID,NeedDaemonReload,Type,"
    "ExecMainStartTimestampMonotonic,InactiveExitTimestampMonotonic"
)
HAS_PROCESS = ("active", "reloading", "refreshing", "activating")
ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.\\@-")


def service_show(args: "dict[str, Any]", batch: "Batch") -> "dict[str, Any]":
    """Answer `service.show`: the states, and which of the files in `loads` the running process has not loaded.

    `stale_if_written` are those that it would not have loaded any more if their owned facts were written now. `started`
    is when the process was started, in whole seconds of Unix time, 0 without one.
    """
    units = [unit for unit in batch.all("service.show", "unit") if is_name(unit)]
    if args["unit"] not in units:
        raise Refusal("failed", f'"{args["unit"]}" is no name of a systemd unit')
    shown = batch.once("units", lambda: show_units(units))[args["unit"]]
    stale, stale_if_written = _stale(args["unit"], args.get("loads", {}), shown, batch)
    return {
        "load": shown.get("LoadState", ""),
        "active": shown.get("ActiveState", ""),
        "sub": shown.get("SubState", ""),
        "enabled": shown.get("UnitFileState", ""),
        "invocation": shown.get("InvocationID", ""),
        "started": unix_time(process_start(shown)),
        "main_pid": int(shown.get("MainPID") or 0),
        "reload_needed": shown.get("NeedDaemonReload") == "yes",
        "stale": stale,
        "stale_if_written": stale_if_written,
    }


def is_name(unit: str) -> bool:
    """Tell whether systemd would take that as the name of a unit."""
    return ALLOWED.issuperset(unit) and "." in unit[1:-1] and not unit.startswith("-")


def show_units(units: "list[str]") -> "dict[str, Shown]":
    """Return the properties of systemd units by name; one program for all of them."""
    names = sorted(set(units))
    code, out, err = run(["systemctl", "show", "--no-pager", "-p", PROPERTIES, "--", *names])[0]
    if code == NO_SUCH_PROGRAM:
        raise Refusal("unsupported", "there is no systemd on this host")
    if code:
        raise Refusal("failed", f"systemctl show: {last_lines(err)}")
    return read_units(out, names)


def read_units(output: str, names: "list[str]") -> "dict[str, Shown]":
    """Read the blocks that `systemctl show` prints, one for each name, in order."""
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in output.split("\n\n")]
    blocks = [block for block in blocks if block]
    if len(blocks) != len(names):
        raise Refusal("failed", f"systemctl show told of {len(blocks)} units instead of {len(names)}")
    return dict(zip(names, blocks))


def process_start(shown: "Shown") -> "float | None":
    """Return when the running process was started, in monotonic seconds; None when there is none.

    Of a daemon that forks, systemd learns the main process after it has read its configuration; what counts is when
    the unit left its rest.
    """
    if shown.get("ActiveState") not in HAS_PROCESS:
        return None
    main, left = shown.get("ExecMainStartTimestampMonotonic"), shown.get("InactiveExitTimestampMonotonic")
    first, second = (left, main) if shown.get("Type") == "forking" else (main, left)
    return (int(first or 0) or int(second or 0)) / 1e6


def unix_time(started: "float | None") -> int:
    """Return a moment of the monotonic clock in Unix time; the clocks' distance is told to the second, so that it rests."""
    return 0 if started is None else round(time.time() - time.monotonic()) + int(started)


def expect_invocation(unit: str, shown: "Shown", invocation: "str | None") -> None:
    """Raise Refusal (conflict) if another process runs than the one that was observed; None expects nothing."""
    if invocation is not None and (process_start(shown) is None or shown.get("InvocationID") != invocation):
        raise Refusal("conflict", f"{unit} has been stopped or restarted since it was looked at")


def changed_at(path: str) -> "float | None":
    """Return when the file changed last, by its inode, on the monotonic clock; None where there is none."""
    try:
        return os.stat(path).st_ctime - (time.time() - time.monotonic())
    except OSError:
        return None


def _stale(unit: str, loads: "dict[str, str]", shown: "Shown", batch: "Batch") -> "tuple[list[str], list[str]]":
    started = process_start(shown)
    if started is None or not loads:
        return [], []
    inventory, boot = batch.inventory(), batch.once("boot", boot_id)
    stale, stale_if_written = [], []
    for path, wanted in sorted(loads.items()):
        record, moments = inventory.files.get(path), Moments(boot, started, changed_at(path))
        vouched = inventory.vouched(unit, shown.get("InvocationID", ""), path)
        if not has_loaded(record, wanted, vouched, moments):
            stale.append(path)
        if not record or record["digest"] != wanted or not keeps_loaded(record, vouched, content_digest(path), moments):
            stale_if_written.append(path)
    return stale, stale_if_written


def content_digest(path: str) -> "str | None":
    """Return the SHA-256 of what a file holds; None where no file is."""
    try:
        content = content_of(path)
    except NotAFile:
        return None
    return None if content is None else sha256_hex(content)
