"""What a host remembers as ours, through the real helper."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.targets.host_process import HostProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADDRESS = "ssh:kvm1/config_file//etc/x"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HostProcess]:
    """Return a helper whose inventory is in `state` beside the test's files."""
    with HostProcess(tmp_path / "state") as host:
        yield host


def claim(*fields: str, without: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """Return a claim as the controller sends it."""
    return {"cloud": "demo", "fields": list(fields), "without": list(without), **more}


def fields(host: HostProcess) -> list[str] | None:
    """Return what is ours of the one thing."""
    found = ours(host).get(ADDRESS)
    return None if found is None else found["fields"]


def ours(host: HostProcess) -> dict[str, dict[str, Any]]:
    """Return all claims; that each says when it was written is seen here, and left out."""
    claims: dict[str, dict[str, Any]] = host.look("inventory.read")["claims"]
    return {address: timeless(claim) for address, claim in claims.items()}


def timeless(claim: dict[str, Any]) -> dict[str, Any]:
    """Return the claim without its moment, which is one of UTC."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", claim["at"])
    return {name: value for name, value in claim.items() if name != "at"}


def write(host: HostProcess, path: Path, text: str, **claims: Any) -> tuple[str, str]:
    """Write a file as one that was not there, with its claim."""
    return host.do("file.write", path=str(path), text=text, if_digest=None, owned="o", claims={ADDRESS: claims["claim"]})


def test_a_host_that_nobody_touched_says_so(host: HostProcess, tmp_path: Path) -> None:
    """It has no inventory, and asking makes none."""
    assert host.look("inventory.read") == {"claims": {}, "known": False}
    assert not (tmp_path / "state").exists()


def test_what_is_made_is_remembered(host: HostProcess, tmp_path: Path) -> None:
    """A claim comes with the action, and what is written later is added to it; its other words are the latest."""
    assert write(host, tmp_path / "x", "1", claim=claim("exists", "[a] b", origins=["A/a"])) == ("", "")
    assert host.look("inventory.read")["known"] is True
    host.do("file.attributes", path=str(tmp_path / "x"), mode="0600", claims={ADDRESS: claim("[a] c", origins=["B/b"])})
    found = ours(host)[ADDRESS]
    assert found == {"cloud": "demo", "fields": ["[a] b", "[a] c", "exists"], "origins": ["B/b"]}


def test_what_is_gone_is_forgotten_and_not_before(host: HostProcess, tmp_path: Path) -> None:
    """A removal that fails keeps the claim; so does a half one the rest of it."""
    path = tmp_path / "x"
    write(host, path, "1", claim=claim("exists", "[a] b", "[a] c"))
    gone = {"path": str(path), "if_digest": "another", "claims": {ADDRESS: None}}
    assert host.do("file.remove", **gone)[0] == "conflict"
    assert fields(host) == ["[a] b", "[a] c", "exists"]
    failed = host.do(
        "file.attributes", path=str(path), owner="nobody-of-that-name", claims={ADDRESS: claim(without=("[a] b",))}
    )
    assert failed[0] == "failed"
    assert fields(host) == ["[a] b", "[a] c", "exists"]
    assert host.do("file.attributes", path=str(path), mode="0600", claims={ADDRESS: claim(without=("[a] b",))}) == ("", "")
    assert fields(host) == ["[a] c", "exists"]
    assert host.do("file.remove", **{**gone, "if_digest": hashlib.sha256(b"1").hexdigest()}) == ("", "")
    assert fields(host) is None


def test_what_somebody_else_made_in_the_meantime_is_not_ours(host: HostProcess, tmp_path: Path) -> None:
    """The write is refused, and the claim is what it was: none."""
    path = tmp_path / "x"
    path.write_text("theirs")
    assert write(host, path, "ours", claim=claim("exists"))[0] == "conflict"
    assert fields(host) is None
    write(host, tmp_path / "y", "1", claim=claim("[a] b"))
    assert write(host, path, "ours", claim=claim("[a] c", origins=["B/b"]))[0] == "conflict"
    assert ours(host)[ADDRESS] == {"cloud": "demo", "fields": ["[a] b"]}


def test_who_is_killed_in_between_has_remembered_too_much_and_not_too_little(host: HostProcess, tmp_path: Path) -> None:
    """An action that fails for another reason may have happened in part: what it was to make stays ours."""
    assert write(host, tmp_path / "no" / "x", "1", claim=claim("exists"))[0] == "failed"
    assert fields(host) == ["exists"]


def test_of_what_is_not_ours_nothing_is_remembered(host: HostProcess, tmp_path: Path) -> None:
    """An action on a thing that was there before us makes no claim."""
    (tmp_path / "x").write_text("theirs")
    assert host.do("file.attributes", path=str(tmp_path / "x"), mode="0600", claims={ADDRESS: claim()}) == ("", "")
    assert ours(host) == {}


def test_what_another_cloud_has_claimed_stays_that_ones(host: HostProcess, tmp_path: Path) -> None:
    """Two clouds write options into one file: the second does not take the first one's for its own, nor forgets them."""
    write(host, tmp_path / "x", "1", claim=claim("exists", "[a] b"))
    other = {**claim("[a] c", without=("[a] b",)), "cloud": "other"}
    assert host.do("file.attributes", path=str(tmp_path / "x"), mode="0600", claims={ADDRESS: other}) == ("", "")
    assert ours(host)[ADDRESS] == {"cloud": "demo", "fields": ["[a] b", "exists"]}


def test_claims_can_be_told_without_an_action(host: HostProcess) -> None:
    """As a member of a ring is told of the cluster's: it replies what was before, so that it can be put back."""
    host.send(do=["inventory.claim", {"claims": {ADDRESS: claim("exists")}}])
    assert host.receive()["reply"] == [{"before": {ADDRESS: None}}, "", ""]
    host.send(do=["inventory.claim", {"claims": {ADDRESS: None}}])
    before = host.receive()["reply"][0]["before"]
    assert timeless(before[ADDRESS]) == {"cloud": "demo", "fields": ["exists"]}
    assert host.do("inventory.claim", claims=before, whole=True) == ("", "")
    assert fields(host) == ["exists"]


@pytest.mark.parametrize(
    "broken", ['{"files": {}, "starts": {}, "claims": []}', '{"files": {}, "starts": {}, "claims": 1}', "nonsense"]
)
def test_an_inventory_that_is_no_inventory_is_not_empty(tmp_path: Path, broken: str) -> None:
    """Whatever stands there that we did not write: nobody takes it for an empty list."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "inventory.json").write_text(broken)
    with HostProcess(tmp_path / "state") as host:
        ((_, code, error),) = host.ask(("inventory.read", {}))
    assert code == "failed"
    assert "cannot be read; move it away" in error


def test_an_inventory_of_another_version_is_left_alone(tmp_path: Path) -> None:
    """What a newer Bivisor remembers this one does not understand, and would lose with its first write."""
    (tmp_path / "state").mkdir()
    path, text = tmp_path / "state" / "inventory.json", '{"version": 2, "files": {}, "starts": {}, "claims": {}, "more": 1}'
    path.write_text(text)
    with HostProcess(tmp_path / "state") as host:
        ((_, code, error),) = host.ask(("inventory.read", {}))
        assert (code, error.partition(" was ")[2]) == ("unsupported", "written by another version of Bivisor: use that one")
        assert write(host, tmp_path / "x", "1", claim=claim("exists"))[0] == "unsupported"
    assert path.read_text() == text
    assert not (tmp_path / "x").exists()


def test_an_inventory_of_an_older_bivisor_claims_nothing(tmp_path: Path) -> None:
    """What it wrote is not known to be ours."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "inventory.json").write_text('{"version": 1, "files": {}, "starts": {}}')
    with HostProcess(tmp_path / "state") as host:
        assert host.look("inventory.read") == {"claims": {}, "known": True}
