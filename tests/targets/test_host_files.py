"""Files on a host, through the real helper."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
from typing import TYPE_CHECKING, Any

import pytest

from tests.targets.host_process import HostProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HostProcess]:
    """Return a helper whose inventory is in `state` beside the test's files."""
    with HostProcess(tmp_path / "state") as host:
        yield host


def sha256(content: bytes) -> str:
    """Return the digest as the helper gives it."""
    return hashlib.sha256(content).hexdigest()


def record_of(host: HostProcess, path: Path) -> dict[str, Any]:
    """Return what the inventory remembers of a file."""
    record: dict[str, Any] = json.loads((host.folder / "inventory.json").read_text())["files"][str(path)]
    return record


def mode_of(path: Path) -> int:
    """Return the permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_reading_tells_all_about_a_file(host: HostProcess, tmp_path: Path) -> None:
    """A file is its text, digest, mode, owner and group, and whether it is ours."""
    path = tmp_path / "a.conf"
    path.write_bytes("ä = 1\r\n".encode())
    path.chmod(0o640)
    seen = host.look("file.read", path=str(path))
    assert (seen["exists"], seen["kind"], seen["text"], seen["mode"]) == (True, "file", "ä = 1\r\n", "0640")
    assert (seen["digest"], seen["recorded"]) == (sha256("ä = 1\r\n".encode()), None)
    assert (seen["owner"], seen["group"]) == (path.owner(), path.group())


def test_what_is_no_text_comes_as_it_is(host: HostProcess, tmp_path: Path) -> None:
    """A file that is not UTF-8 is carried unharmed in both directions."""
    path, other = tmp_path / "a.bin", tmp_path / "b.bin"
    path.write_bytes(b"\xff\x00\n")
    seen = host.look("file.read", path=str(path))
    assert "text" not in seen
    assert host.do("file.write", path=str(other), base64=seen["base64"], if_digest=None) == ("", "")
    assert other.read_bytes() == b"\xff\x00\n"


def test_absent_is_an_answer(host: HostProcess, tmp_path: Path) -> None:
    """What is not there is told as absent, also below something that is no folder."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none", tmp_path / "none/deeper", tmp_path / "file/below"):
        assert host.look("file.read", path=str(path)) == {"exists": False, "recorded": None}
        assert host.look("file.stat", path=str(path)) == {"exists": False}


def test_other_things_than_files(host: HostProcess, tmp_path: Path) -> None:
    """Folders, pipes and links that lead nowhere are told as such; reading a pipe does not wait for a writer."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    assert host.look("file.read", path=str(tmp_path))["kind"] == "dir"
    assert host.look("file.read", path=str(tmp_path / "pipe"))["kind"] == "other"
    assert host.look("file.read", path=str(tmp_path / "link"))["kind"] == "link"
    assert host.look("file.stat", path=str(tmp_path / "link"))["link"] == "nowhere"


def test_looking_leaves_no_trace(host: HostProcess, tmp_path: Path) -> None:
    """Queries create nothing, not even the helper's own folder."""
    host.ask(("file.read", {"path": str(tmp_path / "a")}), ("host.facts", {}), ("package.query", {"names": ["bash"]}))
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_is_written_and_remembered(host: HostProcess, tmp_path: Path) -> None:
    """A file that must not exist yet is made with its mode, and the inventory knows its owned digest."""
    path = tmp_path / "a.conf"
    assert host.do("file.write", path=str(path), text="a = 1\n", if_digest=None, mode="0640", owned="d1") == ("", "")
    assert (path.read_text(), mode_of(path)) == ("a = 1\n", 0o640)
    assert host.look("file.read", path=str(path))["recorded"] == "d1"
    assert record_of(host, path)["since"] > 0


def test_a_new_file_of_no_declared_mode_is_private(host: HostProcess, tmp_path: Path) -> None:
    """Nobody but root reads a new file whose mode is left open: it may hold a secret."""
    host.do("file.write", path=str(tmp_path / "a"), text="", if_digest=None)
    assert mode_of(tmp_path / "a") == 0o600


def test_attributes_that_are_left_open_stay(host: HostProcess, tmp_path: Path) -> None:
    """Rewriting keeps mode, owner and group that nobody declared."""
    path = tmp_path / "a.conf"
    path.write_text("old")
    path.chmod(0o604)
    if os.geteuid() == 0:
        os.chown(path, 12, 34)
    before = path.stat()
    assert host.do("file.write", path=str(path), text="new", if_digest=sha256(b"old")) == ("", "")
    after = path.stat()
    assert path.read_text() == "new"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_an_access_list_stays_and_opens_nothing(host: HostProcess, tmp_path: Path) -> None:
    """Who was given access by name keeps it as far as the declared mode lets him; the mode is the declared one at once."""
    path = tmp_path / "a.conf"
    path.write_text("old")
    nobody, everyone = 65534, 0xFFFFFFFF
    entries = [(1, 6, everyone), (2, 4, nobody), (4, 4, everyone), (16, 4, everyone), (32, 4, everyone)]
    access = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", access)
    except OSError:
        pytest.skip("this file system has no access lists")
    assert host.do("file.write", path=str(path), text="a secret", if_digest=sha256(b"old"), mode="0640") == ("", "")
    assert mode_of(path) == 0o640
    assert "system.posix_acl_access" in os.listxattr(path)


@pytest.mark.parametrize("seen", [None, sha256(b"as read")])
def test_a_change_between_look_and_write_is_a_conflict(host: HostProcess, tmp_path: Path, seen: str | None) -> None:
    """A file that is not what was observed any more is not touched."""
    path = tmp_path / "a.conf"
    path.write_text("edited by somebody")
    code, error = host.do("file.write", path=str(path), text="ours", if_digest=seen)
    assert (code, path.read_text()) == ("conflict", "edited by somebody")
    assert str(path) in error
    assert host.do("file.remove", path=str(path), if_digest=sha256(b"as read"))[0] == "conflict"


def test_a_file_that_vanished_is_a_conflict(host: HostProcess, tmp_path: Path) -> None:
    """A file that is gone is not made again from what was read of it."""
    code, error = host.do("file.write", path=str(tmp_path / "a"), text="ours", if_digest=sha256(b"old"))
    assert (code, "vanished" in error) == ("conflict", True)


def test_a_link_is_written_through(host: HostProcess, tmp_path: Path) -> None:
    """The target of a link gets the content; the link stays a link."""
    real, link = tmp_path / "real.conf", tmp_path / "link.conf"
    real.write_text("old")
    link.symlink_to("real.conf")
    assert host.do("file.write", path=str(link), text="new", if_digest=sha256(b"old")) == ("", "")
    assert (real.read_text(), link.is_symlink()) == ("new", True)


def test_a_missing_folder_is_said(host: HostProcess, tmp_path: Path) -> None:
    """No folder is made on the way; the error names the one that is missing."""
    code, error = host.do("file.write", path=str(tmp_path / "no/a"), text="", if_digest=None)
    assert (code, error) == ("failed", f"the folder {tmp_path}/no does not exist")


def test_an_unknown_owner_is_said(host: HostProcess, tmp_path: Path) -> None:
    """A user that the host does not know is an error that names it, and nothing is written."""
    code, error = host.do("file.write", path=str(tmp_path / "a"), text="", if_digest=None, owner="no-such-user")
    assert (code, error) == ("failed", 'this host knows no user "no-such-user"')
    assert not (tmp_path / "a").exists()


def test_content_that_is_there_is_left_alone(host: HostProcess, tmp_path: Path) -> None:
    """Writing what a file holds already replaces nothing, sets the attributes, and remembers the owned digest."""
    path = tmp_path / "a.conf"
    path.write_text("same")
    inode = path.stat().st_ino
    assert host.do("file.write", path=str(path), text="same", if_digest=sha256(b"same"), mode="0600", owned="d") == ("", "")
    assert (path.stat().st_ino, mode_of(path)) == (inode, 0o600)
    assert record_of(host, path)["digest"] == "d"


def test_a_new_digest_of_the_same_bytes_keeps_their_age(host: HostProcess, tmp_path: Path) -> None:
    """When only what we own of a file changes and not its content, whoever has loaded it is as fresh as before."""
    path = tmp_path / "a.conf"
    host.do("file.write", path=str(path), text="same", if_digest=None, owned="d1")
    before = record_of(host, path)
    host.do("file.write", path=str(path), text="same", if_digest=sha256(b"same"), owned="d2")
    assert record_of(host, path) == {**before, "digest": "d2"}


def test_removing(host: HostProcess, tmp_path: Path) -> None:
    """A removed file is forgotten; removing it again is no error."""
    path = tmp_path / "a.conf"
    host.do("file.write", path=str(path), text="a", if_digest=None, owned="d1")
    for _ in range(2):
        assert host.do("file.remove", path=str(path), if_digest=sha256(b"a")) == ("", "")
    assert host.look("file.read", path=str(path)) == {"exists": False, "recorded": None}


def test_folders(host: HostProcess, tmp_path: Path) -> None:
    """A folder is made with its mode below parents that are open to read; making it again sets the mode again."""
    path = tmp_path / "a/b/c"
    assert host.do("directory.make", path=str(path), mode="0750") == ("", "")
    assert (mode_of(path), mode_of(path.parent)) == (0o750, 0o755)
    path.chmod(0o777)
    assert host.do("directory.make", path=str(path), mode="0750") == ("", "")
    assert mode_of(path) == 0o750


def test_attributes_alone(host: HostProcess, tmp_path: Path) -> None:
    """Mode and owner change without a change of the file's content or identity."""
    path = tmp_path / "a.conf"
    path.write_text("a")
    inode = path.stat().st_ino
    assert host.do("file.attributes", path=str(path), mode="0640", owner=str(os.geteuid())) == ("", "")
    assert (path.stat().st_ino, mode_of(path)) == (inode, 0o640)


def test_what_a_killed_helper_left_is_swept(host: HostProcess, tmp_path: Path) -> None:
    """The next write into a folder removes files that a killed helper was writing there, and nothing else."""
    (tmp_path / ".bivisor-a.conf").write_text("half")
    (tmp_path / ".other").write_text("")
    host.do("file.write", path=str(tmp_path / "b.conf"), text="", if_digest=None)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other", "b.conf", "state"]


@pytest.mark.parametrize("patience_s", [0.0, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.012, 0.02])
def test_a_kill_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path: Path, patience_s: float) -> None:
    """SIGKILL while a large file is written: it is whole, old or new; the next write works and leaves nothing else behind."""
    path, state = tmp_path / "etc/a.conf", tmp_path / "state"
    path.parent.mkdir()
    old, new = b"old" * 400_000, b"new" * 400_000
    path.write_bytes(old)
    with HostProcess(state) as host:
        host.look("file.stat", path="/")  # it is up
        host.send(do=["file.write", {"path": str(path), "text": new.decode(), "if_digest": sha256(old), "owned": "d"}])
        host.has_answered(patience_s)
    assert path.read_bytes() in (old, new)
    with HostProcess(state) as host:
        seen = host.look("file.read", path=str(path))
        assert host.do("file.write", path=str(path), text="last", if_digest=seen["digest"], owned="d") == ("", "")
    assert path.read_text() == "last"
    assert [left.name for left in path.parent.iterdir()] == ["a.conf"]
    assert sorted(left.name for left in state.iterdir()) == ["inventory.json", "lock"]
