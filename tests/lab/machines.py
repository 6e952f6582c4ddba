"""The hosts as system containers: an overlay mount each, a systemd of its own as PID 1.

Life of a host: `assemble` mounts its root from read-only layers and an own upper layer and gives
it a name and keys, `power_on` starts it, `power_off_hard` kills its PID 1, `disassemble` unmounts.
The upper layer outlives all of it until `forget`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
from typing import TYPE_CHECKING

from tests.lab import keys, recipe
from tests.lab.cgroups import CGROUP_MOUNTS, enter_cgroup_script
from tests.lab.commands import CLEAN_ENVIRONMENT, run, wait_until
from tests.lab.errors import LabError
from tests.lab.layout import BRIDGE_ADDRESS, HOSTS, SHARED_BIND, STATE
from tests.lab.processes import Process, first_child_namespace_init, start_detached

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.lab.layout import Host

_BOOT_TIMEOUT_S = 90
_SILENT_CONSOLE = ("--show-status=no", "--log-target=journal")
"""nspawn 252 stops reading a passive console after a while; a PID 1 that writes to it then hangs in that write.

So PID 1 is told to write nothing there; the journal has it all.
"""
_SHARED = STATE / "share"

LOGIN = frozenset({"etc/sudoers.d/ops", "home/ops/.ssh/authorized_keys"})
IDENTITY = LOGIN | {
    *("etc/hostname", "etc/hosts", "etc/machine-id", "root/.ssh/authorized_keys"),
    *("etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub"),
}
"""All in which a bare host differs from the image; `LOGIN` only where its login account is not root."""


def assemble(host: Host, layers: Sequence[Path], outside_names: Sequence[str]) -> None:
    """Mount the host's root: `layers` from the lowest to the highest, its own above them.

    `outside_names` are the host names that mean the machine itself (vCenter, its ESXi hosts).
    """
    for folder in (host.upper, host.folder / "work", host.root):
        folder.mkdir(parents=True, exist_ok=True)
    lower = ":".join(str(layer) for layer in reversed(layers))
    options = f"lowerdir={lower},upperdir={host.upper},workdir={host.folder / 'work'}"
    options += ",redirect_dir=off,metacopy=off,index=off"
    run(["mount", "-t", "overlay", f"bvlab-{host.name}", str(host.root), "-o", options])
    if not (host.upper / "etc/hostname").exists():
        _give_identity(host, outside_names)


def _give_identity(host: Host, outside_names: Sequence[str]) -> None:
    """What distinguishes one machine from another before anybody configures it."""
    etc = host.root / "etc"
    (etc / "hostname").write_text(f"{host.name}\n")
    (etc / "hostname").chmod(0o644)
    machine_id = etc / "machine-id"
    machine_id.unlink(missing_ok=True)
    machine_id.write_text(hashlib.md5(host.name.encode(), usedforsecurity=False).hexdigest() + "\n")
    machine_id.chmod(0o444)
    names = [f"{other.address} {other.name}" for other in HOSTS]
    outside = f"{BRIDGE_ADDRESS} {' '.join(outside_names)}"
    (etc / "hosts").write_text("\n".join(["127.0.0.1 localhost", *names, outside, ""]))
    key = keys.host_key(host.name)
    keys.write_secret(etc / "ssh/ssh_host_ed25519_key", keys.private_text(key))
    (etc / "ssh/ssh_host_ed25519_key.pub").write_text(f"{keys.public_text(key)} {host.name}\n")
    _authorize(host.root / "root/.ssh", owner=0)
    if host.user == recipe.SUDO_USER:
        home = host.root / "home" / host.user
        _authorize(home / ".ssh", owner=home.stat().st_uid)
        rule = etc / "sudoers.d" / host.user
        rule.write_text(f"{host.user} ALL=(ALL) NOPASSWD: ALL\n")
        rule.chmod(0o440)


def _authorize(folder: Path, *, owner: int) -> None:
    file = folder / "authorized_keys"
    file.write_text(keys.client_public_text() + "\n")
    file.chmod(0o600)
    os.chown(file, owner, owner)


def power_on(host: Host) -> None:
    """Start the host's systemd; returns when its PID 1 exists (not: when it has booted)."""
    _SHARED.mkdir(mode=0o777, exist_ok=True)
    _SHARED.chmod(0o777)
    argv = [
        "systemd-nspawn", "--quiet", "--boot", "--register=no", "--console=passive",
        "--capability=all", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
        f"--directory={host.root}", f"--machine={host.name}",
        f"--network-namespace-path=/run/netns/{host.namespace}",
        *(f"--bind={device}" for device in host.devices),
        *([f"--bind={_SHARED}:{SHARED_BIND}"] if host.shares else []),
        *(["--keep-unit"] if CGROUP_MOUNTS else []),
        "--", *_SILENT_CONSOLE,
    ]  # fmt: skip
    keeper = start_detached(["sh", "-c", enter_cgroup_script(host), *argv], host.console_log)
    keeper.save(_keeper_file(host))

    def first_process() -> int | None:
        if not keeper.alive():
            said = host.console_log.read_text(errors="replace").strip().splitlines()[-5:]
            raise LabError(f"{host.name} did not start: {' / '.join(said)}")
        return first_child_namespace_init(keeper.pid)

    wait_until(first_process, what=f"first process of {host.name}", timeout_s=20, every_s=0.02)
    Process.of(first_process() or 0).save(_leader_file(host))


def wait_for_ssh(host: Host) -> None:
    """Return when the host's SSH server greets."""

    def greets() -> bool:
        try:
            with socket.create_connection((host.address, 22), timeout=1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    wait_until(greets, what=f"ssh on {host.name}", timeout_s=_BOOT_TIMEOUT_S)


def leader(host: Host) -> Process | None:
    """The host's PID 1 as a process of this machine, or nothing when it is off."""
    process = Process.load(_leader_file(host))
    return process if process and process.alive() else None


def power_off_hard(host: Host) -> None:
    """SIGKILL to the host's PID 1: the kernel ends everything in it at once."""
    first = Process.load(_leader_file(host))
    if first:
        first.send(signal.SIGKILL)
    keeper = Process.load(_keeper_file(host))
    if keeper:
        wait_until(lambda: not keeper.alive(), what=f"end of {host.name}", timeout_s=30, every_s=0.02)
    _leader_file(host).unlink(missing_ok=True)
    _keeper_file(host).unlink(missing_ok=True)


def disassemble(host: Host) -> None:
    """Unmount the host's root; its upper layer stays."""
    run(["umount", str(host.root)])


def forget(host: Host) -> None:
    """Throw away all that happened in the host."""
    if host.folder.exists():
        shutil.rmtree(host.folder)


def inside(host: Host, argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` in the host from outside, with or without a network."""
    first = leader(host)
    if first is None:
        raise LabError(f"{host.name} is not running")
    return [
        "nsenter", f"--target={first.pid}", "--mount", "--uts", "--ipc", "--net", "--pid",
        "--root", "--wd", "--", "/usr/bin/env", "-i", *CLEAN_ENVIRONMENT, *argv,
    ]  # fmt: skip


def _leader_file(host: Host) -> Path:
    return STATE / "run" / f"{host.name}.leader"


def _keeper_file(host: Host) -> Path:
    return STATE / "run" / f"{host.name}.nspawn"
