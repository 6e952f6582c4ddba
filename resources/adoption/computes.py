"""The computes that run on the hosts, and those of them that documents can say."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.adoption import pacemaker
from resources.adoption.availability import Zone, zone_of
from resources.adoption.conf import first
from resources.adoption.questions import FUEL_COMPUTES, HOMES
from resources.contract import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from xml.etree import ElementTree as ET

    from resources.adoption.conf import Layers
    from resources.adoption.seen import Host, Seen

SHARED = "/etc/nova/nova.conf"
OWN = "/etc/nova/nova-compute.conf"
_HTTPS = 443
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST = 63
"""Of a vSphere compute, whose host names files and a resource."""


@dataclass(frozen=True, slots=True)
class LibvirtFound:
    """A packaged nova-compute on its own host; `compute` is what Nova calls it, `keeper` who else runs it, or ''."""

    host: Host
    compute: str
    layers: Layers
    zone: Zone
    keeper: str = ""


@dataclass(frozen=True, slots=True)
class VsphereFound:
    """A nova-compute that drives a vSphere cluster, on each of the hosts that have its configuration.

    `foreign` is empty where Bivisor's own layout is there; else it says what runs the compute now. `packaged` are the nodes
    whose packaged nova-compute it is.
    """

    compute: str
    on: tuple[tuple[Host, Layers], ...]
    zone: Zone
    kept: bool
    foreign: str = ""
    packaged: frozenset[str] = frozenset()

    def get(self, section: str, name: str) -> str | None:
        """Return what the compute reads, by its first host."""
        return first(self.on[0][1], section, name)

    @property
    def place(self) -> tuple[str, int]:
        """Host and port of its vCenter. Raises UnreadableError."""
        layers = self.on[0][1]
        return self.get("vmware", "host_ip") or "", port(layers[0].place, self.get("vmware", "host_port"))


_ALIKE: tuple[tuple[Callable[[VsphereFound], object], str], ...] = (
    (lambda one: one.place, "its zone has computes of another vCenter, and a zone has one"),
    (lambda one: one.kept, "of its zone's computes Pacemaker keeps some and some not, and a zone has one placement"),
    (
        lambda one: one.kept or one.on[0][0].node,
        "other computes of its zone run on another host, and off Pacemaker all run on one: move it there",
    ),
)
"""In what all computes of a zone must be alike, and what is said of those that are not like most."""


def port(place: str, text: str | None) -> int:
    """Return the port of a vCenter. Raises UnreadableError."""
    if text and not text.strip().isdecimal():
        raise UnreadableError(f'{place}: "{text}" is no port of a vCenter')
    return int(text or _HTTPS)


def libvirt(seen: Seen, release: str, root: ET.Element | None) -> tuple[tuple[LibvirtFound, ...], dict[str, str]]:
    """Return the computes of libvirt hosts; and those of the packaged ones that no document can say, with the reason."""
    found: list[LibvirtFound] = []
    left_out: dict[str, str] = {}
    for host in seen.hosts:
        if not (host.runs("nova-compute") or host.at_boot("nova-compute")):
            continue
        layers = host.layers("nova", release, OWN, SHARED)
        driver = first(layers, "DEFAULT", "compute_driver") or "libvirt"
        name = first(layers, "DEFAULT", "host") or host.hostname
        if "vmware" in driver:
            continue
        if not (host.runs("nova-compute") or name in _rows(seen)):
            left_out[name] = f"the nova-compute of {host.node} starts at boot, does not run, and Nova has none called {name}"
        elif "libvirt" not in driver:
            left_out[name] = f"the nova-compute of {host.node} has the driver {driver}, which no HypervisorZone can name"
        elif not _HOST.fullmatch(name):
            left_out[name] = f'the compute on {host.address} is "{name}" in Nova, which no document can say: it is in no zone'
        else:
            keeper = pacemaker.keeping(root, "nova-compute", host)
            found.append(LibvirtFound(host, name, layers, zone_of(seen, name, "libvirt"), keeper))
    return tuple(found), left_out


def vsphere(seen: Seen, release: str, root: ET.Element | None) -> tuple[tuple[VsphereFound, ...], dict[str, str]]:
    """Return the computes of vSphere clusters; and those that no document can say, with the reason."""
    fit: list[VsphereFound] = []
    left_out: dict[str, str] = {}
    for one in _vsphere(seen, release, root):
        if why := _unfit(one, seen):
            left_out[one.compute] = f"the compute {one.compute} of a vSphere cluster {why}"
        else:
            fit.append(one)
    for zone in {one.zone.availability_zone.lower(): None for one in fit}:
        inside = [one for one in fit if one.zone.availability_zone.lower() == zone]
        here: dict[str, str] = {}
        for what, why in _ALIKE:
            here |= _others([one for one in inside if one.compute not in here], what, why)
        left_out |= {name: f"the compute {name} of a vSphere cluster is left alone: {why}" for name, why in here.items()}
    return tuple(one for one in fit if one.compute not in left_out), left_out


def vsphere_names(seen: Seen, release: str) -> frozenset[str]:
    """Return what Nova calls all computes of vSphere clusters, whether documents can say them or not."""
    return frozenset(one.compute for one in _vsphere(seen, release, None))


def _vsphere(seen: Seen, release: str, root: ET.Element | None) -> Iterator[VsphereFound]:
    """Yield them: those that live in a home of their own, then those that share."""
    found: dict[str, list[tuple[Host, Layers]]] = {}
    foreign: dict[str, str] = {}
    packaged: dict[str, set[str]] = {}
    for host in seen.hosts:
        for path, layers in _vsphere_layers(host, release):
            if first(layers, "vmware", "cluster_name") is None:
                continue
            compute = first(layers, "DEFAULT", "host") or host.hostname
            found.setdefault(compute, []).append((host, layers))
            keeper = ""
            if path == OWN:
                packaged.setdefault(compute, set()).add(host.node)
                keeper = pacemaker.keeping(root, "nova-compute", host)
            if path != f"{HOMES}/{compute}/nova.conf":
                foreign[compute] = pacemaker.naming(root, path) or keeper or f"the service nova-compute of {host.node}"
    for compute, on in sorted(found.items()):
        what = foreign.get(compute, "")
        kept = pacemaker.has_primitive(root, f"nova-compute-{compute}") or what.startswith("the resource")
        zone = zone_of(seen, compute, "vmware")
        yield VsphereFound(compute, tuple(on), zone, kept, what, frozenset(packaged.get(compute, ())))


def _vsphere_layers(host: Host, release: str) -> Iterator[tuple[str, Layers]]:
    """Yield the configuration of each compute that a host may run, with the path that is its own."""
    for name in host.names(HOMES):
        path = f"{HOMES}/{name}/nova.conf"
        yield path, host.layers("nova", release, path)
    for name in host.names(FUEL_COMPUTES):
        path = f"{FUEL_COMPUTES}/{name}"
        yield path, host.layers("nova", release, path, SHARED)
    if host.runs("nova-compute"):
        layers = host.layers("nova", release, OWN, SHARED)
        if "vmware" in (first(layers, "DEFAULT", "compute_driver") or ""):
            yield OWN, layers


def _unfit(one: VsphereFound, seen: Seen) -> str:
    """Say why it cannot be in a document, or ''."""
    if not (one.kept or one.packaged or one.compute in _rows(seen)):
        return "is configured, but nothing runs it, and Nova does not have it"
    layers = one.on[0][1]
    clusters = next((said for conf in layers if (said := conf.all("vmware", "cluster_name"))), ())
    if len(set(clusters)) > 1:  # one process for several, which Nova could do before Liberty
        return f"drives {len(clusters)} clusters ({', '.join(clusters)}), and a document says one for each compute"
    if not _HOST.fullmatch(one.compute) or len(one.compute) > _LONGEST:
        return "is called as no document can say"
    return ""


def _others(found: list[VsphereFound], what: Callable[[VsphereFound], object], why: str) -> dict[str, str]:
    """Return those that are not like most of them, with that reason."""
    most = Counter(map(what, found)).most_common(1)
    return {one.compute: why for one in found if what(one) != most[0][0]}


def _rows(seen: Seen) -> frozenset[str]:
    return frozenset(str(row["host"]) for row in seen.listed("computes.list", "computes"))
