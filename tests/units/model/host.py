"""A host: files with an inventory of what was written, directories, packages, systemd services."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resources.contract import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resources.contract import Action, Query

UNITS = "/etc/systemd/system/"


@dataclass(slots=True)
class Node:
    """A file or a directory; of a directory, the content means nothing."""

    content: bytes = b""
    mode: str = "0644"
    owner: str = "root"
    group: str = "root"
    kind: str = "file"

    @property
    def digest(self) -> str:
        """Return the digest that a write is compared with."""
        return hashlib.sha256(self.content).hexdigest()

    def attributes(self) -> dict[str, str]:
        """Return what both questions tell."""
        return {"kind": self.kind, "mode": self.mode, "owner": self.owner, "group": self.group}

    def told(self, args: Mapping[str, Any]) -> None:
        """Take the attributes that are given."""
        for name in ("mode", "owner", "group"):
            setattr(self, name, args.get(name) or getattr(self, name))


@dataclass(slots=True)
class Daemon:
    """A systemd unit and its process: `loaded` is what that has read, by path; `started` is Unix time."""

    exists: bool = True
    masked: bool = False
    enabled: str = "disabled"
    active: str = "inactive"
    invocation: int = 0
    started: int = 0
    loaded: dict[str, str | None] = field(default_factory=dict)
    reload_needed: bool = False

    @property
    def runs(self) -> bool:
        """Tell whether there is a process."""
        return self.active in ("active", "activating")


@dataclass(slots=True)
class Host:
    """One host: `records` are the digests of owned facts that it remembers, by path, `claims` what it remembers as ours.

    `now` is its clock.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    records: dict[str, str | None] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    daemons: dict[str, Daemon] = field(default_factory=dict)
    claims: dict[str, dict[str, Any]] = field(default_factory=dict)
    now: int = 10_000

    def things(self) -> Iterator[tuple[str, str]]:
        """Yield everything that can change, by name, with its state as a text."""
        for what in ("nodes", "records", "packages", "daemons", "claims"):
            yield from ((f"{what} {name}", repr(state)) for name, state in getattr(self, what).items())

    def answer(self, query: Query) -> Reply:
        """Answer one question."""
        args = query.args
        match query.op:
            case "file.read":
                return Reply(self._read(args["path"]))
            case "file.stat":
                node = self.nodes.get(args["path"])
                return Reply({"exists": node is not None, **(node.attributes() if node else {})})
            case "package.query":
                return Reply({"versions": {name: self.packages.get(name) for name in args["names"]}})
            case "inventory.read":
                return Reply({"claims": self.claims, "known": True})
            case "service.show":
                return Reply(self._show(args["unit"], args["loads"]))
            case _:
                return Reply({}, "unsupported", query.op)

    def do(self, action: Action) -> Reply:
        """Carry out one action."""
        kind, _, verb = action.op.partition(".")
        if kind in ("file", "directory"):
            return self._change_file(action.op, action.args)
        if action.op == "package.install":
            for name in action.args["replaces"]:
                self.packages.pop(name, None)
            self.packages.update({name: self.packages.get(name, "1") for name in action.args["names"]})
            return Reply({})
        if action.op == "inventory.claim":
            self.remember(action.args["claims"])
            return Reply({})
        if action.op == "systemd.reload":
            for daemon in self.daemons.values():
                daemon.reload_needed = False
            return Reply({})
        if kind == "service":
            return self._change_service(verb, action.args)
        return Reply({}, "unsupported", action.op)

    def remember(self, claims: Mapping[str, Any]) -> None:
        """Remember as ours what an action made, by address, and what it took away no more."""
        for address, claim in claims.items():
            fields = {*self.claims.get(address, {}).get("fields", ()), *(claim or {}).get("fields", ())}
            fields -= set((claim or {}).get("without", ()))
            self.claims.pop(address, None)
            if claim and fields:
                kept = {name: value for name, value in claim.items() if name != "without"}
                self.claims[address] = {**kept, "fields": sorted(fields), "at": "2026-01-01T00:00:00Z"}

    def _read(self, path: str) -> dict[str, Any]:
        node, recorded = self.nodes.get(path), self.records.get(path)
        if node is None:
            return {"exists": False, "recorded": recorded}
        told = {"exists": True, "recorded": recorded, **node.attributes()}
        if node.kind != "file":
            return told
        try:
            return {**told, "digest": node.digest, "text": node.content.decode()}
        except UnicodeDecodeError:
            return {**told, "digest": node.digest, "base64": base64.b64encode(node.content).decode()}

    def _show(self, unit: str, loads: Mapping[str, str]) -> dict[str, Any]:
        daemon = self.daemons.get(unit, Daemon(exists=False, enabled=""))
        later = [path for path, wanted in loads.items() if daemon.runs and daemon.loaded.get(path) != wanted]
        stale = [path for path in later if path in self.records]  # what was never written was there before the process
        return {
            "load": "masked" if daemon.masked else "loaded" if daemon.exists else "not-found",
            "active": daemon.active,
            "sub": "",
            "enabled": "masked" if daemon.masked else daemon.enabled,
            "invocation": f"i{daemon.invocation}" if daemon.runs else "",
            "started": daemon.started if daemon.runs else 0,
            "main_pid": 1 if daemon.runs else 0,
            "reload_needed": daemon.reload_needed,
            "stale": stale,
            "stale_if_written": later,
        }

    def _change_file(self, op: str, args: Mapping[str, Any]) -> Reply:
        path, node = args["path"], self.nodes.get(args["path"])
        if op == "directory.make":
            self.nodes.setdefault(path, Node(mode="0755", kind="dir")).told(args)
            return Reply({})
        if op == "file.attributes":
            if node is None:
                return Reply({}, "failed", f"{path}: no such file")
            node.told(args)
            return Reply({})
        if args.get("if_digest") != (node.digest if node else None) and not (op == "file.remove" and node is None):
            return Reply({}, "conflict", f"{path} has changed since it was read")
        if op == "file.remove":
            self.nodes.pop(path, None)
            self.records.pop(path, None)
        elif op == "file.write":
            content = args["text"].encode() if "text" in args else base64.b64decode(args["base64"])
            self.nodes[path] = node = node or Node(mode="0600")
            node.content = content
            node.told(args)
            self.records[path] = args.get("owned")
        else:
            return Reply({}, "unsupported", op)
        if path.startswith(UNITS):
            self.daemons.setdefault(_unit_of(path), Daemon()).reload_needed = True
        return Reply({})

    def _change_service(self, verb: str, args: Mapping[str, Any]) -> Reply:
        daemon = self.daemons.setdefault(args["unit"], Daemon(exists=False, enabled=""))
        if verb in ("start", "restart", "enable", "unmask") and not daemon.exists and not daemon.masked:
            return Reply({}, "failed", f"Unit {args['unit']} not found.")
        if verb in ("start", "restart", "enable") and daemon.masked:
            return Reply({}, "failed", f"Unit {args['unit']} is masked.")
        if verb == "restart" and args.get("if_invocation") not in (None, f"i{daemon.invocation}"):
            return Reply({}, "conflict", "another process runs")
        match verb:
            case "start" | "restart":
                if verb == "restart" or daemon.active != "active":
                    self._begin(daemon)
            case "stop":
                daemon.active = "inactive"
            case "mask" | "unmask":
                daemon.masked = verb == "mask"
            case "enable" | "disable":
                daemon.enabled = "enabled" if verb == "enable" else "disabled"
            case _:
                return Reply({}, "unsupported", verb)
        return Reply({})

    def _begin(self, daemon: Daemon) -> None:
        """Start a process: it reads every file as it is now."""
        daemon.active, daemon.started = "active", self.now
        daemon.invocation += 1
        daemon.loaded = dict(self.records)


def _unit_of(path: str) -> str:
    folder, _, name = path.removeprefix(UNITS).rpartition("/")
    return folder.removesuffix(".d") or name
