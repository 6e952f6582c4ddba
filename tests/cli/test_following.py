"""How everything stands and what happens can be watched while the daemon runs, and is told for what it is when none does."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import termios
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.alive import mark_of
from reconciler.cli.standing import FIRST_LOOK, heads
from reconciler.core.status import Condition, Truth
from reconciler.status_file import Keeper, Kept
from tests.cli.test_history import run
from tests.cli.test_port_groups import PROGRAM, desk, edit
from tests.cli.test_run import GROUP, PATIENCE_S, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["desk"]
ZONE = "HypervisorZone/vcenter-az"


@pytest.mark.parametrize(("seconds", "unknown"), [(1, True), (40, False)])
def test_nothing_is_called_declared_by_none_before_that_is_known(seconds: int, *, unknown: bool) -> None:
    """Documents have just been taken, and no resource is known yet: on controllers the lead comes in between."""
    since = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
    ready = Condition("Ready", Truth.TRUE, "Read", since=since)
    keeper = Keeper(mark_of(os.getpid()), ended=False, acts=True, began=since, seen=since, version="1", conditions=(ready,))
    assert (FIRST_LOOK in heads(Kept(keeper), datetime.now(UTC))) is unknown


class Following:
    """A program that follows, and what it has printed by now."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        """Start it."""
        self.out = folder / f"followed-{len(list(folder.iterdir()))}"
        environment = {**os.environ, "BIVISOR_STATE": str(folder / "state")}
        with self.out.open("wb") as out:
            self.process = subprocess.Popen([PROGRAM, *arguments], cwd=folder, env=environment, stdout=out, stderr=out)

    def lines(self) -> list[str]:
        """Return the whole lines."""
        return [line.rstrip("\n") for line in self.out.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def documents(self) -> list[dict[str, Any]]:
        """Return the lines as JSON."""
        return [json.loads(line) for line in self.lines() if line.startswith("{")]

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until it holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert self.process.poll() is None, self.out.read_text()
            assert time.monotonic() < deadline, f"{what}: {self.out.read_text()}"
            time.sleep(0.05)


@contextmanager
def following(folder: Path, *arguments: str) -> Iterator[Following]:
    """Have it follow; at the end Ctrl-C ends it, which is no failure."""
    follower = Following(folder, *arguments)
    try:
        yield follower
        follower.process.send_signal(signal.SIGINT)
        assert follower.process.wait(PATIENCE_S) == 0, follower.out.read_text()
    finally:
        follower.process.kill()
        follower.process.wait()


def zone(document: dict[str, Any]) -> dict[str, Any]:
    """Return the vCenter zone of a status, its conditions by type; nothing where it is not there yet."""
    found = [each for each in document["resources"] if each["key"] == ZONE]
    return {**found[0], "conditions": {one["type"]: one for one in found[0]["conditions"]}} if found else {}


def test_a_change_is_seen_by_whoever_watches(desk: Path) -> None:
    """A changed document is a new generation, a line and a document for programs, and events in order."""
    assert run(desk, "events").stdout.startswith(f"Nothing has happened for {desk}/desired yet that bivisor run has recorded.")
    for word in ("daemon", "documents", "rollout"):
        assert run(desk, "events", word).stdout.startswith("Nothing has happened"), "it may happen at any time"
    assert run(desk, "events", "-o", "json").stdout == '{\n  "version": 1,\n  "events": []\n}\n'
    with (
        following(desk, "status", "--watch") as lines,
        following(desk, "status", "--watch", "-o", "json") as data,
        following(desk, "events", "-f") as events,
        following(desk, "events", "-f", GROUP, "-o", "json") as about,
    ):
        lines.until(
            lambda: lines.lines() == ["No daemon has kept this folder yet: start bivisor run."], "it says that none runs"
        )
        data.until(lambda: [each["daemon"] for each in data.documents()] == [None], "it says so to programs too")
        with running(desk) as daemon:
            data.until(lambda: zone(data.documents()[-1]).get("generation") == 1, "the first generation is seen")
            daemon.until(lambda: daemon.results() == ["converged"], "the port group is made")
            seen = [zone(each)["conditions"]["Ready"]["status"] for each in data.documents() if zone(each)]
            assert seen[0] == "Unknown", "what was not looked at yet is not missing"
            assert "Not everything has been looked at yet: nobody knows how that stands." in lines.lines()
            data.until(lambda: zone(data.documents()[-1])["conditions"]["Stalled"]["status"] == "True", "what is held is seen")
            made = zone(data.documents()[-1])["conditions"]["Stalled"]
            assert (made["reason"], made["observedGeneration"]) == ("Held", 1)
            edit(desk / "desired/zones.yaml", "vlan: 100", "vlan: 101")
            data.until(lambda: zone(data.documents()[-1]).get("generation") == 2, "the second one too")
            again = zone(data.documents()[-1])["conditions"]["Stalled"]
            assert (again["lastTransitionTime"], again["observedGeneration"]) == (made["lastTransitionTime"], 2)
            assert data.documents()[-1]["daemon"]["alive"] is True
            assert f"(process {daemon.process.pid}) keeps this since " in lines.lines()[1]
            lines.until(lambda: [line for line in lines.lines() if f"  {ZONE}  Ready=" in line], "its line")
            about.until(lambda: [each["reason"] for each in about.documents()] == ["Converged"] * 2, "its events")
            looked = json.loads(run(desk, "status", "-o", "json", exits=3).stdout)
            assert (zone(looked)["generation"], "daemon" in looked) == (2, False)
            assert zone(looked)["conditions"]["Stalled"]["lastTransitionTime"] == made["lastTransitionTime"]
        lines.until(lambda: "No daemon runs: this is how everything stood " in lines.lines()[-1], "it says that it has ended")
        data.until(lambda: data.documents()[-1]["daemon"]["alive"] is False, "programs hear it")
        events.until(lambda: "Stopped" in events.lines()[-1], "the last event")
    assert events.lines()[0] == "No daemon runs: nothing happens until somebody starts bivisor run."
    words = [line.split()[3] for line in events.lines()[1:]]
    assert (words[0], "Taken" in words, words[-1]) == ("Started", True, "Stopped")
    assert zone(json.loads(run(desk, "status", "-o", "json", exits=3).stdout))["generation"] is None


def test_events_are_found_again(desk: Path) -> None:
    """By resource, unit, type, age and number; a name that nobody has heard of is refused with the nearest one."""
    with running(desk) as daemon:
        daemon.until(lambda: daemon.results() == ["converged"], "the port group is made")
        daemon.until(lambda: "Unseen" in run(desk, "events").stdout, "the hosts are told")
    warnings = json.loads(run(desk, "events", "--type", "warning", "-o", "json").stdout)["events"]
    assert {each["type"] for each in warnings} == {"Warning"}
    assert {"Node/kvm1"} < {key for each in warnings for key in each["keys"]}
    assert "Converged" in run(desk, "events", ZONE, "--type", "normal").stdout
    assert run(desk, "events", GROUP).stdout.count("\n") == 1
    assert run(desk, "events", "-n", "1").stdout.split()[3] == "Stopped"
    assert (
        run(desk, "events", "Secret/vc1").stdout
        == run(desk, "events", "--since", "0s", "documents").stdout
        == "No such event.\n"
    )
    assert 'did you mean "Node/kvm1"' in run(desk, "events", "kvm1", exits=1).stderr
    assert run(desk, "events", "rollout").stdout == "No such event.\n"
    assert "is no length of time" in run(desk, "events", "--since", "yesterday", exits=1).stderr


def test_a_dead_daemon_is_told_with_the_age_of_what_it_left(desk: Path) -> None:
    """After kill -9 the page says that none runs and how old it is; a file that is deleted is told to be none."""
    with running(desk, "--observe-only") as daemon, following(desk, "status", "--watch") as lines:
        lines.until(lambda: [line for line in lines.lines() if ZONE in line], "everything is kept")
        assert "only looks at this since " in next(line for line in lines.lines() if "bivisor run (process" in line)
        daemon.process.kill()
        lines.until(
            lambda: re.search(r"No daemon runs: this is how everything stood \d+ s ago", lines.lines()[-1]), "it is told"
        )
        for path in (desk / "state").iterdir():
            path.unlink()
        lines.until(lambda: "is declared no more" in lines.lines()[-1], "nothing stands there")
        assert "No daemon has kept this folder yet: start bivisor run." in lines.lines()
        daemon.process.wait()
        daemon.process.returncode = 0


def test_on_a_terminal_one_page_is_drawn(desk: Path) -> None:
    """On a terminal the page has the size of the screen, what is wrong first; Ctrl-C leaves the screen as it was."""
    with running(desk) as daemon:
        daemon.until(lambda: daemon.results() == ["converged"], "the port group is made")
        daemon.until(lambda: "Unseen" in run(desk, "events").stdout, "it is kept")
        drawn = on_terminal(desk, "status", "--watch", until=b"more lines: bivisor status")
    assert drawn.startswith(b"\x1b[?1049h")
    assert b"\x1b[?1049l" in drawn[-40:]
    assert b"keeps this since" in drawn


def on_terminal(folder: Path, *arguments: str, until: bytes) -> bytes:
    """Run the program on a terminal of 20 rows until it has drawn that, then press Ctrl-C; return all that it drew."""
    mine, its = pty.openpty()
    termios.tcsetwinsize(its, (20, 100))
    environment = {**os.environ, "BIVISOR_STATE": str(folder / "state"), "TERM": "xterm-256color"}
    environment.pop("COLUMNS", None)
    environment.pop("LINES", None)
    process = subprocess.Popen([PROGRAM, *arguments], cwd=folder, env=environment, stdin=its, stdout=its, stderr=its)
    os.close(its)
    drawn, pressed, deadline = b"", False, time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            drawn += os.read(mine, 65536)
        except OSError:  # the terminal is closed: the program has ended
            break
        if until in drawn and not pressed:
            process.send_signal(signal.SIGINT)
            pressed = True
    os.close(mine)
    assert process.wait(PATIENCE_S) == 0
    return drawn


def test_several_mistakes_are_several_lines(tmp_path: Path) -> None:
    """Whoever watches in a pipe reads them one below the other, as bivisor validate tells them."""
    (tmp_path / "desired").mkdir()
    (tmp_path / "desired/zones.yaml").write_text("kind: Nothing\n---\nkind: Neither\n")
    with running(tmp_path, "--observe-only") as daemon, following(tmp_path, "status", "-w") as lines:
        daemon.until(lambda: daemon.lines("desired"), "they are refused")
        told = [f"    {line}" for line in str(daemon.lines("desired")[0]["message"]).splitlines()[1:]]
        assert told
        lines.until(lambda: set(told) <= set(lines.lines()), "each stands in a line of its own")
        assert "\\n" not in lines.out.read_text()


@pytest.mark.parametrize("arguments", ["status -w", "status -w -o json", "events -f"])
def test_it_ends_when_its_reader_has_gone(tmp_path: Path, arguments: str) -> None:
    """As any program in `| head -1`: at once, and not when something happens that it would have told."""
    (tmp_path / "desired").mkdir()
    environment = {**os.environ, "BIVISOR_STATE": str(tmp_path / "state")}
    command = [str(PROGRAM), *arguments.split()]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as follower:
        out, told = follower.stdout, follower.stderr
        assert out is not None
        assert told is not None
        try:
            (told if "events" in arguments else out).readline()
            out.close()
            assert follower.wait(PATIENCE_S) == 141
            assert told.read() == b""
        finally:
            follower.kill()
