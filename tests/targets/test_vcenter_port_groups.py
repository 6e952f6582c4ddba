"""Port groups through the vcenter target: found, made and changed in a vCenter in which others work as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pyVmomi import vim, vmodl

from reconciler.targets import TargetError
from reconciler.targets.vcenter import VCenterTarget
from reconciler.targets.vcenter_networks import _complete, arranged
from reconciler.targets.vcenter_session import HalfAnswerError
from resources.contract import Action, Query, Reply
from resources.units.port_group import PortGroup
from tests.targets.test_vcenter_target import VC1, endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.lab.vcenter.process import Running

NAME = "provider/100 %"
WANTED = PortGroup.on(VC1, "DVS0", NAME, vlan=100, needs=())
CREATE = Action("port_group.create", {"vds": "DVS0", "name": NAME, "vlan": 100})
SWITCH = vim.dvs.VmwareDistributedVirtualSwitch


@pytest.fixture
async def target(vcenter: Running) -> AsyncIterator[VCenterTarget]:
    """A target over the simulator, closed at the end."""
    target = VCenterTarget(endpoint(vcenter), deadline_s=20, socket_timeout_s=5)
    yield target
    await target.close()


@pytest.fixture
def owner(login: Callable[..., AbstractContextManager[Any]]) -> Iterator[Any]:
    """The vCenter's owner, who is logged in too."""
    with login() as client:
        yield client.content


def datacenter(content: Any, name: str = "DC0") -> Any:
    """Return a datacenter."""
    return next(found for found in content.rootFolder.childEntity if found.name == name)


def network(content: Any, name: str) -> Any:
    """Return a network of the datacenter by its name, as vCenter spells it."""
    return next(found for found in datacenter(content).networkFolder.childEntity if found.name == name)


def add_switch(content: Any, name: str, *, place: str = "DC0") -> Any:
    """Make a distributed switch."""
    spec = vim.DistributedVirtualSwitch.CreateSpec(configSpec=vim.DistributedVirtualSwitch.ConfigSpec(name=name))
    return datacenter(content, place).networkFolder.CreateDVS_Task(spec).info.result


def reconfigure(group: Any, **what: Any) -> None:
    """Change a port group by hand."""
    spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(configVersion=group.config.configVersion, **what)
    assert group.ReconfigureDVPortgroup_Task(spec).info.state == "success"


async def found(target: VCenterTarget, unit: PortGroup = WANTED) -> Reply:
    """Return what the unit's question is answered with."""
    (reply,) = await target.ask(unit.queries())
    return reply


async def test_a_port_group_is_made_and_then_is_as_declared(target: VCenterTarget, owner: Any) -> None:
    """It is on the declared switch with the declared VLAN, early bound, and its name means what was written."""
    assert WANTED.observe((await found(target),)) is None
    (action,) = WANTED.actions((), None)
    assert (await target.do(action)).ok
    facts = WANTED.observe((await found(target),))
    assert facts is not None
    assert facts["vlan"] == 100
    made = network(owner, "provider%2f100 %25")
    assert made.config.distributedVirtualSwitch.name == "DVS0"
    assert (made.config.type, made.config.autoExpand) == ("earlyBinding", True)


async def test_a_drifted_vlan_is_repaired_and_nothing_else_touched(target: VCenterTarget, owner: Any) -> None:
    """What somebody else decided about the port group stays, his teaming for one."""
    await target.do(CREATE)
    made = network(owner, "provider%2f100 %25")
    teaming = SWITCH.UplinkPortTeamingPolicy(
        inherited=False, policy=vim.StringPolicy(inherited=False, value="failover_explicit")
    )
    trunk = SWITCH.TrunkVlanSpec(
        inherited=False, vlanId=[vim.NumericRange(start=1, end=20), vim.NumericRange(start=30, end=30)]
    )
    setting = SWITCH.VmwarePortConfigPolicy(vlan=trunk, uplinkTeamingPolicy=teaming)
    reconfigure(made, description="theirs", numPorts=24, defaultPortConfig=setting)
    facts = WANTED.observe((await found(target),))
    assert facts is not None
    assert facts["vlan"] == "trunk 1-20,30-30"
    (action,) = WANTED.actions((), facts)
    assert (await target.do(action)).ok
    after = made.config
    assert after.defaultPortConfig.vlan.vlanId == 100
    assert after.defaultPortConfig.uplinkTeamingPolicy.policy.value == "failover_explicit"
    assert (after.description, after.numPorts, after.type, after.name) == ("theirs", 24, "earlyBinding", "provider%2f100 %25")


async def test_a_private_vlan_is_told_in_words(target: VCenterTarget, owner: Any) -> None:
    """Nothing that a port group can carry is taken for a VLAN that it does not have."""
    await target.do(CREATE)
    setting = SWITCH.VmwarePortConfigPolicy(vlan=SWITCH.PvlanSpec(inherited=False, pvlanId=200))
    reconfigure(network(owner, "provider%2f100 %25"), defaultPortConfig=setting)
    assert (await found(target)).data["group"]["vlan"] == "private 200"


async def test_an_edit_between_look_and_write_is_not_overwritten(target: VCenterTarget, owner: Any) -> None:
    """The write names the version that was read; another one since then is a conflict, and everything is looked at again."""
    await target.do(CREATE)
    seen = (await found(target)).data["group"]
    reconfigure(network(owner, "provider%2f100 %25"), description="theirs")
    late = Action("port_group.set_vlan", {"moref": seen["moref"], "vlan": 7, "if_version": seen["version"]})
    assert (await target.do(late)).code == "conflict"
    assert (await target.do(CREATE)).code == "conflict", "and it is not made twice"
    assert (await found(target)).data["group"]["vlan"] == 100


async def test_what_is_in_the_way_is_told(target: VCenterTarget, owner: Any) -> None:
    """The name on another switch or of a standard port group, a switch that is missing or there twice, the uplinks."""
    add_switch(owner, "DVS1").AddDVPortgroup_Task(
        [vim.dvs.DistributedVirtualPortgroup.ConfigSpec(name="taken", type="earlyBinding")]
    )
    uplinks = next(one.name for one in datacenter(owner).networkFolder.childEntity if one.name.startswith("DVS0-DVUplinks"))
    for vds, name, reason in (
        ("DVS0", "taken", '"taken" is the name of a port group of switch "DVS1" too'),
        ("DVS0", "VM Network", '"VM Network" is the name of a standard port group too'),
        ("DVS7", "new", 'no distributed switch named "DVS7" in vCenter (known: DVS0, DVS1)'),
        ("DVS0", uplinks, f'"{uplinks}" is the uplink port group of switch "DVS0"'),
    ):
        unit = PortGroup.on(VC1, vds, name, vlan=5, needs=())
        facts = unit.observe((await found(target, unit),))
        assert reason in unit.blocked(facts)


async def test_a_switch_is_found_by_its_name(target: VCenterTarget) -> None:
    """Who works on a switch learns whether it is there, and which others are."""
    here, missing = await target.ask([Query("switch.find", {"name": name}) for name in ("DVS0", "DVS7")])
    assert here.data == {"switches": 1, "known": ["DVS0"]}
    assert missing.data == {"switches": 0, "known": ["DVS0"]}


async def test_another_datacenter_has_names_of_its_own(target: VCenterTarget, owner: Any) -> None:
    """The same port group on a switch of another datacenter is not in the way; two switches of one name are."""
    owner.rootFolder.CreateDatacenter("DC1")
    add_switch(owner, "DVS-east", place="DC1")
    east = PortGroup.on(VC1, "DVS-east", NAME, vlan=100, needs=())
    for unit in (WANTED, east):
        assert (await target.do(unit.actions((), None)[0])).ok
    for unit in (WANTED, east):
        facts = unit.observe((await found(target, unit),))
        assert facts is not None
        assert (facts["vlan"], unit.blocked(facts)) == (100, "")
    add_switch(owner, "DVS0", place="DC1")
    facts = WANTED.observe((await found(target),))
    assert WANTED.blocked(facts) == '2 distributed switches are named "DVS0" in vCenter: rename the others'
    assert (await target.do(CREATE)).error == '2 distributed switches are named "DVS0"'


async def test_many_port_groups_cost_one_listing(vcenter: Running, target: VCenterTarget) -> None:
    """One ask lists everything once, whatever the number of port groups; only those that are there are read on their own."""
    queries = [Query("port_group.find", {"vds": "DVS0", "name": f"missing-{number}"}) for number in range(20)]
    await target.ask([*queries, Query("port_group.find", {"vds": "DVS0", "name": "DC0_DVPG0"})])
    assert vcenter.control.traffic("RetrievePropertiesEx").seen == 3


async def test_half_a_listing_is_no_answer(vcenter: Running, target: VCenterTarget) -> None:
    """A port group is not made because a listing broke off before it."""
    await target.do(CREATE)
    vcenter.control.answer_half("RetrievePropertiesEx", times=1)
    with pytest.raises(TargetError, match="half an answer"):
        await found(target)
    assert (await found(target)).data["group"]["vlan"] == 100


async def test_a_session_that_ends_before_the_write_is_replaced(vcenter: Running, target: VCenterTarget) -> None:
    """We are forgotten between look and write: the target logs in again and writes once."""
    await found(target)
    vcenter.control.drop_sessions()
    assert (await target.do(CREATE)).ok
    vcenter.control.drop_sessions()
    seen = (await found(target)).data["group"]
    vcenter.control.drop_sessions()
    changed = Action("port_group.set_vlan", {"moref": seen["moref"], "vlan": 7, "if_version": seen["version"]})
    assert (await target.do(changed)).ok
    assert (await found(target)).data["group"]["vlan"] == 7


async def test_a_refused_login_writes_nothing(vcenter: Running) -> None:
    """With a wrong password the answer is a refusal."""
    reply = await VCenterTarget(endpoint(vcenter, "wrong")).do(CREATE)
    assert (reply.code, reply.error) == ("denied", "vCenter refuses the login (InvalidLogin)")


async def test_a_write_that_is_not_answered_ends_at_the_deadline(vcenter: Running) -> None:
    """Nobody waits for ever, and what happened is looked up."""
    target = VCenterTarget(endpoint(vcenter), deadline_s=0.5, socket_timeout_s=60)
    vcenter.control.black_hole("AddDVPortgroup_Task", times=1)
    with pytest.raises(TargetError, match=r"within 0\.5 s"):
        await target.do(CREATE)
    vcenter.control.clear_faults()
    await target.close()


KINDS = {
    "dc-1": "Datacenter",
    "f-1": "Folder",
    "dvs-1": "VmwareDistributedVirtualSwitch",
    "pg-1": "DistributedVirtualPortgroup",
}


def listed() -> dict[str, dict[str, Any]]:
    """Return a small vCenter as it is listed in full."""
    folder = vim.Folder("f-1")
    return {
        "dc-1": {"name": "DC", "parent": vim.Folder("root")},
        "f-1": {"name": "network", "parent": vim.Datacenter("dc-1")},
        "dvs-1": {"name": "DVS", "parent": folder, "config.uplinkPortgroup": [vim.dvs.DistributedVirtualPortgroup("pg-1")]},
        "pg-1": {"name": "up%2flink", "parent": folder, "config.distributedVirtualSwitch": SWITCH("dvs-1")},
    }


def test_a_listing_in_full_is_arranged() -> None:
    """Each network is in its datacenter, with its switch; the switch's uplinks are known."""
    (group,) = arranged(KINDS, listed()).networks
    assert (group.name, group.datacenter, group.switch, group.uplink) == ("up/link", "dc-1", "dvs-1", True)


@pytest.mark.parametrize(
    ("moref", "missing", "reason"),
    [
        ("pg-1", "name", "pg-1 comes without a name"),
        ("pg-1", "config.distributedVirtualSwitch", "port group up/link comes without its switch"),
        ("f-1", "parent", "is in no datacenter that this account may read"),
    ],
)
def test_a_listing_with_a_hole_is_no_listing(moref: str, missing: str, reason: str) -> None:
    """What was not told is not taken for something that is not there."""
    places = listed()
    del places[moref][missing]
    with pytest.raises(HalfAnswerError, match=reason):
        arranged(KINDS, places)


def test_an_account_that_sees_nothing_is_told_so() -> None:
    """An empty vCenter is more likely one that may not be read."""
    with pytest.raises(HalfAnswerError, match="no datacenter at all"):
        arranged({}, {})


def test_a_property_that_is_kept_back_makes_half_an_answer() -> None:
    """Uplinks that may not be read could be given a VLAN: nothing is done about such a switch."""
    collector = vmodl.query.PropertyCollector
    fault = vmodl.LocalizedMethodFault(fault=vmodl.fault.SecurityError(msg="no permission"))
    denied = collector.MissingProperty(path="config.uplinkPortgroup", fault=fault)
    item = collector.ObjectContent(obj=SWITCH("dvs-1"), propSet=[], missingSet=[denied])
    with pytest.raises(HalfAnswerError, match=r"dvs-1 comes without config.uplinkPortgroup \(no permission\)"):
        _complete("dvs-1", item)
