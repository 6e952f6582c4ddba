"""The lessons of the field: each of them cost somebody days, and each has a test of its name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.core.compile import Catalog
from reconciler.core.diff import Unobserved
from reconciler.core.errors import InputError
from reconciler.core.graph import build_graph
from reconciler.core.plan import Verb, make_plan
from reconciler.core.policy import Rollout, apply_policy
from resources.contract import Facts, Reply, SecretText
from tests.kinds.cloud import ACCOUNT, SECRETS, compiled, declared, needs, unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.diff import Observed
    from reconciler.core.plan import Step
    from resources.contract import Unit

CONTROLLERS = ("ctl1", "ctl2", "ctl3")
CONF = "config_file//etc/nova/vcenter/vcenter-c0/nova.conf"
SESSION = "vcenter:vc1/session/vc1"
CLUSTER = "vcenter:vc1/compute_cluster/DC0_C0"
PRIMITIVE = "pacemaker:demo/primitive/nova-compute-vcenter-c0"
VCENTER_ROW = "openstack:demo/compute_service/vcenter-c0"
VCENTER_AZ = "openstack:demo/aggregate/vcenter-az"
KVM_SERVICE = "ssh:kvm1/service/nova-compute"

STARTED = {
    "running": True,
    "quorate": True,
    "maintenance": False,
    "exists": True,
    "role": "Started",
    "node": "ctl2",
    "managed": True,
    "failed": False,
    "failures": [],
    "blocked": False,
    "stale": [],
    "invocation": "i1",
    "started": 1000,
    "xml": "<primitive id='nova-compute-vcenter-c0'/>",
}
"""What Pacemaker and the node say of a compute that runs."""

RUNS = {"load": "loaded", "active": "active", "enabled": "enabled", "stale": [], "invocation": "i2", "started": 1000}
"""What systemd says of one."""

ROW = {
    "exists": True,
    "id": 7,
    "state": "up",
    "status": "enabled",
    "disabled_reason": None,
    "hypervisor": {"type": "VMware vCenter Server", "hostname": "domain-c9.u", "state": "up"},
}
"""What Nova says of one."""


EMPTY_CLUSTER = {
    "exists": True,
    "moref": "domain-c9",
    "matches": 1,
    "hosts": 0,
    "usable_hosts": 0,
    "drs": "",
    "instance_uuid": "u",
    "names": {"domain-c9": "DC0_C0"},
}
"""What vCenter says of a cluster without hosts."""


def seen(address: str, *replies: Mapping[str, object]) -> tuple[Unit, Facts | None]:
    """Return a unit of the demo, and its facts by these replies."""
    one = unit(compiled(), address)
    return one, one.observe(tuple(map(Reply, replies)))


def keeper(nova: Mapping[str, object], **shown: object) -> tuple[Unit, Observed]:
    """Return the Pacemaker resource as it is declared but for what is said here, with Nova's word on its compute."""
    one, facts = seen(PRIMITIVE, {**STARTED, **shown}, nova)
    assert facts is not None
    written = {name: value for name, value in (one.desired or {}).items() if name not in ("running", "fresh", "heard")}
    return one, {**facts, **written}


def planned(*known: tuple[Unit, Observed], max_unavailable: int = 1) -> dict[str, Step]:
    """Return the steps about these units alone."""
    units = {one.address: one for one, _ in known}
    units = {a: replace(one, needs=tuple(n for n in one.needs if n.address in units), loads=()) for a, one in units.items()}
    catalog = Catalog(units=units, endpoints={}, resources={}, positions={})
    observed = {one.address: facts for one, facts in known}
    plan = make_plan(catalog, build_graph(units), observed)
    plan = apply_policy(plan, catalog, observed, Rollout(max_unavailable=max_unavailable))
    return {str(step.address): step for step in plan.steps}


def test_a_dollar_sign_in_a_secret() -> None:
    """oslo.config would take `$` for the name of an option (LP1436083): it is doubled wherever a secret is written."""
    secrets = {**SECRETS, "transport-url": {"value": SecretText("rabbit://nova:p$w@mq:5672/")}}
    catalog = compiled(secrets=secrets)
    for address, options in (
        (
            f"ssh:ctl1/{CONF}",
            {"[DEFAULT] transport_url": "rabbit://nova:p$$w@mq:5672/", "[vmware] host_password": "pa$$$$word"},
        ),
        ("ssh:kvm1/config_file//etc/nova/nova.conf", {"[neutron] password": "pa$$$$word"}),
        ("ssh:vol1/config_file//etc/cinder/cinder.conf", {"[vmdk] vmware_host_password": "pa$$$$word"}),
    ):
        facts = declared(catalog, address)
        assert {name: facts[name] for name in options} == options
    assert ACCOUNT["password"].reveal == "pa$$word"


def test_set_by_vmwareapi_host_state() -> None:
    """What Nova's driver left disabled after a restart is enabled again, when the vCenter is known to be well."""
    disabled = {**ROW, "status": "disabled", "disabled_reason": "set by vmwareapi host_state"}
    row = seen(VCENTER_ROW, disabled)
    step = planned(row)[VCENTER_ROW]
    assert step.verb is Verb.UPDATE
    assert [action.op for action in row[0].actions(step.changes, row[1])] == ["compute_service.enable"]
    session = unit(compiled(), SESSION)
    held = planned(row, (session, Unobserved("it does not answer")))[VCENTER_ROW]
    assert (held.verb, held.held) == (Verb.HELD, f"needs {SESSION} (unknown: it does not answer)")
    cluster = seen(CLUSTER, EMPTY_CLUSTER, {"hypervisors": []})
    assert CLUSTER in {str(need) for need in planned(row, cluster)[VCENTER_ROW].needs}


def test_an_operators_disable_is_respected() -> None:
    """Whatever reason a person gave, it stands, and everybody is told."""
    step = planned(seen(VCENTER_ROW, {**ROW, "status": "disabled", "disabled_reason": "new disks"}))[VCENTER_ROW]
    assert step.verb is Verb.NOTHING
    assert step.remarks == ('it is disabled: "new disks"; no instance is started there until somebody enables it',)


def test_stale_service_rows() -> None:
    """A row that is left of a compute is told; it is removed when it is declared gone, and not while it lives."""
    rows = [{"host": host, "state": "down"} for host in ("kvm1", "vcenter-c0", "node-22")]
    step = planned(seen("openstack:demo/computes/all", {"computes": rows}))["openstack:demo/computes/all"]
    assert step.verb is Verb.NOTHING
    assert [remark.split(",")[0] for remark in step.remarks] == ['Nova lists the compute "node-22"']
    catalog = compiled({"  compute:\n    settings:\n": "  compute:\n    gone: [node-22]\n    settings:\n"})
    gone = unit(catalog, "openstack:demo/compute_service/node-22")
    for state, verb in (("down", Verb.DELETE), ("up", Verb.HELD)):
        facts = gone.observe((Reply({**ROW, "state": state}), Reply({"instances": []})))
        assert planned((gone, facts))[str(gone.address)].verb is verb
    known = unit(catalog, "openstack:demo/computes/all").observe((Reply({"computes": rows}),))
    assert unit(catalog, "openstack:demo/computes/all").remarks(known) == ()


def test_a_hung_nova_compute() -> None:
    """Pacemaker says started, Nova has been hearing nothing for longer than the grace time: Pacemaker restarts it."""
    hung = keeper({**ROW, "state": "down", "reported_at": 5000, "newest_report": 5200})
    step = planned(hung)[PRIMITIVE]
    assert step.verb is Verb.RESTART
    assert step.remarks == ("it runs, and Nova has not heard of it for 200 s: it hangs",)
    (restart,) = hung[0].actions(step.changes, hung[1])  # type: ignore[arg-type]  # it was observed
    assert (restart.op, restart.args["if_invocation"]) == ("resource.restart", "i1")
    late = planned(keeper({**ROW, "state": "down", "reported_at": 5000, "newest_report": 5100}))[PRIMITIVE]
    assert late.verb is Verb.WAIT
    no_quorum = keeper({**ROW, "state": "down", "reported_at": 5000, "newest_report": 5200}, quorate=False)
    assert planned(no_quorum)[PRIMITIVE].held == "the partition has no quorum"


def test_a_hung_nova_compute_takes_the_budget() -> None:
    """While one hangs, no other service is interrupted: it is down, whatever Pacemaker calls it."""
    hung = keeper({**ROW, "state": "down", "reported_at": 5000, "newest_report": 5200})
    nova = {**ROW, "reported_at": 5200, "newest_report": 5200}
    kvm = seen(KVM_SERVICE, {**RUNS, "stale": ["/etc/nova/nova.conf"]}, nova)
    steps = planned(hung, kvm)
    assert (steps[PRIMITIVE].verb, steps[KVM_SERVICE].verb) == (Verb.RESTART, Verb.HELD)
    assert steps[KVM_SERVICE].later


def test_a_rollout_waits_until_nova_has_heard_of_what_was_restarted() -> None:
    """A compute that was restarted a moment ago still counts as up in Nova; the next one stays until it has reported."""
    fresh = seen(KVM_SERVICE, RUNS, {**ROW, "reported_at": 995, "newest_report": 1003})
    nova = {**ROW, "reported_at": 1003, "newest_report": 1003}
    stale = keeper(nova, stale=["/etc/nova/vcenter/vcenter-c0/nova.conf"], started=10)
    steps = planned(fresh, stale)
    assert (steps[KVM_SERVICE].verb, steps[PRIMITIVE].verb) == (Verb.WAIT, Verb.HELD)
    assert (steps[PRIMITIVE].held, steps[PRIMITIVE].later) == ("maxUnavailable is 1: nova-compute on kvm1 is down", True)
    heard = seen(KVM_SERVICE, RUNS, {**ROW, "reported_at": 1003, "newest_report": 1003})
    assert planned(heard, stale)[PRIMITIVE].verb is Verb.RESTART


def test_reserved_host_memory_mb() -> None:
    """Nova would take 512 MB from each cluster for a host that is none (LP1382539)."""
    assert declared(compiled(), f"ssh:ctl1/{CONF}")["[DEFAULT] reserved_host_memory_mb"] == "0"


def test_cache_prefix() -> None:
    """The image cache in the datastore is called after the compute, on whichever controller it runs (LP1482121)."""
    catalog = compiled()
    assert {declared(catalog, f"ssh:{node}/{CONF}")["[vmware] cache_prefix"] for node in CONTROLLERS} == {"vcenter-c0"}


def test_tls_is_explicit() -> None:
    """How the vCenter is known must be declared (LP1513832): a CA, or `insecure: true` on purpose."""
    with pytest.raises(InputError, match="needs exactly one of caFile, thumbprint and insecure: true, and has none"):
        compiled({"tls: {caFile: ../secrets/vc1-ca.pem}": "tls: {}"})
    facts = declared(compiled({"tls: {caFile: ../secrets/vc1-ca.pem}": "tls: {insecure: true}"}), f"ssh:ctl1/{CONF}")
    assert (facts["[vmware] insecure"], "[vmware] ca_file" in facts) == ("True", False)


def test_new_credentials_are_tried_before_they_are_rolled_out() -> None:
    """A login that vCenter refuses holds every file that the password would be written to (LP1370723)."""
    catalog = compiled(secrets={**SECRETS, "vc1": {**ACCOUNT, "password": SecretText("wrong")}})
    session = unit(catalog, SESSION)
    refused = session.observe((Reply({"logged_in": False, "fault": "InvalidLogin", "about": {}}),))
    for address in (f"ssh:ctl1/{CONF}", "ssh:vol1/config_file//etc/cinder/cinder.conf"):
        step = planned((session, refused), (unit(catalog, address), {}))[address]
        assert step.verb is Verb.HELD
        assert "vCenter refuses the credentials of Secret/vc1" in step.held


def test_an_empty_cluster() -> None:
    """nova-compute does not start on a cluster without hosts (LP1404123): that is seen before anything is written."""
    catalog = compiled()
    assert planned(seen(CLUSTER, EMPTY_CLUSTER, {"hypervisors": []}))[CLUSTER].verb is Verb.HELD
    for address in (f"ssh:ctl1/{CONF}", PRIMITIVE):
        assert CLUSTER in needs(catalog, address)


def test_an_aggregate_whose_zone_cannot_change() -> None:
    """Nova changes no zone of hosts with instances: the step is held, and says which."""
    found = {"exists": True, "id": 4, "availability_zone": "old", "hosts": ["vcenter-c0"], "metadata": {}}
    step = planned(seen(VCENTER_AZ, {**found, "instances": {"vcenter-c0": ["web"]}}))[VCENTER_AZ]
    assert step.verb is Verb.HELD
    assert "1 instance lives (web on vcenter-c0)" in step.held
    assert planned(seen(VCENTER_AZ, {**found, "instances": {"vcenter-c0": []}}))[VCENTER_AZ].verb is Verb.UPDATE


def test_packaged_units_are_masked_where_they_would_duplicate_a_service() -> None:
    """An unconfigured nova-compute would register the controller itself as a compute (LP1529840)."""
    catalog = compiled()
    for node in CONTROLLERS:
        assert declared(catalog, f"ssh:{node}/service/nova-compute") == {"masked": True, "active": False}
        assert f"ssh:{node}/service/nova-compute" in needs(catalog, PRIMITIVE)
    assert declared(catalog, KVM_SERVICE)["masked"] is False


def test_a_renamed_cluster() -> None:
    """Identity is the MoRef; the name is only how Nova finds the cluster when it starts."""
    cluster = unit(compiled(), CLUSTER)
    found = {"exists": False, "moref": "", "matches": 0, "hosts": 0, "usable_hosts": 0, "drs": "", "instance_uuid": "u"}
    pinned = Reply({"hypervisors": [{"hostname": "domain-c9.u", "host": "vcenter-c0", "uuid": ""}]})
    facts = cluster.observe((Reply({**found, "names": {"domain-c9": "gold"}}), pinned))
    assert (cluster.alias(facts), cluster.blocked(facts)) == ("gold", "")
    anew = {**found, "exists": True, "moref": "domain-c77", "matches": 1, "usable_hosts": 3, "names": {"domain-c77": "DC0_C0"}}
    step = planned((cluster, cluster.observe((Reply(anew), pinned))))
    assert step[CLUSTER].verb is Verb.HELD
    assert '"DC0_C0" is another cluster (domain-c77)' in step[CLUSTER].held


def test_another_host_for_the_same_cluster() -> None:
    """`host` is the identity of everything in Nova: changing it is refused, with the way out."""
    catalog = compiled({"host: vcenter-c0,": "host: renamed,"})
    cluster = unit(catalog, CLUSTER)
    found = {"exists": True, "moref": "domain-c9", "matches": 1, "hosts": 3, "usable_hosts": 3, "drs": "", "instance_uuid": "u"}
    former = Reply({"hypervisors": [{"hostname": "domain-c9.u", "host": "vcenter-c0", "uuid": ""}]})
    facts = cluster.observe((Reply({**found, "names": {"domain-c9": "DC0_C0"}}), former))
    conf = unit(catalog, "ssh:ctl1/config_file//etc/nova/vcenter/renamed/nova.conf")
    steps = planned((cluster, facts), (conf, None))
    assert "write host: vcenter-c0 again" in steps[CLUSTER].held
    assert steps[str(conf.address)].verb is Verb.HELD
