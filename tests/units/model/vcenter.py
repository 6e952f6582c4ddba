"""A vCenter: its switches and port groups change; all else is only looked at, and is a reply that a test has drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resources.contract import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resources.contract import Action, Query


@dataclass(slots=True)
class VCenter:
    """Port groups by switch and name: `{"vlan", "version", "uplink"}`; `namesakes` by name; `said` answers all else by op."""

    switches: list[str] = field(default_factory=list)
    groups: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    namesakes: dict[str, list[str]] = field(default_factory=dict)
    said: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def things(self) -> Iterator[tuple[str, str]]:
        """Yield everything that can change, by name, with its state as a text."""
        yield from ((f"groups {vds}/{name}", repr(state)) for (vds, name), state in self.groups.items())

    def answer(self, query: Query) -> Reply:
        """Answer one question."""
        if query.op in self.said:
            return Reply(self.said[query.op])
        known = sorted(set(self.switches))
        if query.op == "switch.find":
            return Reply({"switches": self.switches.count(query.args["name"]), "known": known})
        if query.op == "port_group.find":
            vds, name = query.args["vds"], query.args["name"]
            found = self.groups.get((vds, name))
            group = {"moref": f"{vds}/{name}", **found} if found else None
            told = {"group": group, "namesakes": self.namesakes.get(name, [])}
            return Reply({"switches": self.switches.count(vds), "known": known, **told})
        return Reply({}, "unsupported", query.op)

    def do(self, action: Action) -> Reply:
        """Carry out one action."""
        args = action.args
        if action.op == "port_group.create":
            if (args["vds"], args["name"]) in self.groups:
                return Reply({}, "conflict", "vCenter has something of that name already")
            self.groups[args["vds"], args["name"]] = {"vlan": args["vlan"], "version": "1", "uplink": False}
            return Reply({})
        if action.op == "port_group.set_vlan":
            group = self.groups[tuple(args["moref"].split("/", 1))]
            if group["version"] != args["if_version"]:
                return Reply({}, "conflict", "the port group was changed by somebody else meanwhile")
            group.update(vlan=args["vlan"], version=str(int(group["version"]) + 1))
            return Reply({})
        return Reply({}, "unsupported", action.op)
