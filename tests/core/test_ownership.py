"""What is ours and declared no more: which, in which order, and what is held."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.claiming import Claims
from reconciler.core.deletions import Allowance, hold_deletions
from reconciler.core.diff import diff
from reconciler.core.forgetting import with_forgotten
from reconciler.core.graph import build_graph
from reconciler.core.load import Loaded
from reconciler.core.ownership import find_former, with_former
from reconciler.core.plan import Verb, make_plan
from reconciler.desired import Desired
from reconciler.redact import Redactor
from resources.claims import address_of
from resources.contract import Reply, SecretText, UnreadableError
from resources.former import TAKING
from tests.core.claimed import KEPT, PRIMITIVE, VMDK, Memory, former_of, needs_of, remembered, told, world
from tests.kinds.cloud import compiled

if TYPE_CHECKING:
    from reconciler.core.diff import Observed
    from reconciler.core.plan import Plan, Step
    from resources.contract import Address

COMMITS = [
    ("demo", "demo"),
    ("kept", "demo"),
    ("demo", "kept"),
    ("kept", "no backend"),
    ("demo", "no backend"),
    ("two on a node", "one on that node"),
    ("another compute", "demo"),
    ("demo", "one option less"),
    ("demo", "leaves"),
    ("kept", "two controllers"),
]
COMMIT = st.sampled_from(COMMITS)
HOSTS = ("api1", "ctl1", "ctl2", "ctl3", "kvm1", "vol1", "vol2")


@given(commit=COMMIT, seed=st.randoms(use_true_random=False), silent=st.sets(st.sampled_from(HOSTS)))
def test_only_what_is_remembered_goes(commit: tuple[str, str], seed: object, silent: set[str]) -> None:
    """Whatever part of it the hosts remember, and whoever is silent: nothing else goes, and no option that is not ours."""
    before, after = map(world, commit)
    memory = {
        host: {address: claim for address, claim in claims.items() if seed.random() < 0.7}  # type: ignore[attr-defined]
        for host, claims in remembered(before).items()
    }
    former = find_former(after, told(after, memory, silent), TAKING)
    ours = {address: claim for host in memory.keys() - silent for address, claim in memory[host].items()}
    assert {str(address) for address in former.units if address.type != "at_rest"} <= ours.keys()
    for address, claim in former.without.items():
        assert claim.fields <= set(ours[str(address)]["fields"])
    gone = {a for a, unit in with_former(after, former).units.items() if unit.desired is None}
    assert gone - {a for a, unit in after.units.items() if unit.desired is None} <= former.units.keys()
    assert not former.units.keys() & after.units.keys()


@given(commit=COMMIT)
def test_it_goes_in_the_reverse_of_the_order_in_which_it_was_made(commit: tuple[str, str]) -> None:
    """What needed something goes before it; the whole can be ordered together with what is declared."""
    before, after = map(world, commit)
    former = former_of(before, after)
    order = build_graph(with_former(after, former).units).order
    place = {address: number for number, address in enumerate(order)}
    for address in former.units.keys() & before.units.keys():
        for need in before.units[address].needs:
            if need.address in former.units:
                assert place[address] < place[need.address], (address, need.address)


def test_nothing_is_former_while_it_is_declared() -> None:
    """The same documents take nothing away."""
    former = former_of(world("kept"), world("kept"))
    assert (former.units, former.without, former.after, former.held) == ({}, {}, {}, {})
    assert len(former.claims) > 40


@pytest.mark.parametrize("silent", [["ctl1", "ctl2", "ctl3"], list(HOSTS)])
def test_silence_takes_nothing_away(silent: list[str]) -> None:
    """Where no controller answers, neither what Pacemaker has nor what is on them is touched."""
    former = former_of(world("kept"), world("demo"), silent)
    assert former.units == {}


@pytest.mark.parametrize(("members", "goes"), [(["ctl1", "ctl2"], True), (["ctl3"], False), (["vol1"], False)])
def test_what_a_ring_holds_is_ours_when_most_of_its_members_say_so(members: list[str], goes: object) -> None:
    """One that was made anew does not lose it for all; one that was away when it was forgotten does not bring it back."""
    before, after = world("kept"), world("demo")
    claim = remembered(before)["ctl1"][PRIMITIVE]
    former = find_former(after, told(after, {name: {PRIMITIVE: claim} for name in members}), TAKING)
    assert (address_of(PRIMITIVE) in former.units) is goes


def test_what_a_silent_ring_may_still_start_stays() -> None:
    """Files off the controllers stay while nobody knows whether Pacemaker's resource, which starts with them, is ours."""
    off = {
        **KEPT,
        "  placement: {nodes: {roles: [cinder-vmdk]}}\n": "  placement: {nodes: {roles: [cinder-vmdk, controller]}}\n",
    }
    authkey = "    authkey: {secret: corosync-authkey}\n"
    key = {authkey: authkey + authkey.replace("authkey:", "remoteAuthkey:")}
    former = former_of(compiled({**off, **key}), compiled(key), silent=["ctl1", "ctl2", "ctl3"])
    conf = address_of(f"ssh:vol1/config_file//etc/cinder/{VMDK}.conf")
    assert former.held[conf].startswith(f"{PRIMITIVE} needed it, and whether that is ours nobody knows")


def test_another_cluster_or_another_host_is_not_ours() -> None:
    """A host that serves two clouds keeps what the other one's Bivisor made; so does one that was renamed."""
    before, after = world("kept"), world("demo")
    memory = remembered(before)
    others = {host: {a: {**claim, "cloud": "other"} for a, claim in claims.items()} for host, claims in memory.items()}
    assert find_former(after, told(after, others), TAKING).units == {}
    swapped = {"ctl1": memory["vol1"], "vol1": {a: c for a, c in memory["ctl1"].items() if a.startswith("ssh:")}}
    assert find_former(after, told(after, swapped), TAKING).units == {}


def test_a_claim_that_is_half_told_is_no_list() -> None:
    """One broken claim makes the whole inventory unreadable: the rest may be half as well."""
    after = world("demo")
    with pytest.raises(UnreadableError, match="no whole claim"):
        told(after, {"ctl1": {"ssh:ctl1/file//etc/x": {"cloud": "demo", "fields": ["exists"]}}})
    with pytest.raises(UnreadableError, match="no address"):
        told(
            after,
            {
                "ctl1": {
                    "nonsense": dict.fromkeys(
                        ("cloud", "origins", "fields", "needed_by", "lodging", "about", "wrote", "at"), ""
                    )
                }
            },
        )


def test_volumes_keep_what_they_live_by() -> None:
    """A backend whose document vanished is held with the way out; all that it started with waits for it."""
    former = former_of(world("kept"), world("no backend"))
    held = {str(address): why for address, why in former.held.items()}
    assert held == {
        PRIMITIVE: "VolumeBackend/vmdk no longer declares vmdk@vmdk, where volumes may live: declare it again, and say that it "
        "leaves (docs/how-to/remove-from-the-cloud.md)"
    }
    others = [unit for address, unit in former.units.items() if str(address) != PRIMITIVE]
    assert all(needs_of(unit) == {PRIMITIVE} for unit in others)
    assert len(others) == 3 * 4  # on each controller a configuration, a CA, a unit; and the permission to run there


def test_a_shared_file_keeps_the_section_that_volumes_live_by() -> None:
    """Of two backends in one file, the one that vanished stays in it, and its service is not restarted without it."""
    former = former_of(world("two on a node"), world("one on that node"))
    conf = address_of("ssh:vol1/config_file//etc/cinder/cinder.conf")
    assert former.held[conf].startswith("VolumeBackend/vmdk no longer declares vmdk@vmdk, where volumes may live")
    assert "[vmdk] backend_host" in former.without[conf].fields
    assert not any(field.startswith("[kvm]") for field in former.without[conf].fields)


def test_instances_keep_their_compute() -> None:
    """A compute that fell out of its zone's placement is held; its configuration waits for it."""
    former = former_of(world("another compute"), world("demo"))
    service = address_of("ssh:vol2/service/nova-compute")
    assert former.held.keys() == {service}
    assert {str(a) for a, unit in former.units.items() if str(service) in needs_of(unit)} == {
        "ssh:vol2/config_file//etc/nova/nova-compute.conf",
        "ssh:vol2/config_file//etc/nova/nova.conf",
    }


def test_a_compute_that_leaves_as_declared_is_not_held() -> None:
    """What we wrote into its configuration goes when its service has ended; nothing is said of instances twice."""
    former = former_of(world("demo"), world("leaves"))
    assert former.held == {}
    assert {str(address): needs_of(unit) for address, unit in former.units.items()} == {
        f"ssh:kvm1/config_file//etc/nova/{name}": {"ssh:kvm1/service/nova-compute"}
        for name in ("nova.conf", "nova-compute.conf")
    }


def test_what_kept_a_backend_ends_before_what_keeps_it_now_begins() -> None:
    """From Pacemaker to a boot link and back: what the CIB forgets runs on until it was stopped, and that is waited for."""
    packaged = address_of("ssh:vol1/service/cinder-volume")
    processes = [address_of(f"ssh:{member}/at_rest/{VMDK}.service") for member in ("ctl1", "ctl2", "ctl3")]
    for before, after, old, new, ends in (
        ("kept", "demo", address_of(PRIMITIVE), packaged, processes),
        ("demo", "kept", packaged, address_of(PRIMITIVE), []),
    ):
        former = former_of(world(before), world(after))
        assert former.held == {}
        assert old in former.units
        assert [need.address for need in former.after[new]] == [old, *ends]
        assert all(needs_of(former.units[end]) == {str(old)} for end in ends)


def test_a_node_that_left_the_ring_keeps_its_files_until_nothing_runs_there() -> None:
    """The permission goes, Pacemaker moves the resource, and only then its files; corosync ends last."""
    former = former_of(world("kept"), world("two controllers"))
    rest = former.units[address_of(f"ssh:ctl3/at_rest/{VMDK}.service")]
    assert needs_of(rest) == {PRIMITIVE, f"pacemaker:demo/constraint/{VMDK}-on-ctl3"}
    assert rest.settle_s > 0
    conf = former.units[address_of(f"ssh:ctl3/config_file//etc/cinder/{VMDK}.conf")]
    assert str(rest.address) in needs_of(conf)
    assert former.units[address_of("ssh:ctl3/service/corosync")].exclusive() == "the ring of demo"
    assert {address.target.name for address in former.units} == {"ctl3", "demo"}


def test_files_of_a_process_that_we_did_not_start_stay_while_it_runs() -> None:
    """A file of ours that another's process was started with is no file to remove; the plan says who must end it."""
    before, after = world("kept"), world("demo")
    memory = {host: {a: claim for a, claim in claims.items() if a != PRIMITIVE} for host, claims in remembered(before).items()}
    former = find_former(after, told(after, memory), TAKING)
    rest = former.units[address_of(f"ssh:ctl1/at_rest/{VMDK}.service")]
    assert rest.blocked({"running": True}).startswith(f"{VMDK}.service runs and was started with it")
    assert rest.blocked({"running": False}) == ""


def test_an_option_goes_and_its_readers_restart() -> None:
    """The file is declared still: the option becomes one that must not be set; processes load what is declared from now on."""
    after = world("one option less")
    former = former_of(world("demo"), after)
    catalog = with_former(after, former)
    conf = address_of("ssh:kvm1/config_file//etc/nova/nova.conf")
    wanted = catalog.units[conf].desired
    assert wanted is not None
    assert (wanted["[DEFAULT] vif_plugging_timeout"], wanted["[DEFAULT] report_interval"]) == (None, "5")
    service = address_of("ssh:kvm1/service/nova-compute")
    assert catalog.units[service] == after.units[service] != world("demo").units[service]


def test_a_secret_of_ours_is_not_shown_when_it_goes() -> None:
    """Nobody declares the password any more; that it was one is remembered, and neither its value."""
    catalog = world("another compute")
    conf = address_of("ssh:vol2/config_file//etc/nova/nova.conf")
    claims = Claims(catalog, build_graph(catalog.units), TAKING)
    (claim,) = (claims.of(catalog.units[conf], diff(catalog.units[conf], None), None) or {}).values()
    assert "pa$$" not in str(claim)
    unit = former_of(catalog, world("demo")).units[conf]
    text = "[DEFAULT]\ntransport_url = rabbit://user:p@mq:5672/\n[placement]\npassword = hidden\n"
    data = {"exists": True, "text": text, "digest": "d", "mode": "0640", "owner": "root", "group": "nova"}
    facts = unit.observe((Reply(data),))
    assert {change.field: change.before for change in diff(unit, facts)} == {
        "[DEFAULT] transport_url": SecretText("rabbit://user:p@mq:5672/"),
        "[placement] password": SecretText("hidden"),
    }


def test_what_went_by_itself_is_forgotten_with_it() -> None:
    """A file that was declared by its options and leaves as a whole one is one file: nobody removes it twice."""
    before = world("kept")
    leaving = compiled({**KEPT, "  volumeType: vmdk\n": "  volumeType: vmdk\n  remove: true\n"}, aliases=_EMPTY)
    former = former_of(before, leaving)
    assert former.units == {}
    file = leaving.units[address_of(f"ssh:ctl1/file//etc/cinder/{VMDK}.conf")]
    claims = Claims(leaving, build_graph(leaving.units), TAKING)
    forgotten = claims.of(file, diff(file, {"@text": ""}), {})
    assert forgotten == {str(file.address): None, f"ssh:ctl1/config_file//etc/cinder/{VMDK}.conf": None}


def test_what_went_is_forgotten_as_a_whole() -> None:
    """A person had disabled the service that we end, and removed one of our two options: later both are theirs to set."""
    before, after = world("another compute"), world("demo")
    catalog = with_former(after, former_of(before, after))
    claims = Claims(catalog, build_graph(catalog.units), TAKING)
    service = catalog.units[address_of("ssh:vol2/service/nova-compute")]
    facts = {**(service.desired or {}), "active": True}
    assert list((claims.of(service, diff(service, facts), facts) or {}).values()) == [None]
    after = world("one option less")
    former = former_of(world("demo"), after)
    conf = address_of("ssh:kvm1/config_file//etc/nova/nova.conf")
    former.without[conf] = replace(former.without[conf], fields=former.without[conf].fields | {"[a] by hand"})  # type: ignore[index] # a dict
    catalog = with_former(after, former)
    claims = Claims(catalog, build_graph(catalog.units), TAKING)
    facts = {**(catalog.units[conf].desired or {}), "[DEFAULT] vif_plugging_timeout": "0"}
    (claim,) = (claims.of(catalog.units[conf], diff(catalog.units[conf], facts), facts) or {}).values()
    assert claim["without"] == ["[DEFAULT] vif_plugging_timeout", "[a] by hand"]


def test_what_came_to_need_it_later_goes_before_it() -> None:
    """The file was written before the service that reads it was declared, and was not written again for that."""
    before, after = world("kept"), world("demo")
    memory = remembered(before)
    conf = f"ssh:ctl1/config_file//etc/cinder/{VMDK}.conf"
    memory["ctl1"][conf]["needed_by"] = []
    former = find_former(after, told(after, memory), TAKING)
    assert PRIMITIVE in needs_of(former.units[address_of(conf)])


def test_an_inventory_of_an_earlier_program_is_read() -> None:
    """Its claims do not say what they needed."""
    after, memory = world("demo"), remembered(world("kept"))
    for claims in memory.values():
        for claim in claims.values():
            claim.pop("needs", None)
    assert address_of(PRIMITIVE) in find_former(after, told(after, memory), TAKING).units


_EMPTY = {address_of("openstack:demo/volume_exit/vmdk@vmdk empty"): "drained"}


@pytest.mark.parametrize(
    ("count", "percent", "owned", "most"),
    [(10, 20, 1000, 10), (10, 20, 40, 8), (10, 20, 3, 1), (10, 20, 0, 0), (0, 20, 100, 0), (10, 0, 100, 0), (10, 100, 4, 4)],
)
def test_the_smaller_of_count_and_share_counts(count: int, percent: int, owned: int, most: int) -> None:
    """A share is rounded up: of few things one may go."""
    assert Allowance(count, percent).of(owned) == most


def planned(before: str, after: str, allowance: Allowance) -> Plan:
    """Return the plan over a world in which everything of `before` stands."""
    catalog = world(after)
    catalog = with_former(catalog, former_of(world(before), catalog))
    observed: dict[Address, Observed] = {}
    for address in catalog.units:
        made = world(before).units.get(address)
        facts = {**(made.desired or {}), "@xml": "<x/>"} if made is not None else None
        observed[address] = facts
    catalog = replace(catalog, units={a: unit for a, unit in catalog.units.items() if a.target.kind == "ssh"})
    catalog = replace(
        catalog,
        units={a: replace(u, needs=tuple(n for n in u.needs if n.address in catalog.units)) for a, u in catalog.units.items()},
    )
    return hold_deletions(make_plan(catalog, build_graph(catalog.units), observed), catalog, allowance)


def taken(plan: Plan) -> list[Step]:
    """Return the steps by which the option goes."""
    return [step for step in plan.steps if any(c.field == "[DEFAULT] vif_plugging_timeout" for c in step.changes)]


def test_more_than_allowed_is_held_as_a_whole_until_it_is_confirmed() -> None:
    """Four files lose an option: with three allowed none does, and the plan says how to go on."""
    assert {step.verb for step in taken(planned("demo", "one option less", Allowance(4, 100)))} == {Verb.UPDATE}
    held = taken(planned("demo", "one option less", Allowance(3, 100)))
    assert [step.verb for step in held] == [Verb.HELD] * 4
    assert held[0].held.startswith(
        "4 things that no document declares any more would go, and maxDeletes allows 3 (3, and 100 %"
    )
    assert not held[0].later
    confirmed = taken(planned("demo", "one option less", Allowance(3, 100, confirmed=True)))
    assert {step.verb for step in confirmed} == {Verb.UPDATE}


def test_an_order_that_goes_round_in_a_circle_holds_everything() -> None:
    """Two claims of different times that say each needed the other: nothing goes, nothing else is stopped by it."""
    before, after = world("kept"), world("demo")
    memory = remembered(before)
    conf, unit = f"ssh:ctl1/config_file//etc/cinder/{VMDK}.conf", f"ssh:ctl1/systemd_unit/{VMDK}.service"
    memory["ctl1"][conf]["needed_by"].append(unit)
    memory["ctl1"][unit]["needed_by"].append(conf)
    desired = Desired(Loaded(resources={}, positions={}), after, build_graph(after.units), Redactor())
    both = desired.with_former(desired.former(told(after, memory)))
    assert both.catalog.units.keys() > after.units.keys()
    assert both.catalog.former.held.keys() >= both.catalog.former.units.keys()
    assert both.catalog.former.held[address_of(conf)].endswith("remove it by hand")


def test_a_process_that_nobody_restarts_is_told() -> None:
    """With the only image store goes what glance-api has loaded, and nobody declares any more that it loads what there is."""
    conf = address_of("ssh:api1/config_file//etc/glance/glance-api.conf")
    memory = remembered(world("demo"))
    memory["api1"][str(conf)]["fields"].remove("exists")  # the package's file
    former = find_former(world("no store"), told(world("no store"), memory), TAKING)
    assert former.unaware == {conf: ("glance-api.service",)}


def test_a_ring_of_other_nodes_is_another_ring() -> None:
    """A placement that chooses other controllers would begin a second ring beside the first, with the same computes."""
    after, memory = world("kept"), remembered(world("kept"))
    ring = {address: claim for address, claim in memory["ctl1"].items() if address.startswith("pacemaker:")}
    elsewhere = {"api1": {**memory["api1"], **ring}}
    empty: Memory = {name: {} for name in ("ctl1", "ctl2", "ctl3")}
    held = find_former(after, told(after, {**memory, **empty, **elsewhere}), TAKING).held
    assert held[address_of(PRIMITIVE)] == (
        "what it holds was made on api1, none of which is a member any more: move it by one node at a time"
    )
    assert {str(address.target) for address in held} == {"pacemaker:demo"}
    assert find_former(after, told(after, {**memory, **elsewhere}), TAKING).held == {}
    assert find_former(after, told(after, {**memory, **empty, **elsewhere}, silent=["ctl3"]), TAKING).held == {}


def test_who_has_left_the_ring_forgets_what_it_holds() -> None:
    """Nobody listens to it any more; should all others be made anew one day, it would be the only one that remembers."""
    after, memory = world("two controllers"), remembered(world("kept"))
    seen = told(after, memory)
    former = with_forgotten(find_former(after, seen, TAKING), after, seen)
    claims = former.forgotten[address_of("ssh:ctl3/inventory/demo")]
    assert set(claims) == {address for address in memory["ctl3"] if address.startswith("pacemaker:")}
    assert set(claims.values()) == {None}
    assert len(former.forgotten) == 1


def test_what_may_keep_images_goes_when_a_person_says_so() -> None:
    """Nobody counts the images of a store: the only thing to go waits for a word, however much is allowed."""
    after, memory = world("no store"), remembered(world("demo"))
    conf = "ssh:api1/config_file//etc/glance/glance-api.conf"
    memory["api1"][conf]["fields"].remove("exists")
    (why,) = find_former(after, told(after, memory), TAKING).doubtful.values()
    assert why == (
        "no document declares ImageStore/file any more, and images may be kept there: "
        "when none are, apply with --confirm-deletes"
    )


@pytest.mark.parametrize("allowance", [Allowance(0, 100), Allowance(100, 100)])
def test_what_may_keep_images_says_so_whatever_else_goes(allowance: Allowance) -> None:
    """Whoever confirms because it is much at once has read that images may be lost with it."""
    held = {str(step.address): step.held for step in planned("demo", "no store", allowance).held}
    assert "images may be kept there" in held["ssh:api1/config_file//etc/glance/glance-api.conf"]
