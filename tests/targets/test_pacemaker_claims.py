"""What the ring's members remember of the cluster's resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.contract import Action
from tests.targets.test_pacemaker_target import OPTION, Ring, members, target

if TYPE_CHECKING:
    from tests.targets.test_pacemaker_target import Member

ADDRESS = "pacemaker:demo/property/no-quorum-policy"
CLAIM = {"cloud": "demo", "fields": ["exists"], "without": []}
MAKE = Action("cib.upsert", {"section": "crm_config", "element": OPTION, "if": None, "claims": {ADDRESS: CLAIM}})
NAME = "cib-bootstrap-options-no-quorum-policy"


def told(found: dict[str, Member]) -> dict[str, list[object]]:
    """Return what each member was told of claims, and when the CIB was pushed."""
    words = {"inventory.claim", "cib.push"}
    return {
        name: [args.get("claims", op) if op != "cib.push" else op for op, args in member.seen if op in words]
        for name, member in found.items()
    }


async def test_all_members_remember_before_it_is_made() -> None:
    """Whoever is killed in between leaves a claim too many, never a resource that nobody owns."""
    found = members(Ring())
    assert (await target(found).do(MAKE)).ok
    claims = {ADDRESS: CLAIM}
    assert told(found) == {"ctl1": [claims, "cib.push"], "ctl2": [claims], "ctl3": [claims]}


async def test_all_members_forget_after_it_is_gone() -> None:
    """Not before: a removal that fails keeps it ours."""
    found = members(Ring())
    ring = target(found)
    assert (await ring.do(MAKE)).ok
    for member in found.values():
        member.seen.clear()
    gone = Action("cib.remove", {"section": "crm_config", "id": NAME, "if": OPTION, "claims": {ADDRESS: None}})
    assert (await ring.do(gone)).ok
    assert told(found) == {"ctl1": ["cib.push", {ADDRESS: None}], "ctl2": [{ADDRESS: None}], "ctl3": [{ADDRESS: None}]}


async def test_what_somebody_else_made_is_not_ours() -> None:
    """The CIB has it already: refused, and each member has its former word back."""
    found = members(Ring())
    ring = target(found)
    assert (await ring.do(Action("cib.upsert", {"section": "crm_config", "element": OPTION, "if": None}))).ok
    for member in found.values():
        member.seen.clear()
    reply = await ring.do(Action("cib.upsert", {**MAKE.args, "element": OPTION.replace("stop", "freeze")}))
    assert reply.code == "conflict"
    assert told(found) == {name: [{ADDRESS: CLAIM}, {ADDRESS: None}] for name in found}


async def test_a_silent_member_does_not_stand_in_the_way() -> None:
    """Those that answer remember it; the silent one is not asked again at each step."""
    found = members(Ring(), ctl3="silent")
    ring = target(found)
    assert (await ring.do(MAKE)).ok
    assert told(found)["ctl2"] == [{ADDRESS: CLAIM}]
    asked = len(found["ctl3"].seen)
    assert (await ring.do(Action("cib.upsert", {**MAKE.args, "element": OPTION}))).ok
    assert len(found["ctl3"].seen) == asked


async def test_what_nobody_could_remember_is_not_made() -> None:
    """A resource that would be nobody's is not made."""
    found = members(Ring(), ctl1="silent", ctl2="silent", ctl3="silent")
    reply = await target(found).do(MAKE)
    assert (reply.code, reply.error) == ("failed", "none of ctl1, ctl2, ctl3 could remember that it is Bivisor's")
