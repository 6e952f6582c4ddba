"""One option has one name per release: what is meant is written as the cloud's release reads it, or refused with the reason."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.core.compile import compile_units
from reconciler.core.errors import InputError
from reconciler.core.load import load, reconsidered
from resources.cloud import UnfitReleaseError
from resources.kinds.registry import KINDS
from resources.releases.rows import OWN
from resources.releases.spelling import ROWS, rows_of, written
from resources.releases.supposed import with_release
from resources.releases.table import RELEASES
from resources.rules.registry import RULES
from tests.kinds.cloud import compiled, declared, demo_texts

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text())
GOOD = (Path(__file__).parents[1] / "rules/good.yaml").read_text()
SETTINGS = {
    "DEFAULT": {"report_interval", "service_down_time", "vif_plugging_is_fatal", "vif_plugging_timeout"},
    "vnc": {"enabled"},
    "spice": {"enabled"},
    "vmware": {"api_retry_count", "task_poll_interval"},
    "vmdk": {"vmware_api_retry_count", "vmware_task_poll_interval"},
    "kvm": {"nas_secure_file_operations", "nas_secure_file_permissions", "nfs_mount_point_base"},
}
"""What the demo's documents set beside what kinds write: no business of the tables."""


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case['service']}-{case['release']}") for case in CASES])
def test_written(case: dict[str, Any]) -> None:
    """Each option gets the name that the release has for it, is left out, or is refused with release, reason and remedy."""
    asked = (str(case["release"]), case["service"], case["options"])
    more = {"own": case.get("own", ""), "settings": case.get("settings", {})}
    if "refused" in case:
        with pytest.raises(UnfitReleaseError) as caught:
            written(*asked, **more)
        assert list(caught.value.reasons) == case["refused"]
    else:
        assert written(*asked, **more) == case["written"]


@pytest.mark.parametrize("release", ["train", "zed", "hibiscus"])
@pytest.mark.parametrize("texts", [pytest.param(demo_texts(), id="demo"), pytest.param({"good.yaml": GOOD}, id="good")])
def test_every_option_that_kinds_write_is_in_the_tables(texts: dict[str, str], release: str) -> None:
    """Nothing is written of which nobody said in which releases it exists, and where that was read."""
    loaded = load(texts, KINDS, RULES)
    catalog = compile_units(reconsidered(loaded, with_release(loaded.resources, release), RULES), KINDS, None, None)
    own = {key.name for key in loaded.resources if key.kind in ("VolumeBackend", "ImageStore")}
    known = {
        (service, *place)
        for service, rows in ROWS.items()
        for row in rows
        for place in ((row.at,) if row.at else ((row.section, name) for name in row.names))
    }
    unknown = set()
    for unit in catalog.units.values():
        service = unit.address.name.split("/")[2] if unit.type == "config_file" else ""
        for field in unit.desired or {}:
            if service and field.startswith("["):
                section, name = field[1:].split("] ", 1)
                if (service, OWN if section in own else section, name) not in known and name not in SETTINGS.get(section, ()):
                    unknown.add(f"{service}: {field}")
    assert unknown == set()


def test_a_cloud_of_the_newest_release_has_no_old_names() -> None:
    """The demo of Hibiscus: what Zed's options are called there, and the old names are taken away."""
    facts = declared(compiled({"release: zed": "release: hibiscus"}), "ssh:kvm1/config_file//etc/nova/nova.conf")
    assert facts["[placement] region_name"] == "RegionOne"
    assert {facts[name] for name in ("[placement] os_region_name", "[DEFAULT] use_neutron", "[neutron] auth_plugin")} == {None}


def test_a_refusal_stands_at_its_resource() -> None:
    """All that the release does not allow is said at once, with file and line."""
    with pytest.raises(InputError) as caught:
        compiled({"release: zed": "release: pike"})
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[:3] for line in lines] == [["desired/cluster.yaml:8:1", "Cluster/demo", "spec"]] * 2
    assert "api_servers" in lines[0]


def test_what_a_release_lacks_can_be_said_in_settings() -> None:
    """A cloud of Pike is compiled when the settings say where Glance and Neutron are."""
    texts = demo_texts()
    texts["desired/cluster.yaml"] = texts["desired/cluster.yaml"].replace("release: zed", "release: pike")
    settings = "settings:\n      glance: {api_servers: 'http://g:9292'}\n      neutron: {url: 'http://n:9696'}"
    texts["desired/cluster.yaml"] = texts["desired/cluster.yaml"].replace("settings:", settings)
    del texts["desired/images.yaml"]
    catalog = compile_units(load(texts, KINDS, RULES), KINDS, None, None)
    nova = declared(catalog, "ssh:kvm1/config_file//etc/nova/nova.conf")
    assert nova["[glance] api_servers"] == "http://g:9292"
    assert nova["[placement] os_region_name"] == "RegionOne"
    assert nova["[DEFAULT] use_neutron"] == "True"
    cinder = declared(catalog, "ssh:vol1/config_file//etc/cinder/cinder.conf")
    assert cinder["[vmdk] backend_availability_zone"] == "vcenter-az"
    assert cinder["[service_user] username"] is None


def changed(before: str, after: str) -> dict[str, tuple[object, object]]:
    """Return what differs in the configuration of the vCenter compute, once the old release is converged."""
    old, new = (
        declared(
            compiled({"release: zed": f"release: {release}"}), "ssh:ctl1/config_file//etc/nova/vcenter/vcenter-c0/nova.conf"
        )
        for release in (before, after)
    )
    return {name: (old.get(name), new.get(name)) for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def test_an_upgrade_leaves_no_old_name_behind() -> None:
    """What the next release calls otherwise or has no more is taken away in the same change; the rest stays as it is."""
    assert changed("train", "ussuri") == {"[DEFAULT] use_neutron": ("True", None)}
    assert changed("zed", "hibiscus") == {}


@pytest.mark.parametrize("service", sorted(ROWS))
def test_the_tables_hold_together(service: str) -> None:
    """Rows name releases and sources; of one option no two share a release, none leaves a hole, the newest has its own name."""
    options = {(row.section, name) for row in ROWS[service] for name in row.names}
    for section, name in options:
        rows = rows_of(service, section, name)
        assert all(row.source and row.first in RELEASES and (not row.last or row.last in RELEASES) for row in rows)
        assert all(row.at is None or len(row.names) == 1 for row in rows), name
        spans = [(RELEASES[row.first].nova, RELEASES[row.last].nova if row.last else None) for row in rows]
        assert all(end is not None and end + 1 == start for (_, end), (start, _) in pairwise(spans)), name
        assert next(row for row in reversed(rows) if not row.missing).at is None, name
