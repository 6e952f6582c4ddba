"""Who leads, on a clock that jumps: claimed in the CIB, confirmed by a majority of the members, lost at once."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from reconciler import log
from reconciler.core.errors import LeadError
from reconciler.hosts_told import MOST_REST_S, TELL_EVERY_S, Tidings
from reconciler.leader import ANSWER_S, ASK_EVERY_S, CLAIM_S, FIRST_ANSWER_S, Leader
from reconciler.targets import TargetError
from reconciler.targets.fence import LEASE_S, Fence
from reconciler.targets.open import Targets
from resources.contract import Action, Query, Reply, TargetId
from resources.endpoints import PacemakerEndpoint, SshEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resources.endpoints import Endpoint

pytestmark = pytest.mark.looptime

RING = TargetId("pacemaker", "demo")
NAMES = ("ctl1", "ctl2", "ctl3")
YEAR_2026 = 1_767_225_600
"""The clock on the wall when the tests begin."""


def endpoints(*names: str) -> dict[TargetId, Endpoint]:
    """Return a ring of these members."""
    hosts = {name: TargetId("ssh", name) for name in names}
    found: dict[TargetId, Endpoint] = {
        host: SshEndpoint(host, name, 22, "root", "", "") for name, host in hosts.items()
    }  # fmt: skip
    return {**found, RING: PacemakerEndpoint(RING, hosts)}


@dataclass
class Cib:
    """What a part of the ring agrees on."""

    number: int = 0
    leader: str = ""
    quorate: bool = True


@dataclass
class Member:
    """A member's helper: `cib` is that of its part of the ring, `heard` the number that its host has seen.

    `slow_s` is what each answer takes, `login_s` what it takes to be let in before, `closing_s` what letting it go does.
    `mode` is live, silent (no answer), hung (never one) or mistaken (nonsense, which nobody foresaw).
    """

    name: str
    cib: Cib
    mode: str = "live"
    racing: list[Cib] = field(default_factory=list)
    heard: int = 0
    slow_s: float = 0.0
    login_s: float = 0.0
    open: bool = False
    closing_s: float = 0.0
    closed: int = 0

    async def ask(self, queries: Sequence[Query]) -> Sequence[Reply]:
        """Answer as the host helper does."""
        await self._answering()
        assert list(queries) == [Query("epoch.show", {"cloud": "demo"})]
        told = {"quorate": self.cib.quorate, "number": self.cib.number, "leader": self.cib.leader}
        return (Reply({**told, "heard": self.heard}),)

    async def do(self, action: Action) -> Reply:
        """Claim as the host helper does."""
        await self._answering()
        assert action.op == "epoch.claim"
        if self.racing:
            other = self.racing.pop()
            self.cib.number, self.cib.leader = other.number, other.leader
        if self.cib.number != action.args["known"]:
            return Reply({}, "conflict", "somebody else has claimed meanwhile")
        self.cib.number, self.cib.leader = action.args["number"], action.args["leader"]
        return Reply({})

    async def _answering(self) -> None:
        if not self.open:
            await asyncio.sleep(self.login_s)
            self.open = True
        await asyncio.sleep(self.slow_s)
        if self.mode == "mistaken":
            raise KeyError("quorate")
        if self.mode == "silent":
            raise TargetError(TargetId("ssh", self.name), "no route to host")
        if self.mode == "hung":
            await asyncio.Event().wait()

    async def close(self) -> None:
        """Count that a connection was given up."""
        self.closed += 1
        self.open = False
        await asyncio.sleep(self.closing_s)


def opening(make: Callable[[str], Any]) -> type[Targets]:
    """Return targets whose hosts are what `make` returns for their names."""

    class Opened(Targets):
        def _make(self, endpoint: Endpoint) -> Any:
            return make(endpoint.target.name)

    return Opened


class Ring:
    """Three controllers that agree, unless told otherwise."""

    def __init__(self, *names: str) -> None:
        """Begin where nobody ever led."""
        self.cib = Cib()
        self.members = {name: Member(name, self.cib) for name in names or NAMES}
        self.endpoints = endpoints(*self.members)

    def leader(self, node: str = "ctl1") -> Leader:
        """Return one who could lead from there."""
        loop = asyncio.get_running_loop()
        opened = opening(self.members.__getitem__)
        return Leader(node, clock=loop.time, now=lambda: YEAR_2026 + loop.time(), open_targets=opened)

    def part(self, *names: str, quorate: bool = False) -> Cib:
        """Cut these off from the others; return what they agree on from now on."""
        cib = Cib(self.cib.number, self.cib.leader, quorate)
        for name in names:
            self.members[name].cib = cib
        return cib


async def time() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


async def lost(ring: Ring, leader: Leader, *, then: Any = lambda: None) -> tuple[str, float]:
    """Lead until the lead is lost; return why, and how long that took after `then` was called."""
    began = 0.0
    try:
        async with leader.lead(ring.endpoints):
            await asyncio.sleep(10.0)
            then()
            began = await time()
            await asyncio.sleep(1000.0)
    except LeadError as error:
        return error.message, await time() - began
    raise AssertionError


async def test_the_lead_is_claimed_and_kept() -> None:
    """The CIB names who leads, with a number above all former ones; as long as a majority says so it lasts."""
    ring = Ring()
    ring.cib.number, ring.cib.leader = 41, "ctl3"
    leader = ring.leader()
    assert leader.epoch == 0
    async with leader.lead(ring.endpoints) as fence:
        assert (ring.cib.leader, ring.cib.number) == ("ctl1", fence.number)
        assert leader.epoch == fence.number
        assert fence.number >= YEAR_2026, "also above what was before the CIB was made anew"
        assert (fence.cloud, fence.node) == ("demo", "ctl1")
        ring.members["ctl3"].mode = "hung"
        await asyncio.sleep(600.0)
        assert fence.left_s > LEASE_S - ASK_EVERY_S - 0.1, "one that hangs holds up nobody's word"
    assert fence.closed
    assert leader.epoch == 0


async def test_a_later_leader_has_a_higher_number() -> None:
    """Even when the clock on the wall goes back."""
    ring = Ring()
    ring.cib.number = 3_000_000_000
    async with ring.leader().lead(ring.endpoints) as fence:
        assert fence.number == 3_000_000_001


async def test_a_later_leader_has_a_higher_number_than_hosts_have_heard() -> None:
    """A clock was ahead, it was put right, and the CIB was made anew: hosts would refuse whoever claims less than then."""
    ring = Ring()
    ring.members["ctl2"].heard = 3_000_000_000
    async with ring.leader().lead(ring.endpoints) as fence:
        assert fence.number == 3_000_000_001


async def test_another_one_that_claims_ends_the_lead() -> None:
    """It is heard with the next question; who is inside is cancelled, and told who leads."""
    ring = Ring()

    def claim() -> None:
        ring.cib.number, ring.cib.leader = ring.cib.number + 1, "ctl2"

    why, took_s = await lost(ring, ring.leader(), then=claim)
    assert why.startswith("ctl1 does not lead any more: ctl2 leads with epoch ")
    assert took_s <= ASK_EVERY_S + 0.6


async def test_who_is_cut_off_stops_by_itself() -> None:
    """The lease ends so long after the last question that a majority answered, though its own host says what it always said."""
    ring = Ring()

    def cut() -> None:
        ring.members["ctl2"].mode = "silent"
        ring.members["ctl3"].mode = "hung"

    why, took_s = await lost(ring, ring.leader(), then=cut)
    assert why == "ctl1 does not lead any more: no majority of the ring has confirmed for too long that we lead"
    assert LEASE_S - ASK_EVERY_S - 0.1 <= took_s <= LEASE_S + 0.1


async def test_a_lost_lead_is_known_before_everything_is_closed() -> None:
    """Letting go of what does not answer takes its time; whoever waits for signs of life need not wait for that."""
    ring = Ring()
    leader = ring.leader()
    task = asyncio.create_task(lost(ring, leader))
    assert not leader.leads
    await asyncio.sleep(5.0)
    assert leader.leads
    for member in ring.members.values():
        member.mode, member.closing_s = "silent", 30.0
    await asyncio.sleep(LEASE_S + 1.0)
    assert not leader.leads
    assert not task.done()
    await task


async def test_a_word_without_quorum_counts_for_nothing() -> None:
    """All members answer, but two of them have lost the rest of the ring."""
    ring = Ring()
    _, took_s = await lost(ring, ring.leader(), then=lambda: ring.part("ctl2", "ctl3"))
    assert took_s <= LEASE_S + 0.1


async def test_old_words_of_one_member_are_no_majority() -> None:
    """ctl1 has not noticed yet that it is cut off and says the old thing; the two others have a new leader."""
    ring = Ring()

    def part() -> None:
        ring.part("ctl1", quorate=True)
        ring.members["ctl2"].mode = "silent"
        ring.cib.number, ring.cib.leader = ring.cib.number + 1, "ctl3"
        ring.members["ctl3"].mode = "silent"

    _, took_s = await lost(ring, ring.leader(), then=part)
    assert took_s <= LEASE_S + 0.1


async def test_a_hanging_connection_is_given_up() -> None:
    """A member that does not answer in time is connected to anew, else it would be missed until the kernel gives up."""
    ring = Ring()
    async with ring.leader().lead(ring.endpoints):
        ring.members["ctl2"].mode = "hung"
        await asyncio.sleep(ASK_EVERY_S + ANSWER_S + 0.1)
        assert ring.members["ctl2"].closed
        ring.members["ctl2"].mode = "live"
        await asyncio.sleep(FIRST_ANSWER_S + 0.1)
        ring.members["ctl3"].mode = "silent"
        await asyncio.sleep(60.0)


@pytest.mark.parametrize("login_s", [4.0, 9.5])
async def test_slow_logins_keep_nobody_from_leading(login_s: float) -> None:
    """On busy controllers it takes longer to be let in than an answer may take later: nothing begun is given up for that."""
    ring = Ring()
    for member in ring.members.values():
        member.login_s = login_s
    began = await time()
    async with ring.leader().lead(ring.endpoints) as fence:
        assert await time() - began <= login_s + 1.0
        assert [member.closed for member in ring.members.values()] == [0, 0, 0]
        await asyncio.sleep(60.0)
        assert not fence.closed
        ring.members["ctl2"].mode = "hung"
        await asyncio.sleep(60.0)
        ring.members["ctl2"].mode = "live"
        await asyncio.sleep(FIRST_ANSWER_S + login_s + ASK_EVERY_S)
        ring.members["ctl3"].mode = "silent"
        await asyncio.sleep(60.0)
        assert not fence.closed


async def test_a_slow_login_is_waited_for_where_it_decides() -> None:
    """One member answers at once, one refuses connections: the third one's word is needed, though its login takes long."""
    ring = Ring()
    ring.members["ctl2"].login_s = 9.5
    ring.members["ctl3"].mode = "silent"
    async with ring.leader().lead(ring.endpoints) as fence:
        await asyncio.sleep(60.0)
        assert not fence.closed


async def test_a_dead_member_does_not_delay_who_takes_the_lead() -> None:
    """The former leader's host hangs, and one of the others is in the ring's new part a moment later: nobody waits longer."""
    ring = Ring()
    ring.members["ctl1"].mode = "hung"
    late = ring.part("ctl3")
    began, loop = await time(), asyncio.get_running_loop()

    def join() -> None:
        ring.members["ctl3"].cib = ring.cib

    loop.call_later(1.0, join)
    async with ring.leader("ctl2").lead(ring.endpoints) as fence:
        assert await time() - began <= 1.0 + ASK_EVERY_S
        assert (late.number, fence.number) == (0, ring.cib.number)


async def test_a_mistake_about_one_member_is_outlived() -> None:
    """It is asked again and again all the same: when it makes sense again, its word counts."""
    ring = Ring()
    async with ring.leader().lead(ring.endpoints):
        ring.members["ctl2"].mode = "mistaken"
        await asyncio.sleep(10.0)
        ring.members["ctl2"].mode = "live"
        await asyncio.sleep(ASK_EVERY_S + 0.1)
        ring.members["ctl3"].mode = "silent"
        await asyncio.sleep(60.0)


async def test_members_that_answer_late_confirm_in_time() -> None:
    """On busy controllers an answer takes two seconds: the next question does not wait for long after it."""
    ring = Ring()
    for member in ring.members.values():
        member.slow_s = 2.2
    async with ring.leader().lead(ring.endpoints) as fence:
        for _ in range(600):
            await asyncio.sleep(0.1)
            assert not fence.closed


async def test_a_lost_race_is_run_again() -> None:
    """Somebody claims between the look and the claim: what it claimed is seen, and a higher number claimed."""
    ring = Ring()
    ring.members["ctl1"].racing = [Cib(4_000_000_000, "ctl2")]
    async with ring.leader().lead(ring.endpoints) as fence:
        assert fence.number == 4_000_000_001


async def test_nobody_leads_without_quorum() -> None:
    """It tries for a while, then ends with what each member said, so that Pacemaker can try elsewhere."""
    ring = Ring()
    ring.part("ctl1")
    ring.members["ctl2"].mode = ring.members["ctl3"].mode = "silent"
    began, leader = await time(), ring.leader()
    with pytest.raises(LeadError) as error:
        async with leader.lead(ring.endpoints):
            raise AssertionError
    assert await time() - began == pytest.approx(CLAIM_S)
    assert not leader.leads
    assert error.value.exit_code == 5
    assert "ctl1 cannot take the lead within 20 s: ctl1: its part of the ring has no quorum; ssh:ctl" in error.value.message


async def test_who_is_told_to_stop_claims_nothing_any_more() -> None:
    """It ends soon, and when the ring has quorum again it takes the lead from nobody."""
    ring = Ring()
    cib = ring.part(*NAMES)
    leader, loop = ring.leader(), asyncio.get_running_loop()
    began = await time()
    loop.call_later(2.2, leader.give_up)
    loop.call_later(2.3, vars(cib).update, {"quorate": True})
    with pytest.raises(LeadError, match="it is told to stop"):
        async with leader.lead(ring.endpoints):
            raise AssertionError
    assert await time() - began < 2.2 + ANSWER_S
    assert cib.number == 0


async def test_a_claim_that_no_majority_confirms_is_no_lead() -> None:
    """One quorate member takes the claim, and nobody else answers: nothing is begun."""
    ring = Ring()
    ring.members["ctl2"].mode = ring.members["ctl3"].mode = "silent"
    with pytest.raises(LeadError, match="and cannot lead: no majority"):
        async with ring.leader().lead(ring.endpoints):
            raise AssertionError


async def test_of_two_members_one_is_enough() -> None:
    """A ring of two has no majority but both: what tells its halves apart is fencing."""
    ring = Ring("ctl1", "ctl2")
    ring.members["ctl2"].mode = "silent"
    async with ring.leader().lead(ring.endpoints) as fence:
        await asyncio.sleep(60.0)
        assert not fence.closed


async def test_documents_without_a_ring_have_no_leader() -> None:
    """There is no place for the number; and if the ring is declared no more, the lead ends."""
    ring = Ring()
    only = {target: endpoint for target, endpoint in ring.endpoints.items() if target != RING}
    with pytest.raises(LeadError, match="the documents declare 0"):
        async with ring.leader().lead(only):
            raise AssertionError
    leader = ring.leader()
    async with asyncio.TaskGroup() as group:
        why, _ = await lost(ring, leader, then=lambda: group.create_task(leader.follow(only)))
    assert "the documents declare 0" in why


async def test_a_renamed_cloud_ends_the_lead() -> None:
    """Hosts remember epochs by the cloud's name: whoever leads the new one has to claim it, and the reason says so."""
    ring = Ring()
    other = TargetId("pacemaker", "cloud2")
    renamed = {host: endpoint for host, endpoint in ring.endpoints.items() if host != RING}
    renamed[other] = PacemakerEndpoint(other, {name: TargetId("ssh", name) for name in NAMES})
    leader = ring.leader()
    async with asyncio.TaskGroup() as group:
        why, took_s = await lost(ring, leader, then=lambda: group.create_task(leader.follow(renamed)))
    assert why.endswith("the cloud is called cloud2 now, and this leads demo: the next start leads it by its new name")
    assert took_s <= 1.0


async def test_other_members_are_asked_from_then_on() -> None:
    """The majority is one of those that are declared now: what a former member confirmed counts no more."""
    ring = Ring(*NAMES, "ctl4", "ctl5")
    leader = ring.leader()
    async with leader.lead(endpoints(*NAMES)) as fence:
        await leader.follow(ring.endpoints)
        for name in ("ctl2", "ctl3"):
            ring.members[name].mode = "silent"
        await asyncio.sleep(60.0)
        assert not fence.closed, "three of five"
    ring.members["ctl4"].mode = "silent"
    with pytest.raises(LeadError, match="and cannot lead"):
        async with leader.lead(ring.endpoints):
            raise AssertionError


async def test_new_members_are_asked_at_once() -> None:
    """Letting go of the former ones takes its time, which the lease does not have."""
    ring = Ring(*NAMES, "ctl4", "ctl5")
    leader = ring.leader()
    for member in ring.members.values():
        member.closing_s = LEASE_S
    async with leader.lead(endpoints(*NAMES)) as fence:
        await leader.follow(endpoints("ctl1", "ctl4", "ctl5"))
        await asyncio.sleep(60.0)
        assert not fence.closed


class Away:
    """A host that does not answer before it is back; when it was tried, and when it was told."""

    def __init__(self, name: str, back_at: float) -> None:
        """Be back then."""
        self._name = name
        self.back_at = back_at
        self.tried: list[float] = []
        self.told: list[float] = []

    async def do(self, action: Action) -> Reply:
        """Hear who leads, or not."""
        assert action == Action("epoch.raise", {})
        now = await time()
        self.tried.append(now)
        if now < self.back_at:
            raise TargetError(TargetId("ssh", self._name), "no route to host")
        self.told.append(now)
        return Reply({})

    async def close(self) -> None:
        """Have nothing to close."""


async def test_a_host_that_was_away_is_told_when_it_is_back() -> None:
    """Until it has heard of the new leader it would believe the former one: it is told although there is nothing to change.

    It is tried ever more seldom, and at once when there is news of it.
    """
    loop, began = asyncio.get_running_loop(), await time()
    hosts = {name: Away(name, began + away_s) for name, away_s in {"up": 0.0, "unheard": 7200.0, "heard": 7200.0}.items()}
    fence = Fence("demo", 7, "ctl1", loop.time)
    fence.extend(began + 10_000.0)
    async with opening(hosts.__getitem__)(endpoints(*hosts)) as targets:
        tidings = Tidings(fence, targets, endpoints(*hosts))
        loop.call_at(began + 7210.0, tidings.heard, TargetId("ssh", "heard"))
        loop.call_at(began + 7211.0, tidings.heard, RING)
        await tidings.run()
    assert [len(host.told) for host in hosts.values()] == [1, 1, 1]
    assert hosts["up"].told == [pytest.approx(began)]
    assert hosts["heard"].told == [pytest.approx(began + 7210.0)]
    assert hosts["unheard"].told[0] - hosts["unheard"].back_at <= MOST_REST_S
    assert len(hosts["unheard"].tried) <= 7200.0 / MOST_REST_S + 5


async def test_a_host_that_has_heard_a_higher_number_is_told_of_and_ends_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """A clock was far ahead once: the host refuses, which the log says once; when a person has mended it, it is told."""
    refusals = 20
    loop = asyncio.get_running_loop()
    log.set_up(level="info", as_json=True)

    class Host:
        def __init__(self, name: str) -> None:
            self._name = name
            self._told = 0

        async def do(self, _: Action) -> Reply:
            self._told += 1
            return Reply({}, "fenced", "epoch 99 was here") if self._name == "ahead" and self._told <= refusals else Reply({})

        async def close(self) -> None:
            """Have nothing to close."""

    fence = Fence("demo", 7, "ctl1", loop.time)
    fence.extend(loop.time() + 1000.0)
    hosts = endpoints("ahead", "sound")
    async with opening(Host)(hosts) as targets, asyncio.timeout((refusals + 1) * TELL_EVERY_S):
        await Tidings(fence, targets, hosts).run()
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["event"], told["target"], told["reason"]) == ("host_refuses_the_leader", "ssh:ahead", "epoch 99 was here")


async def test_nobody_is_told_by_who_leads_no_more() -> None:
    """Who has lost the lead ends with that, whoever is still away."""
    loop = asyncio.get_running_loop()
    fence = Fence("demo", 7, "ctl1", loop.time)
    hosts = endpoints("away")

    class Away:
        async def do(self, _: Action) -> Reply:
            fence.lose("ctl2 leads")
            raise TargetError(TargetId("ssh", "away"), "no route to host")

        async def close(self) -> None:
            """Have nothing to close."""

    fence.extend(loop.time())
    async with opening(lambda _: Away())(hosts) as targets, asyncio.timeout(300.0):
        await Tidings(fence, targets, hosts).run()


async def test_who_is_cancelled_is_cancelled() -> None:
    """A second SIGTERM is no lost lead."""
    ring = Ring()

    async def run() -> None:
        async with ring.leader().lead(ring.endpoints):
            await asyncio.sleep(1000.0)

    task = asyncio.create_task(run())
    await asyncio.sleep(5.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
