"""A control group for each host, on machines whose PID 1 is no systemd that would make one.

Two systemds must not share a control group: each believes that all below it is its own. Where
the machine runs systemd, nspawn asks that for a scope and nothing is done here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.lab.layout import Host

_PARENT = "bvlab"


def _systemd_hierarchies() -> tuple[Path, ...]:
    """Mount points of the hierarchies that a systemd sorts its processes in."""
    if Path("/run/systemd/system").is_dir():
        return ()
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(place))
    return tuple(found)


CGROUP_MOUNTS = _systemd_hierarchies()


def enter_cgroup_script(host: Host) -> str:
    """Shell text that moves the shell into the host's group and becomes its arguments."""
    lines = ["set -e"]
    for mount in CGROUP_MOUNTS:
        group = mount / _PARENT / host.name
        lines += [f"mkdir -p {group}", f"echo $$ > {group}/cgroup.procs"]
    return "\n".join([*lines, 'exec "$0" "$@"'])


def remove_cgroups() -> None:
    """Remove the groups of all hosts; expects that nothing runs in them."""
    for group in existing_cgroups():
        below = [folder for folder in group.rglob("*") if folder.is_dir()]
        for folder in [*sorted(below, reverse=True), group]:
            folder.rmdir()


def existing_cgroups() -> list[Path]:
    """The lab's groups that exist now, one for each hierarchy."""
    return [group for mount in CGROUP_MOUNTS if (group := mount / _PARENT).is_dir()]
