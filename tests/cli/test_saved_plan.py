"""The program saves a plan and carries out exactly that, beside a vCenter that answers and hosts that do not."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyVmomi import vim

from reconciler.commit import commit_of
from tests.cli.test_port_groups import desk, edit, vlan_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ["desk"]
PROGRAM = Path(sys.executable).with_name("bivisor")
GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
AUTHOR = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")


def run(folder: Path, *arguments: str, exits: int) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    environment = {**os.environ, **GIT}
    done = subprocess.run(
        [PROGRAM, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == exits, done.stdout + done.stderr
    return done


def commit(folder: Path) -> str:
    """Commit the documents; return the commit."""
    environment = {**os.environ, **GIT}
    for arguments in (("init", "-q"), ("add", "desired"), (*AUTHOR, "commit", "-q", "-m", "as it was")):
        subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True)
    shown = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return shown.stdout.strip()


def test_exactly_the_saved_plan(
    desk: Path,
    login: Callable[..., AbstractContextManager[Any]],
    tmp_path: Path,
) -> None:
    """A plan is saved and carried out from another checkout; what moves, changes or expires in between refuses it with 4."""
    switch = vim.dvs.VmwareDistributedVirtualSwitch
    with login() as client:
        head = commit(desk)
        with (desk / "desired/cluster.yaml").open("a") as file:
            file.write("# not committed\n")
        saved = run(desk, "plan", "--out", "plan.json", exits=3)
        assert "bivisor apply --plan plan.json" in saved.stderr
        content = json.loads((desk / "plan.json").read_text())
        assert content["commit"] == {"id": head, "changed": ["desired/cluster.yaml"]}
        assert stat.S_IMODE((desk / "plan.json").stat().st_mode) == 0o600
        acts = [address for address, unit in content["units"].items() if unit["acts"]]
        assert acts == ["vcenter:vc1/port_group/DVS0/provider-100"]

        edit(desk / "desired/zones.yaml", "vlan: 100", "vlan: 101")
        refused = run(desk, "apply", "--plan", "plan.json", exits=4)
        assert "HypervisorZone/vcenter-az is declared otherwise" in refused.stderr
        edit(desk / "desired/zones.yaml", "vlan: 101", "vlan: 100")
        refused = run(desk, "apply", "--plan", "plan.json", "--max-age", "0s", exits=4)
        assert "longer ago than --max-age allows (0s)" in refused.stderr

        other = tmp_path / "another-checkout"
        other.mkdir()
        for folder in ("desired", "secrets"):
            shutil.copytree(desk / folder, other / folder)
        elsewhere = ("--plan", "../a plan.json", "--desired", "../another-checkout/desired")
        shutil.copy(desk / "plan.json", tmp_path / "a plan.json")
        refused = run(other, "apply", *elsewhere, "--max-age", "0s", exits=4)
        assert "bivisor plan --out '../a plan.json' --desired ../another-checkout/desired" in refused.stderr
        done = run(other, "apply", "--plan", str(desk / "plan.json"), "--desired", str(other / "desired"), exits=0)
        assert f"of commit {head[:12]} with uncommitted changes. Held for good or unknown, and no part of this: " in done.stdout
        assert "All that was planned is done." in done.stdout
        assert "Traceback" not in done.stderr
        assert "Warning:" not in done.stderr, "Python's own, about the program"
        assert vlan_of(client.content)[1] == 100

        refused = run(desk, "apply", "--plan", "plan.json", exits=4)
        assert "vcenter:vc1/port_group/DVS0/provider-100: it was not there, and is now" in refused.stderr

        def set_by_hand(number: int) -> None:
            setting = switch.VmwarePortConfigPolicy(vlan=switch.VlanIdSpec(inherited=False, vlanId=number))
            group = vlan_of(client.content)[0]
            spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
                configVersion=group.config.configVersion, defaultPortConfig=setting
            )
            group.ReconfigureDVPortgroup_Task(spec)

        set_by_hand(200)
        run(desk, "plan", "--out", "plan.json", exits=3)
        set_by_hand(300)
        refused = run(desk, "apply", "--plan", "plan.json", exits=4)
        assert "provider-100: vlan is 300; it was 200 when the plan was made" in refused.stderr
        assert vlan_of(client.content)[1] == 300
        set_by_hand(200)
        run(desk, "apply", "--plan", "plan.json", exits=0)
        assert vlan_of(client.content)[1] == 100


async def test_the_commit_is_the_documents_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook of another repository tells git where it is; the commit of a saved plan is that of its documents all the same."""
    heads = {}
    for name in ("ours", "hooks"):
        (tmp_path / name / "desired").mkdir(parents=True)
        (tmp_path / name / "desired/all.yaml").write_text(name)
        heads[name] = commit(tmp_path / name)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "hooks/.git"))
    found = await commit_of(tmp_path / "ours/desired")
    assert found is not None
    assert (found.id, found.changed) == (heads["ours"], ())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("apply", "--plan", "nowhere.json"), "nowhere.json: cannot be read: No such file or directory"),
        (("apply", "--plan", "desired/zones.yaml"), "desired/zones.yaml: is no saved plan: no JSON"),
        (
            ("validate", "desired"),
            "Got unexpected extra argument(s) (desired). The folder of the documents is named by --desired",
        ),
        (("apply", "--max-age", "soon"), "'soon' is no length of time: write a number and s, m, h or d"),
        (("apply", "--max-age", "4h", "--yes"), "says how old a saved plan may be: give one with --plan"),
        (("plan", "--out", ""), ".: cannot be written: a saved plan is a file, and this is none"),
        (("plan", "--out", "nowhere/plan.json"), "nowhere/plan.json: cannot be written: there is no folder "),
        (("plan", "--release", "wallaby", "--out", "x"), "such a plan is only to be looked at"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_end_with_1(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """A file that is no plan and options that do not fit are told before anything is read or asked."""
    (tmp_path / "desired").mkdir()
    (tmp_path / "desired/zones.yaml").write_text("kind: HypervisorZone\n")
    done = run(tmp_path, *arguments, exits=1)
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
