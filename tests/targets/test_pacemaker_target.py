"""The pacemaker target, against members that answer with what Pacemaker's own tools printed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.targets import TargetError
from reconciler.targets.pacemaker import PacemakerTarget
from resources.cib import parse, to_text
from resources.contract import Action, Query, Reply, TargetId
from resources.endpoints import PacemakerEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RECORDED = Path(__file__).parent / "recorded" / "pacemaker"
RING = TargetId("pacemaker", "demo")
NAMES = ("ctl1", "ctl2", "ctl3")
C0 = Query("resource.show", {"id": "c0", "unit": "", "loads": {}})
OPTION = '<nvpair id="cib-bootstrap-options-no-quorum-policy" name="no-quorum-policy" value="stop"/>'
WRITE_OPTION = Action("cib.upsert", {"section": "crm_config", "element": OPTION, "if": None})


def nova(unit: str = "", loads: dict[str, dict[str, str]] | None = None) -> Query:
    """Ask for the recorded primitive."""
    return Query("resource.show", {"id": "nova-compute-c0", "unit": unit, "loads": loads or {}})


@dataclass
class Ring:
    """What the members share: one CIB with its epoch. `racing` edits happen just before the next pushes."""

    state: str = "running"
    cib: str = ""
    racing: list[Callable[[Ring], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start from a recorded state."""
        self.cib = self.cib or (RECORDED / f"{self.state}.cib.xml").read_text()
        self.mon = (RECORDED / f"{self.state}.mon.xml").read_text()

    def edit(self, change: Callable[[Any], None]) -> None:
        """Edit the CIB as another client would: its epoch rises."""
        root = parse(self.cib)
        change(root)
        root.set("epoch", str(int(root.get("epoch", "0")) + 1))
        self.cib = to_text(root)

    def push(self, base: str, edited: str) -> Reply:
        """Take an edited CIB if nobody wrote since its base was read."""
        if self.racing:
            self.racing.pop(0)(self)
        if parse(base).get("epoch") != parse(self.cib).get("epoch"):
            return Reply({}, "conflict", "the CIB has a newer epoch")
        self.cib = edited
        self.edit(lambda _: None)
        return Reply({})


@dataclass
class Member:
    """A host's helper. `mode`: live, stopped (with what it saved), silent (no answer), hung (never answers)."""

    name: str
    ring: Ring
    mode: str = "live"
    saved: str | None = None
    stale: dict[str, list[str]] = field(default_factory=dict)
    seen: list[tuple[str, Any]] = field(default_factory=list)

    async def ask(self, queries: Sequence[Query]) -> Sequence[Reply]:
        """Answer as the host helper does."""
        self.seen.extend((query.op, dict(query.args)) for query in queries)
        if self.mode == "silent":
            raise TargetError(TargetId("ssh", self.name), "no route to host")
        if self.mode == "hung":
            await asyncio.Event().wait()
        return [self._answer(query) for query in queries]

    def _answer(self, query: Query) -> Reply:
        if query.op == "service.show":
            return Reply({"active": "active", "started": 1000, "stale": self.stale.get(query.args["unit"], [])})
        if self.mode == "stopped":
            return Reply({"saved": self.saved}, "not-running", "pacemaker.service is inactive")
        if self.mode == "broken":
            return Reply({}, "failed", "crm_mon ended with 102")
        return Reply({"cib": self.ring.cib, "mon": self.ring.mon})

    async def do(self, action: Action) -> Reply:
        """Carry out as the host helper does."""
        self.seen.append((action.op, dict(action.args)))
        if action.op == "cib.push":
            return self.ring.push(action.args["base"], action.args["edited"])
        if action.op == "inventory.claim" and self.mode == "silent":
            raise TargetError(TargetId("ssh", self.name), "no route to host")
        return Reply({"before": dict.fromkeys(action.args.get("claims", ()))})

    async def close(self) -> None:
        """Have nothing to close."""


def members(ring: Ring, **modes: str) -> dict[str, Member]:
    """Return the three controllers, live unless told otherwise."""
    return {name: Member(name, ring, modes.get(name, "live")) for name in NAMES}


def target(found: dict[str, Member], grace_s: float = 3) -> PacemakerTarget:
    """Return the target over these hosts: the controllers are members, others are remote nodes."""
    hosts = {name: TargetId("ssh", name) for name in found}
    remotes = {name: host for name, host in hosts.items() if name not in NAMES}
    endpoint = PacemakerEndpoint(RING, {name: hosts[name] for name in hosts if name in NAMES}, remotes)
    return PacemakerTarget(endpoint, found, grace_s=grace_s)


def ops(found: dict[str, Member]) -> dict[str, list[str]]:
    """Return what each member was asked and told."""
    return {name: [op for op, _ in member.seen] for name, member in found.items()}


async def test_one_look_answers_all_questions() -> None:
    """However many questions are asked, one member is asked once."""
    found = members(Ring())
    replies = await target(found).ask(
        [
            Query("cluster.show", {}),
            Query("cib.element", {"section": "constraints", "id": "nova-compute-c0-on-ctl1"}),
            Query(
                "cib.element",
                {"section": "crm_config", "id": "cib-bootstrap-options-symmetric-cluster", "name": "symmetric-cluster"},
            ),
            nova(),
            C0,
        ]
    )
    assert ops(found) == {"ctl1": ["cib.read"], "ctl2": [], "ctl3": []}
    cluster, constraint, option, resource, absent = (reply.data for reply in replies)
    node = {"online": True, "standby": False, "maintenance": False, "unclean": False}
    whole = {"running": True, "quorate": True, "maintenance": False, "stonith_enabled": False}
    assert cluster == {**whole, "nodes": dict.fromkeys(NAMES, node), "unplaced": []}
    expected = '<rsc_location id="nova-compute-c0-on-ctl1" rsc="nova-compute-c0" node="ctl1" score="100" />'
    assert constraint == {**whole, "exists": True, "xml": expected}
    assert option["xml"] == '<nvpair id="opt-in" name="symmetric-cluster" value="no" />'
    assert (resource["role"], resource["node"], resource["managed"], resource["failed"]) == ("Started", "ctl1", True, False)
    assert (absent["exists"], absent["role"], absent["node"]) == (False, "Stopped", "")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("running", ("Started", "ctl1", True, False)),
        ("moved", ("Started", "ctl2", True, False)),
        ("failed", ("Started", "ctl2", True, True)),
        ("gave-up", ("Stopped", "", True, False)),
        ("maintenance", ("Started", "ctl1", False, False)),
    ],
)
async def test_how_a_resource_is_doing(state: str, expected: tuple[object, ...]) -> None:
    """Role, node, managed and failed are what crm_mon says, in each recorded state."""
    (reply,) = await target(members(Ring(state))).ask([nova()])
    assert tuple(reply.data[key] for key in ("role", "node", "managed", "failed")) == expected


async def test_failures_are_sentences() -> None:
    """Each failure says what failed, where and why."""
    (reply,) = await target(members(Ring("gave-up"))).ask([nova()])
    assert reply.data["failures"] == ["start on ctl1: User-injected result", "start on ctl2: User-injected result"]


async def test_maintenance_and_quorum_are_in_each_reply() -> None:
    """Whoever asks for anything learns whether the cluster may be disturbed."""
    (reply,) = await target(members(Ring("maintenance"))).ask([C0])
    assert (reply.data["maintenance"], reply.data["quorate"]) == (True, True)
    (reply,) = await target(members(Ring("minority"))).ask([C0])
    assert (reply.data["maintenance"], reply.data["quorate"]) == (False, False)


async def test_a_quorate_member_is_believed_before_one_that_is_cut_off() -> None:
    """A member in a minority answers, but the majority's word counts, and is asked first from then on."""
    found = members(Ring())
    found["ctl1"].ring = Ring("minority")
    cluster = target(found)
    (reply,) = await cluster.ask([nova()])
    assert reply.data["quorate"] is True
    await cluster.ask([nova()])
    assert ops(found) == {"ctl1": ["cib.read"], "ctl2": ["cib.read", "cib.read"], "ctl3": []}


async def test_a_silent_member_is_passed_over() -> None:
    """The next member answers for all; the one that answered is asked first the next time."""
    found = members(Ring(), ctl1="silent", ctl2="broken")
    cluster = target(found)
    await cluster.ask([nova()])
    await cluster.ask([nova()])
    assert ops(found) == {"ctl1": ["cib.read"], "ctl2": ["cib.read"], "ctl3": ["cib.read", "cib.read"]}


async def test_a_member_that_hangs_does_not_cost_its_time_out() -> None:
    """After a head start the next member is asked as well, and the first answer ends the waiting."""
    async with asyncio.timeout(5):
        (reply,) = await target(members(Ring(), ctl1="hung")).ask([nova()])
    assert reply.data["exists"]


async def test_a_minority_does_not_wait_for_one_that_hangs() -> None:
    """Two members answer without quorum and the third hangs: after some grace their view is the answer."""
    async with asyncio.timeout(10):
        (reply,) = await target(members(Ring("minority"), ctl3="hung"), grace_s=0.1).ask([nova()])
    assert (reply.data["exists"], reply.data["quorate"]) == (True, False)


async def test_nobody_knows_while_a_silent_member_might_run_it() -> None:
    """No member runs Pacemaker and one does not answer: that is no answer, not an absent cluster."""
    with pytest.raises(TargetError, match=r"whether Pacemaker runs is unknown \(ctl3: no route to host\)"):
        await target(members(Ring(), ctl1="stopped", ctl2="stopped", ctl3="silent")).ask([nova()])


async def test_an_unreadable_answer_is_no_answer() -> None:
    """A CIB that is cut in half is not an empty cluster."""
    ring = Ring()
    ring.cib = ring.cib[:500]
    with pytest.raises(TargetError, match="not XML"):
        await target(members(ring)).ask([nova()])


async def test_a_cluster_that_never_ran_is_absent() -> None:
    """All members answer, none runs Pacemaker and none has saved anything: nothing exists, and writing says why not."""
    found = members(Ring(), ctl1="stopped", ctl2="stopped", ctl3="stopped")
    cluster = target(found)
    shown, element, resource = await cluster.ask(
        [Query("cluster.show", {}), Query("cib.element", {"section": "crm_config", "id": "x"}), nova()]
    )
    assert (shown.data["running"], shown.data["quorate"], shown.data["nodes"]) == (False, False, {})
    assert (element.data["exists"], resource.data["exists"]) == (False, False)
    reply = await cluster.do(WRITE_OPTION)
    assert (reply.code, reply.error) == ("not-running", "Pacemaker runs on none of ctl1, ctl2, ctl3")


async def test_a_stopped_cluster_is_known_by_the_newest_saved_configuration() -> None:
    """With Pacemaker stopped everywhere the highest epoch that a member saved tells what is configured."""
    ring = Ring()
    found = members(ring, ctl1="stopped", ctl2="stopped", ctl3="stopped")
    found["ctl1"].saved = ring.cib
    ring.edit(lambda root: root.find(".//primitive[@id='nova-compute-c0']").set("type", "newer"))
    found["ctl2"].saved = ring.cib
    (reply,) = await target(found).ask([nova()])
    assert (reply.data["running"], reply.data["exists"], reply.data["role"]) == (False, True, "Stopped")
    assert 'type="newer"' in reply.data["xml"]


async def test_what_is_stale_comes_from_the_node_that_runs_it() -> None:
    """One batch goes to that node, with the digests that are declared for it, and to no other."""
    found = members(Ring("moved"), ctl1="stopped")
    found["ctl2"].stale = {"nova-compute-c0.service": ["/etc/nova/c0/nova.conf"]}
    loads = {"ctl1": {"/etc/nova/c0/nova.conf": "d1"}, "ctl2": {"/etc/nova/c0/nova.conf": "d2"}}
    replies = await target(found).ask([nova("nova-compute-c0.service", loads), C0])
    assert (replies[0].data["stale"], replies[0].data["started"]) == (["/etc/nova/c0/nova.conf"], 1000)
    assert found["ctl2"].seen[-1] == (
        "service.show",
        {"unit": "nova-compute-c0.service", "loads": {"/etc/nova/c0/nova.conf": "d2"}},
    )
    assert "service.show" not in [*ops(found)["ctl1"], *ops(found)["ctl3"]]


async def test_a_remote_node_answers_for_what_it_runs_and_for_nothing_else() -> None:
    """It is no member of the ring and not asked about it; what runs there is asked, and restarted, there."""
    ring = Ring()
    connection = '<node name="vol1" id="vol1" online="true" standby="false" unclean="false" type="remote"/>'
    ring.mon = ring.mon.replace('<node name="ctl1" id="1" cached="true"/>', '<node name="vol1" id="vol1" cached="true"/>')
    ring.mon = ring.mon.replace("</nodes>", f"{connection}</nodes>")
    found = {**members(ring, ctl1="silent"), "vol1": Member("vol1", ring)}
    found["vol1"].stale = {"nova-compute-c0.service": ["/x"]}
    cluster = target(found)
    shown, resource = await cluster.ask(
        [Query("cluster.show", {}), nova("nova-compute-c0.service", {"ctl1": {"/x": "d1"}, "vol1": {"/x": "d2"}})]
    )
    assert sorted(shown.data["nodes"]) == list(NAMES)
    assert (resource.data["node"], resource.data["stale"]) == ("vol1", ["/x"])
    process = {"unit": "c0.service", "if_invocation": "i1"}
    assert (await cluster.do(Action("resource.restart", {"id": "c0", "timeout_s": 70, "node": "vol1", **process}))).ok
    assert ops(found)["vol1"] == ["service.show", "crm.restart"]


async def test_a_lost_remote_node_is_told_by_its_connection() -> None:
    """The ring is whole; the connection is stopped with the reason; what ran on the lost node runs on the other one."""
    shown, lost, held, moved = await target(members(Ring("remote-lost"))).ask(
        [
            Query("cluster.show", {}),
            *(Query("resource.show", {"id": name, "unit": "", "loads": {}}) for name in ("vol1", "vol2", "cinder-volume-vmdk")),
        ]
    )
    assert list(shown.data["nodes"]) == ["ctl1"]
    assert (lost.data["role"], lost.data["failures"]) == ("Stopped", ["monitor on ctl1: Remote executor did not respond"])
    assert (held.data["role"], held.data["node"]) == ("Started", "ctl1")
    assert (moved.data["role"], moved.data["node"]) == ("Started", "vol2")


async def test_nobody_asks_a_remote_node_whether_the_cluster_runs() -> None:
    """With all members stopped the cluster is stopped, whatever a remote node would say."""
    found = {**members(Ring(), ctl1="stopped", ctl2="stopped", ctl3="stopped"), "vol1": Member("vol1", Ring(), "silent")}
    (shown,) = await target(found).ask([Query("cluster.show", {})])
    assert shown.data["running"] is False
    assert found["vol1"].seen == []


async def test_a_node_that_does_not_answer_spoils_only_what_it_runs() -> None:
    """Whether its process is stale is unknown; all other questions are answered."""
    found = members(Ring("running"), ctl1="silent")
    shown, resource = await target(found).ask(
        [Query("cluster.show", {}), nova("nova-compute-c0.service", {"ctl1": {"/x": "d"}})]
    )
    assert shown.ok
    assert (resource.code, resource.error) == ("failed", "it runs on ctl1, which does not answer: no route to host")


async def test_an_element_is_written_against_its_base_and_keeps_the_rest() -> None:
    """A new cluster option lands in the conventional set; comments and foreign elements stay."""
    ring = Ring()
    assert (await target(members(ring)).do(WRITE_OPTION)).ok
    options = parse(ring.cib).find("configuration/crm_config/cluster_property_set")
    assert options is not None
    assert [option.get("name") for option in options.findall("nvpair")][-1] == "no-quorum-policy"
    assert "set by hand in the first night" in ring.cib
    assert '<primitive id="vip"' in ring.cib


async def test_writing_what_is_already_there_pushes_nothing() -> None:
    """An action that was carried out before, by whomever, is done."""
    found = members(Ring())
    cluster = target(found)
    assert (await cluster.do(WRITE_OPTION)).ok
    assert (await cluster.do(WRITE_OPTION)).ok
    assert ops(found)["ctl1"].count("cib.push") == 1


async def test_an_element_that_somebody_changed_is_a_conflict() -> None:
    """What was observed is no longer there: nothing is written."""
    ring = Ring()
    found = members(ring)
    observed = '<rsc_location id="nova-compute-c0-on-ctl1" rsc="nova-compute-c0" node="ctl1" score="7"/>'
    element = '<rsc_location id="nova-compute-c0-on-ctl1" rsc="nova-compute-c0" node="ctl1" score="9"/>'
    reply = await target(found).do(Action("cib.upsert", {"section": "constraints", "element": element, "if": observed}))
    assert (reply.code, reply.error) == ("conflict", "nova-compute-c0-on-ctl1 was changed meanwhile")
    reply = await target(found).do(Action("cib.upsert", {"section": "constraints", "element": element, "if": None}))
    assert (reply.code, reply.error) == ("conflict", "nova-compute-c0-on-ctl1 exists meanwhile")
    gone = element.replace("ctl1", "ctl9")
    reply = await target(found).do(Action("cib.upsert", {"section": "constraints", "element": gone, "if": gone}))
    assert (reply.code, reply.error) == ("conflict", "nova-compute-c0-on-ctl9 was removed meanwhile")
    assert "cib.push" not in ops(found)["ctl1"]


async def test_unrelated_changes_of_others_do_not_stop_a_write() -> None:
    """A push that lost the race is made again on a new base, and both changes are there in the end."""

    def someone(ring: Ring) -> None:
        ring.edit(lambda root: root.find(".//primitive[@id='vip']").set("description", "mine"))

    ring = Ring()
    ring.racing = [someone, someone]
    assert (await target(members(ring)).do(WRITE_OPTION)).ok
    assert 'description="mine"' in ring.cib
    assert "no-quorum-policy" in ring.cib


async def test_a_base_that_never_holds_still_is_a_conflict() -> None:
    """After five lost races the write gives up."""
    ring = Ring()
    ring.racing = [lambda found: found.edit(lambda _: None)] * 9
    found = members(ring)
    reply = await target(found).do(WRITE_OPTION)
    assert (reply.code, reply.error) == ("conflict", "the CIB changed under each of 5 tries to write it")
    assert ops(found)["ctl1"].count("cib.push") == 5


async def test_writes_of_one_pass_do_not_race_each_other() -> None:
    """Steps that run in parallel write one after the other, each on the base that the last one left."""
    found = members(Ring())
    cluster = target(found)
    writes = [
        Action(
            "cib.upsert",
            {"section": "constraints", "element": f'<rsc_location id="l{n}" rsc="vip" node="ctl1" score="0"/>', "if": None},
        )
        for n in range(5)
    ]
    replies = await asyncio.gather(*map(cluster.do, writes))
    assert all(reply.ok for reply in replies)
    assert ops(found)["ctl1"].count("cib.push") == 5


async def test_an_element_is_removed_wherever_it_stands() -> None:
    """A primitive inside a group goes; to remove it again is done already; one that changed is a conflict."""
    ring = Ring()
    cluster = target(members(ring))
    args = {"section": "resources", "id": "vip", "if": '<primitive id="vip" class="ocf" provider="pacemaker" type="Other"/>'}
    assert (await cluster.do(Action("cib.remove", args))).code == "conflict"
    args["if"] = '<primitive type="Dummy" provider="pacemaker" class="ocf" id="vip"></primitive>'
    assert (await cluster.do(Action("cib.remove", args))).ok
    assert 'id="vip"' not in ring.cib.split("<status>", maxsplit=1)[0]
    assert (await cluster.do(Action("cib.remove", args))).ok


async def test_restart_and_cleanup_go_to_a_live_member() -> None:
    """Pacemaker's own tools do both, on any member that runs it."""
    found = members(Ring(), ctl1="stopped")
    cluster = target(found)
    assert (await cluster.do(Action("resource.restart", {"id": "c0", "timeout_s": 70}))).ok
    assert (await cluster.do(Action("resource.cleanup", {"id": "c0"}))).ok
    told = [seen for seen in found["ctl2"].seen if seen[0] != "cib.read"]
    assert told == [("crm.restart", {"resource": "c0", "timeout_s": 70}), ("crm.cleanup", {"resource": "c0"})]


async def test_the_process_that_was_observed_is_restarted_where_it_runs() -> None:
    """Only the node that runs it can tell whether it is still that process; so that node is told, with its word."""
    found = members(Ring())
    process = {"unit": "c0.service", "if_invocation": "i1"}
    action = Action("resource.restart", {"id": "c0", "timeout_s": 70, "node": "ctl3", **process})
    assert (await target(found).do(action)).ok
    assert found["ctl3"].seen == [("crm.restart", {"resource": "c0", "timeout_s": 70, **process})]


@pytest.mark.parametrize(
    ("resources", "constraints", "unplaced"),
    [
        ('<primitive id="vip"/>', "", ["vip"]),
        ('<primitive id="vip"/><template id="t"/>', '<rsc_location id="l" rsc="vip" node="ctl1" score="0"/>', []),
        ('<group id="g"><primitive id="vip"/></group><clone id="c"/>', '<rsc_location id="l" rsc="vip"/>', ["c"]),
        ('<primitive id="vip-1"/><primitive id="ip"/>', '<rsc_location id="l" rsc-pattern="^vip-[0-9]+$"/>', ["ip"]),
        ('<primitive id="vip"/>', '<rsc_location id="l" rsc-pattern="[[:nonsense"/>', ["vip"]),
        (
            '<primitive id="vip"/>',
            '<rsc_location id="l"><resource_set id="s"><resource_ref id="vip"/></resource_set></rsc_location>',
            [],
        ),
    ],
)
async def test_what_an_opt_in_cluster_would_not_run(resources: str, constraints: str, unplaced: list[str]) -> None:
    """Resources that no location constraint names are told, whatever form the constraint has."""
    cib = (
        f'<cib epoch="1"><configuration><crm_config/><resources>{resources}</resources><constraints>{constraints}</constraints>'
    )
    ring = Ring(cib=f"{cib}</configuration></cib>")
    (reply,) = await target(members(ring)).ask([Query("cluster.show", {})])
    assert reply.data["unplaced"] == unplaced


async def test_unknown_words_are_refused() -> None:
    """The vocabulary is closed, for questions and for actions."""
    cluster = target(members(Ring()))
    (reply,) = await cluster.ask([Query("weather.show", {})])
    assert (reply.code, reply.error) == ("unsupported", "a Pacemaker cluster has no weather.show")
    assert (await cluster.do(Action("weather.set", {}))).code == "unsupported"
