"""Kind ImageStore: where Glance keeps images. Of an existing Glance, Bivisor owns only the stores' options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.cloud import CloudFacts, Compiled, ImageStoreFacts, Kind
from resources.contract import Need
from resources.options import literal, merged
from resources.releases.spelling import written
from resources.specs.image_store import ImageStoreSpec
from resources.units.config_file import ConfigFile
from resources.units.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.cloud import Cloud, NodeFacts, Resource
    from resources.contract import Unit

_CONF = "/etc/glance/glance-api.conf"


def _publish(resource: Resource[ImageStoreSpec], cloud: Cloud) -> tuple[ImageStoreFacts]:  # noqa: ARG001 - every kind publishes alike
    spec = resource.spec
    return (ImageStoreFacts(resource.key.name, spec.driver, spec.default, spec.nodes),)


def _compile(resource: Resource[ImageStoreSpec], cloud: Cloud) -> Compiled:
    nodes = cloud.nodes(resource.spec.nodes)
    return Compiled(
        tuple(unit for facts in cloud.all(CloudFacts) for node in nodes for unit in _on(node, resource, facts, cloud))
    )


def _on(node: NodeFacts, resource: Resource[ImageStoreSpec], facts: CloudFacts, cloud: Cloud) -> Iterator[Unit]:
    """Yield the options of the multi-store syntax (Glance, admin/multistores), and that the API has loaded them."""
    name, spec = resource.key.name, resource.spec
    stores = [store for store in cloud.all(ImageStoreFacts) if store.nodes.chooses(node)]
    own = {"DEFAULT": {"enabled_backends": ",".join(f"{store.name}:{store.driver}" for store in stores)}}
    section = {name: {"filesystem_store_datadir": spec.file.directory}}
    default = {"glance_store": {"default_backend": name}} if spec.default else {}
    options = written(facts.release, "glance", literal(merged(own, default, section)), own=name)
    conf = ConfigFile.at(node.target, _CONF, options)
    yield conf
    need = Need(conf.address, "it says where images are kept")
    yield Service.refreshed(node.target, "glance-api", loads=(conf.address,), needs=(need,))


IMAGE_STORE = Kind("ImageStore", ImageStoreSpec, _publish, _compile)
