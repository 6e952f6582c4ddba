"""Rules about volume backends and image stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources import landscape
from resources.contract import Key, Problem
from resources.releases.table import RELEASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.landscape import Resources

_HYPERVISOR = {"vmdk": "vmware", "fcd": "vmware", "lvm": "libvirt", "rbd": "libvirt", "nfs": "libvirt"}
"""Which hypervisor's driver in Nova can attach a volume of which Cinder driver."""

_SEVERAL = 2
_ACTIVE_ACTIVE = frozenset({"rbd"})
"""Drivers that several live services may use at once (`SUPPORTS_ACTIVE_ACTIVE` in cinder/volume/drivers)."""

_SECTIONS_OF_CINDER = frozenset({"barbican", "coordination", "database", "default", "healthcheck", "nova", "profiler", "vault"})
_SECTIONS_OF_GLANCE = frozenset(
    {"barbican", "cinder", "cors", "database", "default", "healthcheck", "profiler", "task", "vault", "wsgi"}
)
"""Section names that a resource's name could be (Cinder and Glance, sample configuration files); others have an underscore."""


def backends_fit_their_zone(resources: Resources) -> Iterator[Problem]:
    """A zone's volumes are of a sort that its hypervisor can attach."""
    for backend in landscape.backends(resources):
        zone = resources[Key("HypervisorZone", backend.spec.zone)]
        wanted = _HYPERVISOR[backend.spec.driver]
        if zone.spec.hypervisor != wanted:
            message = f"driver {backend.spec.driver} is for {wanted}, and {zone.key} is of hypervisor {zone.spec.hypervisor}"
            yield Problem(backend.key, ("spec", "zone"), message, "backends_fit_their_zone")


def fcd_only_where_nova_attaches_it(resources: Resources) -> Iterator[Problem]:
    """Cinder has the fcd driver since Queens, Nova attaches its volumes since Yoga."""
    for cluster in landscape.clusters(resources):
        if RELEASES[cluster.spec.release].has_fcd_volumes:
            continue
        for backend in landscape.backends(resources):
            if backend.spec.driver == "fcd":
                message = f"Nova attaches no First Class Disks in {cluster.spec.release} (Yoga began to): take vmdk"
                yield Problem(backend.key, ("spec", "driver"), message, "fcd_only_where_nova_attaches_it")


def backends_without_ha_have_one_node(resources: Resources) -> Iterator[Problem]:
    """Two live cinder-volumes of one identity undo each other's work."""
    for backend in landscape.backends(resources):
        names = landscape.chosen(resources, backend.spec.placement.nodes)
        if len(names) > 1 and backend.spec.ha == "none":
            message = f"chooses {', '.join(names)}, and ha is none: choose exactly one node, or ha: active-passive"
            yield Problem(backend.key, ("spec", "placement", "nodes"), message, "backends_without_ha_have_one_node")


def backends_with_ha_have_several_nodes(resources: Resources) -> Iterator[Problem]:
    """A service that may move needs somewhere to go: `minNodes` demands it, else it is a warning."""
    for backend in landscape.backends(resources):
        names, wanted = landscape.chosen(resources, backend.spec.placement.nodes), backend.spec.min_nodes
        if backend.spec.ha == "none" or not names or len(names) >= (wanted or _SEVERAL):
            continue
        message = f"chooses {', '.join(names)} alone: ha is {backend.spec.ha}, and when that node is lost nothing takes over"
        if wanted is not None:
            message = f"chooses {', '.join(names)}, and minNodes is {wanted}: when too few are left nothing takes over"
        path = ("spec", "placement", "nodes")
        yield Problem(backend.key, path, message, "backends_with_ha_have_several_nodes", warning=wanted is None)


def shared_host_is_a_risk(resources: Resources) -> Iterator[Problem]:
    """Cinder's guide to high availability calls several live services of one host highly discouraged: said each time."""
    for backend in landscape.backends(resources):
        if backend.spec.ha != "shared-host":
            continue
        message = (
            "with shared-host all nodes serve at once as one service: each that starts sets the others' unfinished volumes to "
            "error, and their locks do not know of each other"
        )
        if backend.spec.driver not in _ACTIVE_ACTIVE:
            message += f"; driver {backend.spec.driver} is not made for it: take active-passive"
        yield Problem(backend.key, ("spec", "ha"), message, "shared_host_is_a_risk", warning=True)


def lvm_stays_on_its_node(resources: Resources) -> Iterator[Problem]:
    """The volume group is on a node's own disks, and computes reach the volumes at that node's address."""
    for backend in landscape.backends(resources):
        if backend.spec.driver == "lvm" and backend.spec.ha != "none":
            message = (
                f"is {backend.spec.ha}, but driver lvm has its volumes on the disks of one node and exports them from its "
                "address: take none, and a backend for each such node"
            )
            yield Problem(backend.key, ("spec", "ha"), message, "lvm_stays_on_its_node")


def remote_nodes_have_a_key(resources: Resources) -> Iterator[Problem]:
    """Off the controllers Pacemaker runs things over connections that both sides must hold the key for."""
    for cluster in landscape.clusters(resources):
        if cluster.spec.pacemaker.remote_authkey is not None:
            continue
        members = landscape.chosen(resources, cluster.spec.pacemaker.controllers)
        for backend in landscape.backends(resources):
            names = landscape.chosen(resources, backend.spec.placement.nodes)
            outside = ", ".join(name for name in names if name not in members)
            if outside and backend.spec.ha == "active-passive":
                message = (
                    f"remoteAuthkey is required, because {backend.key} is active-passive on {outside}, off the controllers: "
                    "the Secret with pacemaker_remote's key"
                )
                yield Problem(cluster.key, ("spec", "pacemaker"), message, "remote_nodes_have_a_key")


def backends_have_their_own_host(resources: Resources) -> Iterator[Problem]:
    """`backendHost` and the backend's name are the identity of volumes in Cinder."""
    found = landscape.backends(resources)
    for first, second in landscape.repeated(found, lambda backend: backend.spec.backend_host or backend.key.name):
        message = f'"{second.spec.backend_host or second.key.name}" is the identity of {first.key} already'
        yield Problem(second.key, ("spec", "backendHost"), message, "backends_have_their_own_host")


def backends_and_stores_are_called_as_nothing_else(resources: Resources) -> Iterator[Problem]:
    """The name of a backend or a store is its section in a file that has sections of other meanings as well."""
    for found, sections, service in (
        (landscape.backends(resources), _SECTIONS_OF_CINDER, "Cinder"),
        (landscape.stores(resources), _SECTIONS_OF_GLANCE, "Glance"),
    ):
        for one in found:
            if one.key.name in sections:
                message = f"[{one.key.name}] has a meaning of its own in {service}'s configuration: take another name"
                yield Problem(one.key, ("metadata", "name"), message, "backends_and_stores_are_called_as_nothing_else")


def backends_have_account_and_database(resources: Resources) -> Iterator[Problem]:
    """A cinder-volume speaks to Keystone and to Cinder's database."""
    if not landscape.backends(resources):
        return
    first = landscape.backends(resources)[0].key
    for cluster in landscape.clusters(resources):
        if cluster.spec.services.cinder is None:
            message = f"cinder is required, because {first} is declared: the Secret of Cinder's account in Keystone"
            yield Problem(cluster.key, ("spec", "services"), message, "backends_have_account_and_database")
        if cluster.spec.databases.cinder is None:
            message = f"cinder is required, because {first} is declared: the Secret with the URL of Cinder's database"
            yield Problem(cluster.key, ("spec", "databases"), message, "backends_have_account_and_database")


def one_image_store_is_default(resources: Resources) -> Iterator[Problem]:
    """An image that names no store has one place to go."""
    stores = landscape.stores(resources)
    defaults = [store for store in stores if store.spec.default]
    for other in defaults[1:]:
        message = f"{defaults[0].key} is the default already: exactly one store is"
        yield Problem(other.key, ("spec", "default"), message, "one_image_store_is_default")
    if stores and not defaults:
        message = "no store is the default: say default: true for one"
        yield Problem(stores[0].key, ("spec", "default"), message, "one_image_store_is_default")
