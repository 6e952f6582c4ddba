"""What comparing two declarations promises: what differs is told, by fields, and what would restart; nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given

from reconciler.core.compare import Edit, compare, compare_documents, compared_code, leaves
from reconciler.core.graph import build_graph
from reconciler.core.plan import Plan, Step, Verb, hold
from reconciler.core.render import report_lines
from reconciler.core.report import Report
from reconciler.core.shown import UNDECLARED, masked, text_of, written
from reconciler.core.status import exit_code
from resources.cloud import Metadata, Resource, Selector
from resources.contract import Change, Key, SecretText, TargetId
from tests.core.claimed import world
from tests.core.simple import Daemon, Simple, address, catalog
from tests.core.worlds import World, worlds

if TYPE_CHECKING:
    from resources.contract import Unit, Value

CONF = address("ssh:kvm1/config_file//etc/nova/nova.conf")
DAEMON = address("ssh:kvm1/service/nova-compute")
ZONE = (Key("HypervisorZone", "kvm-az"),)


def conf(**fields: Value) -> Simple:
    """Return a file with these options."""
    return Simple(address=CONF, desired=fields, origins=ZONE)


def service(**fields: Value) -> Daemon:
    """Return a service that loads the file."""
    return Daemon(address=DAEMON, desired={"active": True, "fresh": True, **fields}, loads=(CONF,), origins=ZONE)


def between(before: list[Unit], after: list[Unit]) -> Plan:
    """Compare two declarations."""
    now = catalog(after)
    return compare(catalog(before), now, build_graph(now.units))


def step_of(plan: Plan, unit: Unit) -> Step:
    """Return the step of a unit."""
    return next(step for step in plan.steps if step.address == unit.address)


def test_what_stays_on_a_host_that_nobody_speaks_of_any_more_is_told() -> None:
    """With the Node's document the host is gone from sight: a review is the last place where that can be said."""
    before, after = world("another compute"), world("another compute")
    ssh = TargetId("ssh", "vol2")
    units = {address: unit for address, unit in after.units.items() if address.target != ssh}
    units = {a: replace(u, needs=tuple(n for n in u.needs if n.address in units)) for a, u in units.items()}
    after = replace(after, units=units, endpoints={t: e for t, e in after.endpoints.items() if t != ssh})
    plan = compare(before, after, build_graph(after.units))
    gone = [step for step in plan.steps if step.address.target == ssh]
    assert {step.reasons for step in gone} == {
        ("no document speaks of ssh:vol2 any more: nobody asks it, and this stays there",)
    }
    assert "ssh:vol2/config_file//etc/nova/nova.conf" in {str(step.address) for step in gone}


def test_a_changed_option_restarts_what_loads_it() -> None:
    """Field, before and after are told; the process that loads the file restarts, with the reason and its name."""
    plan = between([conf(host="a"), service()], [conf(host="b"), service()])
    file, process = step_of(plan, conf()), step_of(plan, service())
    assert (file.verb, file.changes) == (Verb.UPDATE, (Change("host", "a", "b"),))
    assert process.verb is Verb.RESTART
    assert process.reasons == ("loads /etc/nova/nova.conf, where host changes",)
    assert process.disruption is not None
    assert process.disruption.service == "nova-compute on kvm1"
    assert exit_code(plan, detailed=True) == 2


def test_not_declared_is_not_absent() -> None:
    """An option that one side does not have is not said to be absent; one that is declared absent is."""
    plan = between([conf(a="1", b=None), service()], [conf(b="2", c=None), service()])
    assert step_of(plan, conf()).changes == (
        Change("b", None, "2"),
        Change("c", UNDECLARED, None),
        Change("a", "1", UNDECLARED),
    )
    assert [written(value) for value in masked(Change("a", "1", UNDECLARED))] == ['"1"', "(not declared)"]


def test_secrets_that_come_and_go_are_masked() -> None:
    """A secret that one side lacks is not declared there, and masked on the other side."""
    plan = between([conf(password=SecretText("one"))], [conf(token=SecretText("two"), x="1")])
    shown = [[written(value) for value in masked(change)] for change in step_of(plan, conf()).changes]
    assert shown == [["(not declared)", "(secret)"], ["(not declared)", '"1"'], ["(secret)", "(not declared)"]]


def test_what_is_declared_no_more_is_told_and_not_called_deleted() -> None:
    """Only a plan that looks knows what becomes of it; what was only waited for leaves nothing behind."""
    waited = Simple(address=address("openstack:demo/compute_service/kvm1"), desired={"up": True}, only_waits=True, origins=ZONE)
    plan = between([conf(host="a"), waited], [])
    assert [leaves(step) for step in plan.steps] == [True]
    page = "\n".join(map(text_of, report_lines(Report(plan, compared=("new", "old"), note="Note."))))
    assert "  - leaves   config_file  /etc/nova/nova.conf  on ssh:kvm1\n\nPlan: 1 declared no more." in page


def test_a_new_process_restarts_nothing() -> None:
    """What was not declared before is created, and its file's newness is no reason to restart anything."""
    plan = between([], [conf(host="a"), service()])
    assert [step.verb for step in plan.steps] == [Verb.CREATE, Verb.CREATE]
    assert all(change.before is None for step in plan.steps for change in step.changes)


def test_what_must_not_exist_any_more_is_deleted() -> None:
    """That a thing is declared absent from now on is a deletion, and one that it is wanted again a creation."""
    gone = replace(conf(), desired=None)
    assert step_of(between([conf(host="a")], [gone]), gone).verb is Verb.DELETE
    assert step_of(between([], [gone]), gone).verb is Verb.DELETE
    assert step_of(between([gone], [conf(host="a")]), gone).verb is Verb.CREATE
    assert step_of(between([gone], [gone]), gone).verb is Verb.NOTHING


def test_what_is_paused_is_told_as_held() -> None:
    """A document that is only observed holds its changes here as it does in a plan."""
    before, after = catalog([conf(host="a")]), catalog([conf(host="b")], {ZONE[0]: "observe"})
    (step,) = compare(before, after, build_graph(after.units)).steps
    assert step.held == "HypervisorZone/kvm-az is only observed"
    assert compared_code(Plan((step,)), (), after.resources, detailed=False) == 0
    assert compared_code(Plan((step,)), (), after.resources, detailed=True) == 2


def test_what_cannot_be_written_fails_a_review() -> None:
    """A change that no world can take, and what waits for it, end with 3: nobody has asked for that."""
    after = catalog([conf(host="b"), service()])
    cause = hold(Step(CONF, Verb.UPDATE, origins=ZONE), "it has a line break")
    plan = Plan((cause, hold(Step(DAEMON, Verb.RESTART, origins=ZONE), "needs it", root=CONF)))
    assert compared_code(plan, (), after.resources, detailed=False) == 3
    paused = catalog([conf(host="b"), service()], {ZONE[0]: "paused"})
    assert compared_code(plan, (), paused.resources, detailed=False) == 0


@given(worlds(), worlds())
def test_the_same_declares_the_same(one: World, other: World) -> None:
    """Comparing a declaration with itself finds nothing; with another one, each unit of both that differs, once."""
    graph = build_graph(one.catalog.units)
    assert not any(step.changes for step in compare(one.catalog, one.catalog, graph).steps)
    steps = compare(other.catalog, one.catalog, graph).steps
    assert len({step.address for step in steps}) == len(steps)
    assert {step.address for step in steps} <= {*one.catalog.units, *other.catalog.units}


def resource(name: str, labels: dict[str, str], **spec: object) -> Resource[Selector]:
    """Return a document."""
    return Resource(Key("Node", name), Metadata(name, labels, {}), Selector.model_validate(spec))


def test_documents_are_compared_by_their_fields() -> None:
    """What comes, goes and changes is told in the words of YAML; what is written otherwise and means the same is not."""
    before = [resource("a", {"rack": "1"}, names=["x"]), resource("b", {}), resource("c", {})]
    after = [resource("a", {"rack": "2", "row": "7"}, names=["x", "y"]), resource("b", {}, roles=[]), resource("d", {})]
    edits = compare_documents({each.key: each for each in before}, {each.key: each for each in after})
    assert edits == (
        Edit(
            Key("Node", "a"),
            Verb.UPDATE,
            (
                Change("metadata.labels.rack", "1", "2"),
                Change("spec.names", ("x",), ("x", "y")),
                Change("metadata.labels.row", None, "7"),
            ),
        ),
        Edit(Key("Node", "c"), Verb.DELETE),
        Edit(Key("Node", "d"), Verb.CREATE),
    )
