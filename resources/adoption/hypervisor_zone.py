"""HypervisorZones from computes: those of one zone and hypervisor become one document."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from resources.adoption.draft import Document
from resources.adoption.questions import AGENT_HOMES, HOMES, IDENTITIES
from resources.adoption.survey import first
from resources.adoption.vcenter import Login
from resources.ini import edit, parse
from resources.releases.table import RELEASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.adoption.draft import Path
    from resources.adoption.survey import LibvirtFound, Survey, VsphereFound, Zone

_PROGRAM = re.compile(r"^ExecStart=(\S+) --config-file", re.MULTILINE)
_PACKAGED = "/usr/bin/nova-compute"
_TRUE = frozenset({"true", "yes", "on", "1"})
_IMAGE_TYPES = {"libvirt": frozenset({"qemu", "kvm"}), "vmware": frozenset({"vmware"})}


def logins(survey: Survey) -> Iterator[Login]:
    """Yield how the computes log in to their vCenters."""
    for found in survey.vsphere:
        yield Login(
            host=found.get("vmware", "host_ip") or "",
            port=int(found.get("vmware", "host_port") or 443),
            username=found.get("vmware", "host_username") or "",
            password=found.get("vmware", "host_password") or "",
            insecure=(found.get("vmware", "insecure") or "").lower() in _TRUE,
            ca_file=found.get("vmware", "ca_file") or "",
            seen_on=found.on[0][0],
            who=f"the compute {found.compute}",
        )


def zones(survey: Survey, vcenters: dict[tuple[str, int], str]) -> tuple[tuple[Document, ...], dict[str, list[str]]]:
    """Return the documents, and the roles that they choose nodes by: node name to roles."""
    documents: list[Document] = []
    roles: dict[str, list[str]] = {}
    libvirt = _grouped(survey.libvirt, lambda found: found.zone)
    for zone, computes in libvirt.items():
        role = "compute" if len(libvirt) == 1 else f"compute-{zone.name}"
        for found in computes:
            roles.setdefault(found.host.node, []).append(role)
        documents.append(_libvirt(survey, zone, computes, role))
    for zone, found in _grouped(survey.vsphere, lambda one: one.zone).items():
        documents.append(_vmware(survey, zone, found, vcenters))
        for one in found if not all(each.kept for each in found) else ():
            roles.setdefault(one.on[0][0].node, []).append(f"compute-{zone.name}")
    return tuple(_apart(documents)), {name: list(dict.fromkeys(said)) for name, said in roles.items()}


def elsewhere(survey: Survey) -> dict[tuple[str, str], str]:
    """Return what foreign computes read, by node and future path: their own file, and [vmware] of what they share.

    What else stands in a shared nova.conf is that of the APIs beside it as well.
    """
    found = {}
    for one in survey.vsphere if any(each.foreign for each in survey.vsphere) else ():
        for host, (own, *shared) in one.on if one.foreign else ():
            entries = (
                *(entry for conf in shared for entry in conf.document.entries if entry.section == "vmware"),
                *own.document.entries,
            )
            wanted = {(entry.section, entry.key): (entry.value,) for entry in entries}
            found[host.node, f"{HOMES}/{one.compute}/nova.conf"] = edit(parse(""), wanted)
    return found


def _grouped(found: Any, zone: Any) -> dict[Zone, list[Any]]:
    grouped: dict[Zone, list[Any]] = {}
    for one in found:
        grouped.setdefault(zone(one), []).append(one)
    return grouped


def _apart(documents: list[Document]) -> Iterator[Document]:
    """Yield the documents; a zone of both hypervisors is two, the second with another name, which is a guess."""
    names: set[str] = set()
    for document in documents:
        if document.name not in names:
            names.add(document.name)
            yield document
            continue
        name = f"{document.name}-{document.spec['hypervisor']}"
        names.add(name)
        note = "a guess: both hypervisors are in one zone, and each needs its own"
        yield Document(
            document.kind, name, {**document.spec, "availabilityZone": name}, {**document.notes, ("availabilityZone",): note}
        )


def _zone_notes(zone: Zone) -> dict[Path, str]:
    if zone.known:
        return {}
    why = "a guess: these computes are in no aggregate with a zone of its own; take a name that you want to keep"
    return {("availabilityZone",): why}


def _images(survey: Survey, hypervisor: str) -> list[dict[str, str]] | None:
    """Return the images that say that they are for this hypervisor; of several with one name nobody knows which is meant."""
    listed = survey.seen.listed("images.list", "images")
    many = Counter(str(image["name"]) for image in listed)
    types = _IMAGE_TYPES[hypervisor]
    names = sorted(
        str(image["name"]) for image in listed if image["hypervisor_type"] in types and many[str(image["name"])] == 1
    )
    return [{"name": name} for name in names] or None


def _libvirt(survey: Survey, zone: Zone, computes: list[LibvirtFound], role: str) -> Document:
    notes = _zone_notes(zone)
    said: dict[str, Any] = {}
    for field, option in (("virtType", "virt_type"), ("cpuMode", "cpu_mode"), ("imagesType", "images_type")):
        values = Counter(first(found.layers, "libvirt", option) for found in computes)
        said[field] = values.most_common(1)[0][0]
        if len(values) > 1:
            told = ", ".join(f"{first(found.layers, 'libvirt', option)} on {found.host.node}" for found in computes)
            notes["libvirt", field] = f"the computes differ ({told}): a zone has one"
    said["virtType"] = said["virtType"] or ("qemu" if computes[0].host.version("nova-compute-qemu") else "kvm")
    spec = {
        "availabilityZone": zone.availability_zone,
        "hypervisor": "libvirt",
        "libvirt": said,
        "placement": {"nodes": {"roles": [role]}},
        "images": _images(survey, "libvirt"),
    }
    return Document("HypervisorZone", zone.name, spec, notes)


def _vmware(survey: Survey, zone: Zone, found: list[VsphereFound], vcenters: dict[tuple[str, int], str]) -> Document:
    notes, annotations = _zone_notes(zone), {}
    places = list(
        dict.fromkeys((one.get("vmware", "host_ip") or "", int(one.get("vmware", "host_port") or 443)) for one in found)
    )
    if len(places) > 1:
        notes["vmware", "vcenter"] = "its computes use several vCenters: give those of the others a zone of their own"
    foreign = [one for one in found if one.foreign]
    if foreign:
        annotations["bivisor/manage"] = "observe"
        notes[()] = _handover(foreign)
    kept = all(one.kept for one in found)
    candidates = {host.node for host in survey.members} if kept else {host.node for one in found for host, _ in one.on}
    if torn := sorted(candidates & survey.unnamed):
        annotations["bivisor/manage"] = "observe"
        why = f"the packaged nova-compute would be masked on {', '.join(torn)}, where it runs a compute that is in no document"
        notes[()] = f"{notes.get((), '')} observed only: {why}; move that one first".strip()
    spec = {
        "availabilityZone": zone.availability_zone,
        "hypervisor": "vmware",
        "vmware": {
            "vcenter": vcenters[places[0]],
            "computes": [_compute(survey, one, notes, index) for index, one in enumerate(found)],
            "program": _program(found),
        },
        "placement": "controllers" if kept else {"nodes": {"roles": [f"compute-{zone.name}"]}},
        "images": _images(survey, "vmware"),
    }
    return Document("HypervisorZone", zone.name, spec, notes, annotations)


def _compute(survey: Survey, found: VsphereFound, notes: dict[Path, str], index: int) -> dict[str, Any]:
    notes["vmware", "computes", index, "host"] = "its identity in Nova: never change it"
    has_id = RELEASES[survey.release].has_compute_id
    return {
        "cluster": found.get("vmware", "cluster_name"),
        "host": found.compute,
        "datastoreRegex": found.get("vmware", "datastore_regex"),
        "computeId": _identity(survey, found) if has_id else None,
        "dvs": _dvs(survey, found),
    }


def _identity(survey: Survey, found: VsphereFound) -> str | None:
    """Return the UUID by which Nova knows the compute: as its file says, else as Nova itself does."""
    paths = (f"/etc/nova/vcenter/{found.compute}/compute_id", *(("/var/lib/nova/compute_id",) if found.foreign else ()))
    texts = (host.text(path) for path in paths for host, _ in found.on)
    listed = survey.seen.listed("hypervisors.list", "hypervisors", **IDENTITIES)
    known = (str(each["uuid"]) for each in listed if each["host"] == found.compute)
    return next((text.strip() for text in (*texts, *known) if text and text.strip()), None)


def _program(found: list[VsphereFound]) -> str | None:
    for one in found:
        text = one.on[0][0].text(f"/etc/systemd/system/nova-compute-{one.compute}.service")
        if text and (program := _PROGRAM.search(text)) and program[1] != _PACKAGED:
            return program[1]
    return None


def _dvs(survey: Survey, found: VsphereFound) -> dict[str, Any] | None:
    """Return the switches of the compute's DVS agent."""
    conf = next(iter(_agents(survey, found.compute)), None)
    if conf is None or not (maps := conf.get("ml2_vmware", "network_maps")):
        return None
    uplinks = {}
    for part in (conf.get("ml2_vmware", "uplink_maps") or "").split(","):
        physical, *lists = part.split(":")
        if lists:
            named = dict(zip(("active", "standby"), (names.split(";") for names in lists), strict=False))
            uplinks[physical] = named
    return {"networkMaps": dict(part.split(":", 1) for part in maps.split(",")), "uplinkMaps": uplinks or None}


def _agents(survey: Survey, compute: str) -> Iterator[Any]:
    for host in survey.seen.hosts:
        if conf := host.conf(f"{AGENT_HOMES}/{compute}/dvs-agent.ini", "neutron", survey.release):
            yield conf


def _handover(foreign: list[VsphereFound]) -> str:
    """Say how a compute that lives in another layout comes over without two of it ever running."""
    runs = "; ".join(f"{one.compute} is run by {one.foreign}" for one in foreign)
    return (
        f"observed only, because two processes of one compute must never run: {runs}. The plan shows what Bivisor would make. "
        "To hand over: stop and remove what runs it now, wait until Nova calls it down, take the annotation away, apply. "
        "host stays, so the instances do. Of a shared nova.conf only [vmware] was taken over: what else the computes need "
        "belongs into settings"
    )
