"""An operator's desk: a copy of the demo's documents with the lab's secrets beside it, and the program `bivisor`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from tests.lab.keys import VCENTER_PASSWORD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.lab import Lab

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).with_name("bivisor")

SERVICES = {
    "api1": ("nova-api",),
    "ctl1": ("corosync", "pacemaker", "nova-compute-vcenter-c0"),
    "ctl2": ("corosync", "pacemaker", "nova-compute-vcenter-c0"),
    "ctl3": ("corosync", "pacemaker", "nova-compute-vcenter-c0"),
    "kvm1": ("libvirtd", "nova-compute"),
    "vol1": ("cinder-volume",),
    "vol2": ("cinder-volume",),
}
"""What Bivisor starts or restarts in the lab, by host."""

INTERVAL, INTERVALS = "report_interval: 5", (5, 6, 7)
"""What the demo declares that every compute loads, and the values that tests give it: another one restarts both computes."""

VCENTER_COMPUTE = r"nova-compute .*--config-file /etc/nova/vcenter/vcenter-c0/"
"""Finds the processes of the vCenter compute by their arguments."""


@dataclass(slots=True)
class Workspace:
    """A folder with `desired/` and `secrets/`."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, lab: Lab) -> Self:
        """Copy the demo's documents and write the lab's secrets."""
        shutil.copytree(REPOSITORY / "desired", folder / "desired")
        lab.write_secrets(folder / "secrets")
        return cls(folder)

    @classmethod
    def converged(cls, folder: Path, lab: Lab) -> Self:
        """Return a desk of the demo's documents whose cloud is as declared, whatever earlier tests declared and did.

        But for `report_interval`: it stays what it is, and a test that has rolled out another value need not roll it back.
        """
        lab.vcenter.clear_faults()
        lab.vcenter.set_password(VCENTER_PASSWORD)
        desk = cls.make(folder, lab)
        found = re.search(r"^report_interval = (\d+)$", lab.exec("kvm1", "cat", "/etc/nova/nova.conf").stdout, re.MULTILINE)
        if found and int(found[1]) in INTERVALS:
            desk.edit("desired/cluster.yaml", INTERVAL, f"report_interval: {found[1]}")
        desk.run("apply", "--yes", "--confirm-deletes")
        return desk

    def start(
        self, *arguments: str, environment: Mapping[str, str] | None = None, log: IO[bytes] | None = None
    ) -> subprocess.Popen[str]:
        """Start `bivisor` in the folder; its output is piped, or goes into a log."""
        state = {name: value for name, value in os.environ.items() if name == "BIVISOR_STATE"}  # the tests' own, if it is one
        return subprocess.Popen(
            [PROGRAM, *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if log is None else log,
            stderr=subprocess.PIPE if log is None else log,
            text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **state, **(environment or {})},
        )

    def run(self, *arguments: str, exits: int | None = 0, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        """Run `bivisor` to its end; with `exits`, another exit code fails with all that it printed."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"bivisor {' '.join(arguments)} took longer than {timeout_s} s:\n{out}\n{err}") from None
        assert exits is None or process.returncode == exits, (
            f"bivisor {' '.join(arguments)} ended with {process.returncode}, not {exits}:\n{out}\n{err}"
        )
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def plan(self, *, exits: int | None = None) -> list[dict[str, Any]]:
        """Return the steps of a plan that are more than `nothing`."""
        data = json.loads(self.run("plan", "-o", "json", exits=exits).stdout)
        return [step for step in data["steps"] if step["verb"] != "nothing"]

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that occurs exactly once in a document or a secret."""
        path = self.folder / name
        text = path.read_text()
        assert text.count(old) == 1, f"{name} holds {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new))

    def hurry(self) -> None:
        """Declare that everything may be down at once: where their order is not what matters, no restart waits for another."""
        self.edit("desired/cluster.yaml", "maxUnavailable: 1", "maxUnavailable: 99")

    def next_interval(self) -> int:
        """Declare another `report_interval`, which restarts both computes; return it."""
        text = (self.folder / "desired/cluster.yaml").read_text()
        (value,) = (number for number in INTERVALS if f"report_interval: {number}" in text)
        following = INTERVALS[(INTERVALS.index(value) + 1) % len(INTERVALS)]
        self.edit("desired/cluster.yaml", f"report_interval: {value}", f"report_interval: {following}")
        return following


def invocations(lab: Lab, hosts: Mapping[str, tuple[str, ...]] = SERVICES) -> dict[tuple[str, str], str]:
    """Return systemd's InvocationID of each service that runs: another value is another process."""
    found = {}
    for host, units in hosts.items():
        for unit in units:
            shown = lab.exec(host, "systemctl", "show", "-p", "InvocationID", "-p", "ActiveState", unit).stdout
            values = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
            if values["ActiveState"] == "active":
                found[host, unit] = values["InvocationID"]
    return found


def started(lab: Lab, before: dict[tuple[str, str], str]) -> set[tuple[str, str]]:
    """Return the services that run as another process than before."""
    return {service for service, invocation in invocations(lab).items() if before.get(service) != invocation}


@dataclass(slots=True)
class Census:
    """Watches on how many hosts a service lives at once, from outside, until it is left: the vCenter compute if no other."""

    lab: Lab
    pattern: str = VCENTER_COMPUTE
    most: int = 0
    samples: int = 0
    crowded: list[list[str]] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin to count."""
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop counting."""
        self._end.set()
        assert self._thread is not None
        self._thread.join()

    def _count(self) -> None:
        while not self._end.is_set():
            alive = [host for host, found in self.lab.processes(self.pattern).items() if found]
            self.samples += 1
            self.most = max(self.most, len(alive))
            if len(alive) > 1:
                self.crowded.append(alive)
            self._end.wait(0.1)
