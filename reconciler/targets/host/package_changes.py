"""The action on Debian packages: `package.install`."""

import os

from reconciler.targets.host.commands import checked
from reconciler.targets.host.durable import replace
from reconciler.targets.host.packages import installed
from reconciler.targets.host.wire import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INSTALL_S, SIMULATE_S = 800, 60
POLICY = "/usr/sbin/policy-rc.d"
SAVED = "/usr/sbin/policy-rc.d.bivisor-saved"
OURS = "# Bivisor put this here"
KEEP_EDITED = ("--force-confdef", "--force-confold")
APT = (
    "apt-get", "-q", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120",
    "-o", f"Dpkg::Options::={KEEP_EDITED[0]}", "-o", f"Dpkg::Options::={KEEP_EDITED[1]}",
)  # fmt: skip
COMPLETE = "dpkg --configure -a"
"""How a person would go on after a host has lost its power in the middle of an installation, in apt's own words."""


def package_install(args: "dict[str, Any]", _folder: str) -> "dict[str, Any]":
    """Do `package.install`: configuration files that were edited stay, and no package starts its daemon.

    Nothing is removed for it but what it `replaces`. The lists are fetched anew only if it does not work with those that
    are there.
    """
    names = [name for name in args["names"] if name not in installed(args["names"])]
    if not names:
        return {}
    forbid_starts(os.getpid())
    try:
        _install(names, args.get("replaces", []))
    finally:
        allow_starts()
    return {}


def _install(names: "list[str]", replaces: "list[str]") -> None:
    try:
        _try(names, replaces)
    except Refusal as refused:
        if COMPLETE in refused.error:
            checked([*COMPLETE.split(), *KEEP_EDITED], timeout_s=INSTALL_S)
            _try(names, replaces)
            return
        try:
            checked([*APT, "update"], timeout_s=INSTALL_S // 4)
        except Refusal:
            raise refused from None  # without an archive, the first words say more
        _try(names, replaces)


def _try(names: "list[str]", replaces: "list[str]") -> None:
    if not replaces:
        checked([*APT, "--no-remove", "install", "--", *names], timeout_s=INSTALL_S)
        return
    simulated = checked([*APT, "--simulate", "install", "--", *names], timeout_s=SIMULATE_S)
    removed = {line.split()[1] for line in simulated.splitlines() if line.startswith("Remv ")}
    if removed.difference(replaces):
        raise Refusal("failed", f"apt would remove {', '.join(sorted(removed.difference(replaces)))} for {', '.join(names)}")
    checked([*APT, "install", "--", *names], timeout_s=INSTALL_S)


def forbid_starts(pid: int, policy: str = POLICY, saved: str = SAVED) -> None:
    """Tell the packages' scripts to start nothing, as long as process `pid` lives.

    Debian's way to say so is a script with a fixed place. One of the operator's own is kept beside it and asked again
    as soon as the process has ended: a killed helper leaves a script behind, but no effect.
    """
    allow_starts(policy, saved)
    if os.path.exists(policy):
        os.rename(policy, saved)
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        started = file.read().rpartition(")")[2].split()[19]
    script = f"""#!/bin/sh
{OURS} while it installs packages; when it has ended, this has no effect, and goes with the next installation.
if [ -r /proc/{pid}/stat ] && [ "$(sed 's/.*) //' /proc/{pid}/stat | cut -d ' ' -f 20)" = {started} ]; then exit 101; fi
if [ -x {saved} ]; then exec {saved} "$@"; fi
exit 0
"""
    replace(policy, script.encode(), 0o755, os.geteuid(), os.getegid())


def allow_starts(policy: str = POLICY, saved: str = SAVED) -> None:
    """Take our script away, if it is ours, and put the operator's back."""
    try:
        with open(policy, encoding="utf-8", errors="replace") as file:
            ours = OURS in file.read()
    except FileNotFoundError:
        ours = True
    if ours and os.path.exists(saved):
        os.rename(saved, policy)
    elif ours and os.path.exists(policy):
        os.unlink(policy)
