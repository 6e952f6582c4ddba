"""A digest of all that a host's files say, so that a test can prove that nothing was changed.

Only the upper layer is read: the layers below it are read-only. What counts is the difference
between the two, so a file that was copied up and still says the same does not count, whatever its
times are. For each different path the manifest holds its kind, mode, owner and content.

Left out is what changes by itself while nobody configures anything; see `_LIVES_BY_ITSELF`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LIVES_BY_ITSELF = {
    "dev": "device nodes, made at boot",
    "proc": "the kernel's",
    "run": "gone with a reboot",
    "sys": "the kernel's",
    "tmp": "gone with a reboot",
    "var/tmp": "private folders of services",
    "var/log": "logs and the journal",
    "var/cache": "caches: apt, libvirt's capabilities, service caches",
    "var/lib/mysql": "the control plane's databases; ask its APIs instead",
    "var/lib/ceph": "the stores of Ceph's daemons",
    "srv/node": "objects of Swift",
    "var/lib/rabbitmq": "the message queue's state",
    "var/lib/memcached": "nothing in it is configuration",
    "var/lib/glance": "images and their staging; ask Glance",
    "var/lib/cinder": "a lock for each attachment, volumes, mounted shares",
    "var/lib/nova/mnt": "mounted shares",
    "etc/libvirt/qemu": "definitions of guests",
    "etc/nvme": "the host's identity for NVMe, made at the first attachment",
    "var/lib/pacemaker": "the CIB, its history, the status section; compare `cibadmin -Q` instead",
    "var/lib/corosync": "ring identifiers, written at each membership",
    "var/lib/libvirt": "guests, their sockets and logs",
    "var/lib/systemd": "random seed, timers' stamps, core dumps",
    "var/lib/private": "state of dynamic users",
    "var/lib/dbus": "a copy of the machine id",
    "srv/share": "volumes of the simulated export",
}
"""Folders below the root, each with the reason why it does not count."""

_FILES_THAT_LIVE = {
    "etc/.pwd.lock": "an empty lock of the account tools",
    "etc/resolv.conf": "the container's start touches it",
    "var/lib/apt/daily_lock": "an empty lock",
}

_LIVING_FOLDER_NAMES = {
    "__pycache__": "Python's compiled modules appear wherever root imports something",
    ".cache": "of services in their home folders: lists of plug-ins",
    "instances": "below each nova-compute's state path: instances, locks, the record of the image cache's runs",
    "locks": "empty files that services lock",
}
"""Names of folders that do not count wherever they are below `/usr`, `/root`, `/home` and `/var/lib`."""

_PLACES_OF_LIVING_FOLDERS = ("usr/", "root/", "home/", "var/lib/")


def manifest(upper: Path, lower: Sequence[Path]) -> dict[str, str]:
    """What differs from the layers below: path -> kind, mode, owner and digest of the content.

    `lower` are the read-only layers, the lowest first.
    """
    found = {}
    for path in _walk(upper, ""):
        now = _describe(upper / path)
        if now != _describe_lower(lower, path):
            found[path] = now
    return found


def digest(found: dict[str, str]) -> str:
    """One short text for a whole manifest."""
    text = "\n".join(f"{path}\t{what}" for path, what in sorted(found.items()))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _walk(upper: Path, below: str) -> Iterator[str]:
    for entry in sorted(os.scandir(upper / below), key=lambda one: one.name):
        path = f"{below}/{entry.name}".lstrip("/")
        if _lives(path, entry.name):
            continue
        yield path
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(upper, path)


def _lives(path: str, name: str) -> bool:
    """Does it change by itself?"""
    by_name = name in _LIVING_FOLDER_NAMES and path.startswith(_PLACES_OF_LIVING_FOLDERS)
    return by_name or path in _LIVES_BY_ITSELF or path in _FILES_THAT_LIVE


def _describe(place: Path) -> str:
    """Kind, mode, owner, content. A deleted file is a character device 0:0 in an upper layer."""
    try:
        seen = place.lstat()
    except FileNotFoundError:
        return "absent"
    if stat.S_ISCHR(seen.st_mode) and seen.st_rdev == 0:
        return "absent"
    about = f"{stat.filemode(seen.st_mode)} {seen.st_uid}:{seen.st_gid}"
    if stat.S_ISREG(seen.st_mode):
        return f"{about} {hashlib.sha256(place.read_bytes()).hexdigest()}"
    if stat.S_ISLNK(seen.st_mode):
        return f"{about} -> {place.readlink()}"
    if stat.S_ISDIR(seen.st_mode) and _is_opaque(place):
        return f"{about} replaces the folder below"
    return about


def _describe_lower(lower: Sequence[Path], path: str) -> str:
    """As `_describe`, for what the highest of the layers says about that path."""
    for layer in reversed(lower):
        hides = any(_hides(layer / parent) for parent in [*Path(path).parents][:-1])
        if os.path.lexists(layer / path):
            return _describe(layer / path).removesuffix(" replaces the folder below")
        if hides:
            break
    return "absent"


def _hides(folder: Path) -> bool:
    """Does this folder of a layer hide what the layers below it have at the same place?"""
    if not os.path.lexists(folder):
        return False
    return not folder.is_dir() or folder.is_symlink() or _is_opaque(folder)


def _is_opaque(folder: Path) -> bool:
    try:
        return os.getxattr(folder, "trusted.overlay.opaque", follow_symlinks=False) == b"y"
    except OSError:
        return False
