"""Pacemaker's agent for the daemon, called as Pacemaker calls it; the program is one that gives signs of life."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AGENT = Path(__file__).resolve().parents[2] / "packaging/ocf/bivisor"
SUCCESS, GENERIC, UNIMPLEMENTED, INSTALLED, CONFIGURED, NOT_RUNNING = 0, 1, 3, 5, 6, 7
PATIENCE_S = 20.0

_PROGRAM = """\
#!{python}
import pathlib, signal, sys, time
beat = sys.argv[sys.argv.index("--beat") + 1]
print(*sys.argv[1:], flush=True)
if pathlib.Path("ends").exists():
    sys.exit("pacemaker:demo: ctl1 cannot take the lead within 20 s: ctl2: no route to host")
if pathlib.Path("told").exists():
    sys.exit(pathlib.Path("told").read_text())
if pathlib.Path("hangs").exists():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    pathlib.Path(beat).touch()
    time.sleep(0.2)
"""


class Agent:
    """The agent on a node `ctl1`, with a folder of documents."""

    def __init__(self, folder: Path) -> None:
        """Install it."""
        self.folder = folder
        self.within: tuple[str, ...] = ()
        self.reason = ""
        (folder / "cloud/desired").mkdir(parents=True)
        self.program = folder / "program"
        self.program.write_text(_PROGRAM.format(python=sys.executable))
        self.program.chmod(0o755)
        self.settings = {
            "OCF_RESKEY_binary": str(self.program), "OCF_RESKEY_folder": str(folder / "cloud"),
            "OCF_RESKEY_log": str(folder / "log"), "OCF_RESKEY_state": str(folder / "state"),
            "OCF_RESKEY_silence": "2", "OCF_RESKEY_grace": "1", "OCF_RESKEY_CRM_meta_on_node": "ctl1",
            "OCF_RESOURCE_INSTANCE": "bivisor", "HA_RSCTMP": str(folder / "run"), "PATH": os.environ["PATH"],
        }  # fmt: skip

    def call(self, action: str, **settings: str) -> int:
        """Call it; return what Pacemaker takes from that, and keep in `reason` what it has said last."""
        environment = {**self.settings, **{f"OCF_RESKEY_{name}": value for name, value in settings.items()}}
        command = [*self.within, str(AGENT), action]
        called = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.reason = called.stderr.rpartition("ocf-exit-reason:")[2].strip()
        return called.returncode

    def settings_file(self, text: str) -> Path:
        """Write a file of the daemon's settings; return its path."""
        file = self.folder / "run.yaml"
        file.write_text(text)
        return file

    @property
    def pid(self) -> int:
        """The program's number."""
        return int((self.folder / "run/bivisor-bivisor/process").read_text().split()[0])

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """An agent whose program has ended afterwards."""
    agent = Agent(tmp_path)
    yield agent
    agent.call("stop")


def test_a_life(agent: Agent) -> None:
    """It starts once, with what makes it the leader, is seen to run, stops, and is then seen not to run."""
    assert agent.call("monitor") == NOT_RUNNING
    assert agent.call("start") == SUCCESS
    pid = agent.pid
    assert agent.call("start") == SUCCESS
    assert (agent.pid, agent.call("monitor")) == (pid, SUCCESS)
    beat = agent.folder / "run/bivisor-bivisor/beat"
    assert (agent.folder / "log").read_text() == f"--log-json run --leader ctl1 --beat {beat}\n"
    assert agent.call("stop") == SUCCESS
    assert agent.call("monitor") == NOT_RUNNING
    assert agent.call("stop") == SUCCESS


def test_a_killed_one_is_not_running(agent: Agent) -> None:
    """Another process that gets its number later is not taken for it."""
    agent.call("start")
    os.kill(agent.pid, signal.SIGKILL)
    agent.until(lambda: agent.call("monitor") == NOT_RUNNING)
    process = agent.folder / "run/bivisor-bivisor/process"
    process.write_text(f"{os.getpid()} 1\n")
    assert agent.call("monitor") == NOT_RUNNING


def test_a_stopped_one_has_failed_and_is_ended(agent: Agent) -> None:
    """SIGSTOP leaves the process there: its silence tells, and the stop ends it though it takes no SIGTERM."""
    agent.call("start")
    os.kill(agent.pid, signal.SIGSTOP)
    agent.until(lambda: agent.call("monitor") == GENERIC)
    assert agent.call("stop") == SUCCESS
    assert agent.call("monitor") == NOT_RUNNING


def test_one_that_does_not_stop_is_ended(agent: Agent) -> None:
    """It is asked first, and killed when its time is over."""
    (agent.folder / "cloud/hangs").touch()
    agent.call("start")
    assert agent.call("stop") == SUCCESS
    assert agent.call("monitor") == NOT_RUNNING


def test_one_that_ends_at_once_has_not_started(agent: Agent) -> None:
    """Pacemaker is told with the reason, and tries elsewhere."""
    (agent.folder / "cloud/ends").touch()
    assert agent.call("start") == GENERIC
    why = "pacemaker:demo: ctl1 cannot take the lead within 20 s: ctl2: no route to host"
    assert agent.reason == why


def test_why_it_has_ended_is_read_out_of_its_log(agent: Agent) -> None:
    """Pacemaker shows a sentence: the daemon's own last words, as JSON or not, without the signs of JSON."""
    program = Path(sys.executable).with_name("bivisor")
    assert agent.call("start", binary=str(program), settings=str(agent.settings_file("lissten: 1\nwebhooks: 2\n"))) == GENERIC
    prefix, _, rest = agent.reason.partition("run.yaml:")
    assert prefix.startswith("/")
    assert "; " in rest
    assert not any(sign in agent.reason for sign in ('{"', '"level"', "\\n", '\\"'))
    (agent.folder / "cloud/told").write_text(
        '{"exit": 5, "exception": "Traceback", "message": "\\"a\\" and\\n  C:\\\\b", "event": "ended", "level": "error"}'
    )
    assert agent.call("start") == GENERIC
    assert agent.reason == '"a" and; C:\\b'


def test_one_that_cannot_be_found_again_is_not_left_behind(agent: Agent) -> None:
    """Where its number cannot be kept (there is no room in /run), it has not started, and does not run either."""
    if os.geteuid():
        pytest.skip("needs root, to have a /run without room")
    (agent.folder / "run").mkdir()
    full = 'mount -t tmpfs -o size=4k none "$0" && echo full >"$0/full" && exec "$@"'
    agent.within = ("unshare", "-m", "sh", "-c", full, str(agent.folder / "run"))
    assert agent.call("start") == GENERIC
    assert agent.reason.startswith("there is no room for its number in ")
    try:
        agent.until(lambda: not running(agent.program))
    finally:
        for pid in running(agent.program):
            os.kill(pid, signal.SIGKILL)


def test_the_settings_are_handed_on(agent: Agent) -> None:
    """Where a file of settings is named, the program keeps to it; one that is not there is told before anything starts."""
    settings = agent.folder / "run file.yaml"
    assert agent.call("start", settings=str(settings)) == INSTALLED
    settings.touch()
    assert agent.call("start", settings=str(settings)) == SUCCESS
    arguments = Path(f"/proc/{agent.pid}/cmdline").read_bytes().split(b"\0")
    assert arguments[arguments.index(b"--settings") + 1] == bytes(settings)


@pytest.mark.parametrize(("soft", "hard", "has"), [(1024, 18000, 16384), (1024, 4096, 4096), (18000, 18000, 18000)])
def test_it_may_hold_a_connection_to_every_host(agent: Agent, soft: int, hard: int, has: int) -> None:
    """As many as the systemd unit allows, or as the machine lets it; Pacemaker starts what it runs with a thousand."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < hard:
        pytest.skip("these tests themselves may not have so many files open")
    agent.within = ("prlimit", f"--nofile={soft}:{hard}")
    assert agent.call("start") == SUCCESS
    limits = Path(f"/proc/{agent.pid}/limits").read_text()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
    assert int(line.split()[3]) == has


def running(program: Path) -> list[int]:
    """Return the processes of that program."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found += [int(place.parent.name)] if bytes(program) in place.read_bytes().split(b"\0") else []
    return found


def test_what_is_not_there_is_told(agent: Agent) -> None:
    """A missing program or folder is no failure of the daemon, and nothing that waiting would mend."""
    assert agent.call("validate-all") == SUCCESS
    assert agent.call("start", binary="/nowhere") == INSTALLED
    assert agent.call("start", folder="/nowhere") == INSTALLED
    assert agent.call("start", grace="soon") == CONFIGURED
    assert agent.call("promote") == UNIMPLEMENTED


def test_a_log_that_cannot_be_written_is_told(agent: Agent) -> None:
    """With the reason, before anything starts: what would say why it ends has no place."""
    for action in ("validate-all", "start"):
        assert agent.call(action, log=str(agent.folder)) == INSTALLED
        assert agent.reason.startswith(f"{agent.folder} cannot be written on ctl1: ")
        assert agent.reason.endswith(": make room for it there, or correct log")
        assert "irectory" in agent.reason.split(": ")[1], "the shell's own words"
    assert agent.call("validate-all") == SUCCESS
    assert (agent.folder / "log").stat().st_mode & 0o777 == 0o600


def test_an_end_without_a_word_is_told_as_such(agent: Agent) -> None:
    """Rather than by an empty reason: the log is named, where more may stand."""
    (agent.folder / "cloud/told").touch()
    assert agent.call("start") == GENERIC
    assert agent.reason == f"it has ended without a word: look into {agent.folder}/log"


def test_pacemaker_can_read_what_it_is() -> None:
    """The description names all parameters that the agent reads, with their defaults."""
    described = subprocess.run([AGENT, "meta-data"], capture_output=True, text=True, check=True).stdout
    parameters = {
        found.get("name"): found.find("content").get("default")  # type: ignore[union-attr] # it would fail, as it should
        for found in ET.fromstring(described).iter("parameter")  # noqa: S314 - ours
    }
    text = AGENT.read_text()
    assert parameters
    assert all(f"${{OCF_RESKEY_{name}:-{default}}}" in text for name, default in parameters.items())
