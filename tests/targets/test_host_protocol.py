"""The helper's protocol: how it answers, what it forgives, and how it ends."""

from __future__ import annotations

import ast
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import reconciler.targets.host
from reconciler.targets import helper_stream
from reconciler.targets.host import serve
from tests.targets.host_process import HostProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = sorted(Path(str(reconciler.targets.host.__file__)).parent.glob("*.py"))
YOUNGEST = 16


def other_pythons() -> list[str]:
    """Return the interpreters of this machine, from 3.6 on, that really run."""
    found = (shutil.which(f"python3.{minor}") for minor in range(6, YOUNGEST))
    return [
        path for path in found if path and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0
    ]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HostProcess]:
    """Return a helper."""
    with HostProcess(tmp_path / "state") as host:
        yield host


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_source_is_python_3_6(source: Path) -> None:
    """The helper's files hold no syntax that Python 3.6 does not know, and import nothing that is slow or not there."""
    tree = ast.parse(source.read_text(), feature_version=(3, 6))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not imported & {"subprocess", "signal", "re", "dataclasses", "pathlib", "tempfile", "shutil", "logging"}
    assert not any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in ast.walk(tree))


def test_another_interpreter_takes_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that cannot run what the controller's Python compiled compiles for itself; all modules came for that."""
    monkeypatch.setattr(helper_stream, "MAGIC_NUMBER", b"another one")
    with HostProcess(tmp_path / "another kind") as host:
        path = str(tmp_path / "x")
        assert host.do("file.write", path=path, text="y\n", if_digest=None, owned="d", readers=[]) == ("", "")
        assert host.look("file.read", path=path)["text"] == "y\n"


@pytest.mark.parametrize("python", other_pythons())
def test_it_runs_on_other_pythons(tmp_path: Path, python: str) -> None:
    """Each Python from 3.6 on that this machine has answers, writes, remembers, runs programs and watches."""
    with HostProcess(tmp_path / "state", python) as host:
        path = str(tmp_path / "ä")
        assert host.do("file.write", path=path, text="ö\n", if_digest=None, owned="d", readers=["a.service"]) == ("", "")
        assert host.look("file.read", path=path)["text"] == "ö\n"
        assert host.ask(("service.show", {"unit": "a.service"}))[0][1] in ("", "failed", "unsupported")
        host.watch(path, units=["a.service"])
        Path(path).chmod(0o604)
        assert host.signal()["paths"] == [path]


def test_it_greets_first(host: HostProcess) -> None:
    """The first line tells the protocol's version and the Python."""
    assert host.line() == {"bivisor": 1, "python": list(sys.version_info[:3])}


def test_replies_come_in_the_order_of_the_questions(host: HostProcess) -> None:
    """Each question has its reply at its place, also when one is nonsense."""
    replies = host.ask(("file.stat", {"path": "/"}), ("no.such", {}), ("file.read", {}), ("file.stat", {"path": "/none"}))
    assert [code for _, code, _ in replies] == ["", "unsupported", "failed", ""]
    assert replies[1][2] == "this host helper does not know no.such"


def test_a_broken_action_is_a_reply(host: HostProcess) -> None:
    """Whatever goes wrong in an action is told, and the helper goes on."""
    assert host.do("file.write", path="/etc")[0] == "failed"
    assert host.do("no.such")[0] == "unsupported"
    assert host.look("file.stat", path="/")["kind"] == "dir"


def test_queries_are_no_actions(host: HostProcess, tmp_path: Path) -> None:
    """No action can be done by asking, and nothing is asked by doing."""
    ((_, code, _),) = host.ask(("directory.make", {"path": str(tmp_path / "a")}))
    assert (code, (tmp_path / "a").exists()) == ("unsupported", False)
    assert host.do("file.read", path="/")[0] == "unsupported"


def test_no_change_is_said_in_a_word(host: HostProcess, tmp_path: Path) -> None:
    """The same questions again, and nothing has changed: the answer is `same`; after a change it is full again."""
    path = tmp_path / "a"
    asked = [["file.read", {"path": str(path)}]]
    host.send(slot=1, ask=asked)
    first = host.receive()["replies"]
    host.send(again=1)
    assert host.receive() == {"id": 2, "same": True}
    path.write_text("now")
    host.send(again=1)
    assert host.receive()["replies"] != first
    host.send(again=1)
    assert host.receive()["same"] is True


def test_slots_are_independent(host: HostProcess) -> None:
    """Questions in one slot do not disturb what is remembered of another."""
    for slot, path in enumerate(("/", "/etc")):
        host.send(slot=slot, ask=[["file.stat", {"path": path}]])
        host.receive()
    for slot in (0, 1, 0):
        host.send(again=slot)
        assert host.receive()["same"] is True


def test_it_ends_with_its_input(host: HostProcess) -> None:
    """When the controller has gone, so goes the helper, without complaint."""
    host.look("host.facts")
    host.close_input()
    assert host.wait() == 0


def test_half_a_request_is_none(host: HostProcess, tmp_path: Path) -> None:
    """A request that breaks off is not carried out."""
    host.write(b'{"id":1,"do":["directory.make",{"path":"%b"}]}' % str(tmp_path / "a").encode())
    host.close_input()
    assert host.wait() == 0
    assert not (tmp_path / "a").exists()


def test_an_action_in_hand_is_completed(host: HostProcess, tmp_path: Path) -> None:
    """A controller that vanishes, and the signals that come with it, leave no half action."""
    host.folder.mkdir()
    with (host.folder / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)  # another helper is in the middle of an action
        host.look("host.facts")
        host.send(do=["file.write", {"path": str(tmp_path / "a"), "text": "whole", "if_digest": None}])
        host.close_input()
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
            os.kill(host.process.pid, number)
        assert host.process.poll() is None
    assert host.wait() == 0
    assert (tmp_path / "a").read_text() == "whole"


def test_only_root_reads_what_is_remembered(host: HostProcess, tmp_path: Path) -> None:
    """The folder that stays on the host is closed to everybody else."""
    host.do("file.write", path=str(tmp_path / "a"), text="", if_digest=None)
    assert host.folder.stat().st_mode & 0o777 == 0o700


def test_what_goes_to_pacemaker_waits_for_nobody_on_the_host(host: HostProcess) -> None:
    """A Pacemaker action takes no turn among the host's own: a restart that was left behind may wait for minutes."""
    host.folder.mkdir(mode=0o700, exist_ok=True)
    with (host.folder / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        code, error = host.do("crm.cleanup", resource="no-such-resource")
    assert code
    assert "another action" not in error


def test_who_finds_another_restart_under_way_waits_for_it(host: HostProcess) -> None:
    """While somebody restarts a resource, be it a helper that was left behind, nobody else does; and not for ever."""
    host.folder.mkdir(mode=0o700, exist_ok=True)
    with (host.folder / "restart-c0").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        told = ("conflict", "c0 has been restarted by somebody else for 1 s")
        assert host.do("crm.restart", resource="c0", timeout_s=1) == told
        host.send(do=["crm.restart", {"resource": "c0", "timeout_s": 20}])
        assert not host.has_answered(0.3)
    _, code, error = host.receive()["reply"]
    assert code
    assert "somebody else" not in error


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "/etc/a: No space left on device: its file system is full (see df -h and df -i there)"),
        (errno.EPERM, "/etc/a: Operation not permitted: it or its directory may be immutable (see lsattr there)"),
        (errno.EIO, "/etc/a: Input/output error"),
    ],
)
def test_a_refusal_of_the_system_names_the_file_and_what_to_look_at(number: int, said: str) -> None:
    """The person wrote /etc/a; nobody knows the temporary file that was to become it."""
    assert serve._words(OSError(number, os.strerror(number), "/etc/.bivisor-a"), "/etc/a") == said
