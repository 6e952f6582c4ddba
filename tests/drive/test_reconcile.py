"""What a pass promises, on a clock that jumps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.core.plan import Verb
from reconciler.core.status import Outcome
from resources.contract import Reply
from tests.drive.world import World, thing

if TYPE_CHECKING:
    from reconciler.apply import Progress
    from reconciler.reconcile import Pass, Reconciler
    from resources.contract import Action

pytestmark = pytest.mark.looptime


def unheard(_: Progress) -> None:
    """Listen to no progress."""


async def passes(reconciler: Reconciler) -> list[Pass]:
    """Return all passes until it stops."""
    return [done async for done in reconciler.passes(await reconciler.look(), unheard)]


async def test_a_look_changes_nothing() -> None:
    """A plan asks and never does."""
    world = World()
    look = await world.reconciler(thing("a", "x", size=1)).look()
    assert [step.verb for step in look.plan.steps] == [Verb.CREATE]
    assert world.place("a").things == {}
    assert world.place("a").done == []


async def test_one_round_trip_per_target() -> None:
    """However many units a target has, a look asks it once."""
    world = World()
    await world.reconciler(*(thing("a", f"x{n}", size=n) for n in range(50)), thing("b", "y", size=1)).look()
    assert world.place("a").asks == 1
    assert world.place("b").asks == 1


async def test_converges_in_the_order_of_needs_and_then_rests() -> None:
    """What is needed acts first; after convergence a pass does nothing and the passes end."""
    world = World()
    first, last = thing("a", "first", size=1), None
    last = thing("b", "last", first, size=2)
    done = await passes(world.reconciler(last, first))
    assert world.place("a").things == {"first": {"size": 1}}
    assert world.place("b").things == {"last": {"size": 2}}
    assert world.place("a").done[0][1] <= world.place("b").done[0][1]
    assert done[-1].converged
    assert len(world.place("a").done) == len(world.place("b").done) == 1


async def test_a_failed_step_skips_only_what_needs_it() -> None:
    """Failure travels along needs and nowhere else."""
    world = World()
    broken = thing("a", "broken", size=1)
    needs_it = thing("b", "needs-it", broken, size=1)
    apart = thing("b", "apart", size=1)
    world.place("a").before_do = lambda _: Reply({}, "failed", "disk full")
    first = (await passes(world.reconciler(broken, needs_it, apart)))[0]
    outcomes = {address.name: result for address, result in first.results.items()}
    assert outcomes["broken"].outcome is Outcome.FAILED
    assert "disk full" in outcomes["broken"].message
    assert outcomes["needs-it"].outcome is Outcome.SKIPPED
    assert "broken" in outcomes["needs-it"].message
    assert outcomes["apart"].outcome is Outcome.CONVERGED


async def test_a_silent_target_is_unknown_and_the_others_go_on() -> None:
    """No answer is not absence: nothing is done there, nothing that needs it is done, everything else is."""
    world = World()
    lost = thing("a", "lost", size=1)
    needs_it = thing("b", "needs-it", lost, size=1)
    apart = thing("b", "apart", size=1)
    world.place("a").silent = True
    done = await passes(world.reconciler(lost, needs_it, apart))
    assert world.place("b").things == {"apart": {"size": 1}}
    verbs = {step.address.name: step.verb for step in done[-1].look.plan.steps}
    assert verbs == {"lost": Verb.UNKNOWN, "needs-it": Verb.HELD, "apart": Verb.NOTHING}
    assert not done[-1].converged


async def test_settles_by_looking_again() -> None:
    """A service that needs time to come up is waited for, and no longer than its settle time."""
    world = World()
    slow = thing("a", "slow", settle_s=60, **{"up": True, "@waits": True})
    world.place("a").things["slow"] = {"up": False}
    other = thing("b", "other", slow, size=1)

    def comes_up(asked: int) -> None:
        world.place("a").things["slow"]["up"] = asked > 10

    world.place("a").on_ask = comes_up
    reconciler = world.reconciler(slow, other)
    look = await reconciler.look()
    assert {step.address.name: step.verb for step in look.plan.steps}["slow"] is Verb.WAIT
    done = await reconciler.carry_out(look, unheard)
    assert {result.outcome for result in done.results.values()} == {Outcome.CONVERGED}


async def test_never_settling_is_a_failure_with_what_still_differs() -> None:
    """A step that acted and still differs after its time has failed, and says in what."""
    world = World()
    stubborn = thing("a", "stubborn", settle_s=30, up=True)

    def falls_back(_: Action) -> None:
        world.place("a").things["stubborn"]["up"] = False

    world.place("a").after_do = falls_back
    done = await passes(world.reconciler(stubborn))
    result = done[0].results[stubborn.address]
    assert result.outcome is Outcome.FAILED
    assert "up is False, not True" in result.message
    assert not done[-1].converged
    assert len(done) <= 3


async def test_somebody_elses_write_starts_the_pass_over() -> None:
    """A conflict loses nothing: the step is skipped, the next pass looks again and converges."""
    world = World()
    fought = thing("a", "fought", size=1)
    refusals = iter([Reply({}, "conflict", "digest differs")])
    world.place("a").before_do = lambda _: next(refusals, None)
    done = await passes(world.reconciler(fought))
    assert done[0].results[fought.address].outcome is Outcome.SKIPPED
    assert done[-1].converged


async def test_what_the_plan_did_not_show_waits_for_the_next_pass() -> None:
    """When a need's action changes the world beyond the plan, the step does not do more than was shown."""
    world = World()
    package = thing("a", "package", installed=True)
    service = thing("a", "service", package, active=True, fresh=True)
    world.place("a").things["service"] = {"active": False, "fresh": True}

    def starts_stale(action: Action) -> None:
        if action.args["name"] == "package":
            world.place("a").things["service"] = {"active": True, "fresh": False}

    world.place("a").after_do = starts_stale
    done = await passes(world.reconciler(package, service))
    assert done[0].results[service.address].outcome is Outcome.SKIPPED
    assert "fresh" in done[0].results[service.address].message
    restarts = [step.verb for step in done[1].look.plan.steps if step.address == service.address]
    assert restarts == [Verb.RESTART]
    assert done[-1].converged


async def test_restarts_roll_one_after_the_other() -> None:
    """With maxUnavailable 1, three stale services restart in three passes, never two in one."""
    world = World()
    services = [thing(name, name, active=True, fresh=True) for name in "abc"]
    for name in "abc":
        world.place(name).things[name] = {"active": True, "fresh": False}
    done = await passes(world.reconciler(*services))
    restarted = [sum(step.verb is Verb.RESTART for step in one.look.plan.steps) for one in done]
    assert restarted == [1, 1, 1, 0]
    assert done[-1].converged


async def test_a_rollout_may_take_as_many_passes_as_it_has_restarts() -> None:
    """Fifty services that may restart one at a time are all restarted by one apply."""
    world = World()
    names = [f"h{number}" for number in range(50)]
    for name in names:
        world.place(name).things[name] = {"active": True, "fresh": False}
    done = await passes(world.reconciler(*(thing(name, name, active=True, fresh=True) for name in names)))
    assert done[-1].converged


async def test_two_who_apply_at_once_restart_once() -> None:
    """Of two who saw the same stale service, the second looks before it interrupts, and leaves it alone."""
    world = World()
    world.place("a").things["a"] = {"active": True, "fresh": False}
    stale = thing("a", "a", active=True, fresh=True)
    first, second = world.reconciler(stale), world.reconciler(stale)
    looks = [await first.look(), await second.look()]
    await first.carry_out(looks[0], unheard)
    done = await second.carry_out(looks[1], unheard)
    assert [name for name, _ in world.place("a").done] == ["a"]
    assert done.results[stale.address].outcome is Outcome.CONVERGED


async def test_what_was_only_waited_for_is_not_acted_on() -> None:
    """A plan that said wait does nothing else; if something can be done meanwhile, the next plan says so."""
    world = World()
    first = thing("a", "first", size=1)
    fields: dict[str, Any] = {"up": True, "@waits_until": "stuck"}
    waits = thing("a", "waits", first, settle_s=5, **fields)
    world.place("a").things["waits"] = {"up": False}

    def gets_stuck(action: Action) -> None:
        if action.args["name"] == "first":
            world.place("a").things["waits"]["stuck"] = True

    world.place("a").after_do = gets_stuck
    reconciler = world.reconciler(first, waits)
    look = await reconciler.look()
    assert {step.address.name: step.verb for step in look.plan.steps}["waits"] is Verb.WAIT
    done = await reconciler.carry_out(look, unheard)
    assert done.results[waits.address].outcome is Outcome.SKIPPED
    assert [name for name, _ in world.place("a").done] == ["first"]
    assert (await passes(reconciler))[-1].converged


async def test_a_restart_that_does_not_live_stops_the_rollout() -> None:
    """A service that ends some seconds after its restart, or runs in a new process each time, costs no second one."""
    ways: tuple[dict[str, object], ...] = ({"active": False}, {"@invocation": "another"})
    for ends in ways:
        world = World()
        services = [thing(name, name, steady_s=10, active=True, fresh=True) for name in "abc"]
        for name in "abc":
            world.place(name).things[name] = {"active": True, "fresh": False, "@invocation": "one"}

        def ends_soon(_: int, world: World = world, ends: dict[str, object] = ends) -> None:
            restarted = world.place("a").done
            if restarted and asyncio.get_running_loop().time() > restarted[0][1] + 5:
                world.place("a").things["a"].update(ends)

        world.place("a").on_ask = ends_soon
        done = await passes(world.reconciler(*services))
        assert done[0].results[services[0].address].outcome is Outcome.FAILED
        assert (world.place("b").done, world.place("c").done) == ([], [])
        assert any("a did not come through the restart" in step.held for step in done[-1].look.plan.held)
        assert not done[-1].converged


async def test_a_rollout_goes_on_when_the_failed_one_is_well_again() -> None:
    """A restart that fails at first and works at the second try holds up the others only until then."""
    world = World()
    services = [thing(name, name, steady_s=10, active=True, fresh=True) for name in "ab"]
    for name in "ab":
        world.place(name).things[name] = {"active": True, "fresh": False}
    refusals = iter([Reply({}, "failed", "job timed out")])
    world.place("a").before_do = lambda _: next(refusals, None)
    done = await passes(world.reconciler(*services))
    assert done[-1].converged
    assert world.place("a").done[0][1] < world.place("b").done[0][1]


async def test_what_stands_on_an_interrupted_service_stands_again_before_the_next_one_goes() -> None:
    """A ring is waited for after one member's restart, so that the next restart finds it whole."""
    world = World()
    members = [thing(name, name, active=True, fresh=True) for name in "abc"]
    ring = thing("ring", "ring", *members, settle_s=60, **{"whole": True, "@waits": True})
    world.place("ring").things["ring"] = {"whole": True}
    whole_when_restarted = []

    def falls_apart(_: Action) -> None:
        whole_when_restarted.append(world.place("ring").things["ring"]["whole"])
        world.place("ring").things["ring"]["whole"] = False

    def comes_together(_: int) -> None:
        now = asyncio.get_running_loop().time()
        last = max((at for name in "abc" for _, at in world.place(name).done), default=now - 100)
        world.place("ring").things["ring"]["whole"] = now > last + 20

    for name in "abc":
        world.place(name).things[name] = {"active": True, "fresh": False}
        world.place(name).after_do = falls_apart
    world.place("ring").on_ask = comes_together
    done = await passes(world.reconciler(*members, ring))
    assert whole_when_restarted == [True, True, True]
    assert done[-1].converged


async def test_what_does_not_recover_from_an_interruption_is_told() -> None:
    """If it stays broken, that is a failure of this pass with what differs, and what needs it does not act."""
    world = World()
    member = thing("a", "member", active=True, fresh=True)
    ring = thing("ring", "ring", member, settle_s=10, **{"whole": True, "@waits": True})
    after = thing("b", "after", ring, size=1)
    world.place("a").things["member"] = {"active": True, "fresh": False}
    world.place("ring").things["ring"] = {"whole": True}
    world.place("a").after_do = lambda _: world.place("ring").things["ring"].update(whole=False)
    reconciler = world.reconciler(member, ring, after)
    done = await reconciler.carry_out(await reconciler.look(), unheard)
    assert done.results[ring.address].outcome is Outcome.FAILED
    assert "whole is False, not True" in done.results[ring.address].message
    assert done.results[after.address].outcome is Outcome.SKIPPED
    assert world.place("b").done == []


async def test_secrets_of_the_world_are_masked() -> None:
    """What a target says in an error passes the redactor before it becomes a result."""
    world = World()
    broken = thing("a", "broken", size=1)
    world.place("a").before_do = lambda _: Reply({}, "failed", "cannot log in with hunter22")
    reconciler = world.reconciler(broken)
    reconciler._desired.redact._values = ("hunter22",)
    done = await passes(reconciler)
    assert "hunter22" not in done[0].results[broken.address].message
    assert "(secret)" in done[0].results[broken.address].message


async def test_what_was_just_restarted_gets_time_to_answer() -> None:
    """A target that falls silent because of this very pass is waited for; one that was silent before is not."""
    world = World()
    first, second = thing("a", "first", size=1), thing("b", "second", size=1)
    world.place("gone").silent = True
    gone = thing("gone", "gone", size=1)

    def falls_silent(_: Action) -> None:
        world.place("a").silent = True

    def comes_back(_: int) -> None:
        loop = asyncio.get_running_loop()
        world.place("a").silent = bool(world.place("a").done) and loop.time() < world.place("a").done[0][1] + 20

    world.place("a").after_do = falls_silent
    world.place("a").on_ask = comes_back
    started = asyncio.get_running_loop().time()
    done = await passes(world.reconciler(first, second, gone))
    verbs = {step.address.name: step.verb for step in done[-1].look.plan.steps}
    assert verbs == {"first": Verb.NOTHING, "second": Verb.NOTHING, "gone": Verb.UNKNOWN}
    assert asyncio.get_running_loop().time() - started < 40
