"""Promises of all pages; what they look like is in the scenarios."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.compile import Catalog
from reconciler.core.differences import difference
from reconciler.core.drawing import to_dot, to_mermaid
from reconciler.core.graph import build_graph
from reconciler.core.plan import Plan, Step, Verb
from reconciler.core.render import changes_lines, outcome_lines, plan_lines, result_lines, status_lines
from reconciler.core.shown import Paper, Tone, is_secret, masked, masked_lines, natural, printable, text_of
from reconciler.core.status import Outcome, Result, fold
from reconciler.core.structured import plan_data, results_data, status_data
from resources.contract import Address, Change, Key, Need, SecretText, TargetId
from tests.core.simple import Simple, address
from tests.core.worlds import World, worlds

CANARY = "c4n4ry"
A = address("ssh:kvm1/config_file//etc/nova/nova.conf")


def shown(*changes: Change, paper: Paper | None = None) -> list[str]:
    """Return the lines of changes without their indentation."""
    return [text_of(line).strip() for line in changes_lines(changes, paper or Paper())]


SECRETS = {
    "declared": Change("[vmware] host_password", SecretText(CANARY), SecretText(CANARY + "2")),
    "declared under any name": Change("content", None, SecretText(f"-----BEGIN\n{CANARY}\n")),
    "removed, named password": Change("[vmware] host_password", CANARY, None),
    "changed, named token": Change("admin_token", CANARY, "none"),
    "in a list": Change("[x] secrets", (CANARY,), ("a",)),
    "in a URL": Change("[database] connection", f"mysql://u:{CANARY}@h/x", None),
    "in a list of URLs": Change("[x] urls", (f"rabbit://u:{CANARY}@h",), ("rabbit://u:p@h", "x")),
    "in several hosts' URL": Change("[DEFAULT] transport_url", f"rabbit://u:a@h,u:{CANARY}@g/", "x"),
    "on a line of a file": Change("content", f"a = 1\nadmin_password={CANARY}\n", "a = 1\n"),
    "in the environment of a service": Change("content", None, f'[Service]\nEnvironment="API_TOKEN={CANARY}"\n'),
    "in a comment of a file": Change("content", f"#password: {CANARY}\n", "a = 1\n"),
    "in a file's private key": Change("content", f"-----BEGIN RSA PRIVATE KEY-----\nabc\n{CANARY}\n-----END", "x\n"),
}


@pytest.mark.parametrize("case", SECRETS)
@pytest.mark.parametrize("full", [False, True])
def test_secrets_never_show(case: str, full: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """No page and no JSON shows a secret, be it declared as one or only named like one."""
    change = SECRETS[case]
    step = Step(A, Verb.UPDATE, changes=(change,), intended=Verb.UPDATE)
    page = "\n".join(map(text_of, plan_lines(Plan((step,)), Paper(full=full, width=1000))))
    assert CANARY not in page
    assert CANARY not in json.dumps(plan_data(Plan((step,))))
    assert change.field in page


def test_a_foreign_message_is_masked_and_harmless() -> None:
    """What a host or an API says is shown without URL passwords and without control characters."""
    message = f"cannot reach\x1b[2J http://u:{CANARY}@h\r\nnow"
    step = Step(A, Verb.UNKNOWN, held=message)
    result = {A: Result(A, Outcome.FAILED, message)}
    page = [*plan_lines(Plan((step,))), *result_lines(Plan((Step(A, Verb.UPDATE),)), result)]
    page += outcome_lines(step, result[A])
    text = "\n".join(map(text_of, page))
    assert CANARY not in text + json.dumps([plan_data(Plan((step,))), results_data(result)])
    assert all(line.isprintable() for line in text.split("\n"))


@given(st.text(), st.text(), st.text(), st.sampled_from([Verb.UPDATE, Verb.HELD, Verb.UNKNOWN]))
def test_pages_are_lines_of_printable_text(name: str, before: str, after: str, verb: Verb) -> None:
    """Whatever stands on the hosts: no line of a page moves the cursor, and ASCII paper takes ASCII only."""
    where = Address(TargetId("ssh", "kvm1"), "file", name)
    step = Step(where, verb, changes=(Change("content", before, after),), held=after, reasons=(before,), intended=Verb.RESTART)
    for paper in (Paper(), Paper(unicode=False, width=20), Paper(full=True)):
        for line in plan_lines(Plan((step,)), paper):
            assert printable(text_of(line)) == text_of(line)
            assert paper.unicode or text_of(line).isascii()


@given(worlds())
def test_every_world_has_its_pages(world: World) -> None:
    """Each plan and status can be written, each step that is not as declared is on the full page, and tones are known."""
    plan = world.allowed(world.plan())
    lines = plan_lines(plan, Paper(full=True))
    page = "\n".join(map(text_of, lines))
    assert all(step.address.name in page for step in plan.steps if step.verb is not Verb.NOTHING)
    assert all(isinstance(span.tone, Tone) for line in lines for span in line)
    status = fold(plan, {}, world.catalog)
    table = "\n".join(map(text_of, status_lines(status)))
    assert all(str(key) in table for key in world.catalog.resources)
    data = json.loads(json.dumps([plan_data(plan), status_data(status)]))
    assert len(data[0]["steps"]) == len(plan.steps) - plan.counts[Verb.NOTHING]
    assert sum(data[0]["totals"].values()) == len(plan.steps)
    assert len(data[1]["resources"]) == len(world.catalog.resources)


def test_long_values_are_cut_unless_the_page_is_full() -> None:
    """A value longer than its line is cut visibly; the full page has it whole."""
    change = Change("x", "a" * 500, "b" * 500)
    cut = shown(change, paper=Paper(width=60))
    assert all(len(line) <= 60 for line in cut)
    assert all(line.endswith("…") for line in cut)
    assert '"' + "b" * 500 + '"' in shown(change, paper=Paper(width=60, full=True))[1]


def test_a_long_difference_is_cut_and_counted() -> None:
    """Of a long file's difference the first lines are shown and the rest is counted."""
    change = Change("content", None, "line\n" * 100)
    assert shown(change)[-1] == "… 60 more lines"
    assert len(shown(change, paper=Paper(full=True))) == 101


def test_what_is_worth_knowing_is_told_although_nothing_is_to_be_done() -> None:
    """It stands below a plan without changes, below its resource in the status, and in the data of both; in one line each."""
    unit = Simple(address=A, desired={}, origins=(Key("Cluster", "demo"),))
    step = Step(A, Verb.NOTHING, origins=unit.origins, remarks=("an operator disabled it:\x1b[2J new disks",))
    plan = Plan((step,))
    told = f"{A}: an operator disabled it:\\x1b[2J new disks"
    page = [text_of(line) for line in plan_lines(plan)]
    assert page == ["Worth knowing", f"  * {told}", "", "No changes. The cloud is as declared."]
    assert plan_data(plan)["remarks"] == [{"address": str(A), "text": step.remarks[0]}]
    resources: dict[Key, Any] = dict.fromkeys(unit.origins)
    catalog = Catalog(units={A: unit}, endpoints={}, resources=resources, positions={})
    status = fold(plan, {}, catalog)
    assert text_of(status_lines(status)[-1]) == f"    note: {told}"
    assert status_data(status)["resources"][0]["remarks"] == [f"{A}: {step.remarks[0]}"]
    assert status.ready


def test_what_came_of_it() -> None:
    """The page after an apply names what failed and why, and counts the outcomes."""
    other = address("ssh:kvm1/service/d")
    plan = Plan((Step(A, Verb.UPDATE), Step(other, Verb.RESTART)))
    results = {A: Result(A, Outcome.FAILED, "file.write: no space left"), other: Result(other, Outcome.CONVERGED)}
    assert [text_of(line) for line in result_lines(plan, results)] == [
        "failed     update   ssh:kvm1  config_file /etc/nova/nova.conf",
        "      file.write: no space left",
        "Result: 1 converged, 1 failed.",
    ]


@pytest.mark.parametrize(
    ("field", "secret"),
    [
        ("[vmware] host_password", True),
        ("[DEFAULT] metadata_proxy_shared_secret", True),
        ("[keystone_authtoken] username", False),
        ("[libvirt] rbd_secret_uuid", False),
        ("[token] expiration", False),
        ("[ssl] key_file", False),
        ("password_file", False),
        ("spec.services.nova.secret", False),
        ("spec.secret", True),
    ],
)
def test_names_that_tell(field: str, secret: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """An option's own name tells that it is a secret; its section's does not, nor does a name of a file or a Secret."""
    assert is_secret(field, "x") is secret


def test_lines_of_a_file_keep_all_that_is_no_secret() -> None:
    """Masking takes the value and leaves the rest of the line, and all other lines, as they are."""
    text = "[vmware]\n  host_password = x y\ncluster = passwords\n# see http://h:80/a@b\n"
    assert masked_lines(text) == ["[vmware]", "  host_password = (secret)", "cluster = passwords", "# see http://h:80/a@b"]


def test_a_text_of_one_line_is_a_text() -> None:
    """A drop-in without a line end has its password masked like one with it, in every form; what is no secret stays."""
    change = Change("content", "Environment=OS_PASSWORD=a-canary", "Environment=OS_PASSWORD=another-canary")
    assert masked(change) == ("Environment=OS_PASSWORD=(secret)", "Environment=OS_PASSWORD=(another secret)")
    assert not any("canary" in line for line in difference(change))
    assert masked(Change("content", ("A=b", "TOKEN=canary"), "a\r\n")) == (("A=b", "TOKEN=(secret)"), "a\r\n")


def test_people_count() -> None:
    """Numbers in names are ordered as numbers, whatever digits they are written in."""
    assert sorted(["kvm10", "kvm2", "kvm", "kvm²"], key=natural) == ["kvm", "kvm2", "kvm10", "kvm²"]


def test_drawings() -> None:
    """Both drawings frame the targets, and lead from what comes first to what needs it, with the reason."""
    reason = 'the "package" brings it'
    units = [
        Simple(address=address("ssh:kvm1/package/nova"), desired={}),
        Simple(address=A, desired={}, needs=(Need(address("ssh:kvm1/package/nova"), reason),)),
    ]
    graph = build_graph({unit.address: unit for unit in units})
    dot, mermaid = to_dot(graph), to_mermaid(graph)
    assert 'u0 -> u1 [label="the \\"package\\" brings it"];' in dot
    assert 'u1 [label="config_file\\n/etc/nova/nova.conf"];' in dot
    assert 'label="ssh:kvm1";' in dot
    assert mermaid == (
        'flowchart LR\n  subgraph t0["ssh:kvm1"]\n    u0["package<br/>nova"]\n'
        '    u1["config_file<br/>/etc/nova/nova.conf"]\n  end\n  u0 -->|"the #quot;package#quot; brings it"| u1'
    )


@given(worlds())
def test_a_drawing_has_every_unit_and_need(world: World) -> None:
    """No unit and no need is left out of a drawing, and no reason of Graphviz'; of Mermaid's, where they would cover it."""
    graph = build_graph(world.catalog.units)
    needs = sum(len(graph.needs(each)) for each in graph.order)
    assert to_dot(graph).count(" -> ") == to_mermaid(graph).count(" --> ") + to_mermaid(graph).count(" -->|") == needs
    reasons = sum(bool(need.reason) for each in graph.order for need in graph.needs(each))
    assert sum(" -> " in line and line.endswith("];") for line in to_dot(graph).splitlines()) == reasons
