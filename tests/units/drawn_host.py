"""Units on a host, with hosts that they might find."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from resources.contract import Address, SecretText
from resources.units.config_file import ConfigFile
from resources.units.directory import Directory
from resources.units.file import WholeFile
from resources.units.package import Package
from resources.units.service import Service
from resources.units.systemd_unit import SystemdUnit
from tests.units.drawn import DEMO, KVM1, Case, some, texts
from tests.units.model.host import UNITS, Daemon, Host, Node
from tests.units.model.openstack import OpenStack

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from resources.contract import Unit

PATH = "/etc/nova/nova.conf"
OTHER = "/etc/nova/other.conf"
attributes = some(
    mode=st.sampled_from(["0600", "0640"]), owner=st.sampled_from(["root", "nova"]), group=st.sampled_from(["root", "nova"])
)
readers = st.sampled_from([(), ("nova-compute.service",)])


def a_host(path: str = PATH, content: bytes | None = None, *, recorded: str | None = None) -> Host:
    """Return a host with neighbours, and perhaps a file."""
    host = Host(packages={"vim": "2"}, daemons={"other.service": Daemon(active="active", enabled="enabled")})
    host.nodes[OTHER] = Node(b"theirs")
    if content is not None:
        host.nodes[path] = Node(content)
    if recorded is not None:
        host.records[path] = recorded
    return host


def of_file(unit: Unit, host: Host, path: str, *more: str) -> Case:
    """Return the case of a unit that owns a file."""
    return Case(unit, {KVM1: host}, frozenset({f"nodes {path}", f"records {path}", *more}))


@st.composite
def config_files(draw: DrawFn) -> Case:
    """Draw options of any form, and a file with some of them, in other words, commented, or broken."""
    value = texts | st.tuples(texts, texts) | st.none() | texts.map(SecretText)
    keys = some(host=value, port=value, names=value)
    options = draw(some(DEFAULT=keys, vmware=keys))
    unit = ConfigFile.at(KVM1, PATH, options, attributes=draw(attributes)).read_by(draw(readers))
    unit = replace(unit, desired=None) if draw(st.sampled_from([False, False, True])) else unit
    lines = st.sampled_from(
        ["host = a", "port=10", "names = a", "names = b", "# host = z", "theirs = 1", "[vmware]", "[theirs]", ""]
    )
    text = "[DEFAULT]\n" + "\n".join(draw(st.lists(lines, max_size=6))) + "\n"
    content = draw(st.sampled_from([None, text.encode(), text.encode(), b"\xff\n" + text.encode(), b"broken line\n"]))
    recorded = draw(st.sampled_from([None, unit.digest(), "another"]))
    return of_file(unit, a_host(content=content, recorded=recorded), PATH)


@st.composite
def whole_files(draw: DrawFn) -> Case:
    """Draw a file, secret or not, wanted or not, and anything at its path."""
    content = draw(texts | texts.map(SecretText))
    unit = WholeFile.at(KVM1, PATH, content, attributes=draw(attributes)).read_by(draw(readers))
    unit = replace(unit, desired=None) if draw(st.booleans()) else unit
    found = draw(st.sampled_from([None, b"a", b"b", b"\xff\xfe", b"10"]))
    host = a_host(content=found, recorded=draw(st.sampled_from([None, unit.digest(), "another"])))
    if found == b"10":
        host.nodes[PATH] = Node(kind=draw(st.sampled_from(["dir", "other"])))
    return of_file(unit, host, PATH)


@st.composite
def directories(draw: DrawFn) -> Case:
    """Draw a directory, and anything at its path."""
    unit = Directory.at(KVM1, PATH, draw(attributes))
    host = a_host(content=draw(st.sampled_from([None, b""])))
    if PATH in host.nodes:
        host.nodes[PATH].kind = draw(st.sampled_from(["dir", "dir", "file"]))
    return of_file(unit, host, PATH)


@st.composite
def packages(draw: DrawFn) -> Case:
    """Draw a package, what it replaces, and what of that is installed."""
    unit = Package.named(KVM1, "nova-compute", replaces=tuple(draw(st.sets(st.sampled_from(["old", "older"])))))
    host = a_host()
    host.packages |= dict.fromkeys(draw(st.sets(st.sampled_from(["nova-compute", "old", "older"]))), "1")
    return Case(unit, {KVM1: host}, frozenset({"packages nova-compute", *(f"packages {name}" for name in unit.replaces)}))


@st.composite
def systemd_units(draw: DrawFn) -> Case:
    """Draw a unit file or a drop-in, wanted or not, and what systemd knows of it."""
    name = draw(st.sampled_from(["c0.service", "c0.service.d/bivisor.conf"]))
    unit = SystemdUnit.named(KVM1, name, draw(texts)).read_by(draw(readers))
    unit = replace(unit, desired=None) if draw(st.booleans()) else unit
    recorded = draw(st.sampled_from([None, unit.digest(), "another"]))
    host = a_host(UNITS + name, draw(st.sampled_from([None, b"a", b"b"])), recorded=recorded)
    if draw(st.booleans()):
        host.daemons["c0.service"] = Daemon(reload_needed=draw(st.booleans()))
    return of_file(unit, host, UNITS + name, "daemons c0.service")


def _declared(loads: tuple[Address, ...]) -> SearchStrategy[Service]:
    leaves = Service(address=Address(KVM1, "service", "nova-compute"), desired={"enabled": False, "active": False})
    running = Service.running(KVM1, "nova-compute", loads=loads)
    kinds = [running, running.heard_by(DEMO, "kvm1"), Service.forbidden(KVM1, "nova-compute"), leaves]
    return st.sampled_from([*kinds, Service.refreshed(KVM1, "nova-compute", loads=loads)])


@st.composite
def services(draw: DrawFn) -> Case:
    """Draw a service of any declaration in any state; the files that it loads are as declared, as its needs demand."""
    loads = draw(st.sampled_from([(), (Address(KVM1, "config_file", PATH),)]))
    unit = draw(_declared(loads)).loading(dict.fromkeys(loads, "d1"))
    host = a_host(content=b"", recorded="d1")
    declared = unit.desired or {}
    if declared.get("active") or draw(st.booleans()):  # what must run exists, as its needs demand
        host.daemons["nova-compute.service"] = Daemon(
            masked="masked" in declared and draw(st.booleans()),
            enabled=draw(st.sampled_from(["enabled", "disabled", "static"])),
            # what is between two starts reads its files by itself: of somebody else's service that is waited for
            active=draw(st.sampled_from(["active", "inactive", "failed", *(["activating"] if "active" in declared else [])])),
            started=draw(st.sampled_from([9_000, 9_990])),
            loaded=draw(st.sampled_from([{PATH: "d1"}, {PATH: "d0"}, {}])),
        )
    row: dict[str, Any] = {"state": draw(st.sampled_from(["up", "down"])), "status": "enabled"}
    row["reported_at"] = draw(st.sampled_from([8_000, 9_500, 9_999]))
    cloud = OpenStack(computes=draw(st.sampled_from([{}, {"kvm1": row}])))
    return Case(unit, {KVM1: host, DEMO: cloud}, frozenset({"daemons nova-compute.service"}))
