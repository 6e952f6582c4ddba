"""Watches from outside, while the daemon works, that what the engine promises is kept. It takes no word of Bivisor for it.

What is done to the cloud besides is told here first: whose process is about to die, what may start how often, what somebody
writes into a file. All else that happens is the daemon's doing.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self, TypeAlias

from openstack.exceptions import SDKException

from tests.lab.frozen import Frozen
from tests.lab.workspace import SERVICES, VCENTER_COMPUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from openstack.compute.v2.aggregate import Aggregate

    from tests.lab.lab import Lab

Place: TypeAlias = tuple[str, str]
"""A host and a path on it."""

KVM, VCENTER, VMDK, NFS = "kvm1/nova-compute", "vcenter-c0", "vol1/cinder-volume", "vol2/cinder-volume"
IDENTITIES = frozenset({KVM, VCENTER, VMDK, NFS})
"""Who must not live twice, and of whom no more than one may be down by Bivisor's hand."""

KEPT = "nova-compute-vcenter-c0"
_ANY = rf"bin/(nova-compute|cinder-volume)( |$)|{VCENTER_COMPUTE}"

MOST_DOWN = 1
"""The demo's maxUnavailable."""

KNOWN_S = 10.0
"""Whoever is down for so many seconds is known to be: nobody else is interrupted then."""

LOOK_S, SLOW_LOOK_S, CLOUD_LOOK_S = 0.2, 1.0, 5.0
"""Seconds between two looks at processes, at services and files, and at what OpenStack holds."""


def service(host: str, unit: str) -> str:
    """Return who a systemd unit on a host is; the vCenter's compute is the same on each controller."""
    return VCENTER if unit == KEPT else f"{host}/{unit}"


def foreign_lines(text: str, owned: frozenset[tuple[str, str]]) -> list[str]:
    """Return the lines of an INI file that belong to none of these options, blank ones left out."""
    found, section, ours = [], "", False
    for line in text.splitlines():
        if line[:1].isspace():  # a value goes on
            if line.strip() and not ours:
                found.append(line)
            continue
        ours = False
        if line.startswith("["):
            section = line.strip().strip("[]")
        elif line[:1] not in ("#", ";") and "=" in line:
            ours = (section, line.split("=")[0].strip()) in owned
        if line and not ours:
            found.append(line)
    return found


@dataclass(slots=True)
class Witness:
    """Looks for as long as it is entered. `broken` are the promises that were, a sentence each.

    `owned` are the options that documents declare or may declare, by host and path of the file.
    """

    lab: Lab
    owned: Mapping[Place, frozenset[tuple[str, str]]]
    broken: list[str] = field(default_factory=list)
    looks: int = 0
    starts: Counter[str] = field(default_factory=Counter)
    alarm: threading.Event = field(default_factory=threading.Event)
    _may_start: Counter[str] = field(default_factory=Counter)
    _excused: dict[str, frozenset[int]] = field(default_factory=dict)
    _foreign: dict[Place, list[str]] = field(default_factory=dict)
    _invocations: set[tuple[str, str]] = field(default_factory=set)
    _alive: dict[str, dict[str, frozenset[int]]] = field(default_factory=dict)
    _down: dict[str, float] = field(default_factory=dict)
    _cloud: dict[str, object] = field(default_factory=dict)
    _still: set[str] = field(default_factory=set)
    _taken_out: set[tuple[str, str]] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Take what is there now for good, and begin to look."""
        self._alive = self._processes()
        self._invocations = set(self._running())
        self._cloud = self._held_by_openstack()
        self._foreign = {place: foreign_lines(self.path(*place).read_text(), owned) for place, owned in self.owned.items()}
        self._thread = threading.Thread(target=self._watch, name="witness", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._end.set()
        assert self._thread is not None
        self._thread.join()

    def path(self, host: str, path: str) -> Path:
        """Return where a host's file is on this machine."""
        return self.lab.root(host) / path.lstrip("/")

    def loses(self, who: str) -> None:
        """Hear that somebody else ends a process: until another one lives it is not Bivisor who has it down."""
        with self._lock:
            self._excused[who] = frozenset().union(*self._alive.get(who, {}).values())
            self._may_start[who] += 1

    def may_start(self, *who: str) -> None:
        """Hear that there is a reason for one more start of each."""
        with self._lock:
            self._may_start.update(who)

    @contextmanager
    def writing(self, host: str, path: str) -> Iterator[list[str]]:
        """Hold the looks back while somebody writes into a file; add the foreign lines to what is yielded."""
        with self._lock:
            yield self._foreign[host, path]

    @contextmanager
    def taking_out(self, zone: str, host: str) -> Iterator[None]:
        """Hold the looks back while somebody takes a host out of its zone; until it is in there again it may be missing."""
        with self._lock:
            self._taken_out.add((zone, host))
            yield

    def freeze(self, host: str) -> Callable[[], None]:
        """Have a host stand still, between two looks: it answers nobody. What is returned lets it go on."""
        with self._lock:
            self._still.add(host)
            frozen = Frozen(host)

        def thaw() -> None:
            frozen.thaw()
            self._still.discard(host)

        return thaw

    def say(self, what: str) -> None:
        """Note a broken promise."""
        self.broken.append(f"{datetime.now(UTC).isoformat()} {what}")
        self.alarm.set()

    def _watch(self) -> None:
        due = cloud_due = 0.0
        try:
            while not self._end.wait(LOOK_S):
                self._look_at_processes(time.monotonic())
                if time.monotonic() >= due:
                    self._look_at_starts()
                    self._look_at_files()
                    due = time.monotonic() + SLOW_LOOK_S
                if time.monotonic() >= cloud_due:
                    self._look_at_the_cloud()
                    cloud_due = time.monotonic() + CLOUD_LOOK_S
        except Exception as error:  # noqa: BLE001 - a witness that has fainted has seen nothing
            self.say(f"the witness can look no more: {error!r}")

    def _processes(self) -> dict[str, dict[str, frozenset[int]]]:
        """Return the processes of each identity by host."""
        alive: dict[str, dict[str, frozenset[int]]] = {}
        for host, found in self.lab.processes(_ANY).items():
            for pid, argv in found:
                kept = f"/etc/nova/vcenter/{VCENTER}/" in " ".join(argv)
                program = "cinder-volume" if any("cinder-volume" in word for word in argv[:2]) else "nova-compute"
                where = alive.setdefault(VCENTER if kept else f"{host}/{program}", {})
                where[host] = where.get(host, frozenset()) | {pid}
        return alive

    def _look_at_processes(self, now: float) -> None:
        alive = self._processes()
        with self._lock:
            self._alive, self.looks = alive, self.looks + 1
            for who, where in alive.items():
                if who not in IDENTITIES:
                    self.say(f"{who} lives, and nobody declares it")
                if len(where) > 1:
                    self.say(f"{who} lives on {', '.join(sorted(where))} at once")
                if who in self._excused and not frozenset().union(*where.values()) <= self._excused[who]:
                    del self._excused[who]
            down = IDENTITIES - alive.keys()
            ours = down - self._excused.keys()
            if len(ours) > MOST_DOWN:
                self.say(f"down at once by Bivisor's hand: {', '.join(sorted(ours))}")
            known = [who for who, since in self._down.items() if who in down and now - since > KNOWN_S]
            for who in ours - self._down.keys():
                if known:
                    self.say(f"{who} is down by Bivisor's hand, while {', '.join(known)} is down for some time already")
            self._down = {who: self._down.get(who, now) for who in down}

    def _held_by_openstack(self) -> dict[str, object]:
        """Return zones with their members, and who is registered: the stream changes none of that, nor must anybody."""
        cloud = self.lab.openstack()
        return {
            "aggregates": {each.name: self._members(each) for each in cloud.compute.aggregates()},
            "computes": {each.host for each in cloud.compute.services() if each.binary == "nova-compute"},
            "volume services": {each.host for each in cloud.block_storage.services() if each.binary == "cinder-volume"},
        }

    def _members(self, aggregate: Aggregate) -> tuple[str, list[str]]:
        """Return the zone of an aggregate and its hosts, with those whom somebody took out until they are in there again."""
        out = {host for name, host in self._taken_out if name == aggregate.name}
        hosts = set(aggregate.hosts or ())
        self._taken_out -= {(aggregate.name, host) for host in out & hosts}
        return aggregate.availability_zone, sorted(hosts | out)

    def _look_at_the_cloud(self) -> None:
        with suppress(SDKException), self._lock:  # an API that does not answer says nothing
            found = self._held_by_openstack()
            if found != self._cloud:
                self.say(f"in OpenStack there was {self._cloud} and is {found}")
                self._cloud = found

    def _running(self) -> Iterator[tuple[str, str]]:
        """Yield who runs, as which invocation."""
        for host, units in SERVICES.items():
            if host in self._still:
                continue
            shown = self.lab.exec(host, "systemctl", "show", "-p", "ActiveState,InvocationID", *units).stdout
            for unit, block in zip(units, shown.strip().split("\n\n"), strict=True):
                values = dict(line.split("=", 1) for line in block.splitlines())
                if values["ActiveState"] == "active":
                    yield service(host, unit), values["InvocationID"]

    def _look_at_starts(self) -> None:
        with self._lock:
            running = set(self._running())
            for who, _ in sorted(running - self._invocations):
                self.starts[who] += 1
                if self.starts[who] > self._may_start[who]:
                    self.say(f"{who} was started, the {self.starts[who]}. time; there were {self._may_start[who]} reasons to")
            self._invocations |= running

    def _look_at_files(self) -> None:
        for place, owned in self.owned.items():
            with self._lock:
                found = foreign_lines(self.path(*place).read_text(), owned)
                if found != self._foreign[place]:
                    lost = [line for line in self._foreign[place] if line not in found]
                    new = [line for line in found if line not in self._foreign[place]]
                    self.say(f"{place[0]}:{place[1]}: what is not Bivisor's was changed: lost {lost}, new {new}")
                    self._foreign[place] = found
