"""Actions on Pacemaker: `cib.push`, `crm.restart`, `crm.cleanup`."""

import fcntl
import os

from reconciler.targets.host.commands import Alarm, Expired, anonymous_file, checked, last_lines, run
from reconciler.targets.host.epochs import epoch_admit
from reconciler.targets.host.services import expect_invocation, show_units
from reconciler.targets.host.wire import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Args = dict[str, Any]

PUSH_S = 60


def cib_push(args: "Args", _folder: str) -> "dict[str, Any]":
    """Do `cib.push`: make the difference between `base` and `edited` to the live configuration, if that is still `base`."""
    live = checked(["cibadmin", "--query"])
    if version_of(live) != version_of(args["base"]):
        raise Refusal("conflict", "the cluster's configuration has changed since it was read")
    patch = difference(args["base"], args["edited"])
    if patch:
        checked(["cibadmin", "--patch", "--xml-pipe"], stdin=patch.encode(), timeout_s=PUSH_S)
    return {}


def crm_restart(args: "Args", folder: str) -> "dict[str, Any]":
    """Do `crm.restart`: stop the resource and start it again, and wait until it runs.

    `unit` and `if_invocation`, if they are given, are the systemd unit behind it and the process that was observed on
    this host: it is that one which is restarted, no later one. Who finds another restart under way, be it that of a
    helper that was left behind, waits for its end and then finds another process. `epoch`, if it is given, is judged then.
    """
    resource, limit = args["resource"], int(args["timeout_s"])
    os.makedirs(folder, 0o700, exist_ok=True)
    lock = os.open(f"{folder}/restart-{resource}", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with Alarm(limit):
            fcntl.flock(lock, fcntl.LOCK_EX)
        if args.get("epoch"):
            epoch_admit({"epoch": args["epoch"], "op": "crm.restart"}, folder)
        if args.get("if_invocation"):
            expect_invocation(args["unit"], show_units([args["unit"]])[args["unit"]], args["if_invocation"])
        checked(["crm_resource", "--restart", "--resource", resource, f"--timeout={limit}s"], timeout_s=limit + 20)
    except Expired:
        raise Refusal("conflict", f"{resource} has been restarted by somebody else for {limit} s") from None
    finally:
        os.close(lock)
    return {}


def crm_cleanup(args: "Args", _folder: str) -> "dict[str, Any]":
    """Do `crm.cleanup`: forget the resource's failures, so that Pacemaker tries it again."""
    checked(["crm_resource", "--cleanup", "--resource", args["resource"]], timeout_s=PUSH_S)
    return {}


def version_of(cib: str) -> "tuple[str, str]":
    """Return admin_epoch and epoch from the first tag; the third number also counts what is no configuration."""
    start = cib.find("<cib ")
    tag = cib[start : cib.find(">", start)]
    return _attribute(tag, "admin_epoch"), _attribute(tag, "epoch")


def _attribute(tag: str, name: str) -> str:
    found = tag.partition(f' {name}="')[2].partition('"')[0]
    if not found:
        raise Refusal("failed", f"the cluster's configuration has no {name}")
    return found


def difference(base: str, edited: str) -> str:
    """Return Pacemaker's own patch from one configuration to another, '' if there is none."""
    old, new = anonymous_file(base.encode()), anonymous_file(edited.encode())
    me = os.getpid()
    try:
        argv = ["crm_diff", "--no-version", "-o", f"/proc/{me}/fd/{old}", "-n", f"/proc/{me}/fd/{new}"]
        code, out, err = run(argv)[0]
    finally:
        os.close(old)
        os.close(new)
    if code not in (0, 1):
        raise Refusal("failed", f"crm_diff: {last_lines(err or out) or f'exit code {code}'}")
    return out if code else ""
