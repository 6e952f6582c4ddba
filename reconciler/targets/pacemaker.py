"""A Pacemaker cluster, spoken to through the host helper of any member that runs it.

Queries      cluster.show {}                        running, quorate, maintenance, stonith_enabled, nodes,
                                                    unplaced (resources without a location constraint)
             cib.element {section, id, name?}       exists, xml; `name` finds a cluster option under another id
             resource.show {id, unit, loads}        exists, xml, role, node, managed, failed, failures, blocked, stale,
                                                    invocation, started (of the process on that node, where it was
                                                    asked; Unix time)
Actions      cib.upsert {section, element, if}      cib.remove {section, id, if}
             resource.restart {id, timeout_s?, node?, unit, if_invocation}      resource.cleanup {id}

Each reply to a query carries running, quorate and maintenance. One ask costs one `cib.read` (of the member that
answered last, as long as it does) and one `service.show` batch for each node that runs a resource which was asked for.
Each write edits one base and is pushed against that base, so nobody's change in between is lost.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from reconciler.targets import BEAT_S, Signal, TargetError, Watchable
from reconciler.targets.cib_snapshot import ConflictError, Snapshot, newest, remove, upsert
from reconciler.targets.pacemaker_watch import MEMBER_UNITS, REMOTE_UNITS, watch_cluster
from resources.contract import Action, Query, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping, Sequence

    from reconciler.targets import Target
    from resources.endpoints import PacemakerEndpoint

_HEAD_START_S = 0.5
"""How long one member may take before the next is asked as well; a dead one must not cost its whole time-out."""

_GRACE_S = 3.0
"""How long a member without quorum waits for word of one that has it, when all others have answered."""

_DEAF_S = 60.0
"""How long a member that did not answer is not told what is ours: each try may cost the time-out of a dead host."""

_PUSHES = 5
_RESTART_S = 240
_NOTHING = (
    "<cib><configuration><crm_config/><nodes/><resources/><constraints/></configuration></cib>"  # of a cluster that never ran
)


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of the cluster, and the member that told it; '' when Pacemaker runs on none."""

    member: str
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Stopped:
    """The word of a member where Pacemaker does not run, with the CIB it has saved, '' for none."""

    saved: str


@dataclass(frozen=True, slots=True)
class Silent:
    """A member that says nothing about the cluster, and why."""

    reason: str


class PacemakerTarget:
    """The ring as one target. `hosts` maps Pacemaker's node names to the targets of those hosts, which it does not own.

    Members answer for the cluster; remote nodes are asked only about what runs on them.
    """

    def __init__(self, endpoint: PacemakerEndpoint, hosts: Mapping[str, Target], *, grace_s: float = _GRACE_S) -> None:
        """Know the hosts; nothing is asked yet. `grace_s` is what a hanging member may hold up a minority's word."""
        self._id = endpoint.target
        self._hosts = hosts
        self._members = {name: hosts[name] for name in endpoint.members}
        self._grace_s = grace_s
        self._preferred = ""
        self._deaf_until: dict[str, float] = {}
        self._writing = asyncio.Lock()

    async def ask(self, queries: Sequence[Query]) -> Sequence[Reply]:
        """Answer from one look at the cluster. Raises TargetError when nobody knows whether it runs."""
        look = await self._look()
        replies = [_answer(look.snapshot, query) for query in queries]
        return await self._with_stale(queries, replies)

    async def do(self, action: Action) -> Reply:
        """Carry out one action, one after the other. Raises TargetError when it is unknown whether it was done."""
        async with self._writing:
            claims = action.args.get("claims")
            return await self._claiming(action, claims) if claims else await self._do(action)

    async def _do(self, action: Action) -> Reply:
        """Carry out one action."""
        match action.op:
            case "cib.upsert" | "cib.remove":
                return await self._edit(action)
            case "resource.restart":
                return await self._restart(action.args)
            case "resource.cleanup":
                return await self._tell("crm.cleanup", {"resource": action.args["id"]})
            case _:
                return _unsupported(action.op)

    async def _claiming(self, action: Action, claims: Mapping[str, Any]) -> Reply:
        """Have the members remember what is made before it is made, and forget what is gone after it is gone.

        One that does not answer knows it from none; those that do are enough. What was refused is as it was before.
        """
        made = {address: {**claim, "without": []} for address, claim in claims.items() if claim}
        before = await self._remember({"claims": made}) if made else {}
        if made and not before:
            return Reply({}, "failed", f"none of {', '.join(sorted(self._members))} could remember that it is Bivisor's")
        reply = await self._do(action)
        if reply.code == "conflict":
            await asyncio.gather(*(self._tell_member(name, {"claims": was, "whole": True}) for name, was in before.items()))
        elif reply.ok and made != claims:
            await self._remember({"claims": claims})
        return reply

    async def _remember(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Return, by member that remembers it now, what it remembered before. A silent one is left alone for a while."""
        now = asyncio.get_running_loop().time()
        asked = [name for name in self._members if self._deaf_until.get(name, 0.0) <= now]
        replies = dict(zip(asked, await asyncio.gather(*(self._tell_member(name, args) for name in asked)), strict=True))
        self._deaf_until |= {name: now + _DEAF_S for name, reply in replies.items() if not reply.ok}
        return {name: reply.data["before"] for name, reply in replies.items() if reply.ok}

    async def _tell_member(self, name: str, args: Mapping[str, Any]) -> Reply:
        try:
            return await self._members[name].do(Action("inventory.claim", args))
        except TargetError as error:
            return Reply({}, "failed", error.reason)

    def watch(
        self, paths: Collection[str], units: Collection[str], *, cib: bool = False, beat_s: float = BEAT_S
    ) -> AsyncGenerator[Signal, None]:
        """Tell when something may have changed on any host of it; see Watchable. Raises TargetError when no member is heard.

        `units` are those behind the resources, wherever they run.
        """

        def watch(name: str, host: Watchable) -> AsyncGenerator[Signal, None]:
            member = name in self._members
            named = {*units, *(MEMBER_UNITS if member else REMOTE_UNITS)}
            return host.watch(paths, named, cib=cib and member, beat_s=beat_s)

        hosts = {name: host for name, host in self._hosts.items() if isinstance(host, Watchable)}
        return watch_cluster(self._id, {name: partial(watch, name, host) for name, host in hosts.items()}, self._members)

    async def close(self) -> None:
        """Do nothing: the members' connections are closed by whoever opened them."""

    async def _look(self) -> Look:
        """Return a quorate member's view, else any live one's, else that of the newest saved CIB. Raises TargetError."""
        words = await self._words()
        live = [word for word in words.values() if isinstance(word, Look)]
        if live:
            best = max(live, key=_quorate)
            self._preferred = best.member
            return best
        silent = {member: word.reason for member, word in words.items() if isinstance(word, Silent)}
        if silent:
            reasons = "; ".join(f"{member}: {silent[member]}" for member in sorted(silent))
            raise TargetError(self._id, f"whether Pacemaker runs is unknown ({reasons})")
        saved = [word.saved for word in words.values() if isinstance(word, Stopped) and word.saved]
        try:
            return Look("", newest(saved) or Snapshot.read(_NOTHING, None))
        except ValueError as error:
            raise TargetError(self._id, f"the configuration that Pacemaker saved is unreadable: {error}") from error

    async def _words(self) -> dict[str, Look | Stopped | Silent]:
        """Ask member after member until a quorate one answers; the others are asked when it is late or of no use."""
        waiting = sorted(self._members, key=lambda name: (name != self._preferred, name), reverse=True)
        running: set[asyncio.Task[Look | Stopped | Silent]] = set()
        words: dict[str, Look | Stopped | Silent] = {}
        async with asyncio.TaskGroup() as group:
            while (waiting or running) and not any(map(_quorate, words.values())):
                if waiting:
                    member = waiting.pop()
                    running.add(group.create_task(self._word(member), name=member))
                live = any(isinstance(word, Look) for word in words.values())
                patience = _HEAD_START_S if waiting else self._grace_s if live else None
                done, running = await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                words |= {task.get_name(): task.result() for task in done}
                if live and not done and not waiting:
                    break
            for task in running:
                task.cancel()
        return words

    async def _word(self, member: str) -> Look | Stopped | Silent:
        try:
            (reply,) = await self._members[member].ask([Query("cib.read", {})])
            if reply.code == "not-running":
                return Stopped(reply.data.get("saved") or "")
            return Look(member, Snapshot.read(reply.data["cib"], reply.data["mon"])) if reply.ok else Silent(reply.error)
        except TargetError as error:
            return Silent(error.reason)
        except ValueError as error:
            return Silent(str(error))

    async def _with_stale(self, queries: Sequence[Query], replies: list[Reply]) -> list[Reply]:
        """Ask the nodes that run something whether it has loaded what is declared, one batch for each node."""
        by_node: dict[str, list[int]] = {}
        for index, (query, reply) in enumerate(zip(queries, replies, strict=True)):
            if reply.ok and query.op == "resource.show" and query.args["unit"] and _loads(query, reply.data["node"]):
                by_node.setdefault(reply.data["node"], []).append(index)
        async with asyncio.TaskGroup() as group:
            asked = {
                node: group.create_task(self._ask_services(node, [queries[index] for index in indexes]))
                for node, indexes in by_node.items()
            }
        merged = list(replies)
        for node, indexes in by_node.items():
            for index, service in zip(indexes, asked[node].result(), strict=True):
                merged[index] = _merge(replies[index], service)
        return merged

    async def _ask_services(self, node: str, queries: Sequence[Query]) -> Sequence[Reply]:
        shows = [Query("service.show", {"unit": query.args["unit"], "loads": _loads(query, node)}) for query in queries]
        if node not in self._hosts:
            return [Reply({}, "failed", f"it runs on {node}, which is no declared member") for _ in shows]
        try:
            return await self._hosts[node].ask(shows)
        except TargetError as error:
            return [Reply({}, "failed", f"it runs on {node}, which does not answer: {error.reason}") for _ in shows]

    async def _edit(self, action: Action) -> Reply:
        """Edit one base and push against it; a push that lost the race against an unrelated change is made again."""
        for _ in range(_PUSHES):
            look = await self._look()
            if not look.member:
                return self._not_running()
            try:
                edited = _edited(look.snapshot, action)
            except ConflictError as conflict:
                return Reply({}, "conflict", str(conflict))
            except ValueError as error:
                return Reply({}, "failed", str(error))
            if edited is None:
                return Reply({})
            push = Action("cib.push", {"base": look.snapshot.text, "edited": edited})
            reply = await self._members[look.member].do(push)
            if reply.code != "conflict":
                return reply
        return Reply({}, "conflict", f"the CIB changed under each of {_PUSHES} tries to write it")

    async def _restart(self, args: Mapping[str, Any]) -> Reply:
        """Restart through the node where it runs, which alone can tell whether it is still the observed process."""
        told = {"resource": args["id"], "timeout_s": args.get("timeout_s", _RESTART_S)}
        host = self._hosts.get(args.get("node", ""))
        if host is None:
            return await self._tell("crm.restart", told)
        return await host.do(Action("crm.restart", {**told, **{key: args[key] for key in ("unit", "if_invocation")}}))

    async def _tell(self, op: str, args: Mapping[str, Any]) -> Reply:
        look = await self._look()
        return await self._members[look.member].do(Action(op, args)) if look.member else self._not_running()

    def _not_running(self) -> Reply:
        return Reply({}, "not-running", f"Pacemaker runs on none of {', '.join(sorted(self._members))}")


def _quorate(word: Look | Stopped | Silent) -> bool:
    return isinstance(word, Look) and bool(word.snapshot.cluster()["quorate"])


def _answer(snapshot: Snapshot, query: Query) -> Reply:
    cluster, args = snapshot.cluster(), query.args
    try:
        match query.op:
            case "cluster.show":
                return Reply({**cluster, "nodes": snapshot.nodes(), "unplaced": list(snapshot.unplaced())})
            case "cib.element":
                xml = snapshot.element(args["section"], args["id"], args.get("name", ""))
                return Reply({**cluster, "exists": xml is not None, "xml": xml or ""})
            case "resource.show":
                xml = snapshot.element("resources", args["id"])
                seen = snapshot.resource(args["id"])
                return Reply({**cluster, "exists": xml is not None, "xml": xml or "", **seen, "stale": []})
            case _:
                return _unsupported(query.op)
    except ValueError as error:
        return Reply({}, "failed", str(error))


def _edited(snapshot: Snapshot, action: Action) -> str | None:
    args = action.args
    if action.op == "cib.remove":
        return remove(snapshot.cib, args["section"], args["id"], args["if"])
    return upsert(snapshot.cib, args["section"], args["element"], args["if"])


def _loads(query: Query, node: str) -> Mapping[str, str]:
    """Return what the process would load on that node: path to digest."""
    found: Mapping[str, str] = query.args["loads"].get(node, {})
    return found


def _merge(resource: Reply, service: Reply) -> Reply:
    if not service.ok:
        return Reply({}, service.code, service.error)
    loaded = {name: list(service.data.get(name, ())) for name in ("stale", "stale_if_written")}
    process = {"invocation": service.data.get("invocation", ""), "started": service.data.get("started", 0)}
    return Reply({**resource.data, **loaded, **process})


def _unsupported(op: str) -> Reply:
    return Reply({}, "unsupported", f"a Pacemaker cluster has no {op}")
