"""What hosts remember, and units of what is declared no more, with hosts that they might find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from resources.claims import Claim
from resources.contract import Address, Need
from resources.former import TAKING
from resources.units.config_file import ConfigFile
from resources.units.inventory import Inventory
from tests.units.drawn import KVM1, Case
from tests.units.drawn_host import PATH, a_host, of_file
from tests.units.model.host import Daemon

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

ADDRESS = f"ssh:kvm1/config_file/{PATH}"
WHOLE = {
    "cloud": "demo",
    "origins": [],
    "fields": ["exists"],
    "needed_by": [],
    "lodging": [],
    "about": {},
    "wrote": "",
    "at": "",
}


@st.composite
def inventories(draw: DrawFn) -> Case:
    """Draw the question for what is ours, and what of it to forget; of hosts that remember nothing, all, or half of it."""
    host = a_host()
    host.claims = draw(
        st.sampled_from([{}, {ADDRESS: WHOLE}, {ADDRESS: {**WHOLE, "cloud": "other"}}, {ADDRESS: {}}, {"x": WHOLE}])
    )
    unit = Inventory.of(KVM1, "demo")
    part = {**WHOLE, "fields": [], "without": ["exists"]}
    choices: list[dict[str, Any]] = [{}, {ADDRESS: None}, {ADDRESS: part}, {"ssh:kvm1/file//etc/x": None}]
    forgotten = draw(st.sampled_from(choices))
    owns = frozenset(f"claims {address}" for address in forgotten)
    return Case(unit.forgetting(forgotten) if forgotten else unit, {KVM1: host}, owns)


@st.composite
def rests(draw: DrawFn) -> Case:
    """Draw the wait for the end of a process that runs, does not, or never was; which the plan ends, or a person must."""
    host = a_host()
    if draw(st.booleans()):
        host.daemons["nova-compute.service"] = Daemon(active=draw(st.sampled_from(["active", "inactive", "failed"])))
    needs = draw(st.sampled_from([(), (Need(Address(KVM1, "service", "nova-compute"), "it ends there"),)]))
    return Case(TAKING.rest(KVM1, "nova-compute.service", needs), {KVM1: host})


@st.composite
def former_config_files(draw: DrawFn) -> Case:
    """Draw options that were ours, in files that were made for them or not, with and without others' words."""
    fields = draw(st.sets(st.sampled_from(["exists", "[DEFAULT] port", "[vmware] names"]))) | {"[DEFAULT] host"}
    wrote = "", "0123456789abcdef [DEFAULT] port\n0123456789abcdef [DEFAULT] other"
    about = {"secret": draw(st.sampled_from(["", "[DEFAULT] host"])), "values": draw(st.sampled_from(wrote))}
    unit = ConfigFile.former(Claim(Address(KVM1, ConfigFile.type, PATH), "demo", (), frozenset(fields), about=about))
    assert unit is not None
    lines = st.sampled_from(
        ["host = a", "port=10", "names = a", "names = b", "# by hand", "theirs = 1", "[vmware]", "[theirs]", ""]
    )
    text = "\n".join(["[DEFAULT]", *draw(st.lists(lines, max_size=8)), ""])
    return of_file(unit, a_host(content=text.encode() if draw(st.booleans()) else None), PATH)
