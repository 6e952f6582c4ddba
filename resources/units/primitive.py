"""A resource that Pacemaker keeps running on one node at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self
from xml.etree import ElementTree as ET

from resources import cib, heard
from resources.contract import EXISTS, PROCESS, Action, Disruption, Query, SecretText, Unit, UnreadableError, changed_fields
from resources.files import path_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.claims import Claim
    from resources.contract import Address, Change, Facts, Reply, TargetId, Value

_SECTION = "resources"
_AGENT = {"class": "class", "provider": "provider", "agent": "type"}
_SETS = {"meta": "meta_attributes", "param": "instance_attributes"}
_RUNNING_ROLES = frozenset({"Started", "Promoted", "Unpromoted", "Master", "Slave"})
_OBSERVED_ONLY = frozenset({"running", "fresh", heard.HEARD})

Digests = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Primitive(Unit):
    """A primitive, called after its id: `pacemaker:demo/primitive/nova-compute-c0`.

    Fields, all as text: `class`, `provider`, `agent`; `meta NAME`; `param NAME` (never a secret: every node's users
    of the haclient group read them); `op NAME FIELD` (`op monitor interval`); and two that are seen, not written:
    `running` (True) and `fresh` (True: the process has loaded the configuration that is declared now).

    `unit` is the systemd unit behind it, which the nodes are asked about; `loads_by_node` holds, per node, the path
    and digest of each configuration that it loads there. `hearing` is set for a nova-compute, which then has a further
    field, `heard`: Nova has heard of it since its start. One that hangs is restarted. `program` is set where the id tells
    one of several processes of a program from the others.
    """

    type: ClassVar[str] = "primitive"

    unit: str = ""
    loads_by_node: tuple[tuple[str, Digests], ...] = ()
    hearing: heard.Hearing | None = None
    program: str = ""
    settle_s: float = 150.0

    def __post_init__(self) -> None:
        """Refuse secrets. Raises TypeError: a kind that declares one is wrong, whatever the user wrote."""
        if any(isinstance(value, SecretText) for value in (self.desired or {}).values()):
            raise TypeError(f"{self.address}: a secret must not be written into the CIB")

    def heard_by(self, openstack: TargetId, host: str) -> Self:
        """Return the primitive as a nova-compute that Nova must have heard of since its start."""
        desired = {**(self.desired or {}), heard.HEARD: True}
        return replace(self, desired=desired, hearing=heard.Hearing(openstack, host), settle_s=heard.HEARD_S)

    def ownable(self, name: str) -> bool:
        """The resource is ours where there was none."""
        return name == EXISTS

    def dispensable(self, name: str) -> bool:
        """Meta options and operations may be left to others."""
        return name.startswith(("meta ", "op "))

    def memory(self) -> Mapping[str, str]:
        """Remember the systemd unit behind it."""
        return {"unit": self.unit}

    @classmethod
    def former(cls, claim: Claim) -> Self:
        """Return the resource as one that must not exist."""
        return cls(address=claim.address, desired=None, unit=claim.remembered("unit"))

    def loading(self, digests: Mapping[Address, str]) -> Primitive:
        """Return the primitive with the digests of what it loads, grouped by the node where it would load it."""
        nodes: dict[str, list[tuple[str, str]]] = {}
        for address in self.loads:
            if address in digests:
                nodes.setdefault(address.target.name, []).append((path_of(address), digests[address]))
        return replace(self, loads_by_node=tuple((node, tuple(nodes[node])) for node in sorted(nodes)))

    def process(self) -> str:
        """Return the systemd unit that loads the configuration, if any is declared."""
        return self.unit if self.loads else ""

    def queries(self) -> tuple[Query, ...]:
        """Ask what is configured, where it runs, and whether what runs has loaded what is declared."""
        loads = {node: dict(digests) for node, digests in self.loads_by_node}
        show = Query("resource.show", {"id": self.address.name, "unit": self.unit, "loads": loads})
        return (show, *((self.hearing.query(),) if self.hearing else ()))

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read the element in the declaration's words, and how the resource is doing."""
        reply = replies[0]
        if not reply.ok:
            raise UnreadableError(reply.error)
        data = reply.data
        if not data["exists"]:
            return None
        text, state = str(data["xml"]), _state(data)
        if self.hearing:
            state |= self.hearing.facts(replies[1], runs=bool(state["running"]), started=int(data.get("started", 0)))
        return {**self._declared_words(_element(text)), **state, "@xml": text}

    def foreseen(self, facts: Facts | None, rewritten: frozenset[Address]) -> Facts | None:
        """Return the facts with the resource stale where its process would not have loaded what is about to be written."""
        later = (facts or {}).get("@stale_if_written")
        if facts is None or not isinstance(later, tuple):
            return facts
        here = {path_of(address) for address in rewritten if address.target.name == facts["@node"]}
        return facts if here.isdisjoint(later) else {**facts, "fresh": False}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Write the definition; let a resource that failed try again; restart one that runs with old configuration."""
        observed = facts["@xml"] if facts else None
        if self.desired is None:
            return (Action("cib.remove", {"section": _SECTION, "id": self.address.name, "if": observed}),)
        edited = self._edited(changes, facts)
        write = Action("cib.upsert", {"section": _SECTION, "element": edited, "if": observed})
        writes = (write,) if observed is None or cib.canonical(edited) != cib.canonical(str(observed)) else ()
        if facts is None:
            return writes
        fields = changed_fields(changes)
        if "running" in fields and facts["@gave_up"]:
            return (*writes, Action("resource.cleanup", {"id": self.address.name}))
        if _wants_restart(fields, facts) and not any(map(_makes_pacemaker_restart, fields)):
            return (*writes, self._restart(facts))
        return writes

    def disruption(self, changes: tuple[Change, ...], facts: Facts | None) -> Disruption | None:
        """Tell that it restarts when it runs and its parameters, its agent or its configuration change, or it hangs."""
        if facts is None or not facts["running"]:
            return None
        fields = changed_fields(changes)
        if self.desired is not None and not _wants_restart(fields, facts) and not any(map(_makes_pacemaker_restart, fields)):
            return None
        return Disruption(self._service(facts), forbidden=self._forbidden(facts))

    def alike(self) -> str:
        """Return the program that reads the files; what loads nothing never restarts for what is declared."""
        return (self.program or self.address.name) if self.loads else ""

    def down(self, facts: Facts | None) -> str:
        """Return the resource, and its last node if one is known, when it is declared to run and does not.

        A compute that Nova has not heard of since its start counts as down, too.
        """
        declared = self.desired is not None and self.desired.get("running") is True
        works = facts and facts["running"] and facts.get(heard.HEARD, True)
        return self._service(facts) if declared and not works else ""

    def remarks(self, facts: Facts | None) -> tuple[str, ...]:
        """Tell what Nova does not hear."""
        return heard.remark(facts)

    def blocked(self, facts: Facts | None) -> str:
        """Tell when Pacemaker itself would not start what is stopped: in maintenance, or unmanaged."""
        if not facts or facts["running"] or not facts["@cluster_running"] or not self.down(facts):
            return ""
        if facts["@maintenance"]:
            return "the cluster is in maintenance mode: Pacemaker starts nothing"
        return "" if facts["@managed"] else f"{self.address.name} is unmanaged: Pacemaker does not start it"

    def _declared_words(self, element: ET.Element) -> dict[str, Value]:
        found: dict[str, str] = {field: element.get(key, "") for field, key in _AGENT.items() if key in element.attrib}
        for word, tag in _SETS.items():
            found |= {f"{word} {name}": value for name, value in cib.nvpairs(element, tag).items()}
        for op in reversed(element.findall("operations/op")):
            found |= {f"op {op.get('name')} {key}": value for key, value in op.attrib.items() if key not in {"id", "name"}}
        desired = self.desired or {}
        return {field: cib.in_words_of(desired.get(field), value) for field, value in found.items()}

    def _edited(self, changes: tuple[Change, ...], facts: Facts | None) -> str:
        name = self.address.name
        element = _element(str(facts["@xml"])) if facts else ET.Element("primitive", {"id": name})
        for change in changes:
            if change.field not in _OBSERVED_ONLY:
                _edit(element, change)
        # A restart that died half-way, or a person, left it told to stop; it is declared to run.
        declared = self.desired or {}
        if facts and not facts["running"] and declared.get("running") and "meta target-role" not in declared:
            cib.remove_nvpair(element, "meta_attributes", "target-role")
        return cib.to_text(element)

    def _restart(self, facts: Facts) -> Action:
        """Return the restart of the very process that was observed: whoever comes second restarts nothing."""
        args = {"id": self.address.name, "timeout_s": self._restart_s()}
        process = {"node": facts["@node"], "unit": self.unit, "if_invocation": facts[PROCESS]}
        return Action("resource.restart", {**args, **(process if facts[PROCESS] else {})})

    def _restart_s(self) -> int:
        """Return the seconds that a restart may take: as long as the declared stop and start may, and a reserve."""
        declared = self.desired or {}
        seconds = (cib.seconds(declared.get(f"op {op} timeout")) or 20 for op in ("stop", "start"))
        return int(sum(seconds)) + 30

    def _service(self, facts: Facts | None) -> str:
        node = facts["@node"] if facts else ""
        return f"{self.address.name} on {node}" if node else self.address.name

    def _forbidden(self, facts: Facts) -> str:
        if not facts["@quorate"]:
            return "the partition has no quorum"
        if facts["@maintenance"]:
            return "the cluster is in maintenance mode"
        if not facts["@managed"]:
            return f"{self.address.name} is unmanaged"
        return str(facts.get("@deaf", ""))


def _state(data: Mapping[str, object]) -> dict[str, Value]:
    """Return how the resource is doing; `running` is what a user would call so.

    Pacemaker calls a resource whose start has failed "Started" and failed, and goes on trying until its
    migration-threshold is reached on every node; to clean up before that would have it try the first node for ever.
    """
    failures = data["failures"]
    stale, later = data["stale"], data.get("stale_if_written", ())
    if not isinstance(failures, list | tuple) or not isinstance(stale, list | tuple) or not isinstance(later, list | tuple):
        raise UnreadableError("resource.show replied no lists of failures and stale files")
    up = bool(data["running"]) and data["role"] in _RUNNING_ROLES and bool(data["node"]) and not data["failed"]
    return {
        "running": up and not data["blocked"],
        "fresh": not stale,
        "@stale": tuple(map(str, stale)),
        "@stale_if_written": tuple(map(str, later)),
        "@node": str(data["node"]),
        PROCESS: str(data.get("invocation", "")),
        "@failures": tuple(map(str, failures)),
        "@gave_up": bool(data["blocked"]) or (data["role"] == "Stopped" and bool(failures)),
        "@managed": bool(data["managed"]),
        "@quorate": bool(data["quorate"]),
        "@maintenance": bool(data["maintenance"]),
        "@cluster_running": bool(data["running"]),
    }


def _edit(element: ET.Element, change: Change) -> None:
    word, _, rest = change.field.partition(" ")
    value = None if change.after is None else cib.to_value(change.after)
    if word in _AGENT:
        _set_attribute(element, _AGENT[word], value)
    elif word == "op":
        _edit_op(element, *rest.split(" ", 1), value=value)
    elif value is None:
        cib.remove_nvpair(element, _SETS[word], rest)
    else:
        cib.set_nvpair(element, _SETS[word], rest, value)


def _edit_op(element: ET.Element, name: str, field: str, *, value: str | None) -> None:
    """Edit the first operation of that name; a new one gets the conventional id once its interval is known."""
    found = next((op for op in element.findall("operations/op") if op.get("name") == name), None)
    if found is None and value is None:
        return
    if found is None:
        home = element.find("operations")
        home = ET.SubElement(element, "operations") if home is None else home
        conventional = cib.free_id(element, f"{element.get('id')}-{name}-0s")
        found = ET.SubElement(home, "op", {"id": conventional, "name": name, "interval": "0s"})
    if field == "interval" and found.get("id") == f"{element.get('id')}-{name}-{found.get('interval')}":
        found.set("id", "")  # its own may stay
        found.set("id", cib.free_id(element, f"{element.get('id')}-{name}-{value}"))
    _set_attribute(found, field, value)


def _set_attribute(element: ET.Element, key: str, value: str | None) -> None:
    if value is None:
        element.attrib.pop(key, None)
    else:
        element.set(key, value)


def _wants_restart(fields: frozenset[str], facts: Facts) -> bool:
    """Tell whether the process must go although Pacemaker has no reason to stop it: it is stale, or it hangs."""
    return "fresh" in fields or (heard.HEARD in fields and facts.get("@hung") is True)


def _makes_pacemaker_restart(field: str) -> bool:
    """Tell whether Pacemaker stops a running resource when this changes; operations and other meta options it takes in."""
    return field in _AGENT or field == "meta target-role" or field.startswith("param ")


def _element(text: str) -> ET.Element:
    try:
        return cib.parse(text)
    except ValueError as error:
        raise UnreadableError(f"the resource is {error}") from error
