"""Whether a process that left its mark in a file is still the one that runs under its number."""

from __future__ import annotations

from pathlib import Path

_START = 19
"""The place of a process's start time among the fields of /proc/PID/stat after its name (proc(5): field 22)."""


def mark_of(pid: int) -> str:
    """Return what no other process has, of this boot or another: `BOOT PID START`; '' where no such process runs."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")[2].split()
        return "" if fields[0] in "ZX" else f"{boot} {pid} {fields[_START]}"
    except (OSError, IndexError):
        return ""


def pid_of(mark: str) -> int:
    """Return the number of the process that had this mark; 0 for no mark."""
    pid = mark.split()[1:2]
    return int(pid[0]) if pid and pid[0].isdecimal() else 0


def runs(mark: str) -> bool:
    """Tell whether the process that had this mark runs."""
    pid = pid_of(mark)
    return pid > 0 and mark == mark_of(pid)
