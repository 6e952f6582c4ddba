"""What was seen, sorted out: release, ring, computes and their zones. Each kind's module reads its part here."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from resources import cib
from resources.adoption.computes import SHARED, libvirt, vsphere, vsphere_names
from resources.adoption.questions import CONF_FOLDERS
from resources.adoption.ring import RingFound, ring_of
from resources.contract import UnreadableError
from resources.releases.table import RELEASES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree import ElementTree as ET

    from resources.adoption.computes import LibvirtFound, VsphereFound
    from resources.adoption.conf import Layers
    from resources.adoption.seen import Host, Seen


_RENAMED = "Nova calls a vSphere compute {name}, for ever, and no Node may be called as one: this name is a guess"


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
            yield host.layers("nova", self.release, SHARED)


def survey(seen: Seen) -> Survey:
    """Sort out what was seen. Raises UnreadableError where an answer does not say what is."""
    release, left_out = _release(seen)
    ring = ring_of(seen)
    members = tuple(host for host in seen.hosts if ring and host in ring.hosts.values())
    # what a running member says counts before what a stopped one has saved
    texts = sorted((not host.has_live_cib, host.cib) for host in members)
    root = next((_parsed(text) for _, text in texts if text), None)
    kvm, no_kvm = libvirt(seen, release, root)
    vcenter, no_vcenter = vsphere(seen, release, root)
    declared = {found.host.node for found in kvm}.union(*(found.packaged for found in vcenter))
    taken = {one.compute for one in kvm} | {one.compute for one in vcenter} | no_kvm.keys() | no_vcenter.keys()
    left_out += [*no_kvm.values(), *no_vcenter.values(), *_unread(seen)]
    left_out += [_unknown(row) for row in seen.listed("computes.list", "computes") if row["host"] not in taken]
    return Survey(
        seen,
        release,
        ring=ring,
        cib=root,
        members=members,
        libvirt=kvm,
        vsphere=vcenter,
        unnamed=frozenset(host.node for host in seen.hosts if host.runs("nova-compute") and host.node not in declared),
        left_out=tuple(dict.fromkeys(left_out)),
    )


def _parsed(text: str) -> ET.Element:
    try:
        return cib.parse(text)
    except ValueError as error:
        raise UnreadableError(
            f"Pacemaker's configuration cannot be read: {error}; start Pacemaker, and see what it says"
        ) from error


def named(seen: Seen) -> Seen:
    """Return it with other names for the hosts that a vSphere compute is called after: a Node may not have such a one.

    Off the ring only, whose members Pacemaker knows by their names. Raises UnreadableError.
    """
    ring = ring_of(seen)
    members = () if ring is None else tuple(host.node for host in ring.hosts.values())
    taken = {name.lower() for name in vsphere_names(seen, _release(seen)[0])}
    return replace(
        seen,
        hosts=tuple(
            replace(host, name=f"{host.node}-host", note=_RENAMED.format(name=host.node))
            if host.node in taken and host.node not in members
            else host
            for host in seen.hosts
        ),
    )


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


def _unread(seen: Seen) -> Iterator[str]:
    """Yield the files that services read beside those that were read here."""
    for host in seen.hosts:
        for folder in CONF_FOLDERS:
            for name in host.names(folder):
                if name.endswith(".conf"):
                    yield (
                        f"{folder}/{name} of {host.node}: what it sets counts more than the file that the folder is called "
                        "after, and nobody looks into it: move its options there"
                    )


def _release(seen: Seen) -> tuple[str, list[str]]:
    versions = [version for host in seen.hosts if (version := host.version("nova-common"))]
    found = Counter(release for version in versions if (release := nova_version(version)))
    if not found:
        raise UnreadableError("none of these hosts has the package nova-common, whose version tells the release of OpenStack")
    release = min(found, key=lambda name: RELEASES[name].nova)
    notes = [f"Nova has several releases: {', '.join(sorted(found))}; the oldest one is written"] if len(found) > 1 else []
    return release, notes
