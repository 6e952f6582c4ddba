"""A cluster-wide option of Pacemaker, such as `stonith-enabled`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self
from xml.etree import ElementTree as ET

from resources import cib
from resources.contract import EXISTS, Action, Query, Unit, UnreadableError

if TYPE_CHECKING:
    from resources.claims import Claim
    from resources.contract import Change, Facts, Reply

_SECTION = "crm_config"
_SET = "cib-bootstrap-options"
_OPT_IN = "symmetric-cluster"
"""Whether a resource may run where no constraint forbids it; false means: only where one allows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Property(Unit):
    """One option of the cluster, called after its name: `pacemaker:demo/property/stonith-enabled`.

    Field: `value`. An option that somebody set under another id is found by its name and changed in place. Making the
    cluster an opt-in one is refused while it has resources of somebody else that no location constraint names.
    """

    type: ClassVar[str] = "property"

    def ownable(self, name: str) -> bool:
        """The option is ours where it was not set."""
        return name == EXISTS

    @classmethod
    def former(cls, claim: Claim) -> Self:
        """Return the option as one that must not be set: Pacemaker's default then holds."""
        return cls(address=claim.address, desired=None)

    def queries(self) -> tuple[Query, ...]:
        """Ask for the option by its conventional id, else by its name."""
        name = self.address.name
        option = Query("cib.element", {"section": _SECTION, "id": f"{_SET}-{name}", "name": name})
        return (option, Query("cluster.show", {})) if self._opts_in() else (option,)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read the value in the declaration's words (`false` is `no`)."""
        for reply in replies:
            if not reply.ok:
                raise UnreadableError(reply.error)
        hidden: Facts = {"@unplaced": tuple(map(str, replies[1].data["unplaced"]))} if self._opts_in() else {}
        if not replies[0].data["exists"]:
            return {"value": None, **hidden} if hidden.get("@unplaced") else None
        text = str(replies[0].data["xml"])
        declared = self.desired.get("value") if self.desired is not None else None
        return {"value": cib.in_words_of(declared, _pair(text).get("value")), "@xml": text, **hidden}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:  # noqa: ARG002 - there is one field
        """Set the option, or remove it, if it still is as it was observed."""
        observed = facts.get("@xml") if facts else None
        pair = _pair(str(observed)) if observed else ET.Element("nvpair", {"id": f"{_SET}-{self.address.name}"})
        if self.desired is None:
            return (Action("cib.remove", {"section": _SECTION, "id": pair.get("id"), "if": observed}),)
        pair.set("name", self.address.name)
        pair.set("value", cib.to_value(self.desired["value"]))
        return (Action("cib.upsert", {"section": _SECTION, "element": cib.to_text(pair), "if": observed}),)

    def blocked(self, facts: Facts | None) -> str:
        """Tell which resources an opt-in cluster would stop."""
        unplaced = (facts or {}).get("@unplaced")
        if (
            facts is None
            or not isinstance(unplaced, tuple)
            or not unplaced
            or facts["value"] == (self.desired or {}).get("value")
        ):
            return ""
        return (
            f"Pacemaker would stop {', '.join(unplaced)}, which no location constraint allows anywhere: "
            "give each one first (a score of 0 for every node changes nothing until then)"
        )

    def _opts_in(self) -> bool:
        declared = (self.desired or {}).get("value")
        return self.address.name == _OPT_IN and cib.in_words_of("false", str(declared)) == "false"


def _pair(text: str) -> ET.Element:
    try:
        return cib.parse(text)
    except ValueError as error:
        raise UnreadableError(f"the cluster option is {error}") from error
