"""What is written for the lab's release is checked against what the installed services themselves define."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.desired import compile_offline
from resources.releases.rows import OWN
from resources.releases.spelling import ROWS
from resources.releases.table import RELEASES
from tests.lab import option_definitions
from tests.lab.workspace import REPOSITORY

if TYPE_CHECKING:
    from reconciler.core.compile import Catalog
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

HOSTS = {"nova": "ctl1", "cinder": "vol1", "glance": "api1"}
"""All hosts have the same packages; a host without a service's package would know none of its options."""


def declared(catalog: Catalog, service: str) -> list[tuple[str, str]]:
    """Return section and name of every option that is declared for a service's files and is to be set."""
    fields = {
        name
        for unit in catalog.units.values()
        if unit.type == "config_file" and unit.address.name.startswith(f"/etc/{service}/")
        for name, value in (unit.desired or {}).items()
        if name.startswith("[") and value is not None
    }
    return sorted((section, name) for section, name in (field[1:].split("] ", 1) for field in fields))


def objections(lab: Lab, catalog: Catalog, service: str, options: list[tuple[str, str]]) -> list[str]:
    """Return what the service's own definitions have against the options."""
    own = [key.name for key in catalog.resources if key.kind in ("VolumeBackend", "ImageStore")]
    asked = json.dumps({"service": service, "own": own, "options": options})
    program = Path(option_definitions.__file__ or "").read_text(encoding="utf-8")
    answer: list[str] = json.loads(
        lab.exec(HOSTS[service], "/usr/bin/python3", "-B", "-c", program, stdin=asked, timeout_s=120).stdout
    )
    return answer


@pytest.mark.parametrize("service", sorted(HOSTS))
def test_no_option_is_unknown_or_deprecated(lab: Lab, service: str) -> None:
    """Every option of the demo is one that the installed service registers under that name, and keeps."""
    _, catalog, _ = compile_offline(REPOSITORY / "desired")
    options = declared(catalog, service)
    assert options
    assert objections(lab, catalog, service, options) == []


@pytest.mark.parametrize("service", sorted(HOSTS))
def test_the_release_tables_are_true_of_the_labs_release(lab: Lab, service: str) -> None:
    """Of every option that the tables give to that release, the demo's and all others, the same holds."""
    _, catalog, _ = compile_offline(REPOSITORY / "desired")
    (release,) = (RELEASES[one.spec.release] for key, one in catalog.resources.items() if key.kind == "Cluster")
    backend = next(key.name for key in catalog.resources if key.kind == "VolumeBackend")
    rows = [row for row in ROWS[service] if release.within(row.first, row.last) and not row.missing]
    options = [(backend if row.section == OWN else row.section, name) for row in rows for name in row.names]
    assert objections(lab, catalog, service, options) == []


def test_the_check_itself_sees_what_is_wrong(lab: Lab) -> None:
    """An option of another release, a deprecated name and a misspelt one are told apart from a good one."""
    _, catalog, _ = compile_offline(REPOSITORY / "desired")
    options = [("DEFAULT", "use_neutron"), ("DEFAULT", "lock_path"), ("DEFAULT", "host"), ("vmware", "host_pasword")]
    found = objections(lab, catalog, "nova", options)
    assert [line.split(":")[0] for line in found] == [
        "[DEFAULT] use_neutron is unknown",
        "[DEFAULT] lock_path is deprecated",
        "[vmware] host_pasword is unknown",
    ]
