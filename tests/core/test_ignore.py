"""What documents leave to others."""

from __future__ import annotations

import pytest

from reconciler.core.errors import InputError
from reconciler.core.ownership import find_former, with_former
from resources.claims import address_of
from resources.former import TAKING
from tests.core.claimed import ALSO_A_COMPUTE, remembered, told
from tests.kinds.cloud import compiled, declared

KVM = "ssh:kvm1/config_file//etc/nova/nova-compute.conf"
SHARED = "ssh:kvm1/config_file//etc/nova/nova.conf"
NODES = "metadata: {name: kvm-az}\n"


def ignoring(*lines: str) -> dict[str, str]:
    """Return the change that lets the libvirt zone leave these to others."""
    text = "".join(f"      {line}\n" for line in lines)
    return {NODES: f"metadata:\n  name: kvm-az\n  annotations:\n    bivisor/ignore: |\n{text}"}


def test_an_ignored_option_is_not_declared() -> None:
    """It is as one that nobody declares; the rest of the file is as it was."""
    whole = declared(compiled(), KVM)
    left = declared(compiled(ignoring("config_file//etc/nova/nova-compute.conf [libvirt] cpu_mode")), KVM)
    assert whole.keys() - left.keys() == {"[libvirt] cpu_mode"}
    assert left.items() <= whole.items()


@pytest.mark.parametrize(
    ("pattern", "gone"),
    [
        ("config_file/* [libvirt] *", {"[libvirt] virt_type", "[libvirt] cpu_mode", "[libvirt] images_type"}),
        ("ssh:kvm1/config_file/*/nova-compute.conf mode", {"mode"}),
        ("ssh:kvm2/config_file/* *", set()),
        ("config_file//etc/nova/nova-compute.conf [libvirt] cpu", set()),
        ("config_file//etc/nova/nova-compute.conf [Dlibvirt] cpu_mode", set()),
    ],
)
def test_patterns(pattern: str, gone: set[str]) -> None:
    """A star is anything; everything else is what it is, brackets included, and the whole field must fit."""
    assert declared(compiled(), KVM).keys() - declared(compiled(ignoring(pattern)), KVM).keys() == gone


def test_only_what_a_unit_can_do_without_is_ignored() -> None:
    """A service is declared to run whatever is ignored, and a file has its content."""
    assert declared(compiled(ignoring("* *")), "ssh:kvm1/service/nova-compute") == {
        name: value for name, value in declared(compiled(), "ssh:kvm1/service/nova-compute").items() if name != "enabled"
    }


def test_a_document_ignores_for_itself_alone() -> None:
    """What other documents' units have is theirs to leave to others."""
    unit = "ssh:ctl1/config_file//etc/nova/vcenter/vcenter-c0/nova.conf"
    assert declared(compiled(ignoring("config_file/* *")), unit) == declared(compiled(), unit)


def test_what_is_ignored_is_not_taken_away_either() -> None:
    """We wrote the option once; from the day on which it is left to others it stays as they want it."""
    after = compiled(ignoring("config_file/* [libvirt] cpu_mode"))
    former = find_former(after, told(after, remembered(compiled())), TAKING)
    assert former.without == {}
    assert with_former(after, former).units[address_of(SHARED)] == after.units[address_of(SHARED)]


def test_what_is_ignored_stays_when_its_thing_goes() -> None:
    """The node falls out of the zone's placement: of its configuration goes what the zone did not leave to others."""
    after = compiled(ignoring("config_file/* [libvirt] cpu_mode", "service/nova-compute enabled"))
    former = find_former(after, told(after, remembered(compiled(ALSO_A_COMPUTE))), TAKING)
    assert former.units[address_of("ssh:vol2/service/nova-compute")].desired == {"active": False}
    fields = (former.units[address_of(KVM.replace("kvm1", "vol2"))].desired or {}).keys()
    assert "[libvirt] virt_type" in fields
    assert "[libvirt] cpu_mode" not in fields


@pytest.mark.parametrize(
    ("pattern", "idle"),
    [
        ("config_file/* [libvirt] cpu_mode", False),
        ("config_file/* [libvirt] cpumode", True),
        ("config_file/etc/nova/nova-compute.conf [libvirt] cpu_mode", True),
        ("service/nova-compute active", True),
        ("ssh:ctl1/config_file/* *", True),
    ],
)
def test_a_pattern_that_fits_nothing_is_told(pattern: str, idle: object) -> None:
    """Mistyped, it would leave nothing to others, and nobody would know."""
    warnings = [str(warning) for warning in compiled(ignoring(pattern)).warnings]
    place = "desired/zones.yaml:8:5: HypervisorZone/kvm-az: metadata.annotations.bivisor/ignore: warning: "
    words = "fits nothing that this document declares and could leave to others: write it as plan shows it"
    assert warnings == ([f'{place}"{pattern}" {words}'] if idle else [])


@pytest.mark.parametrize("line", ["[DEFAULT] debug", "config_file//etc/x", "x"])
def test_a_pattern_without_a_thing_or_a_field_is_an_error(line: str) -> None:
    """The message shows how one is written."""
    with pytest.raises(InputError, match="must be TYPE/NAME FIELD"):
        compiled(ignoring(line))
