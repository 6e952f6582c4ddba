"""What the helper tells by itself of files, and how it tells it: little, soon, and with a beat."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.targets.host import file_signals
from reconciler.targets.host.file_signals import Files, steps
from reconciler.targets.host.push_signals import CIB, MOST_S
from tests.targets.host_process import HostProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MANY = 10_000

PAGE = 4096
FIONREAD = 0x541B


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HostProcess]:
    """Return a helper."""
    with HostProcess(tmp_path / "state") as host:
        yield host


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Return a folder with `nova/nova.conf` in it."""
    (tmp_path / "etc/nova").mkdir(parents=True)
    (tmp_path / "etc/nova/nova.conf").write_text("[DEFAULT]\n")
    return tmp_path / "etc"


def descriptors(pid: int) -> int:
    """Return how many files a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def replace(path: Path) -> None:
    """Write anew as most editors do."""
    path.with_name("new").write_text("new")
    path.with_name("new").rename(path)


def back_up(path: Path) -> None:
    """Write anew as some editors do: the old one stays under another name."""
    path.rename(path.with_name("nova.conf~"))
    path.write_text("new")


def delete(path: Path) -> None:
    """Delete it."""
    path.unlink()


def make_again(path: Path) -> None:
    """Delete it and make it again."""
    path.unlink()
    path.write_text("new")


def folder_again(path: Path) -> None:
    """Delete its folder and make both again."""
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    path.write_text("new")


def folder_of_folder_moved(path: Path) -> None:
    """Put another folder into the place of one further up."""
    etc = path.parent.parent
    etc.rename(etc.with_name("etc.old"))
    path.parent.mkdir(parents=True)
    path.write_text("new")


def edit(path: Path) -> None:
    """Write into it."""
    with path.open("a") as file:
        file.write("more\n")


@pytest.mark.parametrize(
    "change", [edit, replace, back_up, delete, make_again, folder_again, folder_of_folder_moved, lambda path: path.chmod(0o600)]
)
def test_every_way_of_changing_a_file(host: HostProcess, etc: Path, change: Callable[[Path], None]) -> None:
    """However a file becomes another one, it is told, by its name; and so is whatever happens to it after that."""
    path = etc / "nova/nova.conf"
    assert host.watch(path) == []
    for again in (change, edit):
        again(path)
        told = host.signal()
        assert told == {"paths": [str(path)], "units": [], "cib": False, "all": False, "deaf": []}
        while host.signal():
            pass


def test_a_file_whose_folders_are_made_later(host: HostProcess, tmp_path: Path) -> None:
    """A file that is nowhere yet is heard of as soon as it is there, however deep, and edited after that."""
    path = tmp_path / "a/b/c/d.conf"
    host.watch(path)
    path.parent.mkdir(parents=True)
    path.write_text("x")
    assert host.signal()["paths"] == [str(path)]
    while host.signal():
        pass
    edit(path)
    assert host.signal()["paths"] == [str(path)]


def test_links_are_followed(host: HostProcess, tmp_path: Path) -> None:
    """What a link leads to is heard of, what a link on the way leads to, and where it leads now."""
    releases = [tmp_path / "releases" / number for number in "12"]
    for release in releases:
        release.mkdir(parents=True)
        (release / "real.conf").write_text("")
        (release / "a.conf").symlink_to("real.conf")
    current = tmp_path / "current"
    current.symlink_to(releases[0])
    host.watch(current / "a.conf")

    def point_to_the_second() -> None:
        (tmp_path / "next").symlink_to(releases[1])
        (tmp_path / "next").rename(current)

    changes: tuple[Callable[[], None], ...] = (
        lambda: edit(releases[0] / "real.conf"),
        lambda: replace(releases[0] / "real.conf"),
        point_to_the_second,
        lambda: edit(releases[1] / "real.conf"),
    )
    for change in changes:
        change()
        assert host.signal()["paths"] == [str(current / "a.conf")]
        while host.signal():
            pass
    edit(releases[0] / "real.conf")
    assert host.signal() == {}, "where it led before is nobody's business any more"


def test_steps_through_links(tmp_path: Path) -> None:
    """The way to a path has each name on it, those that links add as well, and ends though links go in a circle."""
    (tmp_path / "b").symlink_to("../" + tmp_path.name + "/c")
    (tmp_path / "round").symlink_to("round")
    at, above = str(tmp_path), str(tmp_path.parent)
    assert list(steps(f"{at}/b/./x"))[-3:] == [(above, tmp_path.name), (at, "c"), (f"{at}/c", "x")]
    assert set(list(steps(f"{at}/round"))[-file_signals.LINKS :]) == {(at, "round")}


def test_a_folder_is_what_is_in_it(host: HostProcess, etc: Path) -> None:
    """Of a folder that is watched itself, what comes, goes and changes directly in it is told by the folder's name."""
    host.watch(etc / "nova")
    for name, change in (("other.conf", Path.touch), ("nova.conf", edit), ("nova.conf", delete)):
        change(etc / "nova" / name)
        assert host.signal()["paths"] == [str(etc / "nova")]
        while host.signal():
            pass


def test_neighbours_are_not_told(host: HostProcess, etc: Path) -> None:
    """What nobody asked for is passed over, and looking at a file is no change of it."""
    path = etc / "nova/nova.conf"
    host.watch(path)
    (etc / "nova/other.conf").write_text("x")
    (etc / "cinder").mkdir()
    path.read_text()
    list((etc / "nova").iterdir())
    assert host.signal() == {}


def test_what_the_helper_writes_itself(host: HostProcess, etc: Path) -> None:
    """What an action changes is told like anything else, after the answer."""
    path = etc / "nova/nova.conf"
    host.watch(path)
    host.send(do=["file.write", {"path": str(path), "text": "ours", "if_digest": None}])
    host.receive()
    digest = host.look("file.read", path=str(path))["digest"]
    host.send(do=["file.write", {"path": str(path), "text": "ours", "if_digest": digest}])
    lines = [host.line(), host.line()]
    while "signal" not in lines[-1] or "beat" in lines[-1]["signal"]:
        lines.append(host.line())
    assert lines[-1]["signal"]["paths"] == [str(path)]


def test_the_configuration_of_the_cluster(tmp_path: Path) -> None:
    """Pacemaker's file is told as the CIB; it need not be there yet."""
    if os.geteuid():
        pytest.skip("needs root: the helper gets a /var/lib of its own")
    within = ("unshare", "-m", "sh", "-c", 'mount --bind "$0" /var/lib && exec "$@"', str(tmp_path))
    with HostProcess(tmp_path / "state", within=within) as host:
        host.watch(cib=True)
        file = tmp_path / "pacemaker/cib/cib.xml"
        file.parent.mkdir(parents=True)
        file.write_text("<cib/>")
        told = host.signal()
        assert (told["cib"], told["paths"], told["all"]) == (True, [CIB], False)


def test_many_edits_are_few_signals(host: HostProcess, etc: Path) -> None:
    """Ten thousand edits are told at once and then five times in a second at most, the last of them too; beats go on."""
    path = etc / "nova/nova.conf"
    host.watch(path)
    began = time.monotonic()
    for number in range(MANY):
        path.write_text(str(number)) if number % 10 else replace(path)
    took_s = time.monotonic() - began
    signals = 0
    while told := host.signal():
        assert (told["paths"], told["all"]) == ([str(path)], False)
        signals += 1
    assert 1 <= signals <= took_s / MOST_S + 2
    edit(path)
    assert host.signal()["paths"] == [str(path)]


def test_more_than_the_kernel_keeps(host: HostProcess, etc: Path) -> None:
    """When the kernel's queue overflows, everything may have changed; after that, everything is heard again."""
    path, other = etc / "nova/nova.conf", etc / "nova/other.conf"
    other.write_text("")
    host.watch(path, other, beat=0.2)
    os.kill(host.process.pid, signal.SIGSTOP)
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    with path.open("w") as one, other.open("w") as two:
        for _ in range(limit // 2 + 100):  # the kernel keeps two that are alike as one
            os.write(one.fileno(), b"x")
            os.write(two.fileno(), b"x")
    os.kill(host.process.pid, signal.SIGCONT)
    assert host.signal()["all"] is True
    while host.signal():
        pass
    edit(path)
    assert host.signal()["paths"] == [str(path)]


def test_too_many_watches(tmp_path: Path, etc: Path) -> None:
    """Where the kernel gives no more watches, that is said with the remedy, at once; the rest goes on."""
    words = ("unshare", "-U", "-r", "sh", "-c", 'echo 2 > /proc/sys/user/max_inotify_watches && exec "$@"', "sh")
    with HostProcess(tmp_path / "state", within=words) as host:
        (why,) = host.watch(etc / "nova/nova.conf")
        assert "changes of files are not heard" in why
        assert "raise it there with sysctl" in why
        assert host.look("file.stat", path="/")["kind"] == "dir"


def test_ears_come_back(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be watched is watched when it can be, and until then that is known."""

    def refuse(_result: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = etc / "nova/nova.conf"
    with monkeypatch.context() as full:
        full.setattr(file_signals, "_checked", refuse)
        files = Files([str(path)])
        assert "max_user_watches" in files.deaf
        assert files.read() == set()
    files.mend()
    edit(path)
    assert (files.deaf, files.read()) == ("", {str(path)})
    files.close()


def test_watching_other_files_loses_nothing(host: HostProcess, etc: Path) -> None:
    """What happened before others were watched in its place is still told; what happens after that is not."""
    first, second = etc / "nova/nova.conf", etc / "second.conf"
    host.watch(first)
    os.kill(host.process.pid, signal.SIGSTOP)
    edit(first)
    host.send(watch={"paths": [str(second)], "units": [], "cib": False, "beat": 0.1})
    os.kill(host.process.pid, signal.SIGCONT)
    assert host.receive()["reply"][1] == ""
    assert host.signal()["paths"] == [str(first)]
    edit(first)
    assert host.signal() == {}
    second.touch()
    assert host.signal()["paths"] == [str(second)]


def test_again_and_again(host: HostProcess, etc: Path) -> None:
    """Watching and not watching again and again leaves nothing open; in the end, nothing is told."""
    host.look("host.facts")
    before = descriptors(host.process.pid)
    for _ in range(100):
        host.watch(etc / "nova/nova.conf", units=["a.service"], beat=60)
        host.watch()
    assert descriptors(host.process.pid) == before
    edit(etc / "nova/nova.conf")
    assert not host.has_answered(0.4)


def test_beats(host: HostProcess) -> None:
    """A sign of life comes as often as was asked for, also in the middle of an action, and each is counted."""
    host.watch("/none", beat=0.1)
    assert [host.line()["signal"]["beat"] for _ in range(3)] == [1, 2, 3]
    host.folder.mkdir(exist_ok=True)
    with (host.folder / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        host.send(do=["directory.make", {"path": str(host.folder / "a")}])
        assert all("beat" in host.line()["signal"] for _ in range(10))
    lines = [host.line()]
    while "reply" not in lines[-1]:
        lines.append(host.line())
    assert lines[-1]["reply"] == [{}, "", ""]


def test_requests_go_on(host: HostProcess, etc: Path) -> None:
    """Requests that come together, and in pieces, are all answered in their order while files change."""
    host.watch(etc / "nova/nova.conf", beat=60)
    host.write(b'{"id":11,"do":["no.such",{}]}\n{"id":12,"do":["no.such",{}]}\n{"id":13,')
    edit(etc / "nova/nova.conf")
    assert [host.line()["id"] for _ in range(2)] == [11, 12]
    assert host.signal()["paths"]
    host.write(b'"do":["no.such",{}]}\n')
    assert host.line()["id"] == 13


def test_who_does_not_read_is_waited_for_by_nobody(host: HostProcess, etc: Path) -> None:
    """A controller that reads nothing does not stop the helper, and finds one signal of all that it missed."""
    path, output = etc / "nova/nova.conf", host.process.stdout
    assert output is not None
    fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, 2 * PAGE)
    host.watch(path, beat=0.001)
    deadline, unread = time.monotonic() + 20, ctypes.c_int()
    while unread.value < PAGE:
        assert fcntl.ioctl(output, FIONREAD, unread) == 0
        assert time.monotonic() < deadline
    for _ in range(3):
        edit(path)
    host.send(do=["directory.make", {"path": str(etc / "made")}])
    while not (etc / "made").exists():
        assert time.monotonic() < deadline
    lines = [host.line()]
    while "paths" not in lines[-1].get("signal", {}):
        lines.append(host.line())
    assert lines[-1]["signal"]["paths"] == [str(path)]


def test_it_ends_with_its_input_while_it_watches(host: HostProcess, etc: Path) -> None:
    """When the controller has gone, so goes the helper."""
    host.watch(etc / "nova/nova.conf", units=["a.service"])
    host.close_input()
    assert host.wait() == 0
