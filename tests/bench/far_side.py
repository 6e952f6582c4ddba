"""The hosts: one OpenSSH server of our own on many loopback addresses. The machine's own sshd and keys are left alone.

Everything lies in one folder, which is also the home of the account on the far side: no profile of the machine's own
user (a version manager's interpreter, say) takes part.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.orphans import adopt, wait_for_orphans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SSHD = "/usr/sbin/sshd"
PYTHON = "/usr/bin/python3"
PRIVILEGE_SEPARATION = Path("/run/sshd")
"""sshd wants this empty folder; at boot systemd makes it for the machine's own."""

DEADLINE_S = 15.0

MOST_LISTENING = 16
"""So many addresses one sshd listens on (MAX_LISTEN_SOCKS of OpenSSH's sshd.c); more take a second one."""

_CONFIG = """\
Port {port}
{listen}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
# the machine's own login procedure (messages of the day, sessions of systemd, records of logins) is not what is measured
UsePAM no
KbdInteractiveAuthentication no
PrintMotd no
Subsystem sftp internal-sftp
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
MaxStartups 200
SetEnv HOME={folder}/home
"""


@dataclass(frozen=True, slots=True)
class FarSide:
    """The running hosts: name to address.

    `host_key` is their one public key, `python` the version of their interpreter, `pids` are the servers.
    """

    folder: Path
    port: int
    hosts: dict[str, str]
    host_key: str
    python: str
    pids: tuple[int, ...]
    _orphans: list[float] = field(default_factory=list)

    @property
    def key_file(self) -> Path:
        """The private key that is let in."""
        return self.folder / "id"

    @property
    def known_hosts(self) -> Path:
        """The hosts' keys in the form that ssh reads."""
        return self.folder / "known_hosts"

    def cpu_s(self) -> float:
        """Return the CPU seconds of all sessions that have ended, waiting for those that are about to."""
        deadline = time.monotonic() + DEADLINE_S
        while any(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii") for pid in self.pids):
            if time.monotonic() > deadline:
                raise TimeoutError("sessions of sshd have not ended")
            time.sleep(0.01)
        self._orphans.append(wait_for_orphans(self.pids, DEADLINE_S))
        fields = [Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split() for pid in self.pids]
        return sum(self._orphans) + sum(int(ticks) for each in fields for ticks in each[11:15]) / os.sysconf("SC_CLK_TCK")

    def ssh(self, address: str, command: str) -> str:
        """Return what a command prints on a host."""
        options = ("-i", str(self.key_file), "-p", str(self.port), "-o", f"UserKnownHostsFile={self.known_hosts}")
        argv = ["ssh", "-F", "none", *options, "-o", "BatchMode=yes", f"root@{address}", command]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=DEADLINE_S).stdout


@contextmanager
def far_side(folder: Path, count: int) -> Iterator[FarSide]:
    """Run `count` hosts in `folder`; they have ended when the block is left. Refuses a Python that is not Debian's."""
    install_missing()
    adopt()
    hosts = {f"host{number}": f"127.77.0.{number}" for number in range(1, count + 1)}
    port = _free_port(hosts["host1"])
    host_key = _write_keys(folder, hosts.values(), port)
    (folder / "home").mkdir()
    made = not PRIVILEGE_SEPARATION.exists()
    PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    servers: list[subprocess.Popen[bytes]] = []
    try:
        addresses = list(hosts.values())
        for first in range(0, count, MOST_LISTENING):
            servers.append(_start(folder, len(servers), addresses[first : first + MOST_LISTENING], port))
        far = FarSide(folder, port, hosts, host_key, "", tuple(server.pid for server in servers))
        found, version = far.ssh(hosts["host1"], "command -v python3; python3 --version").splitlines()
        if found != PYTHON:
            raise RuntimeError(f"python3 on the far side is {found}, which would not be measured fairly; {PYTHON} is needed")
        yield replace(far, python=version)
    finally:
        for server in servers:
            server.terminate()
            server.wait(DEADLINE_S)
        if made:
            PRIVILEGE_SEPARATION.rmdir()


def _start(folder: Path, number: int, addresses: Sequence[str], port: int) -> subprocess.Popen[bytes]:
    """Start one server; return when it listens on all addresses."""
    config, log = folder / f"sshd_config.{number}", folder / f"sshd.log.{number}"
    listen = "\n".join(f"ListenAddress {address}" for address in addresses)
    config.write_text(_CONFIG.format(port=port, listen=listen, folder=folder), encoding="utf-8")
    argv = [SSHD, "-D", "-f", str(config), "-E", str(log)]
    server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + DEADLINE_S
    while not all(_answers(address, port) for address in addresses):
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            raise RuntimeError(f"sshd does not start: {log.read_text(encoding='utf-8')}")
    return server


def install_missing() -> None:
    """Install what the far side and Ansible's apt module need, where it is missing."""
    wanted = {
        "openssh-server": SSHD,
        "openssh-client": "/usr/bin/ssh",
        "python3-apt": "/usr/lib/python3/dist-packages/apt_pkg.pyi",
    }
    missing = [name for name, path in wanted.items() if not (Path(path).exists() or _installed(name))]
    if not missing:
        return
    print(f"bench: apt-get install {' '.join(missing)} (the hosts are sessions of sshd)")
    if shutil.which("apt-get") is None:
        raise RuntimeError(f"the bench needs Debian's packages {', '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment)
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], check=True, env=environment)


def _installed(package: str) -> bool:
    return subprocess.run(["dpkg-query", "-W", package], check=False, capture_output=True).returncode == 0


def _free_port(address: str) -> int:
    with socket.create_server((address, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _write_keys(folder: Path, addresses: Iterable[str], port: int) -> str:
    """Make the hosts' and the client's key; return the hosts' public one."""
    for name in ("host_key", "id"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "id.pub", folder / "authorized_keys")
    public = " ".join((folder / "host_key.pub").read_text(encoding="ascii").split()[:2])
    known = "".join(f"[{address}]:{port} {public}\n" for address in addresses)
    (folder / "known_hosts").write_text(known, encoding="ascii")
    return public


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=0.2).close()
    except OSError:
        return False
    return True
