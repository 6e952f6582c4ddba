"""`bivisor why` as a person runs it: of the documents and of git; what hosts tell is tried elsewhere."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.repository import ENVIRONMENT, GOOD, LIBVIRT, Repository
from tests.cli.test_port_groups import desk
from tests.docs.markdown import blocks

__all__ = ["desk"]

PROGRAM = Path(sys.executable).with_name("bivisor")
VIRT_TYPE = "[libvirt] virt_type"
_HASH = re.compile(r"\b[0-9a-f]{10}\b")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with a second commit, of the hypervisor's type."""
    repository = Repository(tmp_path)
    repository.commit("qemu", {"cloud/desired/all.yaml": GOOD.replace(LIBVIRT, f"{LIBVIRT},\n  libvirt: {{virtType: qemu}}")})
    return repository


def why(repository: Repository, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask offline, beside the folder."""
    argv = [str(PROGRAM), "why", "--offline", *arguments]
    return subprocess.run(argv, cwd=repository.root / "cloud", env=ENVIRONMENT, capture_output=True, text=True, check=False)


def test_a_field_is_traced_to_its_line_and_its_commit(repository: Repository) -> None:
    """File and line of the word, and who wrote it when; the field by its option's name, behind the address or beside it."""
    lines = (repository.folder / "all.yaml").read_text().splitlines()
    (line,) = (number for number, line in enumerate(lines, start=1) if "virtType" in line)
    done = why(repository, "kvm1/nova-compute.conf.virt_type")
    assert (done.returncode, done.stderr) == (0, "")
    assert f'{VIRT_TYPE}  "qemu"' in done.stdout
    assert f"spec.libvirt.virtType  desired/all.yaml:{line}\n" in done.stdout
    assert "2026-01-01  A: qemu\n" in done.stdout
    assert why(repository, "kvm1/nova-compute.conf", VIRT_TYPE).stdout == done.stdout


def test_programs_get_the_same(repository: Repository) -> None:
    """The JSON names word, file, line and commit."""
    done = why(repository, "kvm1/nova-compute.conf", "virt_type", "-o", "json")
    answer = json.loads(done.stdout)
    assert (answer["version"], answer["field"], answer["state"]) == (1, VIRT_TYPE, None)
    ((source,),) = [field["sources"] for field in answer["fields"]]
    assert (source["path"], source["by"]["summary"], len(source["by"]["commit"])) == ("spec.libvirt.virtType", "qemu", 40)


def test_what_is_not_committed_is_said_to_be_so(repository: Repository) -> None:
    """The line of a change that is only in the folder; and without git, file and line alone."""
    file = repository.folder / "all.yaml"
    file.write_text(file.read_text().replace("virtType: qemu", "virtType: kvm"))
    assert "not committed yet\n" in why(repository, "kvm1/nova-compute.conf", "virt_type").stdout
    (repository.root / ".git").rename(repository.root / "git")
    done = why(repository, "kvm1/nova-compute.conf", "virt_type")
    assert "spec.libvirt.virtType  desired/all.yaml:" in done.stdout
    assert "committed" not in done.stdout


def test_a_resource_lists_its_units(repository: Repository) -> None:
    """Nobody was asked how they stand, and that is said."""
    done = why(repository, "HypervisorZone/kvm-az")
    assert done.returncode == 0
    assert "nobody was asked how they stand" in done.stdout
    assert "  ssh:kvm1/config_file//etc/nova/nova-compute.conf" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("kvm1/nova-compute.cnf",), 'near are "ssh:kvm1/config_file//etc/nova/nova-compute.conf"'),
        (("kvm1/nova-compute.conf", "virt_tpe"), f'did you mean "{VIRT_TYPE}"?'),
        (("nova-compute.conf.",), "nothing is called"),
    ],
)
def test_a_wrong_name_is_a_message(repository: Repository, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 1, what is near, and no trace."""
    done = why(repository, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_left_field_names_who_leaves_it(repository: Repository) -> None:
    """What a document leaves to others is declared by nobody, and that is told."""
    file = repository.folder / "all.yaml"
    text = file.read_text()
    left = 'annotations: {bivisor/ignore: "config_file//etc/nova/nova-compute.conf [libvirt] virt_type"}'
    file.write_text(text.replace("{name: kvm-az}", f"{{name: kvm-az, {left}}}"))
    done = why(repository, "kvm1/nova-compute.conf", VIRT_TYPE)
    assert done.returncode == 0, done.stderr
    assert "to others, by bivisor/ignore of HypervisorZone/" in done.stdout


def test_the_manual_shows_the_programs_words(repository: Repository) -> None:
    """What the how-to shows is what the program prints."""
    manual = Path(__file__).parents[2] / "docs/how-to/ask-why.md"
    (shown,) = (block for block in blocks(manual) if block.mark == "shown by")
    printed = why(repository, *shlex.split(shown.name)[2:]).stdout
    assert _HASH.sub("HASH", shown.text) == _HASH.sub("HASH", printed)


def test_a_vcenter_answers_while_every_host_is_silent(desk: Path) -> None:
    """A port group is explained by what its vCenter says, 0, and a host's unit by why nobody knows, 3; secrets never show."""
    here = run_beside(desk, "why", "port_group/DVS0/provider-100")
    assert here.returncode == 0, here.stderr
    assert "  state       create: it does not exist" in here.stdout
    assert re.search(r"vlan +- absent\n +\+ 100\n +HypervisorZone/vcenter-az spec.vmware.portGroups\[0\].vlan ", here.stdout)
    assert "  1 unit as declared" in here.stdout
    lost = run_beside(desk, "why", "kvm1/nova.conf", "-o", "json")
    assert lost.returncode == 3
    answer = json.loads(lost.stdout)
    assert answer["state"]["verb"] == "unknown"
    assert answer["state"]["ours"] == "nobody knows: ssh:kvm1 does not tell what it remembers"
    assert answer["state"]["next"] == "by the first `bivisor apply` that can see it"
    assert [need["verb"] for need in answer["needs"]] == ["unknown", "unknown"]
    assert all(each["declared"] in ("(secret)", None) for each in answer["fields"] if each["name"].endswith("password"))


def run_beside(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder with its `desired`, and with a history of its own."""
    environment = {**ENVIRONMENT, "BIVISOR_STATE": str(folder / "state")}
    return subprocess.run([PROGRAM, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
