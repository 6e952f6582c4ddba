"""All declared resources, as rules look at them: by kind, with their specs' types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resources.contract import Key, TargetId
from resources.published import NodeFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
    from typing import TypeVar

    from resources.cloud import Resource, Selector
    from resources.specs.cluster import ClusterSpec
    from resources.specs.hypervisor_zone import HypervisorZoneSpec, VmwareComputeSpec
    from resources.specs.image_store import ImageStoreSpec
    from resources.specs.node import NodeSpec
    from resources.specs.vcenter import VCenterSpec
    from resources.specs.volume_backend import VolumeBackendSpec

    ItemT = TypeVar("ItemT")

    Resources = Mapping[Key, Resource[Any]]


def clusters(resources: Resources) -> tuple[Resource[ClusterSpec], ...]:
    """Return the Clusters by name."""
    return _of_kind(resources, "Cluster")


def nodes(resources: Resources) -> tuple[Resource[NodeSpec], ...]:
    """Return the Nodes by name."""
    return _of_kind(resources, "Node")


def zones(resources: Resources) -> tuple[Resource[HypervisorZoneSpec], ...]:
    """Return the HypervisorZones by name."""
    return _of_kind(resources, "HypervisorZone")


def backends(resources: Resources) -> tuple[Resource[VolumeBackendSpec], ...]:
    """Return the VolumeBackends by name."""
    return _of_kind(resources, "VolumeBackend")


def stores(resources: Resources) -> tuple[Resource[ImageStoreSpec], ...]:
    """Return the ImageStores by name."""
    return _of_kind(resources, "ImageStore")


def vcenter(resources: Resources, name: str) -> Resource[VCenterSpec]:
    """Return the VCenter of that name; loading has refused references to none."""
    return resources[Key("VCenter", name)]


def computes(resources: Resources) -> Iterator[tuple[Resource[HypervisorZoneSpec], int, VmwareComputeSpec]]:
    """Yield the vSphere computes of all zones, with their place in their zone's list."""
    for zone in zones(resources):
        if zone.spec.vmware is not None:
            for index, compute in enumerate(zone.spec.vmware.computes):
                yield zone, index, compute


def chosen(resources: Resources, selector: Selector) -> tuple[str, ...]:
    """Return the names of the nodes that a selector chooses."""
    return tuple(node.key.name for node in nodes(resources) if selector.chooses(_facts(node)))


def compute_hosts(resources: Resources, selector: Selector) -> tuple[str, ...]:
    """Return what Nova calls the computes of the nodes that a selector chooses."""
    found = (_facts(node) for node in nodes(resources))
    return tuple(facts.compute_host for facts in found if selector.chooses(facts))


def repeated(items: Iterable[ItemT], identity: Callable[[ItemT], Hashable]) -> Iterator[tuple[ItemT, ItemT]]:
    """Yield each item whose identity an earlier one has, with that earlier one first."""
    seen: dict[Hashable, ItemT] = {}
    for item in items:
        first = seen.setdefault(identity(item), item)
        if first is not item:
            yield first, item


def _of_kind(resources: Resources, kind: str) -> tuple[Resource[Any], ...]:
    return tuple(resources[key] for key in sorted(resources) if key.kind == kind)


def _facts(node: Resource[NodeSpec]) -> NodeFacts:
    name, spec = node.key.name, node.spec
    roles, labels = frozenset(spec.roles), node.metadata.labels
    return NodeFacts(name, spec.address, roles, labels, TargetId("ssh", name), spec.compute_host or name)
