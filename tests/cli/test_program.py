"""The program as it is called: exit codes mean one thing each, and mistakes are told on standard error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).with_name("bivisor")
DESIRED = Path(__file__).parents[2] / "desired"


def run(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program to its end, in a folder of its own."""
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    return subprocess.run([PROGRAM, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("plam",),
        ("plan", "--jsn"),
        ("plan", "-o", "yaml"),
        ("plan", "desired"),
        ("--log-level", "loud", "plan"),
        ("plan", "-d"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_no_pending_change(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """A slip on the command line ends with 1, never with 2, which says that changes are pending."""
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == 1
    assert "Error: " in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    "arguments", [("--help",), ("plan", "--help"), ("--version",), ("explain",), ("schema",)], ids=" ".join
)
def test_what_asks_nobody_ends_with_0(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Help and explanations need no documents."""
    done = run(*arguments, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["validate", "plan", "apply", "status", "graph"])
def test_a_folder_that_is_not_there(command: str, tmp_path: Path) -> None:
    """Without documents each command says which folder it looked for, and how to name another one."""
    done = run(command, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "desired: no such folder: name the folder of the documents with --desired DIR\n"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """A document instead of its folder is told as such."""
    done = run("validate", "--desired", str(DESIRED / "zones.yaml"), folder=tmp_path)
    assert done.returncode == 1
    assert "is a file, not a folder" in done.stderr


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
    """Nothing declared is not taken for a wish to have nothing."""
    (tmp_path / "desired").mkdir()
    done = run("validate", folder=tmp_path)
    assert done.returncode == 1
    assert "an empty declaration is taken for a mistake" in done.stderr


@pytest.mark.parametrize("command", ["validate", "plan", "graph"])
def test_documents_that_are_all_comments_are_a_mistake(command: str, tmp_path: Path) -> None:
    """Files without a document declare as little as no file; a plan must not call the cloud as declared for them."""
    (tmp_path / "desired").mkdir()
    (tmp_path / "desired/cluster.yaml").write_text("# nothing yet\n---\n")
    done = run(command, folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "desired: no document in its .yaml files: an empty declaration is taken for a mistake\n"


def test_a_plan_of_nothing_is_a_mistake(tmp_path: Path) -> None:
    """Documents that declare no unit are valid, but no plan says of them that the cloud is as declared."""
    (tmp_path / "desired").mkdir()
    (tmp_path / "desired/nodes.yaml").write_text((DESIRED / "nodes.yaml").read_text())
    done = run("plan", folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "desired: declares nothing that could be looked at: no document is of kind Cluster\n"
    assert run("validate", folder=tmp_path).returncode == 0


def test_a_file_that_is_gone_is_told_as_such(tmp_path: Path) -> None:
    """A link that leads nowhere is not called a text in the wrong encoding."""
    (tmp_path / "desired").mkdir()
    (tmp_path / "desired/a.yaml").symlink_to("nowhere.yaml")
    done = run("validate", folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "desired/a.yaml: cannot be read: No such file or directory\n")


def test_a_wrong_choice_is_told_in_words(tmp_path: Path) -> None:
    """What an option does not take is said with what it takes, and nothing of the library that found it."""
    done = run("graph", "-o", "png", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith("Invalid value for '--output' / '-o': 'png' is not one of 'dot', 'mermaid', 'svg'.\n")


def test_the_list_of_commands_is_whole(tmp_path: Path) -> None:
    """No command's line is cut on a page of 80 columns."""
    assert "..." not in run("--help", folder=tmp_path).stdout.partition("Commands:")[2]


def test_the_demo_is_valid(tmp_path: Path) -> None:
    """Validate needs no secret and no host."""
    done = run("validate", "--desired", str(DESIRED), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "resources are valid" in done.stdout


def test_missing_secrets_are_told_before_anybody_is_asked(tmp_path: Path) -> None:
    """Each Secret whose file is missing is named with its place, and no stack trace."""
    (tmp_path / "desired").symlink_to(DESIRED)
    done = run("plan", folder=tmp_path)
    assert done.returncode == 1
    assert "desired/secrets.yaml:6:8: Secret/vc1: spec.file: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["validate", "plan"])
def test_closed_streams_are_no_trouble(command: str, closed: str, tmp_path: Path) -> None:
    """Called with a standard stream closed, as some supervisors do, a command ends as it does otherwise."""
    (tmp_path / "desired").symlink_to(DESIRED)
    expected = run(command, folder=tmp_path).returncode
    done = subprocess.run(["sh", "-c", f"{PROGRAM} {command} {closed}"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == expected


def test_output_that_finds_no_room_is_told(tmp_path: Path) -> None:
    """A full disk under a plan that is saved is a message, no stack trace."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([PROGRAM, "schema"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "bivisor: the output cannot be written: No space left on device\n")


def test_a_reader_may_go_away(tmp_path: Path) -> None:
    """When nobody reads on, the program ends as others do in a pipe, and says nothing."""
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run([PROGRAM, "schema"], cwd=tmp_path, stdout=writes, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writes)
    assert (done.returncode, done.stderr) == (141, "")


def test_every_character_finds_a_form(tmp_path: Path) -> None:
    """Where the output takes ASCII only, help texts are written with escapes."""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "ascii"}
    asked = [str(PROGRAM), "explain", "Node.spec.ssh.hostKey"]
    done = subprocess.run(asked, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_mistake_of_ours_tells_no_secret() -> None:
    """A stack trace passes the redactor, so that it can be sent to somebody."""
    program = """
from reconciler import log
from reconciler.cli import main
from reconciler.redact import Redactor
from resources.contract import SecretText

def broken():
    log.set_up(level="warning", as_json=False, redact=Redactor({"it": {"value": SecretText("canary-in-a-trace")}}))
    raise RuntimeError("the value is " + "canary" + "-in-a-trace")

main.app.command(name="broken")(broken)
main.main()
"""
    done = subprocess.run([sys.executable, "-c", program, "broken"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "canary-in-a-trace" not in done.stderr
    assert "RuntimeError: the value is (secret)" in done.stderr
    assert "not yours" in done.stderr


def last_words(folder: Path, *arguments: str, exits: int = 1) -> dict[str, Any]:
    """Run the program with a log of JSON; return its last line."""
    done = subprocess.run([PROGRAM, "--log-json", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == exits
    told: dict[str, Any] = [json.loads(line) for line in done.stderr.splitlines()][-1]
    assert (told["event"], told["exit"], told["level"]) == ("ended", exits, "error")
    return told


def test_a_log_of_json_ends_with_json(tmp_path: Path) -> None:
    """Why it ended is a line as all others are: a missing folder, several mistakes, a wrong option."""
    assert "desired" in last_words(tmp_path, "run")["message"]
    (tmp_path / "desired").mkdir()
    (tmp_path / "run.yaml").write_text("lissten: 1\nwebhooks: 2\n")
    assert last_words(tmp_path, "run", "--settings", "run.yaml")["message"].count("run.yaml:") == 2
    assert "--once" in last_words(tmp_path, "run", "--once", "--observe-only")["message"]


def test_a_mistake_of_ours_is_a_line_of_json_too() -> None:
    """The trace stands in a field of its own, without secrets."""
    program = """
from reconciler import log
from reconciler.cli import main

def broken():
    log.mask(lambda text: text.replace("canary", "(secret)"))
    raise RuntimeError("the value is canary")

main.app.command(name="broken")(broken)
main.main()
"""
    done = subprocess.run([sys.executable, "-c", program, "--log-json", "broken"], capture_output=True, text=True, check=False)
    told = json.loads(done.stderr)
    assert (done.returncode, told["event"], told["exit"]) == (1, "ended", 1)
    assert "RuntimeError: the value is (secret)" in told["exception"]
    assert "not yours" in told["message"]
