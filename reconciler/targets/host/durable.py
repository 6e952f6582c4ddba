"""Replace a file so that a reader, a crash or a kill at any moment sees the old one or the new one, whole."""

import os

from reconciler.targets.host.commands import write_all

TEMP = ".bivisor-"
"""Prefix of a file that is being written; one that is found was left by a helper that was killed."""


def replace(path: str, content: bytes, mode: int, uid: int, gid: int) -> None:
    """Write the file beside its place, make it durable, rename it into its place."""
    parent, name = os.path.split(path)
    sweep(parent)
    temp = f"{parent}/{TEMP}{name[:200]}"
    fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        write_all(fd, content)
        os.fchown(fd, uid, gid)
        _keep_labels(path, temp)
        os.fchmod(fd, mode)  # after the access list, which brings the mode that the old file had
        os.fsync(fd)
        os.rename(temp, path)
    except BaseException:
        os.unlink(temp)
        raise
    finally:
        os.close(fd)
    sync_folder(parent)


def sync_folder(path: str) -> None:
    """Make a rename or a removal in the folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sweep(folder: str) -> None:
    """Remove what killed helpers left in the folder. Only the holder of the lock writes, so none of it is in use."""
    for name in os.listdir(folder):
        if name.startswith(TEMP):
            os.unlink(f"{folder}/{name}")


def _keep_labels(path: str, temp: str) -> None:
    """Copy access lists and labels from the file that is replaced, as far as the file system has them."""
    try:
        for name in os.listxattr(path):
            if name in ("system.posix_acl_access", "security.selinux") or name.startswith("user."):
                os.setxattr(temp, name, os.getxattr(path, name))
    except OSError:
        pass  # no such file yet, or no such attributes here
