"""What was seen, sorted out: release, ring, computes and their zones. Each kind's module reads its part here."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from resources import cib
from resources.adoption.draft import as_name, is_name
from resources.adoption.questions import FUEL_COMPUTES, HOMES
from resources.adoption.ring import RingFound, ring_of
from resources.contract import UnreadableError
from resources.releases.table import RELEASES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree import ElementTree as ET

    from resources.adoption.seen import Conf, Host, Seen

SHARED = "/etc/nova/nova.conf"
OWN = "/etc/nova/nova-compute.conf"
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
GUESSED_ZONE = {"libvirt": "kvm-az", "vmware": "vcenter-az"}

Layers: TypeAlias = "tuple[Conf, ...]"
"""Files that one process reads, the one that counts first."""


@dataclass(frozen=True, slots=True)
class Zone:
    """An availability zone as Nova has it; `known` is False where the name is a guess because no aggregate is there."""

    name: str
    availability_zone: str
    hypervisor: str
    known: bool = True


@dataclass(frozen=True, slots=True)
class LibvirtFound:
    """A packaged nova-compute on its own host; `compute` is what Nova calls it."""

    host: Host
    compute: str
    layers: Layers
    zone: Zone


@dataclass(frozen=True, slots=True)
class VsphereFound:
    """A nova-compute that drives a vSphere cluster, on each of the hosts that have its configuration.

    `foreign` is empty where Bivisor's own layout is there; else it says what runs the compute now.
    """

    compute: str
    on: tuple[tuple[Host, Layers], ...]
    zone: Zone
    kept: bool
    foreign: str = ""

    def get(self, section: str, name: str) -> str | None:
        """Return what the compute reads, by its first host."""
        return first(self.on[0][1], section, name)


@dataclass(frozen=True)
class Survey:
    """Everything; `unnamed` are the nodes with a packaged compute that no document can say."""

    seen: Seen
    release: str
    ring: RingFound | None
    cib: ET.Element | None
    members: tuple[Host, ...]
    libvirt: tuple[LibvirtFound, ...]
    vsphere: tuple[VsphereFound, ...]
    unnamed: frozenset[str] = frozenset()
    left_out: tuple[str, ...] = ()

    @property
    def computes(self) -> Iterator[Layers]:
        """Yield the configuration of every compute."""
        yield from (found.layers for found in self.libvirt)
        yield from (found.on[0][1] for found in self.vsphere)

    @property
    def every_nova(self) -> Iterator[Layers]:
        """Yield the configuration of every compute, then that of whatever else of Nova is on the hosts."""
        yield from self.computes
        for host in self.seen.hosts:
            yield _layers(host, self.release, SHARED)


def first(layers: Layers, section: str, name: str) -> str | None:
    """Return the value that counts, or None."""
    return next((value for conf in layers if (value := conf.get(section, name)) is not None), None)


def survey(seen: Seen) -> Survey:
    """Sort out what was seen. Raises UnreadableError where an answer does not say what is."""
    release, left_out = _release(seen)
    ring = ring_of(seen)
    members = tuple(host for host in seen.hosts if ring and host in ring.hosts.values())
    # what a running member says counts before what a stopped one has saved
    texts = sorted((not host.has_live_cib, host.cib) for host in members)
    root = next((cib.parse(text) for _, text in texts if text), None)
    libvirt: list[LibvirtFound] = []
    unnamed: set[str] = set()
    for host in seen.hosts:
        found, why = _libvirt(host, seen, release)
        libvirt += found
        left_out += why
        unnamed |= {host.node} if why else set()
    vsphere = list(_vsphere(seen, release, root))
    taken = {found.compute for found in libvirt} | {found.compute for found in vsphere}
    left_out += [_unknown(row) for row in seen.listed("computes.list", "computes") if row["host"] not in taken]
    return Survey(
        seen,
        release,
        ring=ring,
        cib=root,
        members=members,
        libvirt=tuple(libvirt),
        vsphere=tuple(vsphere),
        unnamed=frozenset(unnamed),
        left_out=tuple(dict.fromkeys(left_out)),
    )


def zone_of(seen: Seen, host: str, hypervisor: str) -> Zone:
    """Return the zone of a compute: that of the aggregate that has one, else a guess."""
    for aggregate in seen.listed("aggregates.list", "aggregates"):
        zone = aggregate["availability_zone"]
        if zone and zone != "nova" and host in aggregate["hosts"]:
            name = str(aggregate["name"])
            return Zone(name if is_name(name) else as_name(name), str(zone), hypervisor)
    guess = GUESSED_ZONE[hypervisor]
    return Zone(guess, guess, hypervisor, known=False)


def nova_version(version: str) -> str | None:
    """Return the release of a package's version (`2:26.2.2-1~deb12u3`, before Liberty `1:2014.2.4`), or None."""
    upstream = version.partition(":")[2] or version
    found = re.match(r"(\d+)\.(\d+)", upstream)
    if found is None:
        return None
    year = f"{found[1]}.{found[2]}"
    known = (one.name for one in RELEASES.values() if year == one.alias or found[1] == str(one.nova))
    return next(known, None)


def _unknown(row: Mapping[str, Any]) -> str:
    remedy = "name its host as well" if row["state"] == "up" else "if it is no more, name it in Cluster.spec.compute.gone"
    return f'Nova lists the compute "{row["host"]}", which is {row["state"]} and runs on none of these hosts: {remedy}'


def _release(seen: Seen) -> tuple[str, list[str]]:
    versions = [version for host in seen.hosts if (version := host.version("nova-common"))]
    found = Counter(release for version in versions if (release := nova_version(version)))
    if not found:
        raise UnreadableError("none of these hosts has the package nova-common, whose version tells the release of OpenStack")
    release = min(found, key=lambda name: RELEASES[name].nova)
    notes = [f"Nova has several releases: {', '.join(sorted(found))}; the oldest one is written"] if len(found) > 1 else []
    return release, notes


def _layers(host: Host, release: str, *paths: str) -> Layers:
    return tuple(conf for path in paths if (conf := host.conf(path, "nova", release)) is not None)


def _libvirt(host: Host, seen: Seen, release: str) -> tuple[list[LibvirtFound], list[str]]:
    """Return the libvirt compute of a host, or why it has none in the documents."""
    if not (host.runs("nova-compute") or host.at_boot("nova-compute")):
        return [], []
    layers = _layers(host, release, OWN, SHARED)
    if "vmware" in (first(layers, "DEFAULT", "compute_driver") or "libvirt"):
        return [], []
    name = first(layers, "DEFAULT", "host") or host.hostname
    if not _HOST.fullmatch(name):
        return [], [f'the compute on {host.address} is "{name}" in Nova, which no document can say: it is in no zone']
    return [LibvirtFound(host, name, layers, zone_of(seen, name, "libvirt"))], []


def _vsphere(seen: Seen, release: str, root: ET.Element | None) -> Iterator[VsphereFound]:
    """Yield the computes of vSphere clusters: those that live in a home of their own, then those that share."""
    found: dict[str, list[tuple[Host, Layers]]] = {}
    foreign: dict[str, str] = {}
    for host in seen.hosts:
        for path, layers in _vsphere_layers(host, release):
            if first(layers, "vmware", "cluster_name") is None:
                continue
            compute = first(layers, "DEFAULT", "host") or host.hostname
            found.setdefault(compute, []).append((host, layers))
            if path != f"{HOMES}/{compute}/nova.conf":
                foreign[compute] = _resource_of(path, root) or f"the service nova-compute of {host.node}"
    for compute, on in sorted(found.items()):
        zone = zone_of(seen, compute, "vmware")
        kept = _has_primitive(root, f"nova-compute-{compute}") or foreign.get(compute, "").startswith("the resource")
        yield VsphereFound(compute, tuple(on), zone, kept, foreign.get(compute, ""))


def _vsphere_layers(host: Host, release: str) -> Iterator[tuple[str, Layers]]:
    """Yield the configuration of each compute that a host may run, with the path that is its own."""
    for name in host.names(HOMES):
        path = f"{HOMES}/{name}/nova.conf"
        yield path, _layers(host, release, path)
    for name in host.names(FUEL_COMPUTES):
        path = f"{FUEL_COMPUTES}/{name}"
        yield path, _layers(host, release, path, SHARED)
    if host.runs("nova-compute"):
        layers = _layers(host, release, OWN, SHARED)
        if "vmware" in (first(layers, "DEFAULT", "compute_driver") or ""):
            yield OWN, layers


def _resource_of(path: str, root: ET.Element | None) -> str:
    """Return the Pacemaker resource whose parameters name the file, in words, or ''."""
    for primitive in () if root is None else root.iter("primitive"):
        if any(path in pair.get("value", "") for pair in primitive.iter("nvpair")):
            return f"the resource {primitive.get('id')} of Pacemaker"
    return ""


def _has_primitive(root: ET.Element | None, name: str) -> bool:
    return root is not None and any(one.get("id") == name for one in root.iter("primitive"))
