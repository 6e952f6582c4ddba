"""Can this machine run the lab? If not, say why and what to do, before anything is touched."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.lab.errors import UnfitMachineError
from tests.lab.image import image_folder
from tests.lab.layout import CACHE

_PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
    "apt-get": "apt",
}
"""What the lab runs, and the Debian package that has it."""

_MEMORY_GIB = 6
_DISK_GIB = 8


def check_machine() -> None:
    """Raise `UnfitMachineError` with every reason at once; return if there is none."""
    reasons = [*_system_reasons(), *_program_reasons(), *_size_reasons()]
    if reasons:
        raise UnfitMachineError("the lab cannot run here:\n" + "\n".join(f"  - {why}" for why in reasons))


def _system_reasons() -> list[str]:
    if not sys.platform.startswith("linux"):
        return [f"it needs Linux, this is {sys.platform}"]
    reasons = []
    if os.geteuid() != 0:
        reasons.append("it needs root: namespaces, mounts and a bridge (try it with sudo)")
    if "overlay" not in Path("/proc/filesystems").read_text().split():
        reasons.append("the kernel has no overlay file system (try: modprobe overlay)")
    if not Path("/dev/net/tun").exists():
        reasons.append("there is no /dev/net/tun (try: modprobe tun)")
    return reasons


def _program_reasons() -> list[str]:
    missing = {program: package for program, package in _PROGRAMS.items() if not shutil.which(program)}
    if not missing:
        return []
    packages = " ".join(sorted(set(missing.values())))
    return [f"missing: {', '.join(missing)} (run tests/lab/install.sh, or: apt-get install {packages})"]


def _size_reasons() -> list[str]:
    reasons = []
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    if memory < _MEMORY_GIB:
        reasons.append(f"it needs {_MEMORY_GIB} GiB of memory, this machine has {memory:.1f}")
    if not image_folder().is_dir():
        place = next(folder for folder in [CACHE, *CACHE.parents] if folder.exists())
        free = shutil.disk_usage(place).free / 2**30
        if free < _DISK_GIB:
            reasons.append(f"it needs {_DISK_GIB} GiB free below {place}, there are {free:.1f}")
    return reasons
