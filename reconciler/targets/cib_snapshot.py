"""One look at a Pacemaker cluster: its configuration (the CIB) and what `crm_mon` made of its state.

The texts are what `cibadmin --query` and `crm_mon --one-shot --output-as=xml` print (api-version 2.x, Pacemaker 2.0
upward). Pure: texts in, plain data out.
"""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from resources.cib import canonical, parse, to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_OPTIONS = "cib-bootstrap-options"
"""The id of the set that Pacemaker's own tools write cluster options to; it also wins over other sets."""

_RESOURCES = frozenset({"primitive", "group", "clone", "master", "bundle"})
_UP_ROLES = ("Started", "Promoted", "Unpromoted", "Master", "Slave")


class ConflictError(Exception):
    """The element is not the one that was observed."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one member says of the whole cluster. `mon` is None when Pacemaker runs nowhere and `cib` is a saved one."""

    cib: ET.Element
    text: str
    mon: ET.Element | None

    @classmethod
    def read(cls, cib: str, mon: str | None) -> Snapshot:
        """Parse both texts. Raises ValueError when one is not what it should be."""
        root = parse(cib)
        if root.tag != "cib" or root.find("configuration") is None:
            raise ValueError(f"a CIB was expected, <{root.tag}> was found")
        state = None if mon is None else parse(mon)
        if state is not None and (state.find("summary") is None or state.find("nodes") is None):
            raise ValueError("crm_mon printed no summary and no nodes")
        return cls(root, cib, state)

    @property
    def version(self) -> tuple[int, int, int]:
        """Return the counters by which Pacemaker itself tells which CIB is newer."""
        return tuple(int(self.cib.get(key) or 0) for key in ("admin_epoch", "epoch", "num_updates"))  # type: ignore[return-value]

    def cluster(self) -> dict[str, Any]:
        """Return what holds for the cluster as a whole; part of every reply."""
        dc = self._in_summary("current_dc")
        options = self._in_summary("cluster_options")
        return {
            "running": self.mon is not None,
            "quorate": dc is not None and dc.get("with_quorum") == "true",
            "maintenance": options is not None and options.get("maintenance-mode") == "true",
            "stonith_enabled": options is not None and options.get("stonith-enabled") == "true",
        }

    def nodes(self) -> dict[str, dict[str, bool]]:
        """Return each member that the cluster knows, with its state; what a remote node's is, its connection tells."""
        found = [] if self.mon is None else [node for node in self.mon.findall("nodes/node") if node.get("type") != "remote"]
        flags = ("online", "standby", "maintenance", "unclean")
        return {node.get("name", ""): {flag: node.get(flag) == "true" for flag in flags} for node in found}

    def element(self, section: str, element_id: str, name: str = "") -> str | None:
        """Return the text of an element of the section by its id, else of a cluster option by its name."""
        found = _find(_section(self.cib, section), element_id, name)
        return None if found is None else to_text(found)

    def unplaced(self) -> tuple[str, ...]:
        """Return the resources that no location constraint names: an opt-in cluster runs none of them."""
        locations = self.cib.findall("configuration/constraints/rsc_location")
        named = {found.get("rsc", "") for found in locations}
        named |= {found.get("id", "") for location in locations for found in location.iter("resource_ref")}
        patterns = [found.get("rsc-pattern", "") for found in locations if "rsc-pattern" in found.attrib]
        return tuple(
            str(one.get("id"))
            for one in _section(self.cib, "resources")
            if one.tag in _RESOURCES and not any(_is_named(part.get("id", ""), named, patterns) for part in one.iter())
        )

    def resource(self, resource_id: str) -> dict[str, Any]:
        """Return how a primitive is doing: role, the node it runs on, its failures."""
        seen = self._seen(resource_id)
        nodes = [] if seen is None else [str(node.get("name")) for node in seen.findall("node")]
        flag = {} if seen is None else dict(seen.attrib)
        return {
            "role": flag.get("role", "Stopped"),
            "node": nodes[0] if nodes else "",
            "managed": flag.get("managed", "true") == "true",
            "failed": flag.get("failed") == "true",
            "blocked": flag.get("blocked") == "true",
            "failures": list(self._failures(resource_id)),
        }

    def _seen(self, resource_id: str) -> ET.Element | None:
        """Return crm_mon's words on the resource; of several (instances of a clone) one that is up."""
        if self.mon is None:
            return None
        found = [seen for seen in self.mon.findall("resources//resource") if seen.get("id") == resource_id]
        return next((seen for seen in found if seen.get("role") in _UP_ROLES), found[0] if found else None)

    def _failures(self, resource_id: str) -> Iterator[str]:
        for failure in () if self.mon is None else self.mon.findall("failures/failure"):
            # An operation's key is RESOURCE_TASK_INTERVAL.
            if failure.get("op_key", "").rsplit("_", 2)[0] == resource_id:
                told = failure.get("exitreason") or failure.get("exitstatus") or "failed"
                yield f"{failure.get('task')} on {failure.get('node')}: {told}"

    def _in_summary(self, tag: str) -> ET.Element | None:
        return None if self.mon is None else self.mon.find(f"summary/{tag}")


def upsert(cib: ET.Element, section: str, element: str, observed: str | None) -> str | None:
    """Return the CIB's text with the element in place, None when it already is as wanted.

    Raises ConflictError when the element is not as it was observed, and ValueError when it is no XML.
    """
    new = parse(element)
    edited = deepcopy(cib)
    home = _section(edited, section)
    old = _find(home, str(new.get("id")))
    if _same(old, element):
        return None
    _expect(old, observed, str(new.get("id")))
    if old is None:
        _home(home, section).append(new)
    else:
        parent = next(parent for parent in home.iter() if old in list(parent))
        parent[list(parent).index(old)] = new
    return to_text(edited)


def remove(cib: ET.Element, section: str, element_id: str, observed: str | None) -> str | None:
    """Return the CIB's text without the element, None when it is not there. Raises ConflictError."""
    edited = deepcopy(cib)
    home = _section(edited, section)
    old = _find(home, element_id)
    if old is None:
        return None
    _expect(old, observed, element_id)
    next(parent for parent in home.iter() if old in list(parent)).remove(old)
    return to_text(edited)


def newest(saved: Iterable[str]) -> Snapshot | None:
    """Return the newest of the CIBs that stopped members keep on their disks. Raises ValueError for a broken one."""
    found = [Snapshot.read(text, None) for text in saved]
    return max(found, key=lambda snapshot: snapshot.version, default=None)


def _section(cib: ET.Element, section: str) -> ET.Element:
    found = cib.find(f"configuration/{section}")
    if found is None:
        raise ValueError(f'the CIB has no section "{section}"')
    return found


def _home(section: ET.Element, name: str) -> ET.Element:
    """Return where a new element goes: cluster options live in a set, all else directly in its section."""
    if name != "crm_config":
        return section
    options = next((found for found in section.findall("cluster_property_set") if found.get("id") == _OPTIONS), None)
    return ET.SubElement(section, "cluster_property_set", {"id": _OPTIONS}) if options is None else options


def _find(section: ET.Element, element_id: str, name: str = "") -> ET.Element | None:
    by_id = next((found for found in section.iter() if found.get("id") == element_id), None)
    if by_id is not None or not name:
        return by_id
    return next((found for found in section.iter("nvpair") if found.get("name") == name), None)


def _expect(old: ET.Element | None, observed: str | None, element_id: str) -> None:
    if old is None and observed is not None:
        raise ConflictError(f"{element_id} was removed meanwhile")
    if old is not None and not (observed is not None and _same(old, observed)):
        raise ConflictError(f"{element_id} was changed meanwhile" if observed is not None else f"{element_id} exists meanwhile")


def _is_named(resource: str, named: set[str], patterns: Iterable[str]) -> bool:
    """Tell whether a constraint is about the resource; a pattern that only Pacemaker can read counts as about others."""
    if resource in named:
        return bool(resource)
    for pattern in patterns:
        with suppress(re.error, FutureWarning), warnings.catch_warnings(action="error"):
            if re.search(pattern, resource):
                return True
    return False


def _same(element: ET.Element | None, text: str) -> bool:
    return element is not None and canonical(to_text(element)) == canonical(text)
