"""The query about Debian packages: `package.query`."""

import os

from reconciler.targets.host.commands import checked
from reconciler.targets.host.wire import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from reconciler.targets.host.serve import Batch

DPKG = "/var/lib/dpkg"


def package_query(args: "dict[str, Any]", batch: "Batch") -> "dict[str, Any]":
    """Answer `package.query`: version by name; None for what is not completely installed."""
    names = batch.all("package.query", "names")
    versions = batch.once("packages", lambda: installed(sorted({name for some in names for name in some})))
    return {"versions": {name: versions.get(name) for name in args["names"]}}


def installed(names: "list[str]", folder: str = DPKG) -> "dict[str, str]":
    """Return the versions of those packages that are installed.

    The status file is read directly, a millisecond instead of a program; while dpkg is at work, part of the truth is in
    its journal, and dpkg itself is asked.
    """
    try:
        if not os.listdir(f"{folder}/updates"):
            with open(f"{folder}/status", "rb") as file:
                return from_status(file.read(), names)
    except FileNotFoundError:
        raise Refusal("unsupported", "there is no dpkg on this host: packages are managed on Debian and its kin") from None
    listing = checked(["dpkg-query", "-W", "-f", "${Package}\t${db:Status-Abbrev}\t${Version}\n"])
    rows = (line.split("\t") for line in listing.splitlines())
    return {name: version for name, state, version in rows if name in names and state[1:2] == "i"}


def from_status(status: bytes, names: "list[str]") -> "dict[str, str]":
    """Find the stanzas of these packages in dpkg's status file, in one go; a package may have one per architecture."""
    wanted = {name.encode() for name in names}
    versions = {}
    start = 0 if status.startswith(b"Package: ") else -1
    while start >= 0:
        end = status.find(b"\n\nPackage: ", start)
        name = status[start + len(b"Package: ") : status.find(b"\n", start)]
        if name in wanted:
            lines = status[start : end if end >= 0 else len(status)].split(b"\n")
            fields = dict(line.split(b": ", 1) for line in lines if b": " in line and line[:1] != b" ")
            if fields.get(b"Status", b"").endswith(b" ok installed"):
                versions[name.decode()] = fields[b"Version"].decode()
        start = end + len(b"\n\n") if end >= 0 else -1
    return versions
