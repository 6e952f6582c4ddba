"""Rules about image stores and declared images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources import landscape
from resources.contract import Problem
from resources.releases.table import RELEASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.landscape import Resources

_VCENTER_PORT = 443


def image_stores_are_on_the_same_nodes(resources: Resources) -> Iterator[Problem]:
    """All hosts of the Glance API answer for one Glance: an image is found whichever is asked, and each knows the default."""
    stores = [(store, landscape.chosen(resources, store.spec.nodes)) for store in landscape.stores(resources)]
    for store, nodes in stores[1:]:
        first, expected = stores[0]
        if nodes and expected and nodes != expected:
            message = f"chooses {', '.join(nodes)}, and {first.key} {', '.join(expected)}: each Glance API needs every store"
            yield Problem(store.key, ("spec", "nodes"), message, "image_stores_are_on_the_same_nodes")


def file_stores_are_shared(resources: Resources) -> Iterator[Problem]:
    """A directory of one of several hosts holds images that the others do not find: allowed, since it may be shared."""
    for store in landscape.stores(resources):
        nodes = landscape.chosen(resources, store.spec.nodes)
        if store.spec.driver == "file" and len(nodes) > 1:
            message = (
                f"its directory must be one and the same on {', '.join(nodes)} (a shared file system), which is not checked"
            )
            yield Problem(store.key, ("spec", "driver"), message, "file_stores_are_shared", warning=True)


def older_glances_have_one_store_of_a_driver(resources: Resources) -> Iterator[Problem]:
    """Before Train a Glance tells its stores apart by their drivers alone."""
    for cluster in landscape.clusters(resources):
        release = RELEASES[cluster.spec.release]
        if release.has_glance_multistore:
            continue
        for first, second in landscape.repeated(landscape.stores(resources), lambda store: store.spec.driver):
            driver = second.spec.driver
            message = f"{first.key} has driver {driver} already: {release.name} has one store per driver, Train has several"
            yield Problem(second.key, ("spec", "driver"), message, "older_glances_have_one_store_of_a_driver")


def swift_stores_have_an_account(resources: Resources) -> Iterator[Problem]:
    """Glance logs in to Swift as itself."""
    first = next((store.key for store in landscape.stores(resources) if store.spec.driver == "swift"), None)
    for cluster in landscape.clusters(resources):
        if first is not None and cluster.spec.services.glance is None:
            message = f"glance is required, because {first} is declared: the Secret of Glance's account in Keystone"
            yield Problem(cluster.key, ("spec", "services"), message, "swift_stores_have_an_account")


def vmware_stores_can_reach_their_vcenter(resources: Resources) -> Iterator[Problem]:
    """Glance's driver has no option for the vCenter's port, and knows CAs but no thumbprints (vmware_datastore.py)."""
    for store in landscape.stores(resources):
        if store.spec.vmware is None:
            continue
        vcenter = landscape.vcenter(resources, store.spec.vmware.vcenter)
        path, rule = ("spec", "vmware", "vcenter"), "vmware_stores_can_reach_their_vcenter"
        if vcenter.spec.port != _VCENTER_PORT:
            message = f"{vcenter.key} has port {vcenter.spec.port}, and Glance knows no other than {_VCENTER_PORT}"
            yield Problem(store.key, path, message, rule)
        if vcenter.spec.tls.thumbprint is not None:
            message = (
                f"{vcenter.key} is known by its thumbprint, which Glance cannot check: give its tls a caFile, or insecure: true"
            )
            yield Problem(store.key, path, message, rule)


def images_belong_to_one_hypervisor(resources: Resources) -> Iterator[Problem]:
    """An image says on which type of hypervisor it boots, and says one."""
    declared = [(zone, index, image) for zone in landscape.zones(resources) for index, image in enumerate(zone.spec.images)]
    for first, (zone, index, image) in landscape.repeated(declared, lambda one: one[2].name):
        other = first[0]
        path, rule = ("spec", "images", index, "name"), "images_belong_to_one_hypervisor"
        if other.key == zone.key:
            yield Problem(zone.key, path, f'"{image.name}" is in this list already', rule)
        elif other.spec.hypervisor != zone.spec.hypervisor:
            taken, wanted = f"{other.key} ({other.spec.hypervisor})", zone.spec.hypervisor
            message = f'"{image.name}" is an image of {taken} already: upload another for {wanted}'
            yield Problem(zone.key, path, message, rule)
