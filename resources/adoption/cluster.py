"""The Cluster from the services' configuration, the ring and how Bivisor itself logs in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from resources.adoption import pacemaker
from resources.adoption.computes import SHARED
from resources.adoption.conf import first
from resources.adoption.draft import Document, as_name, is_name
from resources.cloud import UnfitReleaseError
from resources.contract import UnreadableError
from resources.releases.spelling import written
from resources.releases.table import RELEASES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from resources.adoption.conf import Conf, Layers
    from resources.adoption.draft import Path
    from resources.adoption.survey import Survey
    from resources.endpoints import OpenStackEndpoint

_LOGINS = ("service_user", "placement", "neutron", "cinder", "keystone_authtoken")
"""Sections of a service's configuration with its account, the most telling first."""

_ACCOUNTS = ("service_user", "keystone_authtoken", "placement", "neutron", "cinder")
"""The same, where Nova's own account stands before those by which it may speak to one other service."""

_OURS = {"symmetric-cluster": "true", "start-failure-is-fatal": "true", "cluster-recheck-interval": ""}
"""Options of Pacemaker that Bivisor decides, but for what `properties` say: what is there stays. With their defaults (Pacemaker
Explained, cluster options): unset, the first one lets every resource run anywhere, and all would stop if it became false."""

_KEPT = (
    "kept as they are, or as Pacemaker has them where nobody set them; without this block Bivisor decides them, and with "
    "symmetric-cluster: false every resource stops that no constraint lets run"
)

_NO_RING = (
    "observed only: there is no ring on these hosts, and none shall be formed on one that nobody meant for it. Give the role "
    "controller to those that shall be its members, and take the annotation away when computes or volumes need Pacemaker"
)
_REGION = "set OS_REGION_NAME, or region_name in clouds.yaml"

_TRUE = frozenset({"true", "yes", "on", "1", "y"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What other kinds need of the Cluster; `controllers` are the nodes that it keeps the vSphere computes on."""

    name: str
    cinder: tuple[Conf, ...]
    glance: dict[str, str] | None
    remote_key: bool
    api: bool
    network: dict[str, Any] | None
    ssh: dict[str, Any]


def cluster_name(survey: Survey, given: str) -> str:
    """Return what the Cluster is called: as given, else as the ring, which has the name in its files."""
    return given or (
        survey.ring.name if survey.ring and is_name(survey.ring.name) else as_name(survey.ring.name if survey.ring else "cloud")
    )


def cluster(survey: Survey, wanted: Wanted) -> tuple[Document, dict[str, str | dict[str, str]]]:
    """Return the document and the secrets that it names."""
    secrets: dict[str, str | dict[str, str]] = {}
    notes: dict[Path, str] = {}
    account = _in_its_region(survey)
    spec = {
        "release": survey.release,
        "region": account.region,
        "identity": _identity(survey, account, secrets, notes),
        "messaging": {"transportUrl": {"secret": "transport-url"}},
        "services": _services(survey, wanted, secrets, notes),
        "databases": _databases(wanted.cinder, secrets),
        "network": _network(survey, wanted),
        "ssh": wanted.ssh or None,
        "api": {"nodes": {"roles": ["api"]}} if wanted.api else None,
        "pacemaker": _pacemaker(survey, wanted, secrets, notes),
        "compute": _compute(survey),
    }
    url = _first(survey.every_nova, "DEFAULT", "transport_url") or _of((*wanted.cinder,), "DEFAULT", "transport_url")
    url = url or _rabbit(survey)
    secrets["transport-url"] = url or ""
    if url is None:
        notes["messaging", "transportUrl"] = "no service said it: write it into the file"
    annotations = {}
    if risk := survey.ring.risk() if survey.ring else _NO_RING:
        annotations["bivisor/manage"] = "observe"
        notes[()] = risk
    return Document("Cluster", wanted.name, spec, notes, annotations), secrets


def _in_its_region(survey: Survey) -> OpenStackEndpoint:
    """Return how somebody logged in. Raises UnreadableError where that is another region than the hosts': two clouds in one."""
    account = survey.seen.account
    # Debian's file has a region of its own making in [keystone_authtoken]
    asked = ((section, name) for section in _LOGINS[:-1] for name in ("region_name", "os_region_name"))
    found = {region for section, name in asked if (region := _first(survey.every_nova, section, name))}
    if found and account.region.lower() not in map(str.lower, found):
        said = ", ".join(sorted(found))
        raise UnreadableError(f"the hosts are of the region {said}, the APIs that answered of {account.region}: {_REGION}")
    return account


def _rabbit(survey: Survey) -> str | None:
    """Return the URL of what older files say in several options (oslo.messaging before Train)."""
    for section in ("oslo_messaging_rabbit", "DEFAULT"):
        names = ("rabbit_userid", "rabbit_password", "rabbit_hosts", "rabbit_host", "rabbit_virtual_host")
        user, password, hosts, host, place = (_first(survey.every_nova, section, name) for name in names)
        if password and (hosts or host):
            account = f"{quote(user or 'guest', safe='')}:{quote(password, safe='')}"
            servers = (each.strip() for each in (hosts or host or "").split(","))
            return (
                f"rabbit://{','.join(f'{account}@{server}' for server in servers)}/{quote((place or '/').lstrip('/'), safe='')}"
            )
    return None


def _identity(survey: Survey, account: OpenStackEndpoint, secrets: dict[str, Any], notes: dict[Path, str]) -> dict[str, Any]:
    secrets["keystone-admin"] = {"username": account.username, "password": account.password.reveal}
    url = next((found for section in _LOGINS if (found := _first(survey.computes, section, "auth_url"))), account.auth_url)
    url = url.rstrip("/") if not url.rstrip("/").endswith("/v3") else url
    if not url.rstrip("/").endswith("/v3"):
        notes["identity", "authUrl"] = f"the services are configured with {url}; Bivisor needs to be told the version"
        url += "/v3"
    elif url.rstrip("/") != account.auth_url.rstrip("/"):
        notes["identity", "authUrl"] = f"as the services have it; you logged in at {account.auth_url}"
    return {
        "authUrl": url,
        "credentials": {"secret": "keystone-admin"},
        "project": account.project if account.project != "admin" else None,
        "userDomain": account.user_domain if account.user_domain != "Default" else None,
        "projectDomain": account.project_domain if account.project_domain != "Default" else None,
        "caFile": account.ca_file or None,
    }


def _services(survey: Survey, wanted: Wanted, secrets: dict[str, Any], notes: dict[Path, str]) -> dict[str, Any]:
    found = _login(survey.every_nova, _ACCOUNTS) or _login(((conf,) for conf in wanted.cinder), ("nova",))
    secrets["nova-service"] = _account(found)
    if found is None:
        notes["services", "nova"] = (
            "no service said it: write Nova's account in Keystone into the file; project and domains belong here if they are "
            "not service and Default"
        )
    spec: dict[str, Any] = {"nova": {"secret": "nova-service"}}
    if wanted.cinder:
        own = _login(((conf,) for conf in wanted.cinder), ("service_user", "keystone_authtoken"))
        secrets["cinder-service"] = _account(own)
        spec["cinder"] = {"secret": "cinder-service"}
        if own is None:
            notes["services", "cinder"] = "no volume service said it: write Cinder's account in Keystone into the file"
    if wanted.glance:
        secrets["glance-service"] = wanted.glance
        spec["glance"] = {"secret": "glance-service"}
    for name, option, default in (
        ("project", "project_name", "service"),
        ("userDomain", "user_domain_name", "Default"),
        ("projectDomain", "project_domain_name", "Default"),
    ):
        value = (found or {}).get(option)
        spec[name] = value if value and value != default else None
    return spec


def _databases(confs: tuple[Conf, ...], secrets: dict[str, Any]) -> dict[str, Any] | None:
    if not confs:
        return None
    secrets["cinder-database"] = _of(confs, "database", "connection") or ""
    return {"cinder": {"secret": "cinder-database"}}


def _compute(survey: Survey) -> dict[str, Any] | None:
    """Return the one setting without which documents of some releases mean nothing: where Glance is."""
    try:
        written(survey.release, "nova", {"glance": {"region_name": "any"}})
    except UnfitReleaseError:  # such a Nova does not find it in Keystone's catalogue
        servers = _first(survey.every_nova, "glance", "api_servers")
        return {"settings": {"glance": {"api_servers": servers}}} if servers else None
    return None


def _network(survey: Survey, wanted: Wanted) -> dict[str, Any]:
    if wanted.network is not None:
        return wanted.network
    use_neutron = (_first(survey.computes, "DEFAULT", "use_neutron") or "true").lower() in _TRUE
    if use_neutron or not RELEASES[survey.release].has_nova_network:
        return {"manager": "neutron"}
    return _nova_network(survey)


def _nova_network(survey: Survey) -> dict[str, Any]:
    """Return nova-network's part: of the one for all where there is a vCenter, else of each compute's."""
    paths = ("/etc/nova/nova-network/nova.conf", SHARED)
    confs = (conf for path in paths for host in survey.seen.hosts if (conf := host.conf(path, "nova", survey.release)))
    conf = next((one for one in confs if one.get("DEFAULT", "network_manager")), None)
    mode = "single-host" if survey.vsphere else "multi-host"
    if conf is None:
        return {"manager": "nova-network", "mode": mode}
    vlan = "Vlan" in (conf.get("DEFAULT", "network_manager") or "")
    bridge, host = conf.get("DEFAULT", "flat_network_bridge"), conf.get("DEFAULT", "host")
    spec = {
        "type": "vlan" if vlan else None,
        "bridge": bridge if not vlan and bridge != "br100" else None,
        "interface": conf.get("DEFAULT", "vlan_interface" if vlan else "flat_interface"),
        "publicInterface": conf.get("DEFAULT", "public_interface"),
        "host": host if survey.vsphere and host != "nova-network-ha" else None,
    }
    return {"manager": "nova-network", "mode": mode, "novaNetwork": spec if any(spec.values()) else None}


def _pacemaker(survey: Survey, wanted: Wanted, secrets: dict[str, Any], notes: dict[Path, str]) -> dict[str, Any]:
    spec: dict[str, Any] = {"controllers": {"roles": ["controller"]}, "authkey": {"secret": "corosync-authkey"}}
    key = next((text for host in survey.members if (text := host.text("/etc/corosync/authkey"))), None)
    secrets["corosync-authkey"] = key or ""
    if wanted.remote_key:
        text = next((text for host in survey.seen.hosts if (text := host.text("/etc/pacemaker/authkey"))), None)
        secrets["pacemaker-authkey"] = text or ""
        spec["remoteAuthkey"] = {"secret": "pacemaker-authkey"}
    if survey.ring is None:
        notes["pacemaker",] = "there is no ring on these hosts: Bivisor would form one on the nodes of that role"
        spec["stonith"] = {"enabled": False, "reason": "There is no ring yet. Configure a fence device, and leave this away."}
        return spec
    spec["nodeIds"] = dict(sorted(survey.ring.ids.items(), key=lambda item: item[1]))
    spec["system"] = {
        name: survey.ring.system[key].lower() in _TRUE
        for name, key in (("moveToRootCgroup", "move_to_root_cgroup"), ("schedRr", "sched_rr"))
        if key in survey.ring.system
    }
    options = pacemaker.options(survey.cib)
    if options.get("no-quorum-policy", "stop") != "stop":
        spec["noQuorumPolicy"] = options["no-quorum-policy"]
    if options.get("stonith-enabled", "true").lower() not in _TRUE:
        spec["stonith"] = {"enabled": False, "reason": "It was off when this cloud was adopted."}
        notes["pacemaker", "stonith", "reason"] = "say why: without fencing, a node that only lost its network goes on"
    inhabited = survey.cib is not None and survey.cib.find("configuration/resources/*") is not None
    held = {name: options.get(name, default if inhabited else "") for name, default in _OURS.items()}
    kept = {name: value for name, value in held.items() if value and not _as_ours(name, value)}
    if kept:
        spec["properties"] = kept
        notes["pacemaker", "properties"] = _KEPT
    return spec


def _as_ours(name: str, value: str) -> bool:
    """Tell whether it is what is compiled anyway; how long to wait until a recheck is compiled only now and then."""
    return name != "cluster-recheck-interval" and value.lower() not in _TRUE


def _login(computes: Iterable[Layers], sections: tuple[str, ...]) -> dict[str, str] | None:
    for layers in computes:
        for section in sections:
            found = {
                name: value
                for name in ("username", "password", "project_name", "user_domain_name", "project_domain_name")
                if (value := first(layers, section, name)) is not None
            }
            if {"username", "password"} <= found.keys():
                return found
    return None


def _account(found: dict[str, str] | None) -> dict[str, str]:
    return {name: (found or {}).get(name, "") for name in ("username", "password")}


def _first(computes: Iterator[Layers], section: str, name: str) -> str | None:
    return next((value for layers in computes if (value := first(layers, section, name)) is not None), None)


def _of(confs: tuple[Conf, ...], section: str, name: str) -> str | None:
    return next((value for conf in confs if (value := conf.get(section, name)) is not None), None)
