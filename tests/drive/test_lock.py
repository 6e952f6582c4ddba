"""One daemon for a folder of documents, under whatever name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.core.errors import TakenError
from reconciler.lock import Clouds, is_taken, only_one
from resources.contract import SecretText, TargetId
from resources.endpoints import OpenStackEndpoint


@pytest.fixture
def desired(tmp_path: Path) -> Path:
    """Return a folder that is reached by a link as well, `current/desired`."""
    (tmp_path / "one/desired").mkdir(parents=True)
    (tmp_path / "two/desired").mkdir(parents=True)
    (tmp_path / "current").symlink_to("one")
    return tmp_path / "one/desired"


def refused(folder: Path | str) -> bool:
    """Tell whether another one would be."""
    try:
        with only_one(folder):
            return False
    except TakenError as error:
        return "another bivisor run keeps it already" in str(error)


def test_there_is_one_under_every_name(desired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute, relative, or by a link, it is the same folder; when it is let go of, the next one has it."""
    monkeypatch.chdir(desired.parent)
    with only_one(Path("desired")):
        assert refused(desired)
        assert refused(desired.parent.parent / "current/desired")
        assert not refused(desired.parent.parent / "two/desired")
    assert not refused(desired)


def test_whether_somebody_keeps_it_is_told(desired: Path, tmp_path: Path) -> None:
    """By any of its names, for as long as somebody does; asking takes it from nobody."""
    assert not is_taken(desired)
    with only_one(desired):
        assert is_taken(desired)
        assert is_taken(tmp_path / "current/desired")
        assert not is_taken(tmp_path / "two/desired")
        assert not is_taken(tmp_path / "none")
    assert not is_taken(desired)


def test_a_link_that_leads_to_another_release_keeps_the_lock(desired: Path) -> None:
    """Whoever is started by the same path afterwards is refused, although it leads elsewhere by now."""
    current = desired.parent.parent / "current"
    with only_one(current / "desired"):
        current.unlink()
        current.symlink_to("two")
        assert refused(current / "desired")


def test_a_folder_that_is_moved_away_does_not_take_the_lock_along(desired: Path) -> None:
    """The new folder at its path is what is kept, so it has its daemon; what was moved away has none."""
    with only_one(desired):
        moved = desired.rename(desired.with_name("former"))
        desired.mkdir()
        assert refused(desired)
        assert not refused(moved)


def test_it_ends_with_its_process(desired: Path) -> None:
    """After kill -9 the next one goes on, and nothing is left behind."""
    program = "import sys; from pathlib import Path; from reconciler.lock import only_one\nwith only_one(Path(sys.argv[1])):\n"
    program += " print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, desired], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert refused(desired)
        process.kill()
        process.wait()
        assert not refused(desired)
    assert list(desired.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_is_refused_as_well() -> None:
    """It does not matter who runs it: a name is one for all users of the machine."""
    program = (
        "import os, sys\nfrom reconciler.lock import only_one\nfrom reconciler.core.errors import TakenError\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n with only_one(sys.argv[1]): sys.exit(0)\nexcept TakenError: sys.exit(7)\n"
    )
    with only_one("a name of its own"):
        command = [sys.executable, "-c", program, "a name of its own"]
        assert subprocess.run(command, cwd=Path(__file__).parents[2], check=False).returncode == 7


@pytest.mark.parametrize("name", ["none", "file"])
def test_what_is_no_folder_is_said_at_once(tmp_path: Path, name: str) -> None:
    """A path that is wrong, or not there yet, ends it with a sentence that says what to do."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(TakenError, match=r"cannot be read: .*: name the folder of the documents with --desired"),
        only_one(tmp_path / name),
    ):
        pass


def test_a_cloud_is_told_by_its_address_and_without_a_password_in_that(tmp_path: Path) -> None:
    """Whoever is refused reads which cloud is meant; what an address says before its host is for nobody."""
    address = f"https://ops:hunter2@keystone{tmp_path}/v3"
    cloud = OpenStackEndpoint(
        TargetId("openstack", "demo"), address, "one", "admin", SecretText("x"), "admin", "Default", "Default"
    )
    first, second = Clouds(), Clouds()
    first.hold([cloud])
    with pytest.raises(TakenError, match=r"^the cloud demo at https://.*keystone.*: another bivisor run keeps it") as refusal:
        second.hold([cloud])
    assert "hunter2" not in refusal.value.message
    first.let_go()
    second.hold([cloud])
    second.let_go()
