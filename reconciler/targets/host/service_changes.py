"""Actions on systemd services: start, stop, restart, enable, disable, mask, unmask, reload; and vouching."""

import os

from reconciler.targets.host.commands import checked, run
from reconciler.targets.host.inventory import Inventory, may_vouch
from reconciler.targets.host.services import content_digest, expect_invocation, process_start, show_units
from reconciler.targets.host.wire import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Args = dict[str, Any]

JOB_S = 300
"""Seconds that a systemd job may take; its own limits are shorter."""


def service_start(args: "Args", folder: str) -> "dict[str, Any]":
    """Do `service.start`: wait until it is done; remember what the process was started with if that was us."""
    unit = args["unit"]
    before = show_units([unit])[unit]
    if before.get("ActiveState") == "failed":
        run(["systemctl", "reset-failed", "--", unit])  # else systemd may say that it was started too often
    checked(["systemctl", "start", "--", unit], timeout_s=JOB_S)
    _vouch(folder, unit, args.get("loads", {}), before)
    return {}


def service_restart(args: "Args", folder: str) -> "dict[str, Any]":
    """Do `service.restart`, in the same way; only of the process with `if_invocation`, if that is given."""
    unit = args["unit"]
    before = show_units([unit])[unit]
    expect_invocation(unit, before, args.get("if_invocation"))
    if before.get("ActiveState") == "failed":
        run(["systemctl", "reset-failed", "--", unit])
    checked(["systemctl", "restart", "--", unit], timeout_s=JOB_S)
    _vouch(folder, unit, args.get("loads", {}), before)
    return {}


def service_stop(args: "Args", _folder: str) -> "dict[str, Any]":
    """Do `service.stop`: wait until it is done; what does not exist is stopped."""
    unit = args["unit"]
    if process_start(show_units([unit])[unit]) is not None:
        checked(["systemctl", "stop", "--", unit], timeout_s=JOB_S)
    return {}


def service_vouch(args: "Args", folder: str) -> "dict[str, Any]":
    """Do `service.vouch`: remember what the process was started with that somebody else (Pacemaker) started for us."""
    _vouch(folder, args["unit"], args["loads"], {"InvocationID": args.get("not_invocation", "")})
    return {}


def service_enable(args: "Args", _folder: str) -> "dict[str, Any]":
    """Do `service.enable`."""
    return _unit_files("enable", args["unit"])


def service_disable(args: "Args", _folder: str) -> "dict[str, Any]":
    """Do `service.disable`."""
    return _unit_files("disable", args["unit"])


def service_mask(args: "Args", _folder: str) -> "dict[str, Any]":
    """Do `service.mask`: also of a unit that does not exist yet, so that a package cannot bring it to life."""
    return _unit_files("mask", args["unit"])


def service_unmask(args: "Args", _folder: str) -> "dict[str, Any]":
    """Do `service.unmask`."""
    return _unit_files("unmask", args["unit"])


def systemd_reload(_args: "Args", _folder: str) -> "dict[str, Any]":
    """Do `systemd.reload`: have systemd read all unit files again."""
    checked(["systemctl", "daemon-reload"], timeout_s=JOB_S)
    return {}


def _unit_files(verb: str, unit: str) -> "dict[str, Any]":
    try:
        checked(["systemctl", verb, "--", unit], timeout_s=JOB_S)
    except Refusal:
        # a service that has nothing but a System V script
        if not os.path.exists(f"/etc/init.d/{unit.rpartition('.')[0]}"):
            raise
        checked(["env", "-u", "SYSTEMCTL_SKIP_SYSV", "systemctl", verb, "--", unit], timeout_s=JOB_S)
    return {}


def _vouch(folder: str, unit: str, loads: "dict[str, str]", before: "dict[str, str]") -> None:
    """Remember what a process was started with, unless it is the one that ran before."""
    if not loads:
        return
    now = show_units([unit])[unit]
    if now.get("InvocationID", "") != before.get("InvocationID", "") and process_start(now) is not None:
        inventory = Inventory(folder)
        sure = {
            path: digest for path, digest in loads.items() if may_vouch(inventory.files.get(path), digest, content_digest(path))
        }
        inventory.vouch(unit, now["InvocationID"], sure)
        inventory.save()
