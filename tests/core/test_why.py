"""What is said of why a unit is as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from reconciler.core.compile import Former
from reconciler.core.diff import Unobserved
from reconciler.core.documents import Positions
from reconciler.core.drift import classed
from reconciler.core.graph import build_graph
from reconciler.core.past import ChangeRecord, StepRecord
from reconciler.core.places import Places, Written
from reconciler.core.plan import make_plan
from reconciler.core.policy import Rollout, apply_policy
from reconciler.core.provenance import Provenance
from reconciler.core.shown import Paper, text_of
from reconciler.core.variants import Source
from reconciler.core.why import Known, Past, UnitWhy, units_of, why_resource, why_unit, worst_of
from reconciler.core.why_data import why_data
from reconciler.core.why_page import why_lines
from resources.claims import Claim
from resources.contract import EXISTS, Key, SecretText
from tests.core.simple import Daemon, Simple, address, catalog, needs
from tests.core.worlds import World, worlds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.diff import Observed
    from resources.contract import Address, Unit

ZONE = Key("Zone", "one")
CLUSTER = Key("Cluster", "demo")
CONF, PACKAGE, DAEMON, LAST = (
    address(f"ssh:kvm1/{name}") for name in ("simple/conf", "simple/package", "service/d", "simple/z")
)
PLACES = Positions("zones.yaml", {(): (3, 1), ("spec",): (6, 1), ("spec", "interval"): (7, 3)})
ADA = Written("a1b2c3d4e5f6", "Ada", "2026-11-20T10:00:00Z", "Faster reports")
AUTHORS = {"zones.yaml": {3: Written("0f", "Bob", "2026-11-01T10:00:00Z", "First"), 7: ADA}}
DECIDED = Provenance(
    {"interval": (ZONE,)}, {"interval": (Source(ZONE, ("spec", "interval")),), EXISTS: (Source(ZONE, ("spec",)),)}
)


def known(
    units: Mapping[str, Unit] | tuple[Unit, ...], observed: Mapping[Address, Observed], former: Former | None = None
) -> Known:
    """Return what is known after a look."""
    declared = catalog(tuple(units) if isinstance(units, tuple) else units.values())
    declared = replace(declared, positions=dict.fromkeys(declared.resources, PLACES), former=former or Former())
    graph = build_graph(declared.units)
    plan = classed(make_plan(declared, graph, observed), declared)
    plan = apply_policy(plan, declared, observed, Rollout())
    return Known(
        declared,
        graph,
        Places(declared.positions, AUTHORS),
        {step.address: step for step in plan.steps},
        observed,
        "2026-11-23T06:00:00Z",
    )


def conf(*needed: str, **desired: object) -> Simple:
    """Return a file that the zone declares."""
    return Simple(address=CONF, desired=desired or {"interval": "5"}, needs=needs(*needed), origins=(ZONE,))  # type: ignore[arg-type]


def page(why: UnitWhy, paper: Paper | None = None) -> list[str]:
    """Return the lines of the page."""
    return [text_of(line) for line in why_lines(why, paper or Paper(width=120))]


def test_a_difference_is_told_with_the_word_and_who_wrote_it() -> None:
    """What is there, what should be, file and line, commit and author; and what is next."""
    said = page(why_unit(known((conf(),), {CONF: {"interval": "9"}}), conf(), DECIDED))
    assert said == [
        "ssh:kvm1/simple/conf",
        "  state       update: 1 field differs (looked at 2026-11-23T06:00:00Z)",
        "  next        by the next `bivisor apply`",
        "  declared    by Zone/one  zones.yaml:3",
        "                  last changed a1b2c3d4e5  2026-11-20  Ada: Faster reports",
        "  there for   Zone/one spec  zones.yaml:6",
        "  ours        it is nothing that could be taken away",
        "",
        "Fields",
        '  interval  - "9"',
        '            + "5"',
        "      Zone/one spec.interval  zones.yaml:7",
        "          a1b2c3d4e5  2026-11-20  Ada: Faster reports",
    ]


def test_nobody_asked_is_not_as_declared() -> None:
    """Without a look nothing is said of the state, and the direct needs are listed."""
    package = Simple(address=PACKAGE, desired={"x": 1})
    asked = known((conf(str(PACKAGE)), package), {})
    why = why_unit(replace(asked, steps={}, observed={}, looked=""), conf(str(PACKAGE)), DECIDED)
    assert page(why)[1] == "  state       nobody was asked"
    assert "  ssh:kvm1/simple/package  (the test says so)" in page(why)
    assert why_data(why)["state"] is None


def test_the_chain_is_followed_to_its_root() -> None:
    """Each link that is not as declared with what stands against it; what is as declared is counted, and not followed."""
    fine = Simple(address=LAST, desired={"x": 1}, needs=needs("ssh:kvm1/simple/behind"))
    behind = Simple(address=address("ssh:kvm1/simple/behind"), desired={"x": 1})
    package = Simple(address=PACKAGE, desired={"x": 1})
    daemon = Simple(address=DAEMON, desired={"x": 1}, needs=needs(str(PACKAGE)))
    file = conf(str(DAEMON), str(LAST))
    observed = {CONF: None, DAEMON: None, PACKAGE: Unobserved("no route to host"), LAST: {"x": 1}, behind.address: {"x": 1}}
    why = why_unit(known((file, daemon, package, fine, behind), observed), file, DECIDED)
    assert [(link.depth, link.needs, link.verb) for link in why.needs] == [
        (0, DAEMON, "held"),
        (1, PACKAGE, "unknown"),
        (0, LAST, "nothing"),
    ]
    assert why.next.startswith(f"by a `bivisor apply` after {PACKAGE} is as declared")
    said = page(why)
    assert "      no route to host" in [line[2:] for line in said]
    assert "  and 1 unit as declared" in said


def test_what_nobody_knows_for_one_reason_is_told_once() -> None:
    """A silent host is one line with a count; everything is shown when asked for in full."""
    lost = [Simple(address=address(f"ssh:kvm2/simple/{name}"), desired={"x": 1}) for name in "abc"]
    file = conf(*(str(unit.address) for unit in lost))
    observed = {CONF: None, **{unit.address: Unobserved("no route to host") for unit in lost}}
    why = why_unit(known((file, *lost), observed), file, DECIDED)
    said = page(why)
    assert said[said.index("Needs") :] == [
        "Needs",
        "  ? unknown  ssh:kvm2/simple/a  (the test says so)",
        "      no route to host",
        "      and 2 units more of ssh:kvm2, for the same reason",
    ]
    assert "  ? unknown  ssh:kvm2/simple/c  (the test says so)" in page(why, Paper(full=True))


@pytest.mark.parametrize(
    ("seen", "refuses", "verb", "when"),
    [
        ({"interval": "5"}, "", "nothing", "nothing is to be done"),
        (Unobserved("it is off"), "", "unknown", "by the first `bivisor apply` that can see it"),
        (None, "the disk is full", "held", "not before this has changed: the disk is full"),
        (None, "", "create", "by the next `bivisor apply`"),
    ],
)
def test_it_is_said_when_something_will_be_done(seen: Observed, refuses: str, verb: str, when: str) -> None:
    """Never more than is known: no daemon is promised."""
    unit = replace(conf(), refuses=refuses)
    why = why_unit(known((unit,), {CONF: seen}), unit, DECIDED)
    assert (why.step and why.step.verb, why.next) == (verb, when)


def test_a_restart_that_is_held_for_others_says_that_it_comes_later() -> None:
    """A budget that others use up holds nothing for good."""
    daemons = [
        Daemon(address=address(f"ssh:kvm{n}/service/d"), desired={"active": True, "fresh": True}, origins=(ZONE,))
        for n in (1, 2)
    ]
    observed = {daemon.address: {"active": True, "fresh": False} for daemon in daemons}
    why = why_unit(known(tuple(daemons), observed), daemons[1], DECIDED)
    assert why.next.startswith("by the next `bivisor apply`, in a later pass of it: maxUnavailable is 1")
    assert "  interrupts  d on kvm2" in page(why)


def test_an_undeclared_unit_names_who_declared_it() -> None:
    """It is not said to be declared by the document that is still there and says nothing of it any more."""
    gone = replace(conf(), desired=None)
    claim = Claim(CONF, "demo", (ZONE,), frozenset({EXISTS}), at="2026-11-01T00:00:00Z")
    former = Former(units={CONF: gone}, claims={CONF: claim})
    why = why_unit(known((gone,), {CONF: {"interval": "5"}}, former), gone, Provenance({}, {}))
    assert why.documents == ()
    assert "  declared    by no document any more, formerly by Zone/one" in page(why)


def test_a_line_that_is_not_committed_is_said_to_be_so() -> None:
    """And outside of a repository nothing is said of authors."""
    asked = known((conf(),), {CONF: None})
    dirty = replace(asked, places=Places(asked.catalog.positions, {"zones.yaml": {7: Written()}}))
    assert page(why_unit(dirty, conf(), DECIDED))[-1] == "          not committed yet"
    nowhere = replace(asked, places=Places(asked.catalog.positions, {}))
    assert page(why_unit(nowhere, conf(), DECIDED))[-1] == "      Zone/one spec.interval  zones.yaml:7"


def test_what_was_done_is_told_with_its_pass() -> None:
    """Number, time, commit, who, what changed, and why it failed."""
    step = StepRecord(
        str(CONF), "update", "failed", "disk full", (), ("Zone/one",), (ChangeRecord("interval", None, '"5"'),), 1.0
    )
    past = (Past(12, "2026-11-22T00:00:00Z", "a1b2c3d4e5f6", True, "ada", step),)  # noqa: FBT003 - as a record has it
    why = why_unit(known((conf(),), {CONF: None}), conf(), DECIDED, past=past)
    assert page(why)[-4:] == [
        "Last changes",
        "  pass 12  2026-11-22T00:00:00Z  update failed  by ada  commit a1b2c3d4e5 with uncommitted changes",
        '      interval: absent → "5"',
        "      disk full",
    ]


def test_the_worst_of_a_resource_is_the_cause() -> None:
    """What is unknown stands before what is held for its sake; with all as declared there is none."""
    package = Simple(address=PACKAGE, desired={"x": 1}, origins=(ZONE,))
    file = conf(str(PACKAGE))
    asked = known((file, package), {CONF: None, PACKAGE: Unobserved("off")})
    units = units_of(asked.catalog, ZONE)
    assert worst_of(units, asked.steps) == PACKAGE
    assert worst_of(units, known((file, package), {CONF: file.desired, PACKAGE: {"x": 1}}).steps) is None
    lines = [text_of(line) for line in why_lines(why_resource(asked, ZONE, None))]
    assert lines[:3] == [
        "Zone/one",
        "  declared    zones.yaml:3",
        "                  a1b2c3d4e5  2026-11-20  Ada: Faster reports",
    ]
    assert lines[3].startswith("  units       0 of 2 as declared")


def test_secrets_never_show() -> None:
    """Neither what is declared nor what is there, on the page and for programs, as declared or not."""
    unit = conf(**{"[a] password": SecretText("c4n4ry"), "[a] url": "mysql://u:c4n4ry@h/x"})
    same = {"[a] password": "c4n4ry", "[a] url": "mysql://u:c4n4ry@h/x"}
    for seen in (same, {"[a] password": "0ld-c4n4ry", "[a] url": "mysql://u:0ld-c4n4ry@h"}, Unobserved("at http://u:c4n4ry@h")):
        why = why_unit(known((unit,), {CONF: seen}), unit, DECIDED)
        assert "c4n4ry" not in "\n".join(page(why, Paper(width=1000, full=True))) + json.dumps(why_data(why))


@given(worlds())
def test_every_unit_of_every_world_can_be_asked_about(world: World) -> None:
    """Whatever is declared and seen, the answer fits on ASCII paper, names each link once, and is JSON."""
    declared = replace(world.catalog, positions=dict.fromkeys(world.catalog.resources, PLACES))
    graph, plan = build_graph(declared.units), world.allowed(world.plan())
    asked = Known(
        declared, graph, Places(declared.positions, AUTHORS), {step.address: step for step in plan.steps}, world.observed, "now"
    )
    for unit in declared.units.values():
        why = why_unit(asked, unit, Provenance({}, {}))
        assert len({link.needs for link in why.needs}) == len(why.needs)
        assert why.step is not None
        assert all(line.isascii() and line.isprintable() for line in page(why, Paper(unicode=False, width=40)))
        json.dumps(why_data(why))
