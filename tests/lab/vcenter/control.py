"""The client of the simulator's test controls.

Each method is one request; errors come back with the simulator's own words. An inventory change is
pushed to those who wait for updates before the method returns.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from tests.lab.errors import LabError, LateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ANY_METHOD = "*"
_REQUEST_TIMEOUT_S = 15.0
_POLL_S = 0.02


class ControlError(LabError):
    """The simulator refused a control; the message is its reason."""


class Fault(StrEnum):
    """How a method can misbehave."""

    DELAY = "delay"
    BLACKHOLE = "blackhole"
    HALF = "half"


@dataclass(frozen=True, slots=True)
class Session:
    """Someone who is logged in. `agent` is the client's user agent."""

    key: str
    user: str
    agent: str
    calls: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """A vSphere cluster; `hosts` are MoRefs."""

    moref: str
    name: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Host:
    """An ESXi host; `connection` is connected or disconnected."""

    moref: str
    name: str
    connection: str
    maintenance: bool


@dataclass(frozen=True, slots=True)
class Datastore:
    """A datastore; sizes in bytes."""

    moref: str
    name: str
    type: str
    capacity: int
    free: int


@dataclass(frozen=True, slots=True)
class Machine:
    """A virtual machine; `host` is a MoRef, `disks` are datastore paths of backing files."""

    moref: str
    name: str
    power: str
    instance_uuid: str
    host: str
    disks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PortGroup:
    """A port group of the distributed switch."""

    moref: str
    name: str


@dataclass(frozen=True, slots=True)
class State:
    """Everything at one moment, sorted by name (sessions: by login)."""

    sessions: tuple[Session, ...]
    clusters: tuple[Cluster, ...]
    hosts: tuple[Host, ...]
    datastores: tuple[Datastore, ...]
    machines: tuple[Machine, ...]
    port_groups: tuple[PortGroup, ...]

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Self:
        """From the JSON of `GET /state`."""
        return cls(
            sessions=tuple(Session(s["key"], s["user"], s["agent"], s["calls"]) for s in told["sessions"]),
            clusters=tuple(Cluster(c["moref"], c["name"], tuple(c["hosts"])) for c in told["clusters"]),
            hosts=tuple(Host(h["moref"], h["name"], h["connection"], h["maintenance"]) for h in told["hosts"]),
            datastores=tuple(Datastore(**d) for d in told["datastores"]),
            machines=tuple(Machine(**{**m, "disks": tuple(m["disks"])}) for m in told["machines"]),
            port_groups=tuple(PortGroup(**p) for p in told["port_groups"]),
        )


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests for one method: all since the start, and those held by a fault right now."""

    seen: int = 0
    held: int = 0


class VCenterControl:
    """Tells a running simulator what to do. `address` is host:port of its control port."""

    def __init__(self, address: str) -> None:
        """Connect to nothing yet."""
        self._base = f"http://{address}"
        # No proxy of the environment: the port is on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def state(self) -> State:
        """Sessions and inventory of this moment."""
        return State.read(self._ask("GET", "/state"))

    def traffic(self, method: str) -> Traffic:
        """How often a SOAP method was asked for, and how many requests for it are held."""
        told = self._ask("GET", "/traffic").get(method, {})
        return Traffic(**told)

    def delay(self, method: str, milliseconds: int, *, times: int = 0) -> None:
        """Answer a method late. `times` limits the fault to so many requests; 0 is no limit."""
        self._fault(method, Fault.DELAY, times, delay_ms=milliseconds)

    def black_hole(self, method: str, *, times: int = 0) -> None:
        """Take requests for a method and never answer them."""
        self._fault(method, Fault.BLACKHOLE, times)

    def answer_half(self, method: str, *, times: int = 0) -> None:
        """Send half of the answer, then cut the connection."""
        self._fault(method, Fault.HALF, times)

    def clear_faults(self) -> None:
        """No more faults: delayed requests go on, those in the black hole lose their connection."""
        self._ask("DELETE", "/faults")

    def close(self) -> None:
        """Let the vCenter be down: connections are cut, new ones refused. It forgets nothing."""
        self._ask("PUT", "/door", {"open": False})

    def open(self) -> None:
        """Let the vCenter be up again, at the same address."""
        self._ask("PUT", "/door", {"open": True})

    def set_password(self, password: str, *, drop_sessions: bool = False) -> None:
        """Change the account's password; who is logged in stays so, unless dropped."""
        self._ask("PUT", "/password", {"password": password, "drop_sessions": drop_sessions})

    def drop_sessions(self) -> int:
        """End all sessions; return how many there were."""
        dropped: int = self._ask("DELETE", "/sessions")["dropped"]
        return dropped

    def rename_cluster(self, name: str, new_name: str) -> None:
        """Rename a cluster; its MoRef stays."""
        self._ask("PUT", f"/clusters/{_quote(name)}/name", {"name": new_name})

    def disconnect_host(self, name: str) -> None:
        """Let the vCenter lose a host."""
        self._ask("PUT", f"/hosts/{_quote(name)}/connection", {"connected": False})

    def reconnect_host(self, name: str) -> None:
        """Let the vCenter find a host again."""
        self._ask("PUT", f"/hosts/{_quote(name)}/connection", {"connected": True})

    def set_maintenance(self, name: str, *, maintenance: bool) -> None:
        """Bring a host into maintenance mode or out of it."""
        self._ask("PUT", f"/hosts/{_quote(name)}/maintenance", {"maintenance": maintenance})

    def set_datastore_free(self, name: str, free: int) -> None:
        """Set the bytes that are left on a datastore."""
        self._ask("PUT", f"/datastores/{_quote(name)}/free", {"free": free})

    def wait(self, what: str, holds: Callable[[Self], bool], *, timeout_s: float = 10.0) -> None:
        """Wait until `holds(self)` is true; `what` names it in the `LateError` otherwise."""
        deadline = time.monotonic() + timeout_s
        while not holds(self):
            if time.monotonic() > deadline:
                raise LateError(f"not within {timeout_s:g} s: {what}")
            time.sleep(_POLL_S)

    def wait_until_up(self, *, timeout_s: float = 20.0) -> None:
        """Wait until the simulator answers."""
        self.wait(f"the simulator answers at {self._base}", VCenterControl._answers, timeout_s=timeout_s)

    def _answers(self) -> bool:
        try:
            self.state()
        except OSError:
            return False
        return True

    def _fault(self, method: str, kind: Fault, times: int, **more: int) -> None:
        self._ask("POST", "/faults", {"method": method, "kind": kind, "times": times, **more})

    def _ask(self, verb: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data=data, method=verb)  # noqa: S310 - http only, see above
        try:
            with self._opener.open(request, timeout=_REQUEST_TIMEOUT_S) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                raise ControlError(f"{verb} {path}: {json.load(error)['error']}") from None


def _quote(name: str) -> str:
    return urllib.parse.quote(name, safe="")
