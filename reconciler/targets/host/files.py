"""Queries about files: `file.read`, `file.stat` and `file.list`."""

import grp
import os
import pwd
import stat

from reconciler.targets.host.wire import Refusal, sha256_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from reconciler.targets.host.serve import Batch

LARGEST = 16 * 1024 * 1024
"""Bytes; a configuration file beyond that is something else."""

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link"}


class NotAFile(Exception):  # noqa: N818 - an answer
    """There is something else at the path."""


def file_read(args: "dict[str, Any]", batch: "Batch") -> "dict[str, Any]":
    """Answer `file.read`: links are followed; what is not UTF-8 comes as base64."""
    path = args["path"]
    record = batch.inventory().files.get(path)
    reply = {"exists": False, "recorded": record["digest"] if record else None}
    try:
        content = content_of(path)
    except NotAFile:
        return dict(reply, exists=True, **attributes(os.stat(path)))
    if content is None:
        return dict(reply, exists=True, kind="link") if os.path.islink(path) else reply
    digest = sha256_hex(content)
    reply.update(attributes(os.stat(path)), exists=True, digest=digest, edited=bool(record and record["content"] != digest))
    try:
        reply["text"] = content.decode("utf-8")
    except UnicodeDecodeError:
        import binascii

        reply["base64"] = binascii.b2a_base64(content, newline=False).decode()
    return reply


def file_stat(args: "dict[str, Any]", _batch: "Batch") -> "dict[str, Any]":
    """Answer `file.stat`: of a link, about the link itself."""
    try:
        reply = dict(attributes(os.lstat(args["path"])), exists=True)
    except (FileNotFoundError, NotADirectoryError):
        return {"exists": False}
    if reply["kind"] == "link":
        reply["link"] = os.readlink(args["path"])
    return reply


def file_list(args: "dict[str, Any]", _batch: "Batch") -> "dict[str, Any]":
    """Answer `file.list`: the names in a directory, but for those that nobody could print."""
    try:
        names = os.listdir(args["path"])
    except (FileNotFoundError, NotADirectoryError):
        return {"exists": False, "names": []}
    return {"exists": True, "names": sorted(name for name in names if name.isprintable())}


def content_of(path: str) -> "bytes | None":
    """Return what a file holds, None where nothing is. Raises NotAFile, OSError, and Refusal for a giant."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise NotAFile(path)
        if status.st_size > LARGEST:
            raise Refusal("unsupported", f"{path} is larger than {LARGEST} bytes")
        parts: list[bytes] = []
        while True:
            part = os.read(fd, 1 << 20)
            if not part:
                return b"".join(parts)
            parts.append(part)
    finally:
        os.close(fd)


def attributes(status: os.stat_result) -> "dict[str, Any]":
    """Return kind, mode, owner and group in the words of the declaration."""
    return {
        "kind": KINDS.get(stat.S_IFMT(status.st_mode), "other"),
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "owner": _name(status.st_uid, lambda number: pwd.getpwuid(number).pw_name),
        "group": _name(status.st_gid, lambda number: grp.getgrgid(number).gr_name),
    }


def _name(number: int, find: "Callable[[int], str]") -> str:
    try:
        return find(number)
    except KeyError:
        return str(number)
