"""The items as documents: the program's own kind Node, and one kind of the bench that places units on nodes.

The kind is made of the program's own units and selects its nodes as the program's own kinds do; whatever happens after
compiling is the program alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml
from pydantic import Field

from resources.cloud import Compiled, Kind, Selector, Spec
from resources.units.config_file import ConfigFile
from resources.units.directory import Directory
from resources.units.file import WholeFile
from resources.units.package import Package
from tests.bench.items import DIRECTORY_MODE, MODE, OWNER, PACKAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from resources.cloud import Cloud, Resource
    from resources.contract import Unit
    from resources.published import NodeFacts
    from tests.bench.far_side import FarSide
    from tests.bench.items import Items

ROLE = "measured"
API_VERSION = "bivisor/v1alpha1"


class WorkloadSpec(Spec):
    """What each of the chosen nodes shall have."""

    nodes: Selector
    packages: tuple[str, ...] = ()
    files: dict[str, str] = Field(default_factory=dict)
    directories: tuple[str, ...] = ()
    config_files: dict[str, dict[str, dict[str, str]]] = Field(default_factory=dict)


def _publish(resource: Resource[WorkloadSpec], cloud: Cloud) -> tuple[()]:  # noqa: ARG001 - every kind publishes alike
    return ()


def _compile(resource: Resource[WorkloadSpec], cloud: Cloud) -> Compiled:
    spec = resource.spec
    return Compiled(units=tuple(unit for node in cloud.nodes(spec.nodes) for unit in _on(node, spec)))


def _on(node: NodeFacts, spec: WorkloadSpec) -> Iterator[Unit]:
    file = {"mode": MODE, "owner": OWNER, "group": OWNER}
    directory = {**file, "mode": DIRECTORY_MODE}
    for name in spec.packages:
        yield Package.named(node.target, name)
    for path, content in spec.files.items():
        yield WholeFile.at(node.target, path, content, attributes=file)
    for path in spec.directories:
        yield Directory.at(node.target, path, directory)
    for path, options in spec.config_files.items():
        yield ConfigFile.at(node.target, path, options, attributes=file)


WORKLOAD = Kind("Workload", WorkloadSpec, _publish, _compile)


def write_documents(folder: Path, far: FarSide, items: Items) -> None:
    """Write the documents: one for each node, one for the items."""
    folder.mkdir()
    ssh = {"port": far.port, "hostKey": far.host_key, "keyFile": str(far.key_file)}
    nodes = (
        yaml.safe_dump(document("Node", name, {"address": address, "ssh": ssh, "roles": [ROLE]}))
        for name, address in far.hosts.items()
    )
    (folder / "nodes.yaml").write_text("---\n".join(nodes), encoding="utf-8")
    (folder / "workload.yaml").write_text(yaml.safe_dump(workload(items)), encoding="utf-8")


def workload(items: Items) -> Mapping[str, object]:
    """Return the document that places the items on every node."""
    spec = {
        "nodes": {"roles": [ROLE]},
        "packages": list(PACKAGES),
        "files": {str(path): text for path, text in items.files.items()},
        "directories": [str(path) for path in items.directories],
        "configFiles": {str(items.config_file): items.options},
    }
    return document(WORKLOAD.name, "bench", spec)


def document(kind: str, name: str, spec: Mapping[str, object]) -> Mapping[str, object]:
    """Return a document."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
