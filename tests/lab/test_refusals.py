"""What goes wrong outside has a clear message and an exit code, and never stops what is not concerned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.lab.workspace import Workspace

if TYPE_CHECKING:
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
