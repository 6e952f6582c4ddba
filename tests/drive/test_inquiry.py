"""What is asked, and what is told, when somebody asks why: on a clock that jumps."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from reconciler.core.errors import UnknownNameError
from reconciler.core.load import Loaded
from reconciler.core.plan import Verb
from reconciler.core.shown import Paper, text_of
from reconciler.core.why import ResourceWhy, UnitWhy
from reconciler.core.why_page import why_lines
from reconciler.history import History, PassRecord, StepRecord
from reconciler.inquiry import Inquiry
from tests.core.simple import address
from tests.drive.test_whole_cloud import converged, engine
from tests.drive.world import World, thing
from tests.units.model.cloud import CONF

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from reconciler.reconcile import Reconciler
    from tests.drive.world import Thing

pytestmark = pytest.mark.looptime


def silent(_: Iterable[object]) -> None:
    """Hear no warning."""


def inquiry(reconciler: Reconciler, folder: Path, *, offline: bool = False) -> Inquiry:
    """Return an inquiry into what the reconciler brings about, without a history."""
    desired, history = reconciler.desired, History(folder / "none.sqlite")
    return Inquiry(desired.loaded, desired.catalog, desired.graph, history, silent, None if offline else reconciler)


async def told(reconciler: Reconciler, folder: Path, *what: str) -> UnitWhy:
    """Return the answer about a unit."""
    why, _ = await inquiry(reconciler, folder).about(*what)
    assert isinstance(why, UnitWhy)
    return why


def asks(world: World) -> dict[str, int]:
    """Return how often each place was asked."""
    return {target.name: place.asks for target, place in world.places.items()}


async def test_only_the_chain_is_asked(tmp_path: Path) -> None:
    """The targets of the unit and of what it needs, each once, for these units alone; no other one has to be there."""
    world = World()
    first = thing("a", "first", size=1)
    second = thing("b", "second", first, size=2)
    reconciler = world.reconciler(first, second, thing("c", "apart", size=3), thing("b", "also apart", size=4))
    world.place("c").silent = True
    why = await told(reconciler, tmp_path, "second")
    assert asks(world) == {"a": 1, "b": 1, "c": 0}
    assert [(link.needs.name, link.verb) for link in why.needs] == [("first", "create")]
    assert why.next == "by the next `bivisor apply`, or at once where `bivisor run` keeps the cloud"
    assert [target.things for target in world.places.values()] == [{}, {}, {}]


async def test_a_restart_is_seen_in_view_of_what_else_is_down(tmp_path: Path) -> None:
    """Whether one may be interrupted depends on all services: then everything is looked at, as plan does."""
    world = World()
    services = [thing(name, name, active=True, fresh=True) for name in ("a", "b")]
    world.place("a").things = {"a": {"active": True, "fresh": False}}
    world.place("b").things = {"b": {"active": False, "fresh": False}}
    world.place("b").before_do = lambda _: None
    reconciler = world.reconciler(*services)
    why = await told(reconciler, tmp_path, "a/a")
    full = {step.address: step for step in (await world.reconciler(*services).look()).plan.steps}
    assert why.step == full[services[0].address]
    assert why.step is not None
    assert why.step.verb is Verb.HELD
    assert "b is down" in why.next


@pytest.mark.parametrize("name", ["first", "second", "apart"])
async def test_what_is_told_is_what_plan_tells(name: str, tmp_path: Path) -> None:
    """The step of a unit is the same whether everything was looked at or the chain alone."""
    world = World()
    first = thing("a", "first", size=1)
    things: tuple[Thing, ...] = (first, thing("b", "second", first, size=2), thing("c", "apart", size=3))
    world.place("a").silent = True
    why = await told(world.reconciler(*things), tmp_path, f"thing/{name}")
    plan = (await world.reconciler(*things).look()).plan
    assert why.step == next(step for step in plan.steps if step.address.name == name)


async def test_nobody_is_asked_without_a_reconciler(tmp_path: Path) -> None:
    """What is declared is told all the same; what is there is not."""
    world = World()
    reconciler = world.reconciler(thing("a", "x", size=1))
    why, plan = await inquiry(reconciler, tmp_path, offline=True).about("x")
    assert (asks(world), plan) == ({"a": 0}, None)
    assert isinstance(why, UnitWhy)
    assert (why.step, why.seen, why.ours, why.next) == (None, "", "", "")


async def test_a_hand_edit_is_told_as_such(tmp_path: Path) -> None:
    """On the demo: the value that is there, the line that says otherwise, since when, and that it will be repaired."""
    cloud = await converged()
    conf = cloud.hosts["kvm1"].nodes[CONF]
    conf.content = conf.content.replace(b"report_interval = 5", b"report_interval = 9")
    why = await told(engine(cloud), tmp_path, "kvm1/nova.conf.report_interval")
    page = [text_of(line).strip() for line in why_lines(why, Paper(width=200))]
    assert page[0] == "ssh:kvm1/config_file//etc/nova/nova.conf  [DEFAULT] report_interval"
    assert "Cluster/demo spec.compute.settings.DEFAULT.report_interval  desired/cluster.yaml:47" in page
    assert '[DEFAULT] report_interval  - "9"' in page
    assert "drift       corrective: something else changed it after Bivisor last wrote it (2026-01-01T00:00:00Z)" in page
    assert "ours        Bivisor last wrote it on 2026-01-01T00:00:00Z; this field is Bivisor's" in page
    assert "next        by the next `bivisor apply`, or at once where `bivisor run` keeps the cloud" in page


async def test_what_nobody_declares_any_more_is_found_by_its_address(tmp_path: Path) -> None:
    """A host remembers it: the answer says that it goes, and who declared it."""
    cloud = await converged()
    fewer = engine(cloud, {"        vif_plugging_timeout: 0\n": ""})
    why = await told(fewer, tmp_path, "kvm1/nova.conf", "vif_plugging_timeout")
    assert [(field.name, field.goes, field.sources) for field in why.fields] == [("[DEFAULT] vif_plugging_timeout", True, ())]
    other = engine(cloud, {"host: vcenter-c0": "host: vcenter-c9"})
    file = await told(other, tmp_path, "ssh:ctl1/file//etc/nova/vcenter/vcenter-c0/vcenter-ca.pem")
    assert ([str(key) for key in file.formerly], file.documents) == (["HypervisorZone/vcenter-az"], ())
    assert file.step is not None
    assert file.step.intended is Verb.DELETE
    nowhere = "ssh:kvm1/config_file//etc/nova/never.conf"
    with pytest.raises(UnknownNameError, match="nothing is called"):
        await told(engine(cloud), tmp_path, nowhere)


async def test_a_resource_names_its_units_and_the_worst(tmp_path: Path) -> None:
    """The unit with which most is wrong is explained; a resource without units asks nobody."""
    cloud = await converged()
    cloud.hosts["kvm1"].nodes[CONF].mode = "0666"
    why, plan = await inquiry(engine(cloud), tmp_path).about("HypervisorZone/kvm-az")
    assert isinstance(why, ResourceWhy)
    assert why.worst is not None
    assert why.worst.address == address("ssh:kvm1/config_file//etc/nova/nova.conf")
    assert plan is not None
    assert {step.address for step in plan.steps} == {unit for unit, _ in why.units}
    secret, plan = await inquiry(engine(cloud), tmp_path).about("Secret/vc1")
    assert isinstance(secret, ResourceWhy)
    assert (secret.units, secret.worst) == ((), None)


async def test_a_history_that_cannot_be_read_is_a_warning(tmp_path: Path) -> None:
    """Nothing depends on it: all else is told."""
    place = tmp_path / "broken.sqlite"
    with sqlite3.connect(place) as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    place.write_bytes(b"no database" * 100)
    heard: list[object] = []
    world = World()
    desired = world.reconciler(thing("a", "x", size=1)).desired
    asked = Inquiry(Loaded({}, {}), desired.catalog, desired.graph, History(place), heard.extend)
    why, _ = await asked.about("x")
    assert isinstance(why, UnitWhy)
    assert why.past == ()
    assert [str(place) in str(one) for one in heard] == [True]


class Remembered(History):
    """A history of these outcomes, the newest pass first; each pass did one thing to `ssh:a/thing/x`."""

    def __init__(self, *outcomes: str) -> None:
        """Know them."""
        self.outcomes = outcomes

    def passes(self, *, key: str = "", address: str = "", **_: object) -> list[PassRecord]:
        """Return all passes."""
        assert (key, address) == ("", "ssh:a/thing/x")
        began = datetime(2026, 11, 23, 1, 0, tzinfo=timezone(timedelta(hours=1)))
        numbered = reversed(list(enumerate(reversed(self.outcomes), start=1)))
        return [
            PassRecord(n, began, 1.0, "c0", False, "ada", "apply", (StepRecord(address, "update", each, "", (), (), (), None),))  # noqa: FBT003 - as a record has it
            for n, each in numbered
        ]


async def test_the_last_changes_are_those_that_did_something() -> None:
    """What was only skipped is none, however often; the last five are told, the newest first, by the clock of UTC."""
    desired = World().reconciler(thing("a", "x", size=1)).desired
    history = Remembered("skipped", "failed", "skipped", *["converged"] * 7)
    why, _ = await Inquiry(desired.loaded, desired.catalog, desired.graph, history, silent).about("x")
    assert isinstance(why, UnitWhy)
    assert [(one.number, one.step.outcome) for one in why.past] == [
        (9, "failed"),
        (7, "converged"),
        (6, "converged"),
        (5, "converged"),
        (4, "converged"),
    ]
    assert {one.began for one in why.past} == {"2026-11-23T00:00:00Z"}
