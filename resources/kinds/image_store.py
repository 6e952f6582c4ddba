"""Kind ImageStore: where Glance keeps images. Of an existing Glance, Bivisor owns only the stores' options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.blueprints.glance_store import READABLE, SCHEMES, GlanceStore
from resources.cloud import Compiled, Kind
from resources.contract import Need
from resources.options import from_settings, literal, merged
from resources.published import CloudFacts, GlanceAccountFacts, ImageStoreFacts, VCenterFacts
from resources.releases.spelling import written
from resources.releases.table import RELEASES
from resources.specs.image_store import ImageStoreSpec
from resources.units.config_file import ConfigFile
from resources.units.file import WholeFile
from resources.units.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.cloud import Cloud, Resource
    from resources.contract import Unit
    from resources.options import Options
    from resources.published import NodeFacts

_CONF = "/etc/glance/glance-api.conf"


def _publish(resource: Resource[ImageStoreSpec], cloud: Cloud) -> tuple[ImageStoreFacts]:  # noqa: ARG001 - every kind publishes alike
    spec = resource.spec
    return (ImageStoreFacts(resource.key.name, spec.driver, spec.default, spec.nodes),)


def _compile(resource: Resource[ImageStoreSpec], cloud: Cloud) -> Compiled:
    spec, store = resource.spec, _store(resource, cloud)
    units: list[Unit] = list(store.in_vcenter())
    for facts in cloud.all(CloudFacts):
        for node in cloud.nodes(spec.nodes):
            named = RELEASES[facts.release].has_glance_multistore
            options = (_named if named else _nameless)(store, node, cloud)
            extras = (*store.packages(node), *(store.plugin(node) if named else ()))
            own = written(facts.release, "glance", literal(options), own=resource.key.name)
            units += _on(node, store, merged(own, from_settings(spec.settings)), extras)
    return Compiled(tuple(units))


def _store(resource: Resource[ImageStoreSpec], cloud: Cloud) -> GlanceStore:
    spec = resource.spec
    accounts = cloud.all(GlanceAccountFacts) if spec.driver == "swift" else ()
    return GlanceStore(
        name=resource.key.name,
        spec=spec,
        vcenter=cloud.get(VCenterFacts, spec.vmware.vcenter) if spec.vmware else None,
        account=accounts[0] if accounts else None,
    )


def _named(store: GlanceStore, node: NodeFacts, cloud: Cloud) -> Options:
    """Return the multi-store syntax (Glance, admin/multistores): any number of stores, each with a name and a section."""
    enabled = ",".join(f"{one.name}:{SCHEMES[one.driver]}" for one in _beside(node, cloud))
    default = {"glance_store": {"default_backend": store.name}} if store.spec.default else {}
    return merged({"DEFAULT": {"enabled_backends": enabled}, store.name: store.options()}, default)


def _nameless(store: GlanceStore, node: NodeFacts, cloud: Cloud) -> Options:
    """Return the syntax of older releases: one store per driver, all in one section.

    `http` is in the list as it is by default: images that somebody else keeps for Glance stay readable.
    """
    drivers = sorted({one.driver for one in _beside(node, cloud)} | {"http"})
    default = {"default_store": SCHEMES[store.spec.driver]} if store.spec.default else {}
    return {"glance_store": {"stores": ",".join(drivers), **default, **store.options()}}


def _beside(node: NodeFacts, cloud: Cloud) -> list[ImageStoreFacts]:
    return [store for store in cloud.all(ImageStoreFacts) if store.nodes.chooses(node)]


def _on(node: NodeFacts, store: GlanceStore, options: Options, extras: tuple[Unit, ...]) -> Iterator[Unit]:
    """Yield what one host needs, and that its API has loaded it."""
    files = tuple(store.files(node))
    yield from (*extras, *files)
    secret = READABLE if store.vcenter else None
    conf = ConfigFile.at(node.target, _CONF, options, attributes=secret, needs=store.tried)
    yield conf
    loads = (conf.address, *(file.address for file in files), *(one.address for one in extras if isinstance(one, WholeFile)))
    needs = (
        Need(conf.address, "it says where images are kept"),
        *(Need(file.address, "its configuration names that file") for file in files),
        *(Need(extra.address, "the store's driver needs it") for extra in extras),
    )
    yield Service.refreshed(node.target, "glance-api", loads=loads, needs=needs)


IMAGE_STORE = Kind("ImageStore", ImageStoreSpec, _publish, _compile)
