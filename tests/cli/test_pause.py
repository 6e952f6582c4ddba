"""The program leaves alone what somebody has paused, whoever runs it, and goes on when they say so."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
import typer

from reconciler.cli.pause import end_of
from tests.cli.test_following import following
from tests.cli.test_port_groups import PROGRAM, desk, edit
from tests.cli.test_run import running

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["desk"]
GROUP = "vcenter:vc1/port_group/DVS0/provider-100"
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=ZoneInfo("Europe/Berlin"))


def run(folder: Path, *arguments: str, exits: int = 0, state: str = "state") -> subprocess.CompletedProcess[str]:
    """Run the program to its end as somebody called anna."""
    environment = {**os.environ, "BIVISOR_STATE": str(folder / state), "SUDO_USER": "anna", "TZ": "CET-1"}
    done = subprocess.run(
        [PROGRAM, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == exits, done.stdout + done.stderr
    return done


def held(folder: Path) -> str:
    """Return why a plan holds the port group, or '' when it is as declared or would be made so."""
    steps = json.loads(run(folder, "plan", "-o", "json", exits=3).stdout)["steps"]
    return str(next((step.get("held") or "" for step in steps if step["address"] == GROUP), ""))


def test_an_apply_keeps_to_a_pause(desk: Path) -> None:
    """The plan says who paused it until when and why; an apply does nothing about it; resumed, it is done."""
    words = "Paused: VCenter/vc1, until 2099-01-01 01:00:00+01:00. No daemon keeps desired on this machine now; "
    told = run(desk, "pause", "VCenter/vc1", "--reason", "a new  switch", "--until", "2099-01-01T00:00Z").stdout
    assert told == f"{words}it holds whatever is started here, as this user.\n"
    sentence = "paused by anna until 2099-01-01T00:00:00Z: a new switch"
    assert held(desk) == sentence
    done = run(desk, "apply", "--yes", exits=3).stdout
    assert re.search(r"= create +port_group +DVS0/provider-100|= held +port_group +DVS0/provider-100", done)
    assert held(desk) == sentence
    page = run(desk, "pauses").stdout
    here = "paused by anna until 2099-01-01 01:00:00+01:00: a new switch"
    assert re.fullmatch(rf"VCenter/vc1: {re.escape(here)} \(since 20\d\d-\S+ \S+\+01:00\)\n", page), "by one's own clock"
    assert run(desk, "resume", "VCenter/vc1").stdout == f"Goes on: VCenter/vc1 ({here}).\n"
    run(desk, "apply", "--yes", exits=3)
    assert held(desk) == ""
    assert GROUP not in run(desk, "plan", exits=3).stdout


def test_a_daemon_keeps_to_a_pause_at_once(desk: Path) -> None:
    """Paused while it runs, it leaves a changed document's change alone; resumed, it sees to it within seconds."""
    with running(desk) as daemon:
        daemon.until(lambda: daemon.results() == ["converged"], "the port group is made")
        assert "The daemon heeds it within a second" in run(desk, "pause", "--reason", "quiet").stdout
        daemon.until(lambda: daemon.lines("permit"), "it has heard")
        assert daemon.lines("permit")[0]["paused"] == [{"what": "everything", "by": "anna", "reason": "quiet", "until": ""}]
        edit(desk / "desired/zones.yaml", "vlan: 100", "vlan: 101")
        told = {"address": GROUP, "reason": "paused by anna: quiet"}
        daemon.until(lambda: any(told.items() <= line.items() for line in daemon.lines("held")), "the change is held")
        refused = run(desk, "pause", state="elsewhere", exits=1).stderr
        assert "the daemon that keeps desired does not read this file: name its folder with BIVISOR_STATE" in refused
        for command in (("pauses",), ("status", "-w"), ("events",), ("events", "-f"), ("history",)):
            refused = run(desk, *command, state="elsewhere", exits=1).stderr
            assert "the daemon that keeps desired does not read this file: name its folder with BIVISOR_STATE" in refused
        assert daemon.results() == ["converged"]
        run(desk, "resume")
        daemon.until(lambda: daemon.results() == ["converged"] * 2, "it goes on")


def test_a_pause_is_seen_wherever_somebody_looks(desk: Path) -> None:
    """The page, whoever watches, programs and events say what is paused, who did it, why and until when; and that it ended."""
    told = r"Node/kvm1 is paused by anna since 20\S+ \S+ until 2099\S+ \S+: a new disk \(bivisor resume Node/kvm1\)"
    run(desk, "pause", "Node/kvm1", "--reason", "a new disk", "--until", "2099-01-01T00:00Z")
    assert re.match(told, " ".join(run(desk, "status", exits=3).stdout.split())), "wrapped to the page"
    with (
        running(desk) as daemon,
        following(desk, "status", "-w") as lines,
        following(desk, "status", "-w", "-o", "json") as data,
    ):
        lines.until(lambda: re.search(rf"(?m)^{told}$", lines.out.read_text()), "whoever watches sees it")
        run(desk, "pause", "--reason", "quiet")
        head = r"(?m)^Everything is paused by anna since 20\S+ \S+: quiet \(bivisor resume everything\)$"
        lines.until(lambda: re.search(head, lines.out.read_text()), "the next one too")
        data.until(
            lambda: (
                [(each["selector"], each["by"], each["until"], each["reason"]) for each in data.documents()[-1]["pauses"]]
                == [("Node/kvm1", "anna", "2099-01-01T00:00:00Z", "a new disk"), ("", "anna", "", "quiet")]
            ),
            "programs see both",
        )
        daemon.until(lambda: "everything is paused by anna: quiet" in run(desk, "events").stdout, "it is an event")
        (file,) = (desk / "state").glob("*.pauses.json")
        text = file.read_text()
        file.write_text("{")
        lines.until(lambda: "Everything is held: " in lines.out.read_text(), "that nobody can read it is told")
        file.write_text(text)
        run(desk, "resume")
        lines.until(lambda: "Everything is paused no more." in lines.lines(), "and so is its end")
        ended = [line for line in lines.lines() if "no more" in line]
        assert ended == ["Node/kvm1 is paused no more.", "Everything is paused no more."]
        data.until(lambda: data.documents()[-1]["pauses"] == [], "programs too")
        daemon.until(lambda: "it was: everything is paused by anna: quiet" in run(desk, "events").stdout, "its end is one")
    assert json.loads(run(desk, "status", "-o", "json", exits=3).stdout)["pauses"] == []
    found = json.loads(run(desk, "events", "Node/kvm1", "-o", "json").stdout)["events"]
    said = "paused by anna until 2099-01-01T00:00:00Z: a new disk"
    assert [(each["reason"], each["message"]) for each in found if each["about"] == "Node/kvm1"] == [
        ("Paused", said),
        ("Resumed", f"it was: {said}"),
    ]


def test_pauses_are_listed_and_ended(desk: Path) -> None:
    """The same thing is paused once, the last word counts; one that is not there, or selects nothing, is an error."""
    assert run(desk, "pauses").stdout == run(desk, "resume").stdout == "Nothing is paused.\n"
    run(desk, "pause", "kvm1")
    run(desk, "pause", "ssh:kvm1", "--reason", "a new disk")
    run(desk, "pause")
    listed = json.loads(run(desk, "pauses", "-o", "json").stdout)["pauses"]
    assert [(each["selector"], each["by"], each["until"], each["reason"]) for each in listed] == [
        ("ssh:kvm1", "anna", "", "a new disk"),
        ("", "anna", "", ""),
    ]
    assert "(paused: ssh:kvm1, everything)" in run(desk, "resume", "Node/kvm1", exits=1).stderr
    assert run(desk, "resume", "kvm1").stdout == "Goes on: ssh:kvm1 (paused by anna: a new disk).\n"
    assert run(desk, "resume").stdout == "Goes on: everything (paused by anna).\n"
    assert "nothing is called" in run(desk, "pause", "Node/kvm77", exits=1).stderr


def test_a_pause_needs_no_valid_documents(desk: Path) -> None:
    """In an emergency nobody has to mend a document first; that a selector selects nothing cannot be told then."""
    (desk / "desired/zones.yaml").write_text("x")
    assert run(desk, "pause").stderr == ""
    assert "nobody can say whether ssh:kvm77 selects anything" in run(desk, "pause", "ssh:kvm77").stderr
    run(desk, "resume", "ssh:kvm77")


@pytest.mark.parametrize(
    "typed", ["kvm1", "totally-bogus", "kvm1/nova.conf", "ssh:kvm1/nova.conf", "kvm*", "Node/", "ssh:", "ssh", "Zone/kvm-az"]
)
def test_what_only_the_documents_tell_is_not_paused_without_them(tmp_path: Path, typed: str) -> None:
    """While they are broken, a selector that would hold nothing is refused with the full form, and nothing is called paused."""
    (tmp_path / "desired").mkdir()
    (tmp_path / "desired/zones.yaml").write_text("x")
    refused = run(tmp_path, "pause", typed, exits=1)
    assert f'nobody can say what "{typed}" selects while the documents cannot be read: desired/zones.yaml:1:1' in refused.stderr
    assert "write the whole name of a resource (Node/kvm1) or of a target (ssh:kvm1)" in refused.stderr
    assert refused.stdout == ""
    assert run(tmp_path, "pauses").stdout == "Nothing is paused.\n"


@pytest.mark.parametrize(
    ("typed", "held"),
    [
        ("Node", "Node/*"),
        ("Node/kvm1", "Node/kvm1"),
        ("ssh:kvm1", "ssh:kvm1"),
        ("ssh:kvm*", "ssh:kvm*"),
        ("N*", "N*"),
        ("*", "*"),
    ],
)
def test_a_whole_name_is_paused_without_documents(tmp_path: Path, typed: str, held: str) -> None:
    """What means the same whatever they say holds in an emergency; a kind is a pattern of whole names."""
    (tmp_path / "desired").mkdir()
    (tmp_path / "desired/zones.yaml").write_text("x")
    assert run(tmp_path, "pause", typed).stdout.startswith(f"Paused: {held}. ")


def test_everything_is_a_word_for_it(tmp_path: Path) -> None:
    """Status, pauses and errors call it so: it may be paused and resumed by that name, and other pauses stay."""
    (tmp_path / "desired").mkdir()
    assert run(tmp_path, "pause", "everything").stderr == "", "no document has to say what that is"
    run(tmp_path, "pause")
    run(tmp_path, "pause", "Node/*")
    assert run(tmp_path, "resume", "everything").stdout == "Goes on: everything (paused by anna).\n"
    assert run(tmp_path, "pauses").stdout.startswith("Node/*: paused by anna")
    assert '"everything" is not paused by itself (paused: Node/*)' in run(tmp_path, "resume", "everything", exits=1).stderr


def test_what_goes_on_is_told_without_terminal_codes(tmp_path: Path) -> None:
    """A reason is somebody's words: it does not draw on the screen of whoever ends the pause."""
    (tmp_path / "desired").mkdir()
    run(tmp_path, "pause", "--reason", "a\x1b[2Jb")
    told = run(tmp_path, "resume").stdout
    assert "\x1b" not in told
    assert told == "Goes on: everything (paused by anna: a\\x1b[2Jb).\n"


def test_a_damaged_file_is_told(desk: Path) -> None:
    """It holds everything, says so, and nobody writes over it."""
    run(desk, "pause")
    (file,) = (desk / "state").glob("*.pauses.json")
    file.write_text("{")
    assert held(desk).endswith(
        "nobody knows what is paused: it is no JSON. Mend the file, or delete it: then nothing is paused"
    )
    for command in ("pause", "resume", "pauses"):
        assert "nobody knows what is paused" in run(desk, command, exits=1).stderr
    file.unlink()
    assert held(desk) == ""


@pytest.mark.parametrize("command", ["pause", "pauses", "status -w", "events", "events -f", "history"])
def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, command: str) -> None:
    """A typing error is neither waited for nor told to be at rest; what was kept of a folder that has gone is told."""
    refused = run(tmp_path, *command.split(), "-d", "nofolder", exits=1).stderr
    assert refused.rstrip().endswith(
        "nofolder: there is no such folder, and nothing is kept of one: name the folder of the documents with --desired"
    )
    assert not (tmp_path / "state").exists()


def test_what_is_kept_of_a_folder_that_has_gone_is_told(tmp_path: Path) -> None:
    """An emergency may be that its disk is away."""
    (tmp_path / "desired").mkdir()
    run(tmp_path, "pause")
    (tmp_path / "desired").rmdir()
    assert run(tmp_path, "pauses").stdout.startswith("everything: paused by anna")
    assert run(tmp_path, "events").stdout.startswith("Nothing has happened")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2h", "2026-11-23T12:00+01:00"),
        ("3d", "2026-11-26T10:00+01:00"),
        ("18:30", "2026-11-23T18:30+01:00"),
        ("9:00", "2026-11-24T09:00+01:00"),
        ("10:00", "2026-11-24T10:00+01:00"),
        ("2026-11-24T06:00", "2026-11-24T06:00+01:00"),
        ("2026-11-24 06:00", "2026-11-24T06:00+01:00"),
        ("2026-11-24T06:00Z", "2026-11-24T06:00+00:00"),
    ],
)
def test_when_a_pause_ends(text: str, end: str) -> None:
    """A time to come, an age from now, a clock's next showing."""
    assert end_of(text, NOW) == datetime.fromisoformat(end)


@pytest.mark.parametrize("text", ["soon", "25:00", "2026-11-23T09:00", "2026-13-01", "", "-2h", "0s", "0h"])
def test_what_is_no_end(text: str) -> None:
    """What is over, and what is no time, is refused."""
    with pytest.raises(typer.BadParameter):
        end_of(text, NOW)
