"""`--release`: an upgrade is looked at before it is made. Nobody answers here: what is declared is what counts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("bivisor")
GOOD = (Path(__file__).parents[1] / "rules/good.yaml").read_text()
NOWHERE = {
    "http://keystone:5000/v3": "http://127.0.0.1:1/v3",
    "network: {manager: neutron}": "network: {manager: neutron}\n  ssh: {port: 1}",
    "host: vcenter,": "host: 127.0.0.1, port: 1,",
    "address: 10.0.0.": "address: 127.0.0.",
    "file: account.yaml": "file: ../account.yaml",
    "file: text": "file: ../text",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Good documents of a cloud at closed ports of this machine, with their secrets."""
    (tmp_path / "desired").mkdir()
    text = GOOD
    for old, new in NOWHERE.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "desired/all.yaml").write_text(text)
    (tmp_path / "account.yaml").write_text("username: somebody\npassword: canary-of-an-account\n")
    (tmp_path / "text").write_text("amqp://" + "x" * 200)
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program in that folder."""
    return subprocess.run([PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_the_page_says_that_it_is_only_to_look_at(folder: Path) -> None:
    """The first lines say which release is supposed and which is declared; without the option they are not there."""
    page = run(folder, "plan", "--release", "2023.1").stdout
    assert page.startswith("As if the release were Antelope (2023.1); Cluster/demo is Zed.\nOnly to look at: ")
    assert "compute_id" in run(folder, "plan", "--release", "antelope", "-o", "json").stdout
    plain = run(folder, "plan").stdout
    assert "As if" not in plain


def test_programs_are_told_as_well(folder: Path) -> None:
    """The JSON has the same sentence, and has it only then."""
    supposed = json.loads(run(folder, "plan", "--release", "train", "-o", "json").stdout)
    assert supposed["supposed"] == "As if the release were Train; Cluster/demo is Zed."
    assert "supposed" not in json.loads(run(folder, "plan", "-o", "json").stdout)


def test_a_status_may_be_read_by_programs(folder: Path) -> None:
    """Each resource with its conditions, as the page has them; the exit code is the same."""
    page, data = run(folder, "status"), run(folder, "status", "-o", "json")
    assert page.returncode == data.returncode == 3
    shown = json.loads(data.stdout)
    (cluster,) = (one for one in shown["resources"] if one["key"] == "Cluster/demo")
    assert cluster["conditions"][0]["status"] == "Unknown"
    assert not shown["ready"]


@pytest.mark.parametrize("command", ["plan", "validate"])
@pytest.mark.parametrize(
    ("name", "meant"), [("antilope", 'did you mean "antelope"?'), ("wombat", "known: juno, 2014.2, "), ("xx", "2026.2)")]
)
def test_an_unknown_release_is_told_with_the_known_ones(folder: Path, command: str, name: str, meant: str) -> None:
    """A mistyped name is an error, and nobody is asked."""
    done = run(folder, command, "--release", name)
    assert done.returncode == 1
    assert done.stderr.startswith(f'no OpenStack release "{name}" is known (')
    assert meant in done.stderr
    assert done.stdout == ""


def test_what_the_other_release_does_not_allow_is_an_error(folder: Path) -> None:
    """Rules and refusals count for the supposed release, with the place in the documents."""
    path = folder / "desired/all.yaml"
    old = path.read_text().replace("release: zed", "release: train")
    path.write_text(old.replace("manager: neutron", "manager: nova-network, mode: single-host"))
    assert run(folder, "validate").returncode == 0
    done = run(folder, "validate", "--release", "ussuri")
    assert done.returncode == 1
    assert "Cluster/demo: spec.network.manager: ussuri has no nova-network" in done.stderr


def test_apply_knows_no_such_option(folder: Path) -> None:
    """What is only supposed cannot be carried out."""
    done = run(folder, "apply", "--yes", "--release", "antelope")
    assert done.returncode != 0
    assert "No such option" in done.stderr
