"""Saved plans are carried out as they were shown or not at all, on a clock that jumps."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from reconciler import plan_file
from reconciler.cli import saved, session
from reconciler.core.errors import PlanFileError, StalePlanError
from reconciler.core.plan import Verb
from reconciler.core.saved import PlanFile
from reconciler.core.shown import Paper
from reconciler.core.status import Outcome
from resources.contract import Address, Reply, SecretText
from tests.drive.test_leaving import backend
from tests.drive.world import Thing, World, thing

if TYPE_CHECKING:
    from reconciler.apply import Progress
    from reconciler.reconcile import Pass, Reconciler
    from resources.contract import Action

pytestmark = pytest.mark.looptime

DAY = timedelta(days=1)
SECRETS = {"vc1": {"password": SecretText("1234")}}


def unheard(_: Progress) -> None:
    """Listen to no progress."""


@dataclass
class Desk:
    """Somebody who plans today and applies tomorrow."""

    path: Path
    world: World = field(default_factory=World)
    secrets: dict[str, dict[str, SecretText]] = field(default_factory=lambda: dict(SECRETS))

    def reconciler(self, *things: Thing, **more: Any) -> Reconciler:
        """Return a new program's reconciler."""
        reconciler = self.world.reconciler(*things, **more)
        reconciler._desired = replace(reconciler.desired, secrets=self.secrets)
        return reconciler

    async def plan(self, *things: Thing, **more: Any) -> dict[str, Any]:
        """Plan and save; return the file's content."""
        reconciler = self.reconciler(*things, **more)
        look = await reconciler.look()
        await plan_file.write_plan(self.path, self.path.parent, reconciler.desired, look)
        content: dict[str, Any] = json.loads(self.path.read_text())
        return content

    async def apply(self, *things: Thing, max_age: timedelta = DAY, **more: Any) -> list[Pass]:
        """Carry out what was saved, as another run of the program; return all passes."""
        reconciler = self.reconciler(*things, **more)
        cloud = session.Session(reconciler.desired, reconciler)
        file = plan_file.read_plan(self.path)
        within, look = await saved.look_again(self.path, file, cloud, max_age, session.Press(Paper()))
        return [] if look is None else [done async for done in within.reconciler.passes(look, unheard)]

    def edit(self, **changes: Any) -> None:
        """Change the file by hand."""
        self.path.write_text(json.dumps({**json.loads(self.path.read_text()), **changes}))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An empty world, and a place for a plan."""
    return Desk(tmp_path / "plan.json")


async def test_what_was_planned_is_done_and_nothing_else(desk: Desk) -> None:
    """Drift elsewhere neither blocks the plan nor is repaired by it, and nobody there is asked."""
    changed, elsewhere = thing("a", "x", size=1), thing("b", "y", size=2)
    desk.world.place("b").things["y"] = {"size": 2}
    await desk.plan(changed, elsewhere)
    desk.world.place("b").things["y"] = {"size": 99}
    asked = desk.world.place("b").asks
    done = await desk.apply(changed, elsewhere)
    assert done[-1].converged
    assert desk.world.place("a").things == {"x": {"size": 1}}
    assert desk.world.place("b").things == {"y": {"size": 99}}
    assert desk.world.place("b").asks == asked


async def test_the_file_is_as_it_is_documented(desk: Desk) -> None:
    """What is written fits the JSON Schema of the reference page, whether or not there is something to do."""
    schema = PlanFile.model_json_schema()
    for size in (1, 2):
        desk.world.place("a").things["x"] = {"size": 2}
        content = await desk.plan(thing("a", "x", size=size))
        jsonschema.validate(content, schema)
        assert content["plan"]["version"] == content["version"] == 1
    page = Path(__file__).parents[2] / "docs/reference/saved-plan.md"
    assert json.dumps(schema, indent=2) in page.read_text()


async def test_a_file_that_cannot_be_written_is_told(desk: Desk) -> None:
    """Where there is no folder, or a folder in its place, the plan is not saved, and nothing is left lying about."""
    desk.path.mkdir()
    for path in (desk.path, desk.path.parent / "nowhere/plan.json"):
        with pytest.raises(PlanFileError, match="cannot be written: "):
            await replace(desk, path=path).plan(thing("a", "x", size=1))
    assert list(desk.path.parent.iterdir()) == [desk.path]


async def test_only_a_file_is_replaced(desk: Desk) -> None:
    """A pipe or a device stays what it is, a link goes on leading to the file, and what has no name is told."""
    folder = desk.path.parent
    pipe, there, link, loop = folder / "pipe", folder / "there.json", folder / "link", folder / "loop"
    os.mkfifo(pipe)
    there.write_text("the plan of yesterday")
    link.symlink_to(there)
    loop.symlink_to(loop)
    for path in (pipe, loop, Path(), Path("/")):
        with pytest.raises(PlanFileError, match="cannot be written: "):
            await replace(desk, path=path).plan(thing("a", "x", size=1))
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    await replace(desk, path=link).plan(thing("a", "x", size=1))
    assert link.is_symlink()
    assert json.loads(there.read_text())["format"] == "bivisor saved plan"


async def test_a_silent_host_elsewhere_does_not_block(desk: Desk) -> None:
    """What the plan does not touch may be gone altogether."""
    changed, elsewhere = thing("a", "x", size=1), thing("b", "y", size=2)
    await desk.plan(changed)
    assert elsewhere
    desk.world.place("b").silent = True
    await desk.plan(changed, elsewhere)
    assert (await desk.apply(changed, elsewhere))[-1].converged


@pytest.mark.parametrize(
    ("moves", "said"),
    [
        ({"x": {"size": 5}}, "ssh:a/thing/x: size is 5; it was 0 when the plan was made"),
        ({"x": {"size": 1}}, "ssh:a/thing/x: size is 1; it was 0 when the plan was made"),
        (
            {"x": {"size": 0, "colour": "red"}},
            'ssh:a/thing/x: colour is "red"; it was absent when the plan was made',
        ),
        ({}, "ssh:a/thing/x: it was there, and is gone"),
    ],
)
async def test_what_moved_is_told_field_by_field(desk: Desk, moves: dict[str, Any], said: str) -> None:
    """A touched unit that is not as it was refuses the plan with 4, says in what, and nothing is done."""
    changed = thing("a", "x", size=1, colour=None)
    desk.world.place("a").things["x"] = {"size": 0}
    await desk.plan(changed)
    desk.world.place("a").things = dict(moves)
    with pytest.raises(StalePlanError) as raised:
        await desk.apply(changed)
    assert raised.value.moved == (said,)
    assert str(raised.value).endswith(f"  {said}\nPlan again: bivisor plan --out {desk.path}")
    assert raised.value.exit_code == 4
    assert desk.world.place("a").done == []


async def test_what_nobody_declares_may_move(desk: Desk) -> None:
    """A field that is somebody else's, a foreign host in an aggregate say, neither makes a plan stale nor is touched by it."""
    changed = thing("a", "x", size=1)
    desk.world.place("a").things["x"] = {"size": 0, "colour": "blue"}
    await desk.plan(changed)
    desk.world.place("a").things["x"] = {"size": 0, "colour": "red", "host foreign": True}
    assert (await desk.apply(changed))[-1].converged
    assert desk.world.place("a").things["x"] == {"size": 1, "colour": "red", "host foreign": True}


async def test_of_what_is_to_go_everything_counts(desk: Desk) -> None:
    """Who agreed to remove a thing has seen what it was."""
    gone = replace(thing("a", "x"), desired=None)
    desk.world.place("a").things["x"] = {"colour": "blue"}
    await desk.plan(gone)
    desk.world.place("a").things["x"] = {"colour": "red"}
    with pytest.raises(StalePlanError, match='ssh:a/thing/x: colour is "red"; it was another value'):
        await desk.apply(gone)


async def test_what_a_step_needs_must_be_as_it_was(desk: Desk) -> None:
    """A need that has drifted since would have to be repaired first, which the plan did not show."""
    need = thing("a", "need", size=1)
    changed = thing("b", "x", need, size=1)
    desk.world.place("a").things["need"] = {"size": 1}
    await desk.plan(need, changed)
    desk.world.place("a").things["need"] = {"size": 3}
    with pytest.raises(StalePlanError, match=r"ssh:a/thing/need: size is 3; it was as declared \(1\) when the plan was made"):
        await desk.apply(need, changed)
    assert desk.world.place("b").done == []


async def test_nobody_knows_is_not_as_it_was(desk: Desk) -> None:
    """A touched host that does not answer cannot be compared, so nothing is done anywhere."""
    one, other = thing("a", "x", size=1), thing("b", "y", size=1)
    await desk.plan(one, other)
    desk.world.place("b").silent = True
    with pytest.raises(StalePlanError, match=r"ssh:b/thing/y: nobody knows what is there now: no route to host"):
        await desk.apply(one, other)
    assert desk.world.place("a").done == []


async def test_a_rollout_goes_on_as_it_was_planned(desk: Desk) -> None:
    """Restarts that waited for their turn are part of the plan: three stale services, one after the other."""
    services = [thing(name, name, active=True, fresh=True) for name in "abc"]
    for name in "abc":
        desk.world.place(name).things[name] = {"active": True, "fresh": False}
    content = await desk.plan(*services)
    assert [step["verb"] for step in content["plan"]["steps"]] == ["restart", "held", "held"]
    done = await desk.apply(*services)
    assert done[-1].converged
    assert [sum(step.verb is Verb.RESTART for step in one.look.plan.steps) for one in done] == [1, 1, 1, 0]


async def test_what_is_down_elsewhere_counts(desk: Desk) -> None:
    """The budget knows of services that the plan does not touch: one that went down meanwhile holds the restart."""
    stale, other = thing("a", "a", active=True, fresh=True), thing("b", "b", active=True, fresh=True)
    desk.world.place("a").things["a"] = {"active": True, "fresh": False}
    desk.world.place("b").things["b"] = {"active": True, "fresh": True}
    await desk.plan(stale, other)
    desk.world.place("b").things["b"] = {"active": False, "fresh": True}
    done = await desk.apply(stale, other)
    assert done[0].results[stale.address].outcome is Outcome.SKIPPED
    assert "b is down" in done[0].results[stale.address].message
    assert desk.world.place("a").done == desk.world.place("b").done == []


async def test_what_comes_to_light_on_the_way_waits_for_the_next_plan(desk: Desk) -> None:
    """A following pass does only what the plan named: another field that its own step spoiled stays as it is."""
    first, second = thing("a", "first", size=1), thing("b", "second", active=True, fresh=True)
    desk.world.place("b").things["second"] = {"active": True, "fresh": False}

    def spoils(action: Action) -> None:
        desk.world.place("a").things.setdefault("first", {})
        if action.args["name"] == "first":
            desk.world.place("b").things["second"] = {"active": False, "fresh": True}

    desk.world.place("a").after_do = spoils
    second = replace(second, needs=thing("x", "x", first).needs)
    await desk.plan(first, second)
    done = await desk.apply(first, second)
    result = done[-1].results[second.address]
    assert result.outcome is Outcome.SKIPPED
    assert "differs in active, which the saved plan did not show: plan again" in result.message
    assert desk.world.place("b").done == []


async def test_what_it_took_down_itself_it_brings_up(desk: Desk) -> None:
    """A restart that stops its service and does not start it goes on in the next pass: it is down by our own hand."""
    service = thing("a", "a", active=True, fresh=True)
    desk.world.place("a").things["a"] = {"active": True, "fresh": False}
    breaks = iter([True])

    def stops(_: Action) -> None:
        if next(breaks, False):
            desk.world.place("a").things["a"]["active"] = False

    desk.world.place("a").after_do = stops
    await desk.plan(service)
    done = await desk.apply(service)
    assert done[0].results[service.address].outcome is Outcome.FAILED
    assert done[-1].converged
    assert desk.world.place("a").things["a"] == {"active": True, "fresh": True}


async def test_what_else_its_restart_spoiled_waits_for_the_next_plan(desk: Desk) -> None:
    """Only what brings the service up again is allowed beyond the file; another field beside that holds the step."""
    service = thing("a", "a", active=True, fresh=True, size=1)
    desk.world.place("a").things["a"] = {"active": True, "fresh": False, "size": 1}

    def spoils(_: Action) -> None:
        desk.world.place("a").things["a"].update(active=False, size=7)

    desk.world.place("a").after_do = spoils
    await desk.plan(service)
    done = await desk.apply(service)
    assert "differs in size, which the saved plan did not show" in done[-1].results[service.address].message
    assert len(desk.world.place("a").done) == 1


async def test_what_it_rests_on_is_not_repaired_on_the_way(desk: Desk) -> None:
    """A need that was as declared, and is spoiled while the plan is carried out, is left for the next plan, and told."""
    first, need = thing("a", "first", size=1), thing("b", "need", size=1)
    second = thing("b", "second", need, first, size=1)
    desk.world.place("b").things["need"] = {"size": 1}

    def spoils(action: Action) -> None:
        if action.args["name"] == "first":
            desk.world.place("b").things["need"] = {"size": 7}
            desk.world.place("b").before_do = lambda _: Reply({}, "conflict", "digest differs")

    desk.world.place("a").after_do = spoils
    await desk.plan(first, need, second)
    done = await desk.apply(first, need, second)
    assert desk.world.place("b").things == {"need": {"size": 7}}
    assert done[-1].results[need.address].message == "the saved plan does nothing here: plan again"
    assert "ssh:b/thing/need" in done[-1].results[second.address].message


async def test_an_empty_plan_does_nothing(desk: Desk) -> None:
    """What was as declared is not looked at again."""
    desk.world.place("a").things["x"] = {"size": 1}
    await desk.plan(thing("a", "x", size=1))
    desk.world.place("a").things["x"] = {"size": 2}
    assert await desk.apply(thing("a", "x", size=1)) == []


async def test_another_declaration_is_another_plan(desk: Desk) -> None:
    """A unit that is declared otherwise by now is named, when a look at everything has not explained it."""
    await desk.plan(thing("a", "x", size=1))
    with pytest.raises(StalePlanError, match="ssh:a/thing/x is declared otherwise"):
        await desk.apply(thing("a", "x", size=2))
    assert (desk.world.place("a").asks, desk.world.place("a").done) == (2, [])


async def test_a_unit_that_is_gone_is_looked_for_and_told(desk: Desk) -> None:
    """What the documents do not declare any more might be found by a look at everything; if not, the plan is stale."""
    one, other = thing("a", "x", size=1), thing("b", "y", size=1)
    await desk.plan(one, other)
    with pytest.raises(StalePlanError) as raised:
        await desk.apply(one)
    assert raised.value.moved == ("ssh:b/thing/y is declared no more",)
    assert (desk.world.place("a").asks, desk.world.place("a").done) == (2, [])


async def test_a_plan_expires(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older plan than --max-age is refused; so is one of a clock that is far ahead."""
    unit, made = thing("a", "x", size=1), plan_file.now()
    await desk.plan(unit)
    monkeypatch.setattr(plan_file, "now", lambda: made + timedelta(hours=2))
    with pytest.raises(StalePlanError, match=r"longer ago than --max-age allows \(1h\)"):
        await desk.apply(unit, max_age=timedelta(hours=1))
    monkeypatch.setattr(plan_file, "now", lambda: made - timedelta(hours=2))
    with pytest.raises(StalePlanError, match="which is still to come"):
        await desk.apply(unit)
    assert desk.world.place("a").done == []
    monkeypatch.setattr(plan_file, "now", lambda: made + timedelta(hours=2))
    assert (await desk.apply(unit))[-1].converged


async def test_another_secret_is_another_plan(desk: Desk) -> None:
    """A changed password refuses the plan, and is not told."""
    unit = thing("a", "x", size=1)
    await desk.plan(unit)
    desk.secrets = {"vc1": {"password": SecretText("4321")}}
    with pytest.raises(StalePlanError, match="a Secret has another value") as raised:
        await desk.apply(unit)
    assert "4321" not in str(raised.value)


async def test_the_file_holds_no_secret(desk: Desk) -> None:
    """Neither a declared secret nor the one that was found in its place stands in the file, which is its owner's alone."""
    unit = thing("a", "x", password=SecretText("declared-canary"))
    desk.world.place("a").things["x"] = {"password": "found-canary"}
    await desk.plan(unit)
    assert "canary" not in desk.path.read_text()
    assert stat.S_IMODE(desk.path.stat().st_mode) == 0o600
    assert list(desk.path.parent.iterdir()) == [desk.path]


@pytest.mark.parametrize("end", ["", "\n", "\nA=b"])
async def test_a_password_in_a_text_is_not_shown(desk: Desk, end: str) -> None:
    """A line that tells that it sets a password is masked however many there are: in the file, and where it moved."""
    unit = thing("a", "x", content=f"Environment=OS_PASSWORD=declared-canary{end}")
    desk.world.place("a").things["x"] = {"content": f"Environment=OS_PASSWORD=found-canary{end}"}
    await desk.plan(unit)
    assert "OS_PASSWORD=(secret)" in desk.path.read_text()
    assert "canary" not in desk.path.read_text()
    desk.world.place("a").things["x"] = {"content": "Environment=OS_PASSWORD=other-canary"}
    with pytest.raises(StalePlanError) as raised:
        await desk.apply(unit)
    assert "canary" not in str(raised.value)


async def test_a_secret_that_moved_is_not_shown(desk: Desk) -> None:
    """Somebody set another password by hand: that it is another one is told, and nothing more."""
    unit = thing("a", "x", password=SecretText("declared-canary"))
    desk.world.place("a").things["x"] = {"password": "found-canary"}
    await desk.plan(unit)
    desk.world.place("a").things["x"] = {"password": "other-canary"}
    with pytest.raises(StalePlanError, match=r"password is \(secret\), another one; it was \(secret\)") as raised:
        await desk.apply(unit)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    "edit",
    [
        {"made": "2999-01-01T00:00:00+00:00"},
        {"units": {}},
        {"plan": {"version": 1, "steps": []}},
        {"documents": {"Cluster/demo": "0" * 32}},
        {"seal": "0" * 32},
    ],
    ids=lambda edit: next(iter(edit)),
)
async def test_an_edited_file_is_refused(desk: Desk, edit: dict[str, Any]) -> None:
    """Whatever was changed by hand, the file no longer fits its seal, and nothing of it is done."""
    await desk.plan(thing("a", "x", size=1))
    desk.edit(**edit)
    with pytest.raises(PlanFileError, match="was edited after it was made") as raised:
        await desk.apply(thing("a", "x", size=1))
    assert raised.value.exit_code == 1
    assert desk.world.place("a").done == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not JSON", "is no saved plan: no JSON"),
        ("[]", "is no saved plan; make one"),
        ('{"version": 1, "totals": {}}', "is no saved plan; make one"),
        ('{"format": "bivisor saved plan", "version": 2}', "a saved plan of version 2; this program reads version 1"),
        ('{"format": "bivisor saved plan", "version": 1}', "a damaged saved plan: engine: Field required"),
    ],
)
def test_what_is_no_plan_is_told(tmp_path: Path, text: str, said: str) -> None:
    """Each way in which a file can be something else has its own words."""
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(PlanFileError, match=said):
        plan_file.read_plan(path)


async def test_another_engine_makes_other_plans(desk: Desk) -> None:
    """A plan is carried out by the version that made it: another one may mean something else by the same words."""
    await desk.plan(thing("a", "x", size=1))
    desk.edit(engine="0.0.7")
    with pytest.raises(StalePlanError, match=r"made by bivisor 0\.0\.7, and this is "):
        await desk.apply(thing("a", "x", size=1))


async def test_equal_values_have_unequal_digests(desk: Desk) -> None:
    """Neither two plans nor two places in one plan tell that a value is the same."""
    things = [thing("a", name, password=SecretText("same")) for name in "xy"]
    for name in "xy":
        desk.world.place("a").things[name] = {"password": "before"}
    contents = [await desk.plan(*things) for _ in range(2)]
    digests = [unit["observed"]["password"] for content in contents for unit in content["units"].values()]
    assert len(set(digests)) == 4


@pytest.mark.parametrize("volumes", [(), ("late",)])
async def test_what_was_followed_is_followed_again(tmp_path: Path, volumes: tuple[str, ...]) -> None:
    """A backend that was seen to be empty is taken away by the saved plan; one that has a volume again is not."""
    world, engine = backend()
    world.row = {"exists": True, "state": "up", "status": "disabled"}
    path = tmp_path / "plan.json"
    look = await engine.look()
    await plan_file.write_plan(path, tmp_path, engine.desired, look)
    assert list(plan_file.read_plan(path).aliases.values()) == ["drained"]
    world.lodgers = list(volumes)
    another = engine.keeping_to(engine.desired.following({}), None)
    cloud = session.Session(another.desired, another)
    file = plan_file.read_plan(path)
    if volumes:
        with pytest.raises(StalePlanError, match='what was followed as "drained" is so no more'):
            await saved.look_again(path, file, cloud, DAY, session.Press(Paper()))
        assert world.order == []
    else:
        within, again = await saved.look_again(path, file, cloud, DAY, session.Press(Paper()))
        assert again is not None
        done = [each async for each in within.reconciler.passes(again, unheard)]
        assert done[-1].converged, [result for result in done[-1].results.values() if result.message]
        assert (world.in_the_cib, world.files, world.kinds) == (set(), set(), set())


def test_addresses_are_read_back() -> None:
    """What was followed when the plan was made is found by the address that the file spells."""
    from reconciler.core.stale import _address  # noqa: PLC0415 - only here

    text = "ssh:ctl1/config_file//etc/nova/nova.conf"
    read = _address(text)
    assert isinstance(read, Address)
    assert str(read) == text
    assert (read.target.name, read.type, read.name) == ("ctl1", "config_file", "/etc/nova/nova.conf")
