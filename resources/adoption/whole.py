"""The documents of a whole cloud: every kind's part, put together. The one module that knows its siblings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resources.adoption import hypervisor_zone, image_store, volume_backend
from resources.adoption.cluster import Wanted, cluster, cluster_name
from resources.adoption.draft import Document, Draft, secret_file
from resources.adoption.network import network
from resources.adoption.node import node
from resources.adoption.survey import survey
from resources.adoption.vcenter import vcenters

if TYPE_CHECKING:
    from resources.adoption.seen import Seen
    from resources.adoption.survey import Survey


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person said on the command line: the cluster's `name`, names of vCenters by host, and its `ssh` block."""

    name: str = ""
    vcenters: dict[str, str] = field(default_factory=dict)
    ssh: dict[str, Any] = field(default_factory=lambda: {"user": "root", "port": 22})


def adopt(seen: Seen, choices: Choices) -> Draft:
    """Return the documents of what was seen; without the settings beyond what kinds decide (`settings.settled`).

    Raises UnreadableError where an answer does not say what is.
    """
    found = survey(seen)
    backends, no_backends = volume_backend.backends(found)
    stores, image_hosts, no_stores = image_store.stores(found)
    logins = (*hypervisor_zone.logins(found), *volume_backend.logins(backends), *image_store.logins(stores))
    known = vcenters(logins, choices.vcenters)
    zones, zone_roles = hypervisor_zone.zones(found, known.names)
    volumes, volume_roles, no_zones = volume_backend.volume_backends(found, backends, zones)
    images, image_roles = image_store.image_stores(stores, image_hosts, known.names)
    networks, network_roles = network(found)
    apis = {host.node: ["api"] for host in seen.hosts if host.runs("nova-api")}
    controllers = {host.node: ["controller"] for host in found.members}
    if not controllers:
        controllers = {name: ["controller"] for name in (list(apis) or [seen.hosts[0].node])[:1]}
    wanted = Wanted(
        name=cluster_name(found, choices.name),
        cinder=tuple(conf for one in backends for _, conf in one.on),
        glance=image_store.account(stores),
        remote_key=_needs_remote_key(found, backends),
        api=bool(apis),
        network=networks,
        ssh={key: value for key, value in choices.ssh.items() if (key, value) not in {("user", "root"), ("port", 22)}},
    )
    top, secrets = cluster(found, wanted)
    roles = _joined(apis, controllers, zone_roles, volume_roles, image_roles, network_roles)
    user, port = str(choices.ssh.get("user", "root")), int(choices.ssh.get("port", 22))
    computes = {one.host.node: one.compute for one in found.libvirt}
    nodes = [
        node(host, tuple(roles.get(host.node, ())), compute=computes.get(host.node, ""), user=user, port=port)
        for host in seen.hosts
    ]
    secrets = {**secrets, **known.secrets}
    return Draft(
        documents=(top, *nodes, *known.documents, *zones, *volumes, *images, *_secret_documents(secrets)),
        secrets=secrets,
        files=known.files,
        instead=hypervisor_zone.elsewhere(found),
        left_out=(*found.left_out, *known.left_out, *no_backends, *no_zones, *no_stores),
    )


def _needs_remote_key(found: Survey, backends: tuple[volume_backend.BackendFound, ...]) -> bool:
    members = {host.node for host in found.members}
    return any(one.kept and set(one.hosts) - members for one in backends)


def _joined(*parts: dict[str, list[str]]) -> dict[str, list[str]]:
    roles: dict[str, list[str]] = {}
    for part in parts:
        for name, said in part.items():
            roles.setdefault(name, []).extend(role for role in said if role not in roles.get(name, []))
    return roles


def _secret_documents(secrets: dict[str, Any]) -> list[Document]:
    """Return where each secret is: a file beside the folder of the documents."""
    return [
        Document("Secret", name, {"file": f"../secrets/{secret_file(name, value)}"}) for name, value in sorted(secrets.items())
    ]
