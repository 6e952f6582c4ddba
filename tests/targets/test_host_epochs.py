"""The helper tells an old leader from the new one: by the number that it has seen, and by its own Pacemaker."""

from __future__ import annotations

import fcntl
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.targets.host_process import ANSWER_S, HostProcess
from tests.targets.small_cib import SmallCib

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD, NEW = 7, 8


def do(host: HostProcess, number: int, op: str = "epoch.raise", *, place: str = "", cloud: str = "demo", **args: Any) -> str:
    """Do something under an epoch; return the reply's code."""
    host.send(epoch=[cloud, number, place], do=[op, args])
    code: str = host.receive()["reply"][1]
    return code


def refusal(host: HostProcess) -> str:
    """Return how a host refuses an older epoch: with the file by which it does, and the remedy."""
    why = "another leads, or once did by a clock that was ahead"
    return f"epoch 8 was here, and this is 7: {why}; if nobody else leads demo, remove {host.folder}/epochs/demo there"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HostProcess]:
    """Return a helper on a host that is no member of a ring."""
    with HostProcess(tmp_path / "state") as host:
        yield host


@pytest.fixture
def ring(tmp_path: Path) -> SmallCib:
    """Return the ring whose member the host is."""
    if os.geteuid():
        pytest.skip("needs root, to put programs into /usr/sbin for the helper alone")
    return SmallCib(tmp_path)


@pytest.fixture
def member(tmp_path: Path, ring: SmallCib) -> Iterator[HostProcess]:
    """Return a helper on a member of the ring."""
    with HostProcess(tmp_path / "state", sbin=ring.sbin) as host:
        yield host


def test_an_older_epoch_is_refused(host: HostProcess, tmp_path: Path) -> None:
    """Once a newer leader was heard of, nothing of an older one is done, and it is told why; the newer one goes on."""
    made = tmp_path / "made"
    assert do(host, OLD, "directory.make", path=str(made), mode="0755") == ""
    assert do(host, NEW) == ""
    host.send(epoch=["demo", OLD, ""], do=["directory.make", {"path": str(tmp_path / "late"), "mode": "0755"}])
    assert host.receive()["reply"] == [{}, "fenced", refusal(host)]
    assert not (tmp_path / "late").exists()
    assert do(host, NEW, "directory.make", path=str(tmp_path / "late"), mode="0755") == ""
    assert (tmp_path / "late").exists()


def test_a_host_remembers_beyond_its_helper(host: HostProcess, tmp_path: Path) -> None:
    """Another connection, another helper: the epoch is known; of another cloud nothing follows from it."""
    assert do(host, NEW) == ""
    with HostProcess(tmp_path / "state") as other:
        assert do(other, OLD) == "fenced"
        assert do(other, OLD, cloud="another") == ""
    assert (tmp_path / "state/epochs/demo").read_text() == "8\n"


def test_who_leads_nobody_is_not_asked(host: HostProcess, tmp_path: Path) -> None:
    """A person's `apply` has no epoch: it is done, and leaves none behind."""
    assert do(host, NEW) == ""
    assert host.do("directory.make", path=str(tmp_path / "made"), mode="0755") == ("", "")
    assert (tmp_path / "made").exists()


def test_what_cannot_be_read_refuses(host: HostProcess, tmp_path: Path) -> None:
    """A file that holds no number lets nobody pass, and says which it is."""
    assert do(host, NEW) == ""
    (tmp_path / "state/epochs/demo").write_text("eight")
    host.send(epoch=["demo", NEW, ""], do=["epoch.raise", {}])
    _, code, error = host.receive()["reply"]
    assert code == "failed"
    assert f"{tmp_path}/state/epochs/demo cannot be read" in error


def test_claims_are_refused_too(host: HostProcess) -> None:
    """An old leader can make nothing its cloud's own either."""
    assert do(host, NEW) == ""
    assert do(host, OLD, "inventory.claim", claims={"ssh:a/file//x": None}) == "fenced"


def claim(host: HostProcess, known: int, number: int, leader: str = "ctl1") -> tuple[str, str]:
    """Claim an epoch."""
    return host.do("epoch.claim", known=known, number=number, leader=leader)


def test_of_two_who_claim_one_is_refused(member: HostProcess, tmp_path: Path, ring: SmallCib) -> None:
    """A claim holds only where the CIB still has the epoch that was read, the very first one included."""
    assert member.look("epoch.show") == {"quorate": True, "number": 0, "leader": ""}
    assert claim(member, 0, OLD) == ("", "")
    with HostProcess(tmp_path / "other", sbin=ring.sbin) as other:
        assert claim(other, 0, OLD, "ctl2") == ("conflict", "somebody else has claimed meanwhile")
        assert claim(other, OLD, NEW, "ctl2") == ("", "")
    assert claim(member, OLD, NEW) == ("conflict", "somebody else has claimed meanwhile")
    assert member.look("epoch.show") == {"quorate": True, "number": NEW, "leader": "ctl2"}


@pytest.mark.parametrize(
    "pair", ['<nvpair id="a" name="bivisor-leader" value="ctl9"/>', '<nvpair id="a" name="bivisor-epoch" value=""/>']
)
def test_a_set_without_a_number_is_in_nobodys_way(member: HostProcess, ring: SmallCib, pair: str) -> None:
    """Somebody wrote or removed a part of it by hand: nobody leads, and the next claim puts a whole one in its place."""
    ring.write(pair)
    assert member.look("epoch.show") == {"quorate": True, "number": 0, "leader": ""}
    assert claim(member, 0, OLD) == ("", "")
    assert member.look("epoch.show") == {"quorate": True, "number": OLD, "leader": "ctl1"}
    assert claim(member, 0, NEW, "ctl2")[0] == "conflict"


def test_a_number_that_is_none_is_told_with_the_remedy(member: HostProcess, ring: SmallCib) -> None:
    """Nobody guesses what it was, or who leads; a person is told what to remove."""
    ring.write('<nvpair id="a" name="bivisor-epoch" value="seven"/>')
    (_, code, error), *_ = member.ask(("epoch.show", {}))
    assert code == "failed"
    assert error.startswith("bivisor-epoch in the cluster's configuration is no number: 'seven'; remove it, ")
    assert error.endswith("""cibadmin --delete --xpath "//cluster_property_set[@id='bivisor-lead']\"""")


def test_a_member_tells_what_its_host_has_heard(member: HostProcess, tmp_path: Path) -> None:
    """Of that cloud, whatever the CIB says by now; nonsense in the file counts for nothing here, and refuses writes."""
    assert member.look("epoch.show", cloud="demo")["heard"] == 0
    assert do(member, NEW) == ""
    assert member.look("epoch.show", cloud="demo") == {"quorate": True, "number": 0, "leader": "", "heard": NEW}
    assert member.look("epoch.show", cloud="another")["heard"] == 0
    (tmp_path / "state/epochs/demo").write_text("eight")
    assert member.look("epoch.show", cloud="demo")["heard"] == 0


def test_nobody_claims_without_quorum(member: HostProcess, ring: SmallCib) -> None:
    """In a part of the ring that has no quorum nothing is claimed."""
    ring.mode("alone")
    assert claim(member, 0, OLD) == ("failed", "this part of the cluster has no quorum")
    ring.mode("quorate")
    assert member.look("epoch.show")["number"] == 0


@pytest.mark.parametrize("name", ["", "ctl1'", "a b", '"'])
def test_a_leader_has_a_plain_name(member: HostProcess, name: str) -> None:
    """What would be more than a name in XML is refused."""
    assert claim(member, 0, OLD, name)[0] == "failed"


def test_a_member_sees_the_new_leader_in_its_cib(member: HostProcess) -> None:
    """Though nobody has told the host, its CIB has: the old one is refused there."""
    assert claim(member, 0, NEW, "ctl2") == ("", "")
    assert do(member, OLD, place="member") == "deposed"
    assert do(member, NEW, place="member") == ""


def test_a_leader_that_is_cut_off_is_refused_on_its_own_host(member: HostProcess, ring: SmallCib) -> None:
    """Without quorum the host of the leader itself refuses; elsewhere the leader may be about to repair just that."""
    assert claim(member, 0, OLD) == ("", "")
    ring.mode("alone")
    assert do(member, OLD, place="here") == "deposed"
    assert do(member, OLD, place="member") == ""


def test_a_restart_that_waited_is_judged_when_its_turn_comes(host: HostProcess) -> None:
    """While another restart of the resource is under way somebody else takes the lead: what waited is refused after it."""
    assert do(host, OLD) == ""
    with (host.folder / "restart-c0").open("w") as lock, HostProcess(host.folder) as other:
        fcntl.flock(lock, fcntl.LOCK_EX)
        host.send(epoch=["demo", OLD, ""], do=["crm.restart", {"resource": "c0", "timeout_s": 20}])
        waits_for(host, lock.fileno())
        assert do(other, NEW) == ""
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert host.receive()["reply"] == [{}, "fenced", refusal(host)]


def waits_for(host: HostProcess, lock: int) -> None:
    """Return when the helper waits for the lock on that file."""
    number, deadline = os.fstat(lock).st_ino, time.monotonic() + ANSWER_S
    waiting = re.compile(rf"-> FLOCK .* {host.process.pid} \S+:{number} ")
    while not waiting.search(Path("/proc/locks").read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_member_without_pacemaker_can_be_written_to(member: HostProcess, ring: SmallCib) -> None:
    """Where Pacemaker does not run the lease and the number decide: somebody has to start it."""
    ring.mode("off")
    assert member.ask(("epoch.show", {}))[0][1] == "not-running"
    assert do(member, OLD, place="here") == ""
