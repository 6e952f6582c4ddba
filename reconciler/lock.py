"""That a folder of documents, and a cloud, has one daemon on a machine. The lock is the kernel's: it ends with its process.

It is a name in the kernel's abstract namespace of sockets (unix(7)), which is one for all users of a machine: there is no
file that a hardened service could not write or another user not open, that is left behind, or that `mv` takes along. A
container with a network of its own is another machine in that.
"""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.called import called
from reconciler.core.errors import TakenError
from reconciler.core.shown import masked_urls
from resources.endpoints import OpenStackEndpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from resources.endpoints import Endpoint


@contextmanager
def only_one(what: Path | str) -> Iterator[None]:
    """Be the only daemon of that while it is entered: of a folder, or of whatever has that name. Raises TakenError.

    A folder is known by the path that was given, by which its history and pauses are kept, and by the one to which that leads
    now: neither another name for it nor a link that leads to another release later lets a second one in. Two daemons by two
    links would fight over one cloud, with a history each, and pauses of which each knows half.

    One that cannot be read is refused: it is a wrong path or a file system that is not there yet, and whoever started this has
    to know.
    """
    if isinstance(what, Path):
        try:
            os.listdir(what)  # noqa: PTH208 - its errors are what counts
        except OSError as error:
            raise TakenError(
                f"{what}: cannot be read: {error.strerror}: name the folder of the documents with --desired"
            ) from None
    with ExitStack() as held:
        for name in _names(what):
            held.enter_context(_hold(name, what))
        yield


class Clouds:
    """The clouds that this process acts on: no other daemon on this machine does, whatever its documents lie in.

    A cloud is known by its Cluster's name, which its hosts know it by, and by its Keystone and region.
    """

    def __init__(self) -> None:
        """Hold none yet."""
        self._held: dict[str, socket.socket] = {}

    def hold(self, endpoints: Iterable[Endpoint]) -> None:
        """Hold the clouds among these, too. Raises TakenError: one of them is another daemon's."""
        for name, cloud in _clouds(endpoints).items():
            if name not in self._held:
                self._held[name] = _hold(name, cloud)

    def let_go(self, *, but: Iterable[Endpoint] = ()) -> None:
        """Hold no others any more than those among these."""
        for name in self._held.keys() - _clouds(but).keys():
            self._held.pop(name).close()


def _clouds(endpoints: Iterable[Endpoint]) -> dict[str, str]:
    """Return the clouds among these: the name of each one's lock, and what people call it."""
    clouds = [each for each in endpoints if isinstance(each, OpenStackEndpoint)]
    addresses = [(each.target.name, each.auth_url.rstrip("/"), each.region) for each in clouds]
    return {f"cloud {name} {url} {region}": masked_urls(f"the cloud {name} at {url}") for name, url, region in addresses}


def is_taken(folder: Path) -> bool:
    """Tell whether a daemon keeps that folder on this machine now."""
    return any(map(_is_held, _names(folder)))


def _names(what: Path | str) -> list[str]:
    if isinstance(what, str):
        return [what]
    return sorted({str(called(what)), os.path.realpath(what)})


def _address(name: str) -> str:
    return f"\0bivisor/run/{hashlib.sha256(os.fsencode(name)).hexdigest()}"


def _hold(name: str, what: Path | str) -> socket.socket:
    """Return what holds a name until it is closed. Raises TakenError."""
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        holder.bind(_address(name))
    except OSError as error:
        holder.close()
        if error.errno == errno.EADDRINUSE:
            raise TakenError(f"{what}: another bivisor run keeps it already: stop that one first") from None
        raise TakenError(f"{what}: nobody can tell whether another bivisor run keeps it: {error.strerror}") from None
    return holder


def _is_held(name: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        return asking.connect_ex(_address(name)) == 0
