"""The program records what it applies, and tells of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from reconciler.recorder import Origin, origin_of
from tests.cli.test_port_groups import PROGRAM, desk, edit
from tests.cli.test_saved_plan import GIT, commit

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["desk"]
GROUP = "vcenter:vc1/port_group/DVS0/provider-100"


def run(folder: Path, *arguments: str, exits: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the program to its end; what it records stands beside the documents."""
    environment = {**os.environ, **GIT, "BIVISOR_STATE": str(folder / "state"), "TZ": "CET-1"}
    done = subprocess.run(
        [PROGRAM, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == exits, done.stdout + done.stderr
    return done


def stamped(page: str) -> str:
    """Return the page without what is another time and place in each run."""
    page = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+01:00", "WHEN", page)
    return re.sub(r"  \d+(\.\d+)? m?s( |$)", r"  TOOK\2", page, flags=re.MULTILINE)


def test_what_was_applied_is_told(desk: Path) -> None:
    """After an apply, and one of a saved plan, history tells newest first who did what when, of which commit, to what end."""
    nothing = run(desk, "history").stdout
    assert nothing.startswith(f"Nothing was done for {desk}/desired yet that was recorded. It would stand in {desk}/state/")
    assert not (desk / "state").exists()
    head = commit(desk)[:12]
    git(desk, "branch", "-q", "-M", "main")
    run(desk, "plan", exits=3)
    assert not (desk / "state").exists()
    run(desk, "apply", "--yes", exits=3)
    edit(desk / "desired/zones.yaml", "vlan: 100", "vlan: 101")
    run(desk, "plan", "--out", "plan.json", exits=3)
    run(desk, "apply", "--plan", "plan.json")
    page = stamped(run(desk, "history").stdout)
    by = page.splitlines()[1].split(" by ")[1].split(",")[0]
    assert (
        page
        == f"""\
Pass 4  WHEN  TOOK  converged
    apply --plan by {by}, commit {head} (main) with uncommitted changes
    nothing to do

Pass 3  WHEN  TOOK  converged
    apply --plan by {by}, commit {head} (main) with uncommitted changes
    1 update

Pass 2  WHEN  TOOK  partial
    apply by {by}, commit {head} (main)
    1 held, 92 unknown

Pass 1  WHEN  TOOK  partial
    apply by {by}, commit {head} (main)
    1 create, 1 held, 92 unknown

"""
    )
    one = stamped(run(desk, "history", GROUP, "--limit", "1").stdout)
    assert (
        one
        == f"""\
Pass 3  WHEN  TOOK  converged
    apply --plan by {by}, commit {head} (main) with uncommitted changes
    1 update
    converged  update   vcenter:vc1  port_group DVS0/provider-100  TOOK
      declared by HypervisorZone/vcenter-az
      vlan  100 → 101

"""
    )
    whole = stamped(run(desk, "history", "1").stdout)
    assert "\n    converged  create   vcenter:vc1  port_group DVS0/provider-100  TOOK\n" in whole
    assert "\n    skipped    unknown  7 units on ssh:kvm1\n      127.0.0.21:9 refuses connections" in whole
    assert whole.count(" unknown  ") < 12
    assert run(desk, "history", "1", "--full").stdout.count(" unknown  ") == 92
    by_key = run(desk, "history", "HypervisorZone/vcenter-az").stdout
    assert re.findall(r"^Pass (\d)", by_key, flags=re.MULTILINE) == ["3", "1"]
    assert "declared by" not in by_key.split("Pass 1")[0]
    data = json.loads(run(desk, "history", GROUP, "-o", "json").stdout)
    assert [(each["number"], each["result"], each["totals"]) for each in data["passes"]] == [
        (3, "converged", {"update": 1}),
        (1, "partial", {"create": 1}),
    ]
    assert data["passes"][0]["steps"][0]["changes"] == [{"field": "vlan", "before": 100, "after": 101}]
    assert data["passes"][0]["commit"]["dirty"] is True


def test_who_asks_for_something_else_is_told_what_there_is(desk: Path) -> None:
    """A name that nobody has heard of is refused with the nearest one, a number with those that exist; others have no pass."""
    run(desk, "apply", "--yes", exits=3)
    asked = run(desk, "history", "HypervisorZone/vcenter-z", exits=1)
    assert asked.stderr.endswith('(did you mean "HypervisorZone/vcenter-az"?)\n')
    assert 'did you mean "Node/kvm1"' in run(desk, "history", "kvm1", exits=1).stderr
    assert 'did you mean "ssh:kvm1/' in run(desk, "history", "ssh:kvm1/packages/nova-compute", exits=1).stderr
    assert "there is no pass 9 (those from 1 to 2 are kept in " in run(desk, "history", "9", exits=1).stderr
    assert "there is no pass 0 (" in run(desk, "history", "0", exits=1).stderr
    assert run(desk, "history", "Node/kvm1").stdout == "No pass touched Node/kvm1.\n"
    assert run(desk, "history", "--since", "0s").stdout == "No pass began within 0s.\n"
    assert run(desk, "history", "--since", "999999d").stdout.count("Pass ") == 2
    assert "is no length of time" in run(desk, "history", "--since", "yesterday", exits=1).stderr
    shutil.rmtree(desk / "desired")
    assert run(desk, "history").stdout.count("Pass ") == 2
    assert "did you mean" in run(desk, "history", "HypervisorZone/vcenter-z", exits=1).stderr


def test_a_history_that_cannot_be_kept_changes_nothing_else(desk: Path) -> None:
    """An apply that cannot record what it does warns once, does the same, and ends as it would have; history then tells why."""
    (desk / "state").write_text("no folder")
    done = run(desk, "apply", "--yes", exits=3)
    (warning,) = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert "what this apply does is not recorded; it goes on all the same. " in warning
    assert "Name a folder of your own with BIVISOR_STATE" in warning
    assert "converged  create   vcenter:vc1  port_group" in done.stdout
    asked = run(desk, "history", exits=1)
    assert "cannot be read: Not a directory" in asked.stderr


async def test_the_documents_commit_and_branch(tmp_path: Path) -> None:
    """A record tells of which commit and branch the documents were, and whether they were as committed; nothing without git."""
    (tmp_path / "desired").mkdir()
    assert await origin_of(tmp_path, "apply") == Origin("apply")
    (tmp_path / "desired/all.yaml").touch()
    head = commit(tmp_path)
    branch = git(tmp_path, "symbolic-ref", "--short", "HEAD")
    assert await origin_of(tmp_path, "apply") == Origin("apply", head, branch)
    (tmp_path / "desired/all.yaml").write_text("{}")
    git(tmp_path, "checkout", "-q", "--detach")
    assert await origin_of(tmp_path / "desired", "apply") == Origin("apply", head, dirty=True)


def git(folder: Path, *arguments: str) -> str:
    """Run git; return what it prints."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env={**os.environ, **GIT}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
