"""A running cloud in memory: everything is as documents declare it, and it answers the questions of adoption.

Files hold what the units of the documents would write, Pacemaker's configuration is made of their elements, the APIs
list what they declare.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from reconciler.core.compile import Catalog, compile_units
from reconciler.core.diff import diff
from reconciler.core.load import load
from reconciler.resolve import is_text
from resources import cib
from resources.adoption.questions import host_questions, openstack_questions
from resources.adoption.seen import Host, Seen, asked
from resources.contract import Query, Reply, SecretText, TargetId
from resources.endpoints import OpenStackEndpoint
from resources.files import path_of
from resources.kinds.registry import KINDS
from resources.releases.table import RELEASES
from resources.rules.registry import RULES
from resources.units.config_file import ConfigFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.load import Loaded
    from resources.cloud import Resource, Secrets
    from resources.contract import Facts, Unit

CA = "-----BEGIN CERTIFICATE-----\nof the tests\n-----END CERTIFICATE-----\n"


@dataclass
class World:
    """One cloud. `files` by node and path, and so on; a test may change anything before it asks."""

    loaded: Loaded
    catalog: Catalog
    secrets: Secrets
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    services: dict[str, dict[str, Facts]] = field(default_factory=dict)
    packages: dict[str, set[str]] = field(default_factory=dict)
    pacemaker: ET.Element = field(default_factory=lambda: cib.parse(EMPTY))
    aggregates: list[dict[str, Any]] = field(default_factory=list)
    computes: list[str] = field(default_factory=list)
    volume_services: list[dict[str, Any]] = field(default_factory=list)
    volume_types: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    hypervisors: list[dict[str, Any]] = field(default_factory=list)
    hostnames: dict[str, str] = field(default_factory=dict)
    at_boot: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, texts: Mapping[str, str], secrets: Secrets) -> World:
        """Make the world that these documents declare."""
        loaded = load(texts, KINDS, RULES)
        catalog = compile_units(loaded, KINDS, secrets, {read.file: CA for read in loaded.reads})
        world = cls(loaded, catalog, secrets)
        for unit in catalog.units.values():
            if unit.desired is not None:
                world.hold(unit)
        return world

    @property
    def cluster(self) -> Resource[Any]:
        """The Cluster's document."""
        (found,) = (resource for key, resource in self.loaded.resources.items() if key.kind == "Cluster")
        return found

    @property
    def nodes(self) -> list[Resource[Any]]:
        """The Nodes' documents."""
        return [resource for key, resource in sorted(self.loaded.resources.items()) if key.kind == "Node"]

    def hold(self, unit: Unit) -> None:
        """Let it be as the unit declares."""
        node, name, desired = unit.address.target.name, unit.address.name, dict(unit.desired or {})
        match unit.type:
            case "config_file" | "file" | "systemd_unit":
                self.files.setdefault(node, {})[path_of(unit.address)] = self._text(unit)
            case "service":
                self.services.setdefault(node, {})[name] = desired
            case "package":
                self.packages.setdefault(node, set()).add(name)
            case "primitive" | "property" | "constraint":
                self._element(unit)
            case "aggregate":
                hosts = [key.removeprefix("host ") for key, there in desired.items() if key.startswith("host ") and there]
                self.aggregates.append({"name": name, "availability_zone": desired["availability_zone"], "hosts": hosts})
            case "compute_service":
                self.computes.append(name)
            case "volume_service":
                self.volume_services.append({"host": name, "state": "up", "zone": desired["availability_zone"]})
            case "volume_type":
                specs = {key.removeprefix("spec "): value for key, value in desired.items() if key.startswith("spec ")}
                self.volume_types.append({"name": name, "public": True, "specs": specs})
            case "image_property":
                self.images.append({"name": name, "hypervisor_type": desired["hypervisor_type"]})

    def seen(self) -> Seen:
        """Ask everything, as a look does."""
        hosts = []
        for node in self.nodes:
            ssh = node.spec.ssh
            host = Host(
                TargetId("ssh", node.key.name), node.spec.address, ssh.user or self.cluster.spec.ssh.user,
                ssh.port or self.cluster.spec.ssh.port, host_key=ssh.host_key,
            )  # fmt: skip
            replies: dict[tuple[str, str], Reply] = {}
            while queries := host_questions(Host(host.target, host.address, host.user, host.port, replies=replies)):
                replies |= {asked(query): self.host_reply(node.key.name, query) for query in queries}
            hosts.append(Host(host.target, host.address, host.user, host.port, host_key=host.host_key, replies=replies))
        openstack = {asked(query): self.openstack_reply(query) for query in openstack_questions({})}
        return Seen(tuple(hosts), openstack, self.account())

    def account(self) -> OpenStackEndpoint:
        """How the cloud's admin logs in."""
        (found,) = (one for one in self.catalog.endpoints.values() if isinstance(one, OpenStackEndpoint))
        return found

    def host_reply(self, node: str, query: Query) -> Reply:  # noqa: PLR0911 - one for each query
        """Answer as a host does."""
        args = query.args
        match query.op:
            case "host.facts":
                return Reply({"hostname": self.hostnames.get(node, node)})
            case "file.list":
                folder = f"{args['path']}/"
                names = {
                    path.removeprefix(folder).partition("/")[0] for path in self.files.get(node, {}) if path.startswith(folder)
                }
                return Reply({"exists": bool(names), "names": sorted(names)})
            case "file.read":
                text = self.files.get(node, {}).get(args["path"])
                if text is None:
                    return Reply({"exists": False})
                content = text.encode("utf-8", "surrogateescape")
                whole = {"text": text} if is_text(text) else {"base64": base64.b64encode(content).decode()}
                return Reply({"exists": True, **whole, "digest": "d", "mode": "0640", "owner": "root", "group": "root"})
            case "package.query":
                release = f"2:{RELEASES[self.cluster.spec.release].nova}.1.0-1"
                there = {*self.packages.get(node, ()), "nova-common"}
                return Reply({"versions": {name: release if name in there else None for name in args["names"]}})
            case "service.show":
                name = args["unit"].removesuffix(".service")
                declared = self.services.get(node, {}).get(name)
                # of a service that others run, only its freshness is declared
                runs = declared is not None and declared.get("active", True) is True
                at_boot = runs or name in self.at_boot.get(node, ())
                return Reply({"active": "active" if runs else "inactive", "enabled": "enabled" if at_boot else "disabled"})
            case "cib.read":
                (members,) = (unit.desired for unit in self.catalog.units.values() if unit.type == "membership")
                if node not in (members or {})["members"]:  # type: ignore[operator]
                    return Reply({}, "not-running", "Pacemaker does not run on this host")
                return Reply({"cib": ET.tostring(self.pacemaker, encoding="unicode")})
            case _:
                raise AssertionError(query)

    def openstack_reply(self, query: Query) -> Reply:
        """Answer as the APIs do."""
        match query.op:
            case "computes.list":
                return Reply({"computes": [{"host": host, "state": "up"} for host in self.computes]})
            case "hypervisors.list":
                return Reply({"hypervisors": self.hypervisors})
            case "aggregates.list" | "volume_services.list" | "volume_types.list" | "images.list":
                name = query.op.removesuffix(".list")
                return Reply({name: getattr(self, name)})
            case _:
                raise AssertionError(query)

    def _text(self, unit: Unit) -> str:
        if isinstance(unit, ConfigFile):
            return str(unit.actions((), None)[0].args["text"])
        content = (unit.desired or {})["content"]
        return content.reveal if isinstance(content, SecretText) else str(content)

    def _element(self, unit: Unit) -> None:
        for action in unit.actions(diff(unit, None), None):
            if action.op == "cib.upsert":
                section = self.pacemaker.find(f"configuration/{action.args['section']}")
                assert section is not None
                home = section.find("cluster_property_set") if unit.type == "property" else section
                assert home is not None
                home.append(cib.parse(action.args["element"]))


EMPTY = (
    '<cib><configuration><crm_config><cluster_property_set id="cib-bootstrap-options"/></crm_config>'
    "<nodes/><resources/><constraints/></configuration></cib>"
)
