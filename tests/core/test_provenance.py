"""Which words of the documents decide a unit: tried on the demo's documents, with the real kinds."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from reconciler.core.compile import compile_units
from reconciler.core.load import load
from reconciler.core.provenance import trace
from reconciler.core.variants import Reading
from reconciler.core.wording import dotted
from resources.contract import EXISTS
from resources.kinds.registry import KINDS
from resources.rules.registry import RULES
from tests.core.simple import address
from tests.kinds.cloud import compiled, demo_texts

if TYPE_CHECKING:
    from reconciler.core.load import Loaded
    from reconciler.core.provenance import Provenance
    from resources.contract import Address

CONF = "ssh:kvm1/config_file//etc/nova/nova.conf"
COMPUTE_CONF = "ssh:kvm1/config_file//etc/nova/nova-compute.conf"
VMWARE_CONF = "ssh:ctl1/config_file//etc/nova/vcenter/vcenter-c0/nova.conf"
VMWARE = "HypervisorZone/vcenter-az spec.vmware.computes[0]"
SCALES = (("yoga", "zed", "antelope"),)


@cache
def demo() -> Loaded:
    """Return the demo's documents."""
    return load(demo_texts(), KINDS, RULES)


@cache
def traced(unit: str) -> Provenance:
    """Return what decides a unit of the demo."""
    return trace(compiled().units[address(unit)], demo(), Reading(KINDS, scales=SCALES))


def words(unit: str, field: str) -> list[str]:
    """Return the words that decide a field; those that nobody wrote in brackets."""
    found = traced(unit).sources.get(field, ())
    return [f"{one.key} {dotted(one.path)}" if one.written else f"({one.key} {dotted(one.path)})" for one in found]


DECIDED = [
    (CONF, "[DEFAULT] report_interval", "Cluster/demo spec.compute.settings.DEFAULT.report_interval"),
    (CONF, "[cinder] os_region_name", "Cluster/demo spec.region"),
    (CONF, "[cinder] auth_url", "Cluster/demo spec.identity.authUrl"),
    (CONF, "[cinder] password", "Cluster/demo spec.services.nova.secret"),
    (CONF, "[cinder] project_name", "(Cluster/demo spec.services.project)"),
    (COMPUTE_CONF, "[DEFAULT] host", "Node/kvm1 metadata.name"),
    (COMPUTE_CONF, "[DEFAULT] my_ip", "Node/kvm1 spec.address"),
    (COMPUTE_CONF, "[libvirt] virt_type", "HypervisorZone/kvm-az spec.libvirt.virtType"),
    (VMWARE_CONF, "[DEFAULT] host", f"{VMWARE}.host"),
    (VMWARE_CONF, "[DEFAULT] state_path", f"{VMWARE}.host"),
    (VMWARE_CONF, "[DEFAULT] graceful_shutdown_timeout", "Cluster/demo spec.pacemaker.stonith.enabled"),
    (VMWARE_CONF, "[vmware] host_ip", "VCenter/vc1 spec.host"),
    (VMWARE_CONF, "[vmware] datastore_regex", f"{VMWARE}.datastoreRegex"),
]


@pytest.mark.parametrize(("unit", "field", "word"), DECIDED)
def test_a_value_is_traced_to_the_word_that_decides_it(unit: str, field: str, word: str) -> None:
    """Through settings, references, other documents' facts, names and defaults; to no other word, asked for alone or not."""
    assert words(unit, field) == [word]
    alone = trace(compiled().units[address(unit)], demo(), Reading(KINDS, scales=SCALES), field)
    assert alone.sources[field] == traced(unit).sources[field]


def test_what_is_built_in_has_no_word() -> None:
    """A value that is the same whatever the documents say is not blamed on one; its owner is known all the same."""
    assert words(CONF, "[cinder] cross_az_attach") == []
    assert [str(key) for key in traced(CONF).owners["[cinder] cross_az_attach"]] == ["HypervisorZone/kvm-az"]


def test_a_unit_is_there_for_the_words_that_choose_its_place() -> None:
    """A role on one side and on the other."""
    assert words(CONF, EXISTS) == [
        "HypervisorZone/kvm-az spec.placement.nodes.roles[0]",
        "Node/kvm1 metadata.name",
        "Node/kvm1 spec.roles[0]",
    ]


def test_a_unit_that_is_called_after_a_word_is_there_for_it() -> None:
    """The host of a vSphere compute is in the path of its file."""
    assert f"{VMWARE}.host" in words(VMWARE_CONF, EXISTS)


@pytest.mark.parametrize("release", ["train", "ussuri"])
def test_the_release_decides_what_is_otherwise_in_the_next_one(release: str) -> None:
    """The neighbours of the release are tried, the older one as well; where they say the same, it is not named."""
    unit = compiled({"release: zed": f"release: {release}"}).units[address(CONF)]
    texts = {name: text.replace("release: zed", f"release: {release}") for name, text in demo_texts().items()}
    found = trace(unit, load(texts, KINDS, RULES), Reading(KINDS, scales=(("stein", "train", "ussuri", "victoria"),)))
    by_release = [name for name, sources in found.sources.items() if "spec.release" in (dotted(one.path) for one in sources)]
    assert by_release == ["[DEFAULT] use_neutron"]


def test_what_no_document_declares_is_decided_by_nothing() -> None:
    """A unit that hosts remember, and whose document is still there without it, is blamed on no word."""
    fewer = load({name: text.replace("roles: [compute]", "roles: []") for name, text in demo_texts().items()}, KINDS, ())
    found = trace(compiled().units[address(CONF)], fewer, Reading(KINDS))
    assert (found.owners, found.sources) == ({}, {})


def test_of_many_documents_of_a_kind_the_first_are_told_and_one_field_finds_its_own() -> None:
    """An aggregate is of all Nodes: of more than ten it is said that there are more, and asked about one, it is that one."""
    texts = demo_texts()
    (node,) = (part for part in texts["desired/nodes.yaml"].split("\n---\n") if "{name: kvm1}" in part)
    more = [node.replace("kvm1}", f"kvm{n}}}").replace("10.77.0.21", f"10.77.1.{n}") for n in range(2, 21)]
    texts["desired/nodes.yaml"] += "---\n" + "\n---\n".join(more)
    loaded = load(texts, KINDS, RULES)
    units = compile_units(loaded, KINDS, None, None).units
    aggregate = units[address("openstack:demo/aggregate/kvm-az")]
    whole = trace(aggregate, loaded, Reading(KINDS))
    assert whole.more == ("Node",)
    one = trace(aggregate, loaded, Reading(KINDS), "host kvm9")
    assert one.more == ()
    assert [str(source.key) for source in one.sources["host kvm9"]] == ["HypervisorZone/kvm-az", "Node/kvm9", "Node/kvm9"]


def test_every_unit_is_there_for_some_word() -> None:
    """Of no unit of the demo it is said that it would be there whatever the documents say."""
    for unit in compiled().units:
        assert traced(str(unit)).sources.get(EXISTS), str(unit)


EDITS = [
    ("region: RegionOne", "region: RegionTwo"),
    ("report_interval: 5\n        service_down", "report_interval: 6\n        service_down"),
    ("port: 9443", "port: 443"),
    ("virtType: qemu", "virtType: kvm"),
    ("address: 10.77.0.21", "address: 10.77.0.22"),
    ('datastoreRegex: "^LocalDS"', 'datastoreRegex: "^Other"'),
]


@pytest.mark.parametrize("edit", EDITS)
def test_what_an_edit_changes_names_the_line_that_was_edited(edit: tuple[str, str]) -> None:
    """Every field of every unit that another word in a line changes is traced to that line, and to that file."""
    old, new = edit
    before, after = compiled().units, compiled({old: new}).units
    ((file, line),) = [(name, 1 + text[: text.index(old)].count("\n")) for name, text in demo_texts().items() if old in text]
    changed = [(one, field) for one in before.keys() & after.keys() for field in _fields_that_differ(before, after, one)]
    assert changed
    for one, field in changed:
        places = [demo().positions[source.key].of(source.path) for source in traced(str(one)).sources.get(field, ())]
        assert (file, line) in [(place.file, place.line) for place in places], (str(one), field)


def _fields_that_differ(before: object, after: object, one: Address) -> list[str]:
    was, now = (units[one].desired or {} for units in (before, after))  # type: ignore[index]
    return [name for name in was if was[name] != now.get(name) and not name.startswith("@")]
