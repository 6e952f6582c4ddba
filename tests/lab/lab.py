"""The running lab as tests use it: ask its hosts, break them, mend them."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from tests.lab import ceph, cloud, fingerprint, keys, lifecycle, machines, network, simulated_vcenter, swift
from tests.lab.errors import CommandError, LabError
from tests.lab.layout import BARE, HOSTS, host_named
from tests.lab.processes import arguments, namespace_of, pids_in_namespace
from tests.lab.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from openstack.connection import Connection

    from tests.lab.layout import Host
    from tests.lab.vcenter.control import VCenterControl


class Lab:
    """Everything that a test does to the lab; hosts are given by name (`ctl1`, `kvm1`, …)."""

    def __init__(self, progress: Progress | None = None) -> None:
        """Use `attach` or `up` instead, they make sure that it runs."""
        self._progress = progress or Progress(quiet=True)

    @classmethod
    def attach(cls) -> Lab:
        """The lab that runs, even if the sources have changed since; raises `LabError` if none does."""
        if not lifecycle.is_running():
            raise LabError("the lab is not up (python -m tests.lab up)")
        return cls()

    @classmethod
    def up(cls, progress: Progress | None = None) -> Lab:
        """Bring it up if it is not, and return it."""
        lab = cls(progress)
        lifecycle.up(lab._progress)
        return lab

    def down(self) -> None:
        """End it; caches stay."""
        lifecycle.down(self._progress)

    def reset(self) -> None:
        """Back to the beginning: bare hosts, untouched control plane and vCenter, no faults."""
        lifecycle.reset(self._progress)

    def begin(self) -> None:
        """Be at the beginning: as `reset`, if anything has happened since the last one or since `up`."""
        if not self.is_bare():
            self.reset()

    def is_bare(self) -> bool:
        """Tell whether hosts, cloud and vCenter are as `up` and `reset` leave them, in all that Bivisor makes."""
        vcenter = self.vcenter.state()
        return (
            all(self.manifest(host.name).keys() <= machines.IDENTITY for host in BARE)
            and not list(self.openstack().compute.aggregates())
            and not vcenter.machines
            and [cluster.name for cluster in vcenter.clusters] == ["DC0_C0", "DC0_C1"]
        )

    @property
    def hosts(self) -> tuple[Host, ...]:
        """All hosts, `api1` included."""
        return HOSTS

    def exec(
        self, host: str, *argv: str, stdin: str | None = None, check: bool = True, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the host as root, from outside: it needs no network.

        With `check`, a status other than 0 raises `CommandError` with what the command said.
        """
        done = subprocess.run(
            machines.inside(host_named(host), argv),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            raise CommandError(argv, done.returncode, done.stdout + done.stderr)
        return done

    def script(self, host: str, text: str, *, check: bool = True, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a shell script in the host as root; with `check`, it stops at the first failure."""
        options = ["-eu"] if check else []
        return self.exec(host, "sh", *options, "-s", stdin=text, check=check, timeout_s=timeout_s)

    def cut(self, host: str) -> None:
        """Pull the host's network cable; it goes on running."""
        network.cut_cable(host_named(host))

    def mend(self, host: str) -> None:
        """Plug the cable in again."""
        network.mend_cable(host_named(host))

    def kill(self, host: str) -> None:
        """Power the host off without warning; its disk keeps what was written."""
        machines.power_off_hard(host_named(host))
        machines.disassemble(host_named(host))

    def power_on(self, host: str) -> None:
        """Start a host that was killed; returns when its SSH server greets."""
        lifecycle.switch_on(host_named(host))
        machines.wait_for_ssh(host_named(host))

    def root(self, host: str) -> Path:
        """The host's root file system, seen from the machine."""
        return host_named(host).root

    def manifest(self, host: str) -> dict[str, str]:
        """Every path that differs from the image, and how; see `fingerprint`."""
        found = host_named(host)
        return fingerprint.manifest(found.upper, lifecycle.layers(found))

    def digest(self, host: str) -> str:
        """One text that changes when a file's content, mode or owner does; see `fingerprint`."""
        return fingerprint.digest(self.manifest(host))

    def processes(self, pattern: str) -> dict[str, list[tuple[int, tuple[str, ...]]]]:
        """On each running host: (PID on the machine, arguments) where `pattern` is found.

        The arguments are searched as one text, joined by blanks. It is seen from outside, so a
        host that is cut off is searched as well; a host that is off is not in the answer.
        """
        wanted = re.compile(pattern)
        answer = {}
        for host in HOSTS:
            first = machines.leader(host)
            if first is None:
                continue
            pids = pids_in_namespace("pid", namespace_of(first.pid, "pid"))
            found = [(pid, arguments(pid)) for pid in sorted(pids)]
            answer[host.name] = [(pid, argv) for pid, argv in found if wanted.search(" ".join(argv))]
        return answer

    def openstack(self) -> Connection:
        """A new connection to the cloud as its admin."""
        return cloud.connect()

    def start_ceph(self) -> None:
        """Start the cloud's Ceph on `api1`, which is off after `up` and `reset`; returns when its pools can be used."""
        ceph.start()

    def hand_ceph_to(self, host: str, user: str) -> None:
        """Give a host what an operator gives it: `/etc/ceph/ceph.conf` and the user's keyring, read by its service account.

        Users are `cinder` (pool `volumes`, reads `images`) and `glance` (pool `images`; `api1` has it from the beginning).
        """
        ceph.hand_over(host_named(host), user)

    def hand_ceph_to_libvirt(self, host: str, user: str) -> None:
        """Give the host's libvirt the user's key, as the secret whose UUID is `ceph.FSID`; libvirt may run or not."""
        ceph.hand_libvirt(host_named(host), user)

    def start_swift(self) -> None:
        """Start the cloud's Swift on `api1`, which is off after `up` and `reset`; returns when it can be used."""
        swift.start()

    @property
    def vcenter(self) -> VCenterControl:
        """The test controls of the vCenter simulator."""
        return simulated_vcenter.control()

    def write_secrets(self, folder: Path) -> None:
        """Write the secrets that the demo's documents refer to into `folder`."""
        keys.write_secrets(folder, ca_file=simulated_vcenter.ca_file())
