"""What a person means who asks about something."""

from __future__ import annotations

import pytest

from reconciler.core.asked import Asked, find_asked, find_field
from reconciler.core.errors import UnknownNameError
from resources.contract import Key
from tests.core.simple import address

ZONE = Key("HypervisorZone", "kvm-az")
CONF = address("ssh:kvm1/config_file//etc/nova/nova.conf")
OTHER = address("ssh:kvm2/config_file//etc/nova/nova.conf")
VCENTER = address("ssh:ctl1/config_file//etc/nova/vcenter/c0/nova.conf")
RESOURCE = address("pacemaker:demo/primitive/nova-compute-c0")
UNITS = (CONF, OTHER, VCENTER, RESOURCE)

MEANT = [
    ("HypervisorZone/kvm-az", Asked(ZONE)),
    ("ssh:kvm1/config_file//etc/nova/nova.conf", Asked(CONF)),
    ("kvm1/nova.conf", Asked(CONF)),
    ("ssh:kvm1/nova.conf", Asked(CONF)),
    ("kvm2//etc/nova/nova.conf", Asked(OTHER)),
    ("ctl1/nova.conf", Asked(VCENTER)),
    ("c0/nova.conf", Asked(VCENTER)),
    ("nova-compute-c0", Asked(RESOURCE)),
    ("kvm1/nova.conf.host", Asked(CONF, "host")),
    ("kvm1/nova.conf.[DEFAULT] a.b", Asked(CONF, "[DEFAULT] a.b")),
    ("ssh:kvm1/config_file//etc/nova/nova.conf.[DEFAULT] host", Asked(CONF, "[DEFAULT] host")),
]


@pytest.mark.parametrize(("text", "asked"), MEANT)
def test_a_name_is_understood_whole_or_by_its_end(text: str, asked: Asked) -> None:
    """As plan shows it, by an end, by the host and an end; with a field behind a dot."""
    assert find_asked(text, "", (ZONE,), UNITS) == asked


def test_a_field_beside_the_address_leaves_its_dots_alone() -> None:
    """The second argument is the field; nothing is taken off the address then."""
    assert find_asked("kvm1/nova.conf", "host", (ZONE,), UNITS) == Asked(CONF, "host")
    with pytest.raises(UnknownNameError):
        find_asked("kvm1/nova.conf.host", "host", (ZONE,), UNITS)


def test_an_end_of_several_addresses_names_them() -> None:
    """Nothing is picked for a person."""
    with pytest.raises(UnknownNameError, match=r"3 units.*kvm1.*kvm2"):
        find_asked("nova.conf", "", (ZONE,), UNITS)


@pytest.mark.parametrize(
    ("text", "near"),
    [("kvm1/nova.cnf", str(CONF)), ("HypervisorZone/kvm", str(ZONE)), ("zzz", "bivisor status"), ("nova.conf.host", str(CONF))],
)
def test_an_unknown_name_tells_what_is_near(text: str, near: str) -> None:
    """The nearest addresses and resources, or where all are listed."""
    with pytest.raises(UnknownNameError) as error:
        find_asked(text, "", (ZONE,), UNITS)
    assert near in str(error.value)


FIELDS = ("[DEFAULT] host", "[a] user", "[b] user", "mode")


@pytest.mark.parametrize(
    ("wanted", "field"), [("[DEFAULT] host", "[DEFAULT] host"), ("host", "[DEFAULT] host"), ("mode", "mode")]
)
def test_a_field_may_be_called_by_its_option(wanted: str, field: str) -> None:
    """The section may be left away where one section has it."""
    assert find_field(wanted, FIELDS, CONF) == field


@pytest.mark.parametrize(
    ("wanted", "said"),
    [("user", r'write "\[a\] user" or "\[b\] user"'), ("hst", r'did you mean "\[DEFAULT\] host"'), ("zzz", "bivisor why")],
)
def test_an_unknown_field_tells_what_would_be_right(wanted: str, said: str) -> None:
    """And that whatever nobody declares is left alone."""
    with pytest.raises(UnknownNameError, match=said):
        find_field(wanted, FIELDS, CONF)
