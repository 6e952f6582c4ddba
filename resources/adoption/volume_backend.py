"""VolumeBackends from the configuration of cinder-volume services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resources.adoption import pacemaker
from resources.adoption.computes import port
from resources.adoption.draft import Document, is_name
from resources.adoption.questions import CINDER, FUEL_VOLUMES
from resources.adoption.vcenter import Login
from resources.kinds.volume_backend import DRIVERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.adoption.conf import Conf
    from resources.adoption.draft import Path
    from resources.adoption.seen import Host
    from resources.adoption.survey import Survey

_KINDS = {driver: name for name, driver in DRIVERS.items()}
_VMWARE = ("vmdk", "fcd")
_OWN_FILE = f"{CINDER}/cinder-volume-"
_SHARED = "backend_defaults"
_TRUE = frozenset({"true", "yes", "on", "1"})


@dataclass(frozen=True, slots=True)
class BackendFound:
    """A backend's section, on each host that has it. `kept` tells that Pacemaker keeps a process of its own."""

    name: str
    driver: str
    on: tuple[tuple[Host, Conf], ...]
    kept: bool

    def get(self, name: str) -> str | None:
        """Return an option of its section."""
        return _option(self.on[0][1], self.name, name)

    @property
    def identities(self) -> frozenset[str]:
        """What Cinder calls its service, on each of its nodes."""
        return frozenset(
            conf.get(self.name, "backend_host", own=self.name) or conf.get("DEFAULT", "host") or host.hostname
            for host, conf in self.on
        )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The nodes that have it."""
        return tuple(host.node for host, _ in self.on)


def backends(survey: Survey) -> tuple[tuple[BackendFound, ...], tuple[str, ...]]:
    """Return what volume services serve, and sentences on what cannot be declared."""
    found: dict[tuple[str, bool], list[tuple[Host, Conf]]] = {}
    left_out: list[str] = []
    for host in survey.seen.hosts:
        left_out += [
            f"{FUEL_VOLUMES}/{name} of {host.node}: its volumes belong to no section, so no backend can be called as they need"
            for name in host.names(FUEL_VOLUMES)
        ]
        for path, kept in _files(host):
            conf = host.conf(path, "cinder", survey.release)
            names = _enabled(conf)
            if conf and not names:
                left_out.append(
                    f"the cinder-volume of {host.node} has no enabled_backends, and volumes belong to a backend's section"
                )
            for name in names:
                if conf is not None and (why := _unfit(name, conf)):
                    left_out.append(f"[{name}] in {path} of {host.node} {why}")
                elif conf is not None:
                    found.setdefault((name, kept), []).append((host, conf))
    backends = [
        BackendFound(name, _KINDS[_option(on[0][1], name, "volume_driver") or ""], tuple(on), kept)
        for (name, kept), on in sorted(found.items(), key=lambda item: item[0])
    ]
    one = [backend for backend in backends if len(backend.identities) == 1]
    left_out += [_several(backend) for backend in backends if backend not in one]
    return tuple(one), tuple(dict.fromkeys(left_out))


def logins(found: tuple[BackendFound, ...]) -> Iterator[Login]:
    """Yield how backends log in to their vCenters."""
    for one in found:
        if one.driver in _VMWARE:
            yield Login(
                host=one.get("vmware_host_ip") or "",
                port=port(one.on[0][1].place, one.get("vmware_host_port")),
                username=one.get("vmware_host_username") or "",
                password=one.get("vmware_host_password") or "",
                insecure=(one.get("vmware_insecure") or "").lower() in _TRUE,
                ca_file=one.get("vmware_ca_file") or "",
                seen_on=one.on[0][0],
                who=f"the volume backend {one.name}",
            )


def volume_backends(
    survey: Survey, found: tuple[BackendFound, ...], zones: tuple[Document, ...]
) -> tuple[tuple[Document, ...], dict[str, list[str]], tuple[str, ...]]:
    """Return the documents, the roles of their nodes, and sentences on what is in none."""
    documents = []
    left_out = [
        f"the volume backend {one.name} is in the zone {_zone_said(one)!r}, where no compute of its hypervisor is"
        for one in found
        if _zone(one, zones, {}) is None
    ]
    fitting, alone = _whole_services(survey, tuple(one for one in found if _zone(one, zones, {}) is not None))
    roles: dict[str, list[str]] = {}
    for one in fitting:
        notes: dict[Path, str] = {}
        zone = _zone(one, zones, notes)
        if zone is None:
            continue
        role = f"cinder-{one.name}"
        for host in one.hosts:
            roles.setdefault(host, []).append(role)
        annotations = _observed(survey, one, notes)
        documents.append(Document("VolumeBackend", one.name, _spec(survey, one, zone.name, role, notes), notes, annotations))
    return tuple(documents), roles, (*left_out, *alone)


def _whole_services(survey: Survey, found: tuple[BackendFound, ...]) -> tuple[tuple[BackendFound, ...], list[str]]:
    """Return those whose services serve nothing else: enabled_backends is one option, and would lose what is not declared.

    A backend of Pacemaker's is no better off beside a packaged service, which is masked where no document needs it.
    """
    served = {
        host.node: set(_enabled(host.conf(path, "cinder", survey.release)) or ["DEFAULT"])
        for host in survey.seen.hosts
        for path, kept in _files(host)
        if not kept
    }
    left, why = list(found), list[str]()
    while True:
        declared = {one.name for one in left if not one.kept}
        torn = [one for one in left if any(served.get(node, declared) - declared for node in one.hosts)]
        if not torn:
            return tuple(left), why
        why += [f"the volume backend {one.name} shares service or node with one that is in no document" for one in torn]
        left = [one for one in left if one not in torn]


def _enabled(conf: Conf | None) -> list[str]:
    names = (conf.get("DEFAULT", "enabled_backends") or "") if conf else ""
    return [name.strip() for name in names.split(",") if name.strip()]


def _option(conf: Conf, section: str, name: str) -> str | None:
    """Return an option of a backend's section, or what all of them share (Cinder since Queens, `backend_defaults`)."""
    own = conf.get(section, name, own=section)
    return own if own is not None else conf.get(_SHARED, name, own=_SHARED)


def _files(host: Host) -> Iterator[tuple[str, bool]]:
    if host.runs("cinder-volume") or host.at_boot("cinder-volume"):
        yield f"{CINDER}/cinder.conf", False
    for name in host.names(CINDER):
        if name.startswith("cinder-volume-") and name.endswith(".conf"):
            yield f"{CINDER}/{name}", True


def _unfit(name: str, conf: Conf) -> str:
    """Say why a section cannot be a document, or ''."""
    driver = _option(conf, name, "volume_driver")
    if driver not in _KINDS:
        return f"has the driver {driver}, which no VolumeBackend can name"
    return "" if is_name(name) else "cannot be the name of a document (a-z, 0-9 and -), and volumes belong to that name"


def _several(one: BackendFound) -> str:
    """Say that a section is several backends: to declare them as one would give volumes to another service."""
    names = ", ".join(sorted(one.identities))
    return (
        f"[{one.name}] is another backend on each of {', '.join(one.hosts)} (Cinder calls them {names}), and a VolumeBackend "
        "is called as its section: volumes would change hands"
    )


def _zone_said(one: BackendFound) -> str:
    return one.get("backend_availability_zone") or one.on[0][1].get("DEFAULT", "storage_availability_zone") or "nova"


def _zone(one: BackendFound, zones: tuple[Document, ...], notes: dict[Path, str]) -> Document | None:
    """Return the zone of its string, else the only one of its hypervisor, with a note; None where nobody can tell."""
    said, hypervisor = _zone_said(one), "vmware" if one.driver in _VMWARE else "libvirt"
    fitting = [zone for zone in zones if zone.spec["hypervisor"] == hypervisor]
    for zone in fitting:
        if zone.spec["availabilityZone"] == said:
            return zone
    if len(fitting) != 1:
        return None
    notes["zone",] = (
        f"a guess: Cinder calls its zone {said!r}, Nova that of its computes {fitting[0].spec['availabilityZone']!r}, so "
        "nothing could be attached without crossing zones; volumes that exist keep the zone in which they were made"
    )
    return fitting[0]


def _observed(survey: Survey, one: BackendFound, notes: dict[Path, str]) -> dict[str, str]:
    """Return the annotation that lets nothing be done where somebody else starts and stops its service, with a note."""
    keepers = (pacemaker.keeping(survey.cib, "cinder-volume", host) for host, _ in one.on if not one.kept)
    keeper = next(filter(None, keepers), "")
    if not keeper:
        return {}
    notes[()] = (
        f"observed only: {keeper} runs its cinder-volume, and started by systemd as well there would be two. To hand over: "
        "stop and remove that resource, wait until Cinder calls the service down, write the nodes and ha that you want, take "
        "the annotation away, apply"
    )
    return {"bivisor/manage": "observe"}


def _spec(survey: Survey, one: BackendFound, zone: str, role: str, notes: dict[Path, str]) -> dict[str, Any]:
    (host,) = one.identities
    ha = "active-passive" if one.kept else "none" if len(one.on) == 1 else "shared-host"
    if host != one.name:
        notes["backendHost",] = "its identity in Cinder: never change it"
    return {
        "zone": zone,
        "driver": one.driver,
        "placement": {"nodes": {"roles": [role]}},
        "ha": ha,
        "volumeType": _volume_type(survey, one, notes),
        "backendHost": host if host != one.name else None,
        **_block(one, notes),
    }


def _volume_type(survey: Survey, one: BackendFound, notes: dict[Path, str]) -> str | None:
    """Return the type that leads to it. Others that do so by another name than its section are told: it will lose that."""
    listed = {
        str(each["name"]): each["specs"].get("volume_backend_name")
        for each in survey.seen.listed("volume_types.list", "volume_types")
    }
    called = one.get("volume_backend_name") or one.name
    names = sorted(name for name, leads in listed.items() if leads in {one.name, called})
    chosen = one.name if one.name in names else next(iter(names), None)
    others = [name for name in names if name != chosen and listed[name] != one.name]
    if called != one.name:
        more = f": change {', '.join(others)} when you apply this" if others else ""
        notes["driver",] = (
            f'its volume_backend_name is "{called}", and becomes "{one.name}", as its section is called; no other volume type '
            f"than that of this document follows{more}"
        )
    return chosen


def _block(one: BackendFound, notes: dict[Path, str]) -> dict[str, Any]:
    """Return the options of its driver."""
    match one.driver:
        case "vmdk" | "fcd":
            types = one.on[0][1].get("DEFAULT", "vmdk_allowed_types")
            vmware = {
                "folder": one.get("vmware_volume_folder"),
                "allowedTypes": types.split(",") if types and types != "streamOptimized,monolithicSparse" else None,
            }
            return {"vmware": vmware if any(vmware.values()) else None}
        case "lvm":
            names = {"volumeGroup": "volume_group", "targetHelper": "target_helper", "targetProtocol": "target_protocol"}
            return {"lvm": {field: one.get(name) for field, name in names.items()}}
        case "rbd":
            names = {"pool": "rbd_pool", "user": "rbd_user", "cephConf": "rbd_ceph_conf", "secretUuid": "rbd_secret_uuid"}
            return {"rbd": {field: one.get(name) for field, name in names.items()}}
        case _:
            path = one.get("nfs_shares_config") or ""
            lines = (line.strip() for line in (one.on[0][0].text(path) or "").splitlines())
            shares = [line.split()[0] for line in lines if line and not line.startswith("#")]
            if not shares:
                notes["nfs", "shares"] = f"nothing was readable in {path or 'nfs_shares_config'}: write its exports"
            return {"nfs": {"shares": shares, "mountOptions": one.get("nfs_mount_options")}}
