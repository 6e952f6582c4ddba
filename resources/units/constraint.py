"""A location constraint of Pacemaker: where a resource may run, and where it would rather."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self
from xml.etree import ElementTree as ET

from resources import cib
from resources.contract import EXISTS, Action, Disruption, Query, Unit, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.claims import Claim
    from resources.contract import Change, Facts, Reply

_SECTION = "constraints"
_ATTRIBUTES = {"node": "node", "score": "score"}
_SPECIAL = re.compile(r"([][\\.*^$+?(){}|])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint(Unit):
    """A `rsc_location`, called after its id: `pacemaker:demo/constraint/nova-compute-c0-on-ctl1`.

    Fields: `resource`, `node`, `score` (text: a number, `INFINITY` or `-INFINITY`). All other attributes are kept.
    `resource` is also asked where it runs, because taking its place away moves it. A new constraint names the resource
    by a pattern that fits it alone: the schema demands that a resource named by its id exists already, and in an opt-in
    cluster its places must be there first.
    """

    type: ClassVar[str] = "constraint"

    resource: str

    def ownable(self, name: str) -> bool:
        """The constraint is ours where there was none."""
        return name == EXISTS

    def memory(self) -> Mapping[str, str]:
        """Remember whom it concerns."""
        return {"resource": self.resource}

    @classmethod
    def former(cls, claim: Claim) -> Self:
        """Return the constraint as one that must not exist."""
        return cls(address=claim.address, desired=None, resource=claim.remembered("resource"))

    def queries(self) -> tuple[Query, ...]:
        """Ask for the constraint, and where its resource runs."""
        return (
            Query("cib.element", {"section": _SECTION, "id": self.address.name}),
            Query("resource.show", {"id": self.resource, "unit": "", "loads": {}}),
        )

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read the attributes; the constraint is absent when its element is."""
        element, resource = replies
        if not element.ok or not resource.ok:
            raise UnreadableError(element.error or resource.error)
        if not element.data["exists"]:
            return None
        text = str(element.data["xml"])
        location = _location(text)
        facts: Facts = {field: location.get(attribute) for field, attribute in _ATTRIBUTES.items()}
        named = location.get("rsc", "")
        if location.get("rsc-pattern") == _pattern(self.resource):
            named = self.resource
        return {"resource": named or location.get("rsc-pattern"), **facts, "@xml": text, "@runs_on": str(resource.data["node"])}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Write or remove the constraint, if it still is as it was observed."""
        observed = facts["@xml"] if facts else None
        if self.desired is None:
            return (Action("cib.remove", {"section": _SECTION, "id": self.address.name, "if": observed}),)
        location = _location(str(observed)) if observed else ET.Element("rsc_location", {"id": self.address.name})
        for change in changes:
            if change.field == "resource":
                location.attrib.pop("rsc", None)
                location.set("rsc-pattern", _pattern(self.resource))
            else:
                location.set(_ATTRIBUTES[change.field], cib.to_value(change.after))
        # The schema lets a location have either rules or a node and a score.
        for rule in location.findall("rule"):
            location.remove(rule)
        return (Action("cib.upsert", {"section": _SECTION, "element": cib.to_text(location), "if": observed}),)

    def disruption(self, changes: tuple[Change, ...], facts: Facts | None) -> Disruption | None:  # noqa: ARG002 - any change may move it
        """Tell that the resource may leave the node it runs on, when this constraint is what keeps it there."""
        if facts is None or not facts["node"] or facts["@runs_on"] != facts["node"]:
            return None
        stays = self.desired is not None and self.desired.get("node") == facts["node"]
        if stays and _score(self.desired) >= _score(facts):
            return None
        return Disruption(f"{self.resource} on {facts['node']}")


def _pattern(resource: str) -> str:
    """Return the POSIX extended regular expression that fits this name alone."""
    return "^" + _SPECIAL.sub(r"\\\1", resource) + "$"


def _location(text: str) -> ET.Element:
    try:
        return cib.parse(text)
    except ValueError as error:
        raise UnreadableError(f"the constraint is {error}") from error


def _score(facts: Facts | None) -> float:
    """Return the score as a number; Pacemaker's INFINITY is a million, which Python's serves as well."""
    try:
        return float(str((facts or {}).get("score")))
    except ValueError:
        return float("-inf")
