"""Bringing the whole lab up, down and back to its beginning.

`up` is a level, not an event: it looks whether the lab that the sources describe is running, and
if anything is missing it sweeps away what is left and starts afresh. So a killed run needs no
repair: the next `up` or `down` finds what it left by the lab's own names.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import cgroups, controlplane, image, machines, network, nova_layer, simulated_vcenter
from tests.lab.commands import run, wait_until
from tests.lab.controlplane_config import PORTS
from tests.lab.errors import LabError
from tests.lab.layout import API, CACHE, HOSTS, STATE
from tests.lab.processes import Process, all_pids, arguments, first_child_namespace_init, namespace_of, pids_in_namespace
from tests.lab.requirements import check_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.lab.layout import Host
    from tests.lab.progress import Progress

_MARKER = STATE / "run" / "up.json"
_LOCK = STATE / "lock"


def up(progress: Progress) -> None:
    """Make the lab run, building what is missing; returns when every service of it answers."""
    check_machine()
    with _alone():
        if is_up():
            progress.say("the lab is up already")
            return
        _sweep(progress)
        (STATE / "log").mkdir(parents=True, exist_ok=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(max_workers=1) as pool:
            program = pool.submit(simulated_vcenter.build_program, progress)
            image.build_image(progress)
            network.lay_network()
            controlplane.build_snapshot(progress)
            program.result()
        _start_all(progress)


def down(progress: Progress) -> None:
    """End everything of the lab; caches, keys and logs stay."""
    with _alone():
        _sweep(progress)


def reset(progress: Progress) -> None:
    """Bring a running lab back to its beginning: bare hosts, untouched control plane and vCenter."""
    with _alone():
        if not _MARKER.exists():
            raise LabError("the lab is not up: there is nothing to reset (python -m tests.lab up)")
        _MARKER.unlink()
        with progress.step("reset: everything off", usually_s=3):
            simulated_vcenter.stop()
            _at_once(_switch_off, HOSTS)
        _start_all(progress)


def is_running() -> bool:
    """Did `up` or `reset` end well, and are all hosts and vCenter still alive?"""
    return _MARKER.exists() and all(machines.leader(host) for host in HOSTS) and simulated_vcenter.running() is not None


def is_up() -> bool:
    """Is it running, and is it the lab that these sources describe?"""
    try:
        return is_running() and json.loads(_MARKER.read_text()) == _description()
    except (OSError, ValueError):
        return False


def layers(host: Host) -> list[Path]:
    """The read-only layers of a host's root, the lowest first."""
    if host is API:
        return [image.base_layer(), *nova_layer.layers_of(host), controlplane.snapshot_layer()]
    return [image.base_layer(), *nova_layer.layers_of(host), *([image.remote_layer()] if host.remote else [])]


def switch_on(host: Host) -> None:
    """Mount and start a host that is off, over whatever its upper layer holds."""
    machines.assemble(host, layers(host), simulated_vcenter.outside_names())
    machines.power_on(host)


def _description() -> dict[str, str]:
    return {
        "image": image.image_digest(),
        "controlplane": controlplane.snapshot_digest(),
        "vcenter": simulated_vcenter.program_digest(),
    }


def _start_all(progress: Progress) -> None:
    """Start vCenter and every host over empty upper layers; wait for what answers last."""
    with progress.step("vCenter", usually_s=2):
        simulated_vcenter.start(simulated_vcenter.build_program(progress), simulated_vcenter.build_wsdl(progress))
    with progress.step("hosts", usually_s=6):
        for host in HOSTS:
            switch_on(host)
        _at_once(machines.wait_for_ssh, HOSTS)
    with progress.step("control plane answers", usually_s=35):
        controlplane.wait_for_apis(PORTS)
        controlplane.wait_for_daemons()
    _MARKER.write_text(json.dumps(_description()))


def _switch_off(host: Host) -> None:
    machines.power_off_hard(host)
    if host.root.is_mount():
        machines.disassemble(host)
    machines.forget(host)


def _sweep(progress: Progress) -> None:
    """Remove every process, mount, group, link and namespace of the lab, whoever left it."""
    _MARKER.unlink(missing_ok=True)
    if not _anything_left():
        return
    with progress.step("clearing away", usually_s=5):
        simulated_vcenter.stop()
        _kill_hosts()
        for place in reversed(_mounts()):
            run(["umount", str(place)])
        cgroups.remove_cgroups()
        network.remove_network()
        for folder in ("run", "hosts", "share"):
            if (STATE / folder).exists():
                shutil.rmtree(STATE / folder)


def _anything_left() -> bool:
    return bool(
        (STATE / "run").exists()
        or (STATE / "hosts").exists()
        or network.existing_links()
        or network.existing_namespaces()
        or cgroups.existing_cgroups()
    )


def _kill_hosts() -> None:
    """End the hosts by what they are: nspawn on our folders, processes in our network namespaces.

    A host's last processes die a moment after its first; this waits for them.
    """
    keepers = _keepers()
    inside = [pid for name in network.existing_namespaces() for pid in pids_in_namespace("net", network.identity(name))]
    inside += [first for keeper in keepers if (first := first_child_namespace_init(keeper))]
    own = namespace_of(os.getpid(), "pid")
    spaces = {namespace_of(pid, "pid") for pid in inside} - {own, ""}
    for pid in [*inside, *keepers]:
        with suppress(ProcessLookupError):
            Process.of(pid).send(signal.SIGKILL)

    def gone() -> bool:
        return not _keepers() and not any(pids_in_namespace("pid", space) for space in spaces)

    wait_until(gone, what="end of the hosts' processes", timeout_s=30)


def _keepers() -> list[int]:
    """The nspawn processes that keep hosts of the lab."""
    folders = f"--directory={STATE}/hosts/"
    found = ((pid, arguments(pid)) for pid in all_pids())
    return [pid for pid, argv in found if argv[:1] == ("systemd-nspawn",) and any(one.startswith(folders) for one in argv)]


def _mounts() -> list[Path]:
    """Mount points below the lab's folders, in the order in which they were mounted."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [Path(line.split()[4]) for line in lines]
    return [place for place in places if place.is_relative_to(STATE) or place.is_relative_to(CACHE)]


def _at_once(action: Callable[[Host], None], hosts: Sequence[Host]) -> None:
    """Do the same to several hosts in parallel; raises the first error after all have ended."""
    with ThreadPoolExecutor(max_workers=len(hosts)) as pool:
        for done in [pool.submit(action, host) for host in hosts]:
            done.result()


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lab's lock; it is released by the kernel however this process ends."""
    STATE.mkdir(parents=True, exist_ok=True)
    with _LOCK.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            lock.seek(0)
            raise LabError(f"another run is at work on the lab (process {lock.read().strip()})") from taken
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
