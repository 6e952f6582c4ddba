"""What Pacemaker keeps on these hosts, whoever gave it that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources import cib

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree import ElementTree as ET

    from resources.adoption.seen import Host

_SYSTEM_CLASSES = frozenset({"systemd", "lsb", "upstart", "service"})
"""Classes of agents that are a service of the host by its name (Pacemaker Explained, resource classes)."""

_WORDS = {"nova-compute": frozenset({"novacompute", "nova-compute"}), "cinder-volume": frozenset({"cinder-volume"})}
"""The agents of provider openstack for packaged services (openstack/openstack-resource-agents, ocf/), in lower case."""


def options(root: ET.Element | None) -> dict[str, str]:
    """Return Pacemaker's options by name."""
    home = None if root is None else root.find("configuration/crm_config")
    return {} if home is None else cib.nvpairs(home, "cluster_property_set")


def has_primitive(root: ET.Element | None, name: str) -> bool:
    """Tell whether there is a resource of that name."""
    return any(one.get("id") == name for one in _primitives(root))


def naming(root: ET.Element | None, path: str) -> str:
    """Return the resource whose parameters name the file, in words, or ''."""
    for primitive in _primitives(root):
        if any(path in pair.get("value", "") for pair in primitive.iter("nvpair")):
            return _said(primitive)
    return ""


def keeping(root: ET.Element | None, service: str, host: Host) -> str:
    """Return the resource that is the packaged service, in words, or '' where there is none or where it does not reach."""
    if root is None or not {host.node, host.hostname} & _hosts(root):
        return ""
    return next((_said(one) for one in _primitives(root) if _is_service(one, service)), "")


def _hosts(root: ET.Element) -> frozenset[str]:
    """Return the names of the members, and of the hosts that they reach by pacemaker_remote."""
    return frozenset(one.get("uname", "") for one in root.iterfind("configuration/nodes/node"))


def _primitives(root: ET.Element | None) -> Iterator[ET.Element]:
    yield from () if root is None else root.iter("primitive")


def _is_service(primitive: ET.Element, service: str) -> bool:
    what = primitive.get("type", "")
    if primitive.get("class") in _SYSTEM_CLASSES:
        return what.removesuffix(".service").removeprefix("openstack-") == service
    return primitive.get("provider") == "openstack" and what.lower() in _WORDS.get(service, ())


def _said(primitive: ET.Element) -> str:
    return f"the resource {primitive.get('id')} of Pacemaker"
