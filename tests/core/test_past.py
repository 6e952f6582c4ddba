"""What is kept of a step, and the pages that tell of it later."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.past import MOST_CHARACTERS, StepRecord, change_of, planned
from reconciler.core.past_page import Told, past_data, past_lines
from reconciler.core.plan import Step, Verb
from reconciler.core.render import changes_lines
from reconciler.core.shown import Paper, text_of
from resources.contract import Change, Key
from tests.core.simple import address
from tests.core.test_render import CANARY, SECRETS

A = address("ssh:kvm1/config_file//etc/nova/nova.conf")
ZONE = Key("HypervisorZone", "kvm-az")

VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=9), max_size=3).map(tuple)


def step_of(*changes: Change, verb: Verb = Verb.UPDATE) -> Step:
    """Return a step with these changes."""
    return Step(A, verb, changes=changes, intended=verb, origins=(ZONE,))


def record(name: str, outcome: str, verb: str = "restart", **more: object) -> StepRecord:
    """Return a record of a step."""
    empty = StepRecord(f"ssh:kvm1/service/{name}", verb, outcome, "", (), (str(ZONE),), (), None)
    return replace(empty, **more)  # type: ignore[arg-type]  # fields of it


def told(*steps: StepRecord, result: str = "partial", **more: object) -> Told:
    """Return a pass with these steps."""
    made = Told(
        number=7,
        began="2026-11-23T02:10:05.120000+00:00",
        when="2026-11-23 03:10:05+01:00",
        duration_s=185.2,
        result=result,
        note="",
        command="apply",
        user="root (sudo by anna)",
        version="0.1.0",
        commit="0123456789abcdef",
        branch="main",
        dirty=False,
        steps=steps,
    )
    return replace(made, **more)  # type: ignore[arg-type]  # fields of it


def page(one: Told, about: str | None = None, paper: Paper | None = None) -> str:
    """Return the page about a pass."""
    return "\n".join(text_of(line) for line in past_lines([one], paper or Paper(), about))


@pytest.mark.parametrize("case", SECRETS)
def test_nothing_secret_is_kept(case: str) -> None:
    """What is masked on the plan's page is kept masked, and looks later as it did then."""
    kept = planned(step_of(SECRETS[case]), str)
    assert CANARY not in str(kept)
    if case == "in a list of URLs":  # one whose password alone changes is the same entry once it is masked
        return
    for full in (False, True):
        paper = Paper(full=full, width=1000)
        later = tuple(changes_lines([change_of(change) for change in kept.changes], paper))
        assert later == tuple(changes_lines([SECRETS[case]], paper))


@given(VALUES, VALUES)
def test_a_change_looks_later_as_it_did(before: object, after: object) -> None:
    """Whatever a host said, the page of the history shows what the page of the plan showed."""
    change = Change("[DEFAULT] host", before, after)  # type: ignore[arg-type]  # values of every type
    kept = planned(step_of(change), str)
    json.dumps([(each.before, each.after) for each in kept.changes]).encode()
    assert tuple(changes_lines([change_of(each) for each in kept.changes])) == tuple(changes_lines([change]))


def test_endless_values_are_cut() -> None:
    """Of a text over 20,000 characters the beginning is kept, and how much there was more."""
    (change,) = planned(step_of(Change("content", "a\n" * MOST_CHARACTERS, None)), str).changes
    kept = change_of(change).before
    assert isinstance(kept, str)
    assert kept.startswith("a\na\n")
    assert kept.endswith("… (20000 more characters)")


def test_a_listed_pass_names_what_failed_and_what_was_interrupted() -> None:
    """Who does not ask for all steps is told of the first three that need a person, and how to see the rest."""
    steps = [record(f"s{number}", "failed", message="it does not stay up") for number in range(4)]
    steps += [record("good", "converged"), record("held", "skipped", "held")]
    assert (
        page(told(*steps))
        == """\
Pass 7  2026-11-23 03:10:05+01:00  3 min 5 s  partial
    apply by root (sudo by anna), commit 0123456789ab (main)
    5 restart, 1 held
    failed     restart  ssh:kvm1  service s0
      it does not stay up
    failed     restart  ssh:kvm1  service s1
      it does not stay up
    failed     restart  ssh:kvm1  service s2
      it does not stay up
    … 1 more: bivisor history 7
"""
    )
    interrupted = told(record("s1", "begun"), record("s2", "planned"), result="interrupted", duration_s=None, commit="")
    assert (
        page(interrupted)
        == """\
Pass 7  2026-11-23 03:10:05+01:00  interrupted
    apply by root (sudo by anna)
    2 restart
    begun      restart  ssh:kvm1  service s1
"""
    )


def test_a_pass_in_full_tells_what_was_done_and_why() -> None:
    """All steps, the skipped ones last and once per reason; for each what changed, why, for whom, and for how long."""
    done = planned(replace(step_of(Change("[DEFAULT] host", None, "kvm1")), reasons=("somebody changed it",)), str)
    done = replace(done, outcome="converged", duration_s=0.0402)
    silent = [record(name, "skipped", "unknown", message="no route to host") for name in ("a", "b")]
    other = record("c", "skipped", "held", message="it is only observed", origins=("Cluster/demo", str(ZONE)))
    assert (
        page(told(*silent, other, done, note="broken", dirty=True), "")
        == """\
Pass 7  2026-11-23 03:10:05+01:00  3 min 5 s  partial
    apply by root (sudo by anna), commit 0123456789ab (main) with uncommitted changes
    1 update, 1 held, 2 unknown
    broken
    converged  update   ssh:kvm1  config_file /etc/nova/nova.conf  40 ms
      declared by HypervisorZone/kvm-az
      [DEFAULT] host  absent → "kvm1"
      somebody changed it
    skipped    unknown  2 units on ssh:kvm1
      no route to host
    skipped    held     ssh:kvm1  service c
      declared by Cluster/demo, HypervisorZone/kvm-az
      it is only observed
"""
    )
    assert page(told(*silent), "", Paper(full=True)).count("no route to host") == 2
    assert "declared by HypervisorZone" not in page(told(done), str(ZONE))


def test_hosts_words_move_no_cursor() -> None:
    """Control characters in names and messages of hosts are shown as escapes."""
    shown = page(told(record("a\x1b[2J", "failed", message="\x1b[31mred")), paper=Paper(unicode=False))
    assert "\x1b" not in shown
    assert "\\x1b[31mred" in shown


def test_programs_get_the_values() -> None:
    """As data a value is a value, not the words of a page; times are UTC; without git there is no commit."""
    kept = planned(step_of(Change("size", 1, None), Change("on", before=False, after=True), Change("l", ("a",), ())), str)
    data = past_data([told(kept, commit="", duration_s=None)])
    assert json.loads(json.dumps(data)) == data | {"passes": json.loads(json.dumps(data["passes"]))}
    (one,) = data["passes"]
    assert (one["number"], one["began"], one["commit"], one["totals"]) == (7, told().began, None, {"update": 1})
    assert [(each["before"], each["after"]) for each in one["steps"][0]["changes"]] == [(1, None), (False, True), (("a",), ())]
    assert one["steps"][0]["origins"] == ("HypervisorZone/kvm-az",)
