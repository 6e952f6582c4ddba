"""Where the lab's things are and what they are called: hosts, addresses, folders, names.

Everything the lab creates on the machine can be found again from the values here alone, so a
crashed run leaves nothing that the next one would not recognise as its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STATE = Path("/var/lib/bivisor-lab")
"""Of this run: overlays, mounts, process files, logs, the client's SSH key."""

CACHE = Path("/var/cache/bivisor-lab")
"""What is worth keeping between runs, each entry named after the digest of what made it."""

BRIDGE = "bvlab0"
BRIDGE_ADDRESS = "10.77.0.1"
PREFIX_LENGTH = 24

SHARED_BIND = "/srv/share"
"""One folder of the machine, seen by the hosts that `mount.nfs` pretends to serve."""


@dataclass(frozen=True, slots=True)
class Host:
    """One system container. `user` is the account that Bivisor logs in as."""

    name: str
    address: str
    user: str = "root"
    devices: tuple[str, ...] = ()
    shares: bool = False
    remote: bool = False
    """Has pacemaker-remote installed in place of pacemaker (Debian's packages conflict)."""

    @property
    def namespace(self) -> str:
        """Name of its network namespace."""
        return f"bvlab-{self.name}"

    @property
    def link(self) -> str:
        """Name of the machine's end of its network cable (at most 15 characters)."""
        return f"bv-{self.name}"

    @property
    def folder(self) -> Path:
        """Its overlay: `upper`, `work`, and the mounted `root`."""
        return STATE / "hosts" / self.name

    @property
    def root(self) -> Path:
        """Its mounted root file system, seen from the machine."""
        return self.folder / "root"

    @property
    def upper(self) -> Path:
        """Everything in which it differs from the image."""
        return self.folder / "upper"

    @property
    def console_log(self) -> Path:
        """What its PID 1 and nspawn said."""
        return STATE / "log" / f"{self.name}.log"


API = Host("api1", "10.77.0.50")
CONTROLLERS = (
    Host("ctl1", "10.77.0.11"),
    Host("ctl2", "10.77.0.12"),
    Host("ctl3", "10.77.0.13"),
)
KVM = Host("kvm1", "10.77.0.21", devices=("/dev/net/tun",), shares=True)
VOLUMES = (
    Host("vol1", "10.77.0.31", shares=True, remote=True),
    Host("vol2", "10.77.0.32", user="ops", shares=True, remote=True),
)

HOSTS: tuple[Host, ...] = (API, *CONTROLLERS, KVM, *VOLUMES)
BARE: tuple[Host, ...] = tuple(host for host in HOSTS if host is not API)
"""The hosts that Bivisor manages: nothing in them is configured."""


def host_named(name: str) -> Host:
    """The host of that name; raises `LookupError` with the known names."""
    for host in HOSTS:
        if host.name == name:
            return host
    known = ", ".join(host.name for host in HOSTS)
    message = f"no lab host named {name!r} (known: {known})"
    raise LookupError(message)
