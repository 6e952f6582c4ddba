"""The vCenter of the lab: the simulator on the bridge, with its controls on loopback."""

from __future__ import annotations

import hashlib
import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.errors import LabError
from tests.lab.image import base_layer, image_digest
from tests.lab.keys import VCENTER_PASSWORD, VCENTER_USER
from tests.lab.layout import BRIDGE_ADDRESS, CACHE, STATE
from tests.lab.processes import Process, all_pids, arguments, start_detached
from tests.lab.progress import Progress
from tests.lab.vcenter import build, process, wsdl
from tests.lab.vcenter.certificates import Certificates, ensure_certificates
from tests.lab.vcenter.control import VCenterControl

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTEN = f"{BRIDGE_ADDRESS}:9443"
CONTROL = "127.0.0.1:9480"
CLUSTERS = 2
HOSTS_PER_CLUSTER = 3

_FOLDER = STATE / "vcenter"
_DATASTORES = _FOLDER / "datastores"
_LOG = STATE / "log" / "vcenter.log"
_PROCESS_FILE = STATE / "run" / "vcenter.process"


def outside_names() -> list[str]:
    """Host names that mean the machine: vCenter itself and the ESXi hosts of its inventory."""
    clusters = [f"DC0_C{cluster}_H{number}" for cluster in range(CLUSTERS) for number in range(HOSTS_PER_CLUSTER)]
    return ["vcenter", "DC0_H0", *clusters]


def build_program(progress: Progress) -> Path:
    """The simulator's binary, compiled if its sources changed."""
    return build.build(CACHE, progress.say)


def program_digest() -> str:
    """What the binary is named after."""
    return build.source_digest()


def build_wsdl(progress: Progress) -> Path:
    """The folder of WSDL documents that the OpenStack drivers of the image ask vCenter for."""
    generator = Path(wsdl.__file__).read_bytes()
    made_of = b"".join([generator, (build.SOURCES / "go.sum").read_bytes(), image_digest().encode()])
    folder = CACHE / f"wsdl-{hashlib.sha256(made_of).hexdigest()[:12]}"
    if not (folder / wsdl.SERVICE).exists():
        govmomi = build.govmomi_sources(CACHE, progress.say)
        wsdl.write_wsdl(govmomi, base_layer() / "usr/lib/python3/dist-packages", folder)
    return folder


def ca_file() -> Path:
    """The certificate of the authority that signed the simulator's; made on first use."""
    return _certificates().ca


def _certificates() -> Certificates:
    return ensure_certificates(_FOLDER, [BRIDGE_ADDRESS, "127.0.0.1", "vcenter"])


def start(program: Path, wsdl_folder: Path) -> None:
    """Start the simulator with a fresh inventory; returns when its controls answer."""
    settings = process.Settings(
        certificates=_certificates(),
        listen=LISTEN,
        control=CONTROL,
        wsdl=wsdl_folder,
        user=VCENTER_USER,
        password=VCENTER_PASSWORD,
        clusters=CLUSTERS,
        hosts=HOSTS_PER_CLUSTER,
        home=_DATASTORES,
    )
    started = start_detached(process.command(program, settings), _LOG)
    started.save(_PROCESS_FILE)
    try:
        control().wait_until_up()
    except LabError as reason:
        said = _LOG.read_text(errors="replace").strip().splitlines()[-5:]
        raise LabError(f"the vCenter simulator did not start: {' / '.join(said)}") from reason


@contextmanager
def another(folder: Path) -> Iterator[process.Running]:
    """Run a second vCenter inside the block: same account and authority, a port and an identity of its own, one cluster."""
    settings = process.Settings(
        certificates=_certificates(),
        listen=f"{BRIDGE_ADDRESS}:0",
        wsdl=build_wsdl(Progress()),
        user=VCENTER_USER,
        password=VCENTER_PASSWORD,
        clusters=1,
        home=folder / "datastores",
        instance_uuid=str(uuid.uuid5(uuid.NAMESPACE_DNS, "second.vcenter")),
    )
    with process.running(build_program(Progress()), settings, folder / "vcenter.log") as found:
        yield found


def control() -> VCenterControl:
    """The client of its test controls."""
    return VCenterControl(CONTROL)


def running() -> Process | None:
    """Its process, if it runs."""
    found = Process.load(_PROCESS_FILE)
    return found if found and found.alive() else None


def stop() -> None:
    """End it, and any other of this lab's that a crashed run left without a record."""
    for pid in list(all_pids()):
        argv = arguments(pid)
        if argv and argv[0].startswith(f"{CACHE}/vcenter-simulator-") and LISTEN in argv:
            Process.of(pid).end(grace_s=2)
    _PROCESS_FILE.unlink(missing_ok=True)
    shutil.rmtree(_DATASTORES, ignore_errors=True)
