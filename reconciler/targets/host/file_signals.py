"""Hear of changed files: inotify, by way of ctypes, since the standard library has no word for it."""

import ctypes
import errno
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Heard = dict["str | None", set[str]]

MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF, MOVE_SELF = 0x40, 0x80, 0x100, 0x200, 0x400, 0x800
UNMOUNT, OVERFLOW, IGNORED, ONLYDIR, MASK_ADD = 0x2000, 0x4000, 0x8000, 0x1000000, 0x20000000
NAMES = MOVED_FROM | MOVED_TO | CREATE | DELETE
GONE = DELETE_SELF | MOVE_SELF | UNMOUNT | IGNORED
LEADS = NAMES | DELETE_SELF | MOVE_SELF | ONLYDIR | MASK_ADD
ITSELF = NAMES | DELETE_SELF | MOVE_SELF | MODIFY | ATTRIB | CLOSE_WRITE | MASK_ADD
"""Of a directory on the way: whether a name in it is another now. Of the path itself: everything but reading it."""

EVENT = struct.Struct("iIII")
READ_SIZE = 65536
MOST_READS = 64
"""Bytes that are read at a time, and reads in a row: more than the kernel keeps by default (16384 events)."""

LINKS = 40
"""Links that the kernel follows in one path."""

LIBC = ctypes.CDLL(None, use_errno=True)

LIMITS = {
    errno.ENOSPC: "its limit fs.inotify.max_user_watches is used up: raise it there with sysctl",
    errno.EMFILE: "its limit fs.inotify.max_user_instances is used up: raise it there with sysctl",
}


class Files:
    """Hears of paths, wherever they are or will be: the path itself, and each directory that leads to it.

    Whenever a name on the way becomes another one (a file renamed into its place, a directory made again, a link that
    points elsewhere), all ways are walked anew. `deaf` says why not everything is heard, '' when it is.
    """

    def __init__(self, paths: "Iterable[str]") -> None:
        """Begin to hear; whatever stands in the way of it is in `deaf`."""
        self.paths = frozenset(paths)
        self.deaf = ""
        self.fd = -1
        self.heard: dict[int, Heard] = {}  # by number of a watch: by name in it, or None for the place itself
        self.mend()

    def mend(self) -> None:
        """Try to hear everything."""
        try:
            if self.fd < 0:
                self.fd = _start()
            self._walk()
        except OSError as error:
            why = LIMITS.get(error.errno or 0) or error.strerror
            self.deaf = f"changes of files are not heard on this host: {why}"
        else:
            self.deaf = ""

    def read(self) -> "set[str] | None":
        """Return which paths may have changed since the last time; None when that is unknown: any of them."""
        changed: set[str] = set()
        moved = overflow = False
        for wd, mask, name in self._events():
            overflow = overflow or bool(mask & OVERFLOW)
            names = self.heard.get(wd, {})
            if mask & GONE:
                hit: set[str] = set().union(*names.values())
                moved = moved or bool(hit)
            else:
                hit = names.get(name, set())
                moved = moved or bool(hit and mask & NAMES)
                hit = hit | names.get(None, set())
            changed |= hit
        if moved or overflow:
            self.mend()
        return None if overflow else changed

    def close(self) -> None:
        """Hear nothing any more."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _events(self) -> "Iterator[tuple[int, int, str]]":
        for _ in range(MOST_READS if self.fd >= 0 else 0):
            try:
                data = os.read(self.fd, READ_SIZE)
            except BlockingIOError:
                return
            at = 0
            while at < len(data):
                wd, mask, _cookie, size = EVENT.unpack_from(data, at)
                at += EVENT.size + size
                yield wd, mask, os.fsdecode(data[at - size : at].rstrip(b"\0"))

    def _walk(self) -> None:
        """Watch what leads to the paths now, and nothing else. Raises OSError."""
        before, self.heard = self.heard, {}
        known: dict[str, int] = {}
        try:
            for path in self.paths:
                for folder, name in steps(path):
                    if folder not in known:
                        known[folder] = _watch(self.fd, folder, LEADS)
                    if known[folder] < 0:
                        break
                    self._hear(known[folder], name, path)
                itself = _watch(self.fd, path, ITSELF)
                if itself >= 0:
                    self._hear(itself, None, path)
        finally:
            for wd in before.keys() - self.heard.keys():
                _forget(self.fd, wd)

    def _hear(self, wd: int, name: "str | None", path: str) -> None:
        self.heard.setdefault(wd, {}).setdefault(name, set()).add(path)


def steps(path: str) -> "Iterator[tuple[str, str]]":
    """Yield each directory, and the name in it, that the kernel comes by on its way to the path, through links as well.

    What a link says is read after the caller has taken the step, so that a link that changes later is heard of.
    """
    folder, rest, links = "/", path.split("/")[::-1], 0
    while rest:
        name = rest.pop()
        if name in ("", "."):
            continue
        if name == "..":
            folder = os.path.dirname(folder)
            continue
        yield folder, name
        place = os.path.join(folder, name)
        try:
            target = os.readlink(place)
        except OSError:  # no link, or nothing at all
            folder = place
            continue
        links += 1
        if links > LINKS:
            return
        rest.extend(target.split("/")[::-1])
        if target.startswith("/"):
            folder = "/"


def _start() -> int:
    """Return a new descriptor of the kernel's inotify. Raises OSError."""
    return _checked(LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))


def _watch(fd: int, place: str, mask: int) -> int:
    """Return the number of the watch, -1 where there is no such place now. Raises OSError when there can be no more."""
    try:
        return _checked(LIBC.inotify_add_watch(fd, os.fsencode(place), mask))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.ENOMEM):
            raise
        return -1


def _forget(fd: int, wd: int) -> None:
    LIBC.inotify_rm_watch(fd, wd)  # it may have gone by itself, with what it watched


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
