"""Kind Node: a plain host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.cloud import Compiled, Kind
from resources.contract import TargetId
from resources.endpoints import SshEndpoint
from resources.published import NodeFacts, SshDefaults
from resources.specs.node import NodeSpec
from resources.units.inventory import Inventory

if TYPE_CHECKING:
    from resources.cloud import Cloud, Resource


def _publish(resource: Resource[NodeSpec], cloud: Cloud) -> tuple[NodeFacts]:  # noqa: ARG001 - every kind publishes alike
    name, spec = resource.key.name, resource.spec
    roles, labels = frozenset(spec.roles), resource.metadata.labels
    return (NodeFacts(name, spec.address, roles, labels, TargetId("ssh", name), spec.compute_host or name),)


def _compile(resource: Resource[NodeSpec], cloud: Cloud) -> Compiled:
    ssh = resource.spec.ssh
    defaults = next(iter(cloud.all(SshDefaults)), SshDefaults("", "root", 22, ""))
    endpoint = SshEndpoint(
        target=TargetId("ssh", resource.key.name),
        address=resource.spec.address,
        port=ssh.port or defaults.port,
        user=ssh.user or defaults.user,
        host_key=ssh.host_key,
        key_file=ssh.key_file or defaults.key_file,
    )
    return Compiled(units=(Inventory.of(endpoint.target, defaults.name),) if defaults.name else (), endpoints=(endpoint,))


NODE = Kind("Node", NodeSpec, _publish, _compile)
