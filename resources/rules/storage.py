"""Rules about volume backends and image stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources import landscape
from resources.contract import Key, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.landscape import Resources

_HYPERVISOR = {"vmdk": "vmware", "nfs": "libvirt"}
"""Which hypervisor's driver in Nova can attach a volume of which Cinder driver."""


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


def backends_without_ha_have_one_node(resources: Resources) -> Iterator[Problem]:
    """Two live cinder-volumes of one identity undo each other's work."""
    for backend in landscape.backends(resources):
        names = landscape.chosen(resources, backend.spec.placement.nodes)
        if len(names) > 1:
            message = f"chooses {', '.join(names)}, and ha is none: choose exactly one node"
            yield Problem(backend.key, ("spec", "placement", "nodes"), message, "backends_without_ha_have_one_node")


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
