"""Actions on files and directories. All of them can be repeated."""

import grp
import os
import pwd
import stat
import time

from reconciler.targets.host.durable import replace, sync_folder
from reconciler.targets.host.files import NotAFile, content_of
from reconciler.targets.host.inventory import Inventory, Moments, boot_id, keeps_loaded
from reconciler.targets.host.services import changed_at, process_start, show_units
from reconciler.targets.host.wire import Refusal, sha256_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Args = dict[str, Any]
    Owner = tuple[int | None, int | None]


def file_write(args: "Args", folder: str) -> "dict[str, Any]":
    """Do `file.write`: compare and swap, and remember what is in the file from now on, and who had loaded it before.

    The inventory is saved before the file is replaced (since when: not known) and after it. Content that is there
    already is left alone; that it has another digest of owned facts now is remembered, and so is who has loaded it.
    """
    path, new = args["path"], _content(args)
    current = _expect(path, args["if_digest"])
    inventory = Inventory(folder)
    record = inventory.files.get(path)
    digest = None if current is None else sha256_hex(current)
    if record and args.get("readers"):
        _vouch_for_readers(inventory, path, digest, args["readers"])
    if record and digest == record["content"] == sha256_hex(new):
        _adopt(inventory, path, args.get("owned"))
        return file_attributes(args, folder)
    fresh = {"digest": args.get("owned"), "content": sha256_hex(new), "boot": boot_id()}
    inventory.files[path] = dict(fresh, since=None)
    inventory.save()
    if new == current:
        file_attributes(args, folder)
    else:
        _put(path, new, args)
    inventory.files[path] = dict(fresh, since=time.monotonic())
    inventory.save()
    return {}


def file_attributes(args: "Args", _folder: str) -> "dict[str, Any]":
    """Do `file.attributes`: set those that are given, of what the path leads to."""
    path = args["path"]
    status, mode = os.stat(path), _mode(args)
    uid, gid = _owner(args)
    if uid not in (None, status.st_uid) or gid not in (None, status.st_gid):
        os.chown(path, -1 if uid is None else uid, -1 if gid is None else gid)
        status = os.stat(path)  # that may have taken bits from the mode
    if mode not in (None, stat.S_IMODE(status.st_mode)):
        os.chmod(path, mode or 0)
    return {}


def file_remove(args: "Args", folder: str) -> "dict[str, Any]":
    """Do `file.remove`: if it is still what was read; what is not there is removed already."""
    path = args["path"]
    if os.path.lexists(path):
        if args.get("if_digest") is not None:
            _expect(path, args["if_digest"])
        os.unlink(path)
        sync_folder(os.path.dirname(path))
    inventory = Inventory(folder)
    if inventory.files.pop(path, None):
        inventory.save()
    return {}


def directory_make(args: "Args", folder: str) -> "dict[str, Any]":
    """Do `directory.make`: parents that are missing belong to root and are open to read."""
    path = args["path"]
    if not os.path.isdir(path):
        mode = _mode(args)
        parent = os.path.dirname(path.rstrip("/"))
        if not os.path.isdir(parent):
            os.makedirs(parent, 0o755)
        os.mkdir(path, 0o700 if mode is None else mode & 0o700)  # nobody else before it has its owner
        if mode is None:
            os.chmod(path, 0o755)  # noqa: S103 - as its parents
    return file_attributes(args, folder)


def _content(args: "Args") -> bytes:
    if args.get("text") is not None:
        return str(args["text"]).encode()
    import binascii

    return binascii.a2b_base64(args["base64"])


def _expect(path: str, digest: "str | None") -> "bytes | None":
    """Return what is at the path if it is what was observed. Raises Refusal (conflict) if not."""
    try:
        current = content_of(path)
    except NotAFile:
        raise Refusal("failed", f"{path} is not a file") from None
    found = None if current is None else sha256_hex(current)
    if found != digest:
        what = "appeared" if digest is None else "vanished" if found is None else "changed"
        raise Refusal("conflict", f"{path} has {what} since it was read")
    return current


def _adopt(inventory: Inventory, path: str, owned: "str | None") -> None:
    """Remember another digest for content that stays: the same bytes, so whoever has loaded them still has."""
    record = inventory.files[path]
    for start in inventory.starts.values():
        if start["loads"].get(path) == record["digest"]:
            start["loads"][path] = owned
    record["digest"] = owned
    inventory.save()


def _vouch_for_readers(inventory: Inventory, path: str, content: "str | None", readers: "list[str]") -> None:
    """Remember of the running readers that they have loaded the recorded facts, before the file changes again."""
    record = inventory.files[path]
    for unit, shown in show_units(readers).items():
        started, invocation = process_start(shown), shown.get("InvocationID", "")
        if started is not None:
            moments = Moments(boot_id(), started, changed_at(path))
            if keeps_loaded(record, inventory.vouched(unit, invocation, path), content, moments):
                inventory.vouch(unit, invocation, {path: record["digest"]})


def _put(path: str, content: bytes, args: "Args") -> None:
    """Replace the file that the path leads to, or make it; what `args` leaves open stays as it was."""
    real = os.path.realpath(path)
    if not os.path.isdir(os.path.dirname(real)):
        raise Refusal("failed", f"the folder {os.path.dirname(real)} does not exist")
    old = (0o600, os.geteuid(), os.getegid())
    if os.path.exists(real):
        status = os.stat(real)
        old = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    wanted = (_mode(args), *_owner(args))
    mode, uid, gid = [before if after is None else after for before, after in zip(old, wanted)]
    replace(real, content, mode, uid, gid)


def _mode(args: "Args") -> "int | None":
    return int(args["mode"], 8) if args.get("mode") else None


def _owner(args: "Args") -> "Owner":
    return (
        _number("user", args.get("owner"), lambda name: pwd.getpwnam(name).pw_uid),
        _number("group", args.get("group"), lambda name: grp.getgrnam(name).gr_gid),
    )


def _number(what: str, name: "str | None", find: "Callable[[str], int]") -> "int | None":
    if not name:
        return None
    try:
        return int(name) if name.isdigit() else find(name)
    except KeyError:
        raise Refusal("failed", f'this host knows no {what} "{name}"') from None
