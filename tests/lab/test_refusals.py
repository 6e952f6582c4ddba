"""What goes wrong outside has a clear message and an exit code, and never stops what is not concerned."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.lab.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Workspace:
    """Documents of its own for each test, over whatever state the cloud is in: only plans are made here."""
    lab.vcenter.clear_faults()
    return Workspace.make(tmp_path, lab)


def test_an_unreachable_host_is_unknown(lab: Lab, desk: Workspace) -> None:
    """A host without a cable: its units are unknown with the address and the reason, the others are planned; exit 3."""
    lab.cut("vol1")
    try:
        page = desk.run("plan", exits=3).stdout
    finally:
        lab.mend("vol1")
    assert "ssh:vol1" in page
    assert "10.77.0.31" in page
    assert "unknown" in page


def test_a_wrong_host_key_is_refused(desk: Workspace) -> None:
    """A host that shows another key than the pinned one is not talked to, and both fingerprints are named."""
    documents = list(yaml.safe_load_all((desk.folder / "desired/nodes.yaml").read_text()))
    keys = {document["metadata"]["name"]: document["spec"]["ssh"]["hostKey"] for document in documents}
    desk.edit("desired/nodes.yaml", keys["vol1"], keys["kvm1"] + "-")
    desk.edit("desired/nodes.yaml", keys["kvm1"] + "-", keys["ctl3"])
    page = desk.run("plan", exits=3).stdout
    assert "host key" in page
    assert page.count("SHA256:") >= 2


def test_a_wrong_ca_is_refused(desk: Workspace) -> None:
    """A vCenter whose certificate the CA did not sign is unknown, with the remedy; nothing that needs it acts."""
    other = Path("/etc/ssl/certs/ca-certificates.crt").read_text().split("-----END CERTIFICATE-----")[0]
    (desk.folder / "secrets/vc1-ca.pem").write_text(other + "-----END CERTIFICATE-----\n")
    page = desk.run("plan", exits=3).stdout
    assert "vcenter:vc1" in page
    assert "caFile" in page


def test_a_host_without_python_says_what_to_install(lab: Lab, desk: Workspace) -> None:
    """Python is all that a host needs besides OpenSSH; where it is missing, that is said."""
    lab.exec("vol1", "mv", "/usr/bin/python3", "/usr/bin/python3.away")
    try:
        page = desk.run("plan", exits=3).stdout
    finally:
        lab.exec("vol1", "mv", "/usr/bin/python3.away", "/usr/bin/python3")
    assert "ssh:vol1" in page
    assert "no python3" in page


def test_a_silent_vcenter_is_unknown_within_its_deadline(lab: Lab, desk: Workspace) -> None:
    """A vCenter that accepts a question and never answers does not hang the plan."""
    lab.vcenter.black_hole("RetrievePropertiesEx")
    lab.vcenter.black_hole("RetrieveProperties")
    try:
        page = desk.run("plan", exits=3, timeout_s=120).stdout
    finally:
        lab.vcenter.clear_faults()
    assert "vcenter:vc1" in page
    assert "unknown" in page


@pytest.fixture
def arguments_seen(lab: Lab) -> Iterator[list[str]]:
    """Collect the arguments of every process on the machine and all hosts while the test runs."""
    seen: set[str] = set()
    end = threading.Event()

    def watch() -> None:
        while not end.is_set():
            for folder in Path("/proc").iterdir():
                if folder.name.isdigit():
                    try:
                        seen.add((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                    except OSError:
                        continue
            end.wait(0.02)

    del lab
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    found: list[str] = []
    yield found
    end.set()
    thread.join()
    secret = found.pop()
    assert not [argv for argv in seen if secret in argv]


def test_secrets_show_nowhere(lab: Lab, desk: Workspace, arguments_seen: list[str]) -> None:
    """A canary password reaches its files, and no output, log, process argument, inventory or world-readable file."""
    canary = "canary$7f3a-Zebra"
    lab.vcenter.set_password(canary)
    path = desk.folder / "secrets/vc1.yaml"
    old = yaml.safe_load(path.read_text())["password"]
    path.write_text(f"username: administrator@vsphere.local\npassword: {canary}\n")
    debug = ("--log-level", "debug", "--log-json")
    try:
        forms = (("plan", "-o", form) for form in ("text", "json", "markdown", "html"))
        commands = (*forms, ("plan", "--full"), ("apply", "--yes"), ("status",), ("graph",), ("validate",))
        said = [desk.run(*debug, *command, exits=None) for command in commands]
        everything = "".join(one.stdout + one.stderr for one in said)
        for form in (canary, canary.replace("$", "$$"), "Zebra"):
            assert form not in everything
        config = "/etc/nova/vcenter/vcenter-c0/nova.conf"
        assert canary.replace("$", "$$") in lab.exec("ctl1", "cat", config).stdout
        assert lab.exec("ctl1", "stat", "-c", "%a %U %G", config).stdout.split() == ["640", "root", "nova"]
        assert "Zebra" not in lab.exec("ctl1", "sh", "-c", "cat /var/lib/bivisor/*").stdout
        assert lab.exec("ctl1", "stat", "-c", "%a", "/var/lib/bivisor").stdout.strip() == "700"
        assert "Zebra" not in lab.exec("ctl1", "cibadmin", "--query").stdout
        journal = lab.exec("ctl1", "journalctl", "--no-pager", check=False).stdout
        assert "Zebra" not in journal
    finally:
        lab.vcenter.set_password(old)
        arguments_seen.append("Zebra")
