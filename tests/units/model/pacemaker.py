"""A Pacemaker cluster: a CIB, read and edited by the target's own pure functions, and what runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from reconciler.targets.cib_snapshot import ConflictError, Snapshot, remove, upsert
from reconciler.targets.pacemaker import _answer
from resources.cib import canonical, nvpairs, parse, set_nvpair
from resources.contract import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resources.contract import Action, Query

EMPTY = "<cib><configuration><crm_config/><nodes/><resources/><constraints/></configuration></cib>"


@dataclass(slots=True)
class Running:
    """How a resource is doing; `loaded` is what its process has read, by path."""

    role: str = "Started"
    node: str = "ctl1"
    managed: bool = True
    failed: bool = False
    blocked: bool = False
    failures: tuple[str, ...] = ()
    invocation: int = 1
    started: int = 1_000
    loaded: dict[str, str | None] = field(default_factory=dict)


@dataclass(slots=True)
class Ring:
    """The cluster; `files` is what a process reads when it starts, by path, `now` its nodes' clock.

    One that is `stopped` on every member still has the configuration that it saved. The next restart `breaks` half-way: it has
    stopped the resource, by its target-role as crm_resource does, and does not start it again.
    """

    cib: str = EMPTY
    states: dict[str, Running] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)
    nodes: dict[str, bool] = field(default_factory=lambda: {"ctl1": True})
    quorate: bool = True
    maintenance: bool = False
    stopped: bool = False
    breaks: bool = False
    now: int = 10_000

    def things(self) -> Iterator[tuple[str, str]]:
        """Yield everything that can change, by name, with its state as a text: elements, and what runs."""
        for section in parse(self.cib).findall("configuration/*"):
            for element in section.iter():
                if (
                    element.get("id")
                    and element.tag in ("primitive", "rsc_location", "nvpair")
                    and not _inside(section, element)
                ):
                    yield f"cib {element.get('id')}", canonical(ET.tostring(element, encoding="unicode"))
        yield from ((f"states {name}", repr(state)) for name, state in self.states.items())

    def answer(self, query: Query) -> Reply:
        """Answer one question, by the target's own reading of the two texts that Pacemaker prints."""
        reply = _answer(Snapshot.read(self.cib, None if self.stopped else self._mon()), query)
        if query.op != "resource.show" or not reply.ok:
            return reply
        state = self.states.get(query.args["id"])
        if state is None or not reply.data["node"]:
            return reply
        loads = query.args["loads"].get(state.node, {})
        stale = [path for path, wanted in loads.items() if state.loaded.get(path) != wanted]
        process = {"invocation": f"i{state.invocation}", "started": state.started}
        return Reply({**reply.data, "stale": stale, "stale_if_written": stale, **process})

    def do(self, action: Action) -> Reply:
        """Carry out one action."""
        args = action.args
        if self.stopped:
            return Reply({}, "not-running", "Pacemaker runs nowhere")
        if action.op in ("cib.upsert", "cib.remove"):
            return self._edit(action)
        state = self.states.get(args["id"])
        if state is None:
            return Reply({}, "failed", f"there is no resource {args['id']}")
        if action.op == "resource.restart":
            return self._restart(state, args)
        if action.op == "resource.cleanup":
            state.failures, state.blocked, state.failed, state.role = (), False, False, "Started"
            self._begin(state)
        else:
            return Reply({}, "unsupported", action.op)
        return Reply({})

    def _edit(self, action: Action) -> Reply:
        """Write the CIB; what runs and got another parameter or agent is restarted by Pacemaker itself."""
        args, root = action.args, parse(self.cib)
        if action.op == "cib.upsert" and (wrong := _against_the_schema(parse(args["element"]))):
            return Reply({}, "failed", wrong)
        before = Snapshot.read(self.cib, None)
        try:
            if action.op == "cib.remove":
                edited = remove(root, args["section"], args["id"], args["if"])
                self.states.pop(args["id"], None)
            else:
                edited = upsert(root, args["section"], args["element"], args["if"])
        except ConflictError as conflict:
            return Reply({}, "conflict", str(conflict))
        self.cib = edited or self.cib
        if action.op == "cib.upsert" and args["section"] == "resources":
            name = str(parse(args["element"]).get("id"))
            old, new = before.element("resources", name), args["element"]
            state = self.states.get(name)
            if state is not None and old is not None and _parameters(old) != _parameters(new):
                self._begin(state)
        return Reply({})

    def _restart(self, state: Running, args: Mapping[str, Any]) -> Reply:
        if args.get("if_invocation") not in (None, f"i{state.invocation}"):
            return Reply({}, "conflict", "another process runs")
        if self.breaks:
            return self._break(args["id"])
        self._begin(state)
        return Reply({})

    def _break(self, name: str) -> Reply:
        self.breaks = False
        del self.states[name]
        root = parse(self.cib)
        element = next(found for found in root.iter("primitive") if found.get("id") == name)
        set_nvpair(element, "meta_attributes", "target-role", "Stopped")
        self.cib = ET.tostring(root, encoding="unicode")
        return Reply({}, "failed", "the connection is gone")

    def _begin(self, state: Running) -> None:
        state.invocation += 1
        state.started = self.now
        state.loaded = dict(self.files)

    def _mon(self) -> str:
        """Return what `crm_mon --output-as=xml` would print."""
        root = ET.Element("pacemaker-result")
        summary = ET.SubElement(root, "summary")
        ET.SubElement(summary, "current_dc", {"with_quorum": _word(self.quorate)})
        ET.SubElement(summary, "cluster_options", {"maintenance-mode": _word(self.maintenance), "stonith-enabled": "false"})
        nodes, resources, failures = (ET.SubElement(root, tag) for tag in ("nodes", "resources", "failures"))
        for name, online in self.nodes.items():
            flags = {"online": _word(online), "standby": "false", "maintenance": "false", "unclean": "false"}
            ET.SubElement(nodes, "node", {"name": name, "type": "member", **flags})
        for name, state in self.states.items():
            flags = {flag: _word(getattr(state, flag)) for flag in ("managed", "failed", "blocked")}
            shown = ET.SubElement(resources, "resource", {"id": name, "role": state.role, **flags})
            if state.role == "Started":
                ET.SubElement(shown, "node", {"name": state.node})
            for failure in state.failures:
                told = {"op_key": f"{name}_start_0", "task": "start", "node": state.node, "exitreason": failure}
                ET.SubElement(failures, "failure", told)
        return ET.tostring(root, encoding="unicode")


def _inside(section: ET.Element, element: ET.Element) -> bool:
    """Tell whether the element is a part of a resource, and changes with it."""
    return element.tag == "nvpair" and any(element in list(home.iter()) for home in section.iter("primitive"))


def _parameters(text: str) -> tuple[Any, ...]:
    element = parse(text)
    agent = tuple(element.get(name) for name in ("class", "provider", "type"))
    return (*agent, nvpairs(element, "instance_attributes"), nvpairs(element, "meta_attributes").get("target-role"))


def _against_the_schema(element: ET.Element) -> str:
    """Say what Pacemaker's schema (constraints-3.9.rng) does not allow of an element, or ''."""
    if element.tag != "rsc_location":
        return ""
    if ("rsc" in element.attrib) == ("rsc-pattern" in element.attrib):
        return "a location names its resource by rsc or by rsc-pattern"
    placed = {"node", "score"} <= element.attrib.keys()
    return "" if placed == (element.find("rule") is None) else "a location has a node and a score, or rules"


def _word(flag: bool) -> str:  # noqa: FBT001 - the flag is the word
    return "true" if flag else "false"
