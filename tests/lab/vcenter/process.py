"""The simulator as a process: its command line, and one that lives as long as a `with` block."""

from __future__ import annotations

import ctypes
import re
import selectors
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from tests.lab.errors import LabError, LateError
from tests.lab.vcenter.control import VCenterControl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.vcenter.certificates import Certificates

USER = "administrator@vsphere.local"
PASSWORD = "secret"  # noqa: S105 - the simulator's, of no use elsewhere

_READY = re.compile(r"ready listen=(\S+):(\d+) control=(\S+)")
_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """What a simulator is started with; addresses are host:port, port 0 lets the kernel pick.

    `wsdl` is the folder that `tests.lab.vcenter.wsdl` writes; without it only clients that bring their own
    schema (pyVmomi, govc) can talk to the simulator. The datastores' files go below `home` (the system's
    temporary folder if None) and are removed at the end, unless the program is killed. Two vCenters of one cloud
    need an `instance_uuid` each.
    """

    certificates: Certificates
    listen: str = "127.0.0.1:0"
    control: str = "127.0.0.1:0"
    wsdl: Path | None = None
    home: Path | None = None
    user: str = USER
    password: str = PASSWORD
    clusters: int = 2
    hosts: int = 3
    datastores: int = 2
    machines: int = 0
    instance_uuid: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """A simulator that answers."""

    host: str
    port: int
    control: VCenterControl
    control_address: str
    settings: Settings


def command(binary: Path, settings: Settings) -> list[str]:
    """The command line; the program runs in the foreground until SIGTERM.

    It prints one line, `ready listen=… control=…`, when both ports accept; its log is standard error.
    """
    argv = [str(binary), "-listen", settings.listen, "-control", settings.control]
    argv += ["-cert", str(settings.certificates.cert), "-key", str(settings.certificates.key)]
    argv += ["-user", settings.user, "-password", settings.password]
    argv += ["-clusters", str(settings.clusters), "-hosts", str(settings.hosts)]
    argv += ["-datastores", str(settings.datastores), "-machines", str(settings.machines)]
    if settings.wsdl is not None:
        argv += ["-wsdl", str(settings.wsdl)]
    if settings.home is not None:
        argv += ["-home", str(settings.home)]
    if settings.instance_uuid:
        argv += ["-instance-uuid", settings.instance_uuid]
    return argv


@contextmanager
def running(binary: Path, settings: Settings, log: Path) -> Iterator[Running]:
    """Run a simulator inside the block; its standard error goes to `log`.

    It does not outlive this process, however that ends. Raises `LabError` when it does not start.
    """
    with log.open("w") as errors:
        process = subprocess.Popen(
            command(binary, settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl, safe between fork and exec
        )
        try:
            if process.stdout is None:
                raise LabError("the simulator has no standard output")
            with process.stdout:
                line = _first_line(process.stdout, time.monotonic() + _START_TIMEOUT_S)
            found = _READY.match(line)
            if not found:
                raise LabError(f"the vCenter simulator did not start:\n{log.read_text()[-2000:]}")
            yield Running(found[1], int(found[2]), VCenterControl(found[3]), found[3], settings)
        finally:
            _stop(process)


def _first_line(stream: IO[str], deadline: float) -> str:
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        if not selector.select(timeout=max(0.0, deadline - time.monotonic())):
            raise LateError(f"the vCenter simulator was not ready within {_START_TIMEOUT_S:g} s")
    return stream.readline()


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
