"""HypervisorZones from computes: those of one zone and hypervisor become one document."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from resources.adoption.computes import LibvirtFound, VsphereFound
from resources.adoption.conf import first
from resources.adoption.draft import Document
from resources.adoption.questions import AGENT_HOMES, HOMES, IDENTITIES
from resources.adoption.vcenter import Login
from resources.ini import edit, parse
from resources.releases.table import RELEASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.adoption.availability import Zone
    from resources.adoption.draft import Path
    from resources.adoption.survey import Survey

FoundT = TypeVar("FoundT", LibvirtFound, VsphereFound)

_OBSERVED = {"bivisor/manage": "observe"}
_LONGEST = 60
"""Of a name that gets a number of two digits behind it."""
_PROGRAM = re.compile(r"^ExecStart=(\S+) --config-file", re.MULTILINE)
_PACKAGED = "/usr/bin/nova-compute"
_TRUE = frozenset({"true", "yes", "on", "1"})
_IMAGE_TYPES = {"libvirt": frozenset({"qemu", "kvm"}), "vmware": frozenset({"vmware"})}


def logins(survey: Survey) -> Iterator[Login]:
    """Yield how the computes log in to their vCenters. Raises UnreadableError."""
    for found in survey.vsphere:
        host, port = found.place
        yield Login(
            host=host,
            port=port,
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
    libvirt, vmware = _grouped(survey.libvirt), _grouped(survey.vsphere)
    names = _names([*libvirt, *vmware])
    for zone, hosts in libvirt.items():
        name = next(names)
        role = "compute" if len(libvirt) == 1 else f"compute-{name}"
        for host in hosts:
            roles.setdefault(host.host.node, []).append(role)
        documents.append(_libvirt(survey, name, zone, hosts, role))
    for zone, computes in vmware.items():
        name = next(names)
        documents.append(_vmware(survey, name, zone, computes, vcenters))
        for compute in computes if not all(each.kept for each in computes) else ():
            roles.setdefault(compute.on[0][0].node, []).append(f"compute-{name}")
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


def _grouped(found: tuple[FoundT, ...]) -> dict[Zone, list[FoundT]]:
    """Return computes by their zone; of the aggregates that make it, that of most counts, and none that is a guess."""
    named: dict[str, list[FoundT]] = {}
    for one in found:
        named.setdefault(one.zone.availability_zone.lower(), []).append(one)
    return {_most(group): group for group in named.values()}


def _most(group: list[FoundT]) -> Zone:
    known = [one.zone for one in group if one.zone.aggregate] or [group[0].zone]
    return Counter(known).most_common(1)[0][0]


def _is_guess(found: LibvirtFound | VsphereFound) -> bool:
    return not found.zone.aggregate


def _names(zones: list[Zone]) -> Iterator[str]:
    """Yield a name for each, a number behind it where another one has it already."""
    taken: set[str] = set()
    for zone in zones:
        free = (zone.name, *(f"{zone.name[:_LONGEST]}-{number}" for number in range(2, len(zones) + 2)))
        name = next(name for name in free if name not in taken)
        taken.add(name)
        yield name


def _apart(documents: list[Document]) -> Iterator[Document]:
    """Yield the documents; a zone of both hypervisors is two, and the second one cannot become what it is to be unasked."""
    taken: set[str] = set()
    for document in documents:
        zone = str(document.spec["availabilityZone"])
        if zone.lower() not in taken:
            taken.add(zone.lower())
            yield document
            continue
        why = (
            f'observed only: "{zone}" holds both hypervisors, each needs a zone of its own, and this name of one is a guess. '
            "Computes change their zone when no instance lives on them"
        )
        notes = {**document.notes, (): " ".join(filter(None, (document.notes.get(()), why)))}
        spec = {**document.spec, "availabilityZone": document.name}
        yield replace(document, spec=spec, notes=notes, annotations={**document.annotations, **_OBSERVED})


def _zone_notes(name: str, zone: Zone, guessed: bool) -> dict[Path, str]:  # noqa: FBT001 - see its callers
    notes = []
    if guessed:
        notes.append("a guess: these computes are in no aggregate with a zone of its own; take a name that you want to keep")
    if zone.aggregate and zone.aggregate != name:
        notes.append(
            f'Nova\'s aggregate of this zone is called "{zone.aggregate}", and this document is not: Bivisor makes one of its '
            "own beside it, with the same zone"
        )
    if zone.beside:
        named = ", ".join(f'"{one}"' for one in zone.beside)
        notes.append(f"these aggregates are of this zone too, and stay: {named}")
    return {("availabilityZone",): ". ".join(notes)} if notes else {}


def _images(survey: Survey, hypervisor: str) -> list[dict[str, str]] | None:
    """Return the images that say that they are for this hypervisor; of several with one name nobody knows which is meant."""
    listed = survey.seen.listed("images.list", "images")
    many = Counter(str(image["name"]) for image in listed)
    types = _IMAGE_TYPES[hypervisor]
    names = sorted(
        str(image["name"]) for image in listed if image["hypervisor_type"] in types and many[str(image["name"])] == 1
    )
    return [{"name": name} for name in names] or None


def _libvirt(survey: Survey, name: str, zone: Zone, computes: list[LibvirtFound], role: str) -> Document:
    notes, annotations = _zone_notes(name, zone, any(map(_is_guess, computes))), {}
    if keeper := next((found.keeper for found in computes if found.keeper), ""):
        annotations = _OBSERVED
        notes[()] = f"observed only: {keeper} runs these computes, and systemd must not start or restart them behind its back"
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
    return Document("HypervisorZone", name, spec, notes, annotations)


def _vmware(survey: Survey, name: str, zone: Zone, found: list[VsphereFound], vcenters: dict[tuple[str, int], str]) -> Document:
    notes, annotations = _zone_notes(name, zone, any(map(_is_guess, found))), {}
    foreign = [one for one in found if one.foreign]
    if foreign:
        annotations = _OBSERVED
        notes[()] = _handover(foreign)
    kept = all(one.kept for one in found)
    candidates = {host.node for host in survey.members} if kept else {host.node for one in found for host, _ in one.on}
    if torn := sorted(candidates & survey.unnamed):
        annotations = _OBSERVED
        why = f"the packaged nova-compute would be masked on {', '.join(torn)}, where it runs a compute that is in no document"
        notes[()] = f"{notes.get((), '')} observed only: {why}; move that one first".strip()
    spec = {
        "availabilityZone": zone.availability_zone,
        "hypervisor": "vmware",
        "vmware": {
            "vcenter": vcenters[found[0].place],
            "computes": [_compute(survey, one, notes, index) for index, one in enumerate(found)],
            "program": _program(found),
        },
        "placement": "controllers" if kept else {"nodes": {"roles": [f"compute-{name}"]}},
        "images": _images(survey, "vmware"),
    }
    return Document("HypervisorZone", name, spec, notes, annotations)


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
    """Return the UUID by which Nova knows the compute: as its own file says, else as Nova itself does.

    What several computes share, and a packaged one beside them, comes last.
    """
    own = (host.text(f"{HOMES}/{found.compute}/compute_id") for host, _ in found.on)
    listed = survey.seen.listed("hypervisors.list", "hypervisors", **IDENTITIES)
    known = (str(each["uuid"]) for each in listed if each["host"] == found.compute)
    shared = (host.text("/var/lib/nova/compute_id") for host, _ in found.on if found.foreign)
    return next((text.strip() for text in (*own, *known, *shared) if text and text.strip()), None)


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
