"""A plan shows the restart that follows from a write it contains, before anything is written."""

from __future__ import annotations

from reconciler.core.diff import Unobserved
from reconciler.core.graph import build_graph
from reconciler.core.plan import Verb, make_plan
from resources.contract import Facts, Reply, TargetId
from resources.units.primitive import Primitive
from tests.kinds.cloud import compiled, unit

CONF = "ssh:api1/config_file//etc/nova/nova.conf"
API = "ssh:api1/service/nova-api"
SHOWN: dict[str, object] = {"load": "loaded", "active": "active", "enabled": "enabled", "stale": []}


def planned(conf: Facts, shown: dict[str, object]) -> tuple[Verb, tuple[str, ...]]:
    """Return what a plan does with the Nova API of the demo, where nothing else is known."""
    catalog = compiled()
    api = unit(catalog, API)
    observed: dict[object, object] = dict.fromkeys(catalog.units, Unobserved("nobody asked"))
    observed[unit(catalog, CONF).address] = conf
    observed[api.address] = api.observe((Reply(shown),))
    plan = make_plan(catalog, build_graph(catalog.units), observed)  # type: ignore[arg-type]
    (step,) = (step for step in plan.steps if step.address == api.address)
    return step.verb, step.reasons


def test_a_first_write_shows_the_restart_that_follows() -> None:
    """A process that was started before Bivisor ever wrote its file is restarted by the plan that writes it."""
    shown = {**SHOWN, "stale_if_written": ["/etc/nova/nova.conf"]}
    verb, reasons = planned({"@text": "", "@digest": "d"}, shown)
    assert verb is Verb.RESTART
    assert reasons == ("loads /etc/nova/nova.conf, where [cinder] cross_az_attach changes",)


def test_a_repair_restarts_nobody_who_had_loaded_the_right_content() -> None:
    """The file is written, and the process that loaded it before the foreign edit goes on."""
    verb, _ = planned({"@text": "", "@digest": "d"}, {**SHOWN, "stale_if_written": []})
    assert verb is Verb.NOTHING


def test_without_a_write_nothing_follows() -> None:
    """What would be stale after a write is fresh when nothing is written."""
    shown = {**SHOWN, "stale_if_written": ["/etc/nova/nova.conf"]}
    verb, _ = planned({"[cinder] cross_az_attach": "False", "@text": "", "@digest": "d"}, shown)
    assert verb is Verb.NOTHING


def test_a_resource_is_stale_by_what_is_written_where_it_runs() -> None:
    """A repair on another controller restarts nothing."""
    primitive = unit(compiled(), "pacemaker:demo/primitive/nova-compute-vcenter-c0")
    assert isinstance(primitive, Primitive)
    facts: Facts = {"fresh": True, "@node": "ctl2", "@stale_if_written": ("/etc/nova/vcenter/vcenter-c0/nova.conf",)}
    by_host = {address.target: address for address in primitive.loads if address.type == "config_file"}
    elsewhere, here = (primitive.foreseen(facts, frozenset({by_host[TargetId("ssh", name)]})) for name in ("ctl1", "ctl2"))
    assert elsewhere == facts
    assert here is not None
    assert here["fresh"] is False
