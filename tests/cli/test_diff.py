"""`diff` and `plan --against`: declarations are compared in every form, with exit codes for CI."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cli.repository import ENVIRONMENT, GOOD, LIBVIRT, Repository
from tests.docs.markdown import blocks

PROGRAM = Path(sys.executable).with_name("bivisor")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository whose folder has one change that is not committed: the hypervisor's type."""
    repository = Repository(tmp_path)
    (repository.folder / "all.yaml").write_text(GOOD.replace(LIBVIRT, f"{LIBVIRT}, libvirt: {{virtType: qemu}}"))
    return repository


def run(repository: Repository, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program beside the folder, as a person does."""
    argv = [str(PROGRAM), *arguments]
    return subprocess.run(argv, cwd=repository.root / "cloud", env=ENVIRONMENT, capture_output=True, text=True, check=False)


def test_against_a_revision(repository: Repository) -> None:
    """The page says what was compared, which fields of which documents differ, and what would restart; 2 if asked for."""
    done = run(repository, "plan", "--against", "main", "--detailed-exitcode")
    assert done.returncode == 2, done.stderr
    assert done.stdout.startswith("What desired declares otherwise than main (")
    assert 'spec.libvirt.virtType  absent → "qemu"' in done.stdout
    assert '[libvirt] virt_type  "kvm" → "qemu"' in done.stdout
    assert "because: loads /etc/nova/nova-compute.conf, where [libvirt] virt_type changes" in done.stdout
    assert run(repository, "plan", "--against", "main").returncode == 0
    assert run(repository, "diff", "main").stdout == done.stdout


def test_the_manual_shows_the_programs_words(repository: Repository) -> None:
    """What the how-to shows is what the program prints of that change, and its hooks are commands that there are."""
    manual = Path(__file__).parents[2] / "docs/how-to/review-in-merge-requests.md"
    (shown,) = (block for block in blocks(manual) if block.mark == "shown by")
    assert shown.text in run(repository, *shown.name.split()[1:]).stdout
    hooks = yaml.safe_load((manual.parents[2] / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in hooks] == ["bivisor-validate", "bivisor-diff"]
    repository.commit("qemu", {})
    for hook in hooks:
        (repository.folder / "all.yaml").write_text(GOOD)
        assert run(repository, *hook["entry"].split()[1:]).returncode == 0
        (repository.folder / "all.yaml").write_text("kind: Wrong")
        assert run(repository, *hook["entry"].split()[1:]).returncode == 1


def test_two_revisions(repository: Repository) -> None:
    """The folder as it is does not matter to the difference between two commits, in whichever order."""
    repository.commit("qemu", {})
    assert run(repository, "diff", "HEAD~1", "HEAD", "--detailed-exitcode").returncode == 2
    assert '"qemu" → "kvm"' in run(repository, "diff", "HEAD", "HEAD~1").stdout
    same = run(repository, "diff", "main", "HEAD", "--detailed-exitcode")
    assert same.returncode == 0
    assert same.stdout.endswith("\n\nNo changes. Both declare the same.\n")


@pytest.mark.parametrize("edit", ["maxUnavailable: 5", "bivisor/manage: paused"])
def test_what_changes_no_unit_is_a_difference_as_well(tmp_path: Path, edit: str) -> None:
    """A limit or a mode changes no unit and yet what apply does: --detailed-exitcode says 2."""
    repository = Repository(tmp_path)
    text = GOOD.replace("metadata: {name: demo}", f"metadata: {{name: demo, annotations: {{{edit}}}}}")
    if not edit.startswith("bivisor"):
        text = GOOD.replace("spec:\n  release", f"spec:\n  rollout: {{{edit}}}\n  release")
    assert text != GOOD
    (repository.folder / "all.yaml").write_text(text)
    done = run(repository, "diff", "HEAD", "--detailed-exitcode")
    assert done.returncode == 2, done.stderr
    assert "No unit changes." in done.stdout
    assert run(repository, "diff", "HEAD").returncode == 0


@pytest.mark.parametrize("mode", ["observe", "paused"])
def test_a_resource_that_is_left_alone_fails_no_review(tmp_path: Path, mode: str) -> None:
    """An edit of what is only observed or paused is told as held and is a difference; 3 is for what cannot be written."""
    repository = Repository(tmp_path)
    kept = GOOD.replace("metadata: {name: kvm-az}", f"metadata: {{name: kvm-az, annotations: {{bivisor/manage: {mode}}}}}")
    assert kept != GOOD
    repository.commit("left alone", {"cloud/desired/all.yaml": kept})
    (repository.folder / "all.yaml").write_text(kept.replace(LIBVIRT, f"{LIBVIRT}, libvirt: {{virtType: qemu}}"))
    done = run(repository, "diff", "HEAD", "--detailed-exitcode")
    assert done.returncode == 2, done.stderr
    assert "= held" in done.stdout
    assert run(repository, "diff", "HEAD").returncode == 0


def test_before_the_folder_there_was_nothing(tmp_path: Path) -> None:
    """The first commit, and one that brings the folder, are compared with nothing; the reverse is an error."""
    subprocess.run(["git", "init", "-q", tmp_path], env=ENVIRONMENT, check=True)
    folder = tmp_path / "cloud/desired"
    folder.mkdir(parents=True)
    (folder / "all.yaml").write_text(GOOD)
    argv = [str(PROGRAM), "diff", "HEAD", "--detailed-exitcode"]
    first = subprocess.run(argv, cwd=folder.parent, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert first.returncode == 2, first.stderr
    assert "  + create   Cluster/demo\n" in first.stdout
    (tmp_path / "later").mkdir()
    repository = Repository(tmp_path / "later")
    repository.commit("left", {"cloud/desired/all.yaml": None, "cloud/keep": ""})
    (repository.folder).mkdir(exist_ok=True)
    (repository.folder / "all.yaml").write_text(GOOD)
    later = run(repository, "diff", "HEAD", "--detailed-exitcode")
    assert later.returncode == 2, later.stderr
    assert later.stdout.partition("\n")[2] == first.stdout.partition("\n")[2]
    assert run(repository, "diff", "HEAD~1", "HEAD").returncode == 1


def test_each_form(repository: Repository) -> None:
    """Each form of a plan is one of a comparison as well."""
    data = json.loads(run(repository, "diff", "main", "-o", "json").stdout)
    assert data["compared"]["after"] == "desired"
    assert [edit["key"] for edit in data["documents"]] == ["HypervisorZone/kvm-az"]
    assert run(repository, "diff", "main", "-o", "markdown").stdout.startswith("## Plan\n\nWhat `desired` declares")
    assert run(repository, "diff", "main", "-o", "html").stdout.startswith("<!doctype html>\n")
    assert "\nssh:" in run(repository, "diff", "main", "--by", "target").stdout
    assert run(repository, "plan", "--against", "main", "--full").stdout.startswith("What desired declares")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("diff", "nope"), 'git knows no commit "nope"'),
        (("diff", "main", "nope"), 'git knows no commit "nope"'),
        (("diff", "main", ""), 'git knows no commit ""'),
        (("plan", "--against", ""), 'git knows no commit ""'),
        (("plan", "--against", "main", "-d", "/"), "/: git finds no repository around this folder"),
        (("plan", "--against", "main", "--release", "train"), "leave --release away"),
        (("plan", "--against", "", "--release", ""), "leave --release away"),
        (("diff", "main", "-o", "json", "--full"), "is about the text, and does not go with --output json"),
        (("plan", "-o", "html", "--by", "target"), "is about the text, and does not go with --output html"),
        (("plan", "--release", ""), 'no OpenStack release "" is known'),
        (("validate", "--release", ""), 'no OpenStack release "" is known'),
    ],
)
def test_what_cannot_be_compared(repository: Repository, arguments: tuple[str, ...], said: str) -> None:
    """A wrong name or place is a sentence and exit code 1; an empty one, of a variable that is not set, is as wrong."""
    done = run(repository, *arguments)
    assert done.returncode == 1
    assert said in " ".join(done.stderr.replace("│", "").split())
    assert done.stdout == ""


def test_html_and_markdown_are_utf8_whatever_the_terminal_speaks(repository: Repository) -> None:
    """A page that says that it is UTF-8 is, in a job without a locale too."""
    long = "x" * 500
    text = (repository.folder / "all.yaml").read_text() + f"---\n{node(long)}"
    (repository.folder / "all.yaml").write_text(text)
    argv = [str(PROGRAM), "diff", "main", "-o", "markdown"]
    done = subprocess.run(
        argv, cwd=repository.root / "cloud", env={**ENVIRONMENT, "LC_ALL": "C"}, capture_output=True, check=True
    )
    assert done.stdout.decode("utf-8")


def node(label: str) -> str:
    """Return a document of a host."""
    return (
        "apiVersion: bivisor/v1alpha1\nkind: Node\nmetadata: {name: späte, labels: {a: ü"
        + label
        + "}}\nspec: {address: 127.0.0.99}\n"
    ).replace("späte", "late")
