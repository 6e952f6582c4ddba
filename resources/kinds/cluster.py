"""Kind Cluster: one OpenStack and the Pacemaker cluster of its controllers. Everything else belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.blueprints.ml2 import ml2_on
from resources.blueprints.nova_network import SingleHost, network_options
from resources.blueprints.remote_node import RemoteNodes
from resources.blueprints.ring import Ring
from resources.cloud import Compiled, Kind
from resources.contract import Address, Need, SecretText, TargetId
from resources.endpoints import OpenStackEndpoint, PacemakerEndpoint
from resources.options import from_settings, literal, merged
from resources.published import (
    CloudFacts,
    DvsFacts,
    GlanceAccountFacts,
    MultiHostFacts,
    NodeFacts,
    RolloutFacts,
    SshDefaults,
    VolumeBackendFacts,
    WindowFacts,
    ZoneFacts,
)
from resources.releases.spelling import written
from resources.releases.table import RELEASES
from resources.specs.cluster import ClusterSpec
from resources.specs.network import NovaNetwork
from resources.specs.rollout import EVERY_DAY
from resources.units.compute_service import ComputeService
from resources.units.computes import Computes
from resources.units.config_file import ConfigFile
from resources.units.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resources.cloud import Cloud, Resource
    from resources.contract import Unit
    from resources.options import Options, OptionValue
    from resources.specs.cluster import PacemakerSpec
    from resources.specs.rollout import Rollout


_AUTHKEY_MIN, _AUTHKEY_MAX = 128, 4096

RECHECK = "30s"
"""After the loss of a remote node that cannot be fenced, Pacemaker may go idle before it starts what ran there elsewhere, and
thinks again at this interval, by default after 15 minutes (seen: Pacemaker 2.1.5)."""

NO_CROSSING = {"cross_az_attach": "False"}
"""Nova refuses to attach a volume of another zone; nova-api and every nova-compute need it (Nova, availability-zones)."""


def _publish(resource: Resource[ClusterSpec], cloud: Cloud) -> Iterator[object]:
    name, spec = resource.key.name, resource.spec
    settings = from_settings(spec.compute.settings)
    nova_options = written(spec.release, "nova", literal(_nova_options(spec, cloud)), settings=settings)
    facts = CloudFacts(
        name=name,
        release=RELEASES[spec.release].name,
        nova_options=merged(nova_options, settings),
        cinder_options=written(spec.release, "cinder", literal(_cinder_options(spec, cloud))),
        controllers=spec.pacemaker.controllers,
        openstack=TargetId("openstack", name),
        pacemaker=TargetId("pacemaker", name),
        ring=_ring(resource, cloud, ()).ready(),
        fenced=spec.pacemaker.stonith.enabled,
    )
    yield facts
    yield SshDefaults(name, spec.ssh.user, spec.ssh.port, spec.ssh.key_file or "")
    yield _rollout(name, spec.rollout)
    if spec.services.glance is not None:
        username, password = cloud.account(spec.services.glance)
        yield GlanceAccountFacts(
            name=name,
            auth_url=spec.identity.auth_url,
            region=spec.region,
            username=username,
            password=password,
            user_domain=spec.services.user_domain,
            project=spec.services.project,
            project_domain=spec.services.project_domain,
        )
    if spec.network.dvs is not None:
        dvs = spec.network.dvs
        messaging = written(spec.release, "neutron", literal({"DEFAULT": _messaging(spec, cloud)}))
        yield DvsFacts(name, dvs.package, dvs.program, messaging, from_settings(dvs.settings))
    if spec.network.mode == "multi-host":
        yield MultiHostFacts(name, _nova_network(spec, cloud))


def _rollout(name: str, spec: Rollout) -> RolloutFacts:
    return RolloutFacts(
        name=name,
        max_unavailable=spec.max_unavailable,
        delete_count=spec.max_deletes.count,
        delete_percent=spec.max_deletes.percent,
        failure_budget=spec.failure_budget,
        canary=int(spec.canary),
        windows=tuple(
            WindowFacts(frozenset(map(EVERY_DAY.index, one.days)), _minute(one.start), _minute(one.end), one.time_zone)
            for one in spec.windows
        ),
    )


def _minute(text: str) -> int:
    """Return the minute of the day that is written `05:30`."""
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _compile(resource: Resource[ClusterSpec], cloud: Cloud) -> Compiled:
    name, spec = resource.key.name, resource.spec
    members = cloud.nodes(spec.pacemaker.controllers)
    username, password = cloud.account(spec.identity.credentials)
    openstack = OpenStackEndpoint(
        target=TargetId("openstack", name),
        auth_url=spec.identity.auth_url,
        region=spec.region,
        username=username,
        password=password,
        project=spec.identity.project,
        user_domain=spec.identity.user_domain,
        project_domain=spec.identity.project_domain,
        ca_file=spec.identity.ca_file or "",
    )
    remotes = _remotes(resource, cloud, members)
    pacemaker = PacemakerEndpoint(
        TargetId("pacemaker", name),
        {node.name: node.target for node in members},
        {node.name: node.target for node in remotes.remotes},
    )
    ring = _ring(resource, cloud, members, lonely=bool(remotes.remotes) and not spec.pacemaker.stonith.enabled)
    units = (
        *ring.units(),
        *remotes.units(),
        *_api(spec, cloud),
        *_network(resource, cloud, members),
        *_computes(resource, cloud),
    )
    return Compiled(units=units, endpoints=(openstack, pacemaker))


def _ring(resource: Resource[ClusterSpec], cloud: Cloud, members: tuple[NodeFacts, ...], *, lonely: bool = False) -> Ring:
    """Return the ring; `lonely` tells that it has remote nodes which nobody fences."""
    pacemaker, name = resource.spec.pacemaker, resource.key.name
    system = {"move_to_root_cgroup": pacemaker.system.move_to_root_cgroup, "sched_rr": pacemaker.system.sched_rr}
    return Ring(
        name=name,
        target=TargetId("pacemaker", name),
        members=members,
        authkey=cloud.secret(pacemaker.authkey, unfit=_unfit_authkey),
        node_ids=pacemaker.node_ids,
        system={key: "yes" if value else "no" for key, value in system.items() if value is not None},
        properties={**({"cluster-recheck-interval": RECHECK} if lonely else {}), **_properties(pacemaker)},
    )


def _remotes(resource: Resource[ClusterSpec], cloud: Cloud, members: tuple[NodeFacts, ...]) -> RemoteNodes:
    """Return the hosts off the ring on which Pacemaker keeps something; a rule sees to it that they have a key."""
    authkey = resource.spec.pacemaker.remote_authkey
    kept = [backend for backend in cloud.all(VolumeBackendFacts) if backend.kept]
    found = (node for node in cloud.all(NodeFacts) if any(backend.nodes.chooses(node) for backend in kept))
    return RemoteNodes(
        cloud=cloud.get(CloudFacts, resource.key.name),
        members=members,
        remotes=tuple(node for node in found if node not in members) if authkey else (),
        authkey=cloud.secret(authkey, unfit=_unfit_authkey) if authkey else SecretText(""),
    )


def _properties(pacemaker: PacemakerSpec) -> Mapping[str, str]:
    return {
        "stonith-enabled": "true" if pacemaker.stonith.enabled else "false",
        "no-quorum-policy": pacemaker.no_quorum_policy,
        # Opt-in: a resource runs only where a constraint allows it.
        "symmetric-cluster": "false",
        # A start that fails while vCenter is away counts towards migration-threshold; it does not ban the node at once.
        "start-failure-is-fatal": "false",
        **pacemaker.properties,
    }


def _nova_options(spec: ClusterSpec, cloud: Cloud) -> Options:
    account = _auth(spec, *cloud.account(spec.services.nova))
    region = {"region_name": spec.region}
    default = _messaging(spec, cloud)
    if spec.network.manager == "nova-network":
        default |= {"use_neutron": "False", "multi_host": str(spec.network.mode == "multi-host")}
    return {
        "DEFAULT": {"use_neutron": "True", **default},
        "cinder": {**account, "os_region_name": spec.region, **NO_CROSSING},
        "glance": region,
        **({"neutron": {**account, **region}} if spec.network.manager == "neutron" else {}),
        "placement": {**account, **region},
        "service_user": {**account, "send_service_user_token": "True"},
    }


def _messaging(spec: ClusterSpec, cloud: Cloud) -> dict[str, OptionValue]:
    return {"transport_url": cloud.secret(spec.messaging.transport_url, unfit=_unfit_url)}


def _nova_network(spec: ClusterSpec, cloud: Cloud) -> Options:
    """Return what a nova-network reads; it reaches the database through nova-conductor (nova/cmd/network.py)."""
    declared = spec.network.nova_network or NovaNetwork()
    network = network_options(declared, spec.release, multi_host=spec.network.mode == "multi-host")
    return merged(written(spec.release, "nova", literal({"DEFAULT": _messaging(spec, cloud)})), network)


def _cinder_options(spec: ClusterSpec, cloud: Cloud) -> Options:
    options: dict[str, Mapping[str, OptionValue]] = {
        "DEFAULT": {
            "transport_url": cloud.secret(spec.messaging.transport_url, unfit=_unfit_url),
            "allow_availability_zone_fallback": "False",
        }
    }
    if spec.databases.cinder is not None:
        options["database"] = {"connection": cloud.secret(spec.databases.cinder, unfit=_unfit_url)}
    if spec.services.cinder is not None:
        account = _auth(spec, *cloud.account(spec.services.cinder))
        options["service_user"] = {**account, "send_service_user_token": "True"}
        options["nova"] = {**_auth(spec, *cloud.account(spec.services.nova)), "region_name": spec.region}
    return options


def _auth(spec: ClusterSpec, username: str, password: SecretText) -> Mapping[str, OptionValue]:
    """Return keystoneauth's options of a password login."""
    return {
        "auth_type": "password",
        "auth_url": spec.identity.auth_url,
        "username": username,
        "password": password,
        "user_domain_name": spec.services.user_domain,
        "project_name": spec.services.project,
        "project_domain_name": spec.services.project_domain,
    }


def _unfit_authkey(text: str) -> str:
    """Corosync refuses other lengths (TOTEM_PRIVATE_KEY_LEN_MIN and _MAX in corosync/totem/totem.h, 3.1)."""
    size = len(text.encode("utf-8", "surrogateescape"))
    return "" if _AUTHKEY_MIN <= size <= _AUTHKEY_MAX else f"must hold {_AUTHKEY_MIN} to {_AUTHKEY_MAX} bytes, not {size}"


def _unfit_url(text: str) -> str:
    return "" if "://" in text and "\n" not in text else "must hold a URL such as rabbit://user:password@host:5672/"


def _api(spec: ClusterSpec, cloud: Cloud) -> Iterator[Unit]:
    for node in cloud.nodes(spec.api.nodes):
        conf = ConfigFile.at(node.target, "/etc/nova/nova.conf", written(spec.release, "nova", {"cinder": NO_CROSSING}))
        yield conf
        need = Need(conf.address, "it decides there whether a volume may cross zones")
        yield Service.refreshed(node.target, "nova-api", loads=(conf.address,), needs=(need,))


def _network(resource: Resource[ClusterSpec], cloud: Cloud, members: tuple[NodeFacts, ...]) -> Iterator[Unit]:
    """Yield what connects instances and belongs to no zone."""
    network = resource.spec.network
    if network.dvs is not None and network.dvs.api is not None:
        for node in cloud.nodes(network.dvs.api.nodes):
            yield from ml2_on(node, network.dvs.package, network.dvs.api)
    if network.mode == "single-host":
        host = (network.nova_network or NovaNetwork()).host
        options, facts = _nova_network(resource.spec, cloud), cloud.get(CloudFacts, resource.key.name)
        yield from SingleHost(host, options, facts, members).units()


def _computes(resource: Resource[ClusterSpec], cloud: Cloud) -> Iterator[Unit]:
    """Yield the list of all computes, and the rows of those that are gone."""
    openstack, gone = TargetId("openstack", resource.key.name), resource.spec.compute.gone
    for host in gone:
        yield ComputeService(address=Address(openstack, ComputeService.type, host), desired=None)
    if zones := cloud.all(ZoneFacts):
        known = {node.compute_host for zone in zones for node in cloud.nodes(zone.nodes)} | {
            host for zone in zones for host in zone.hosts
        }
        yield Computes(address=Address(openstack, Computes.type, "all"), desired={}, known=tuple(sorted(known.union(gone))))


CLUSTER = Kind("Cluster", ClusterSpec, _publish, _compile)
