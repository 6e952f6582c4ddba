"""The same values for programs: plans and statuses as JSON data, with a version and a documented shape.

A plan:

    {"version": 1,
     "supposed": "As if the release were …",            only with --release: this plan is only to be looked at
     "compared": {"before": "main", "after": "desired"} only of two declarations: no host was asked
     "documents": [                                     only with "compared": what differs in them
       {"key": "Node/kvm1", "verb": "update", "changes": [{"field": "spec.address", …}]}],
     "totals": {"create": 1, "update": 0, …},           one number per verb, "nothing" included
     "interrupts": ["nova-compute on kvm1"],
     "waves": [["nova-compute on kvm1"], ["…"]],        who is down at the same time, where there are several waves
     "steps": [                                         without those that have nothing to do
       {"address": "ssh:kvm1/config_file//etc/nova/nova.conf",
        "target": "ssh:kvm1", "type": "config_file", "name": "/etc/nova/nova.conf",
        "verb": "held",                                 create, update, delete, restart, wait, held or unknown
        "intended": "update",                           what it would be if nothing held it
        "changes": [{"field": "[DEFAULT] host", "before": null, "after": "kvm1", "secret": false}],
        "reasons": [], "disrupts": null, "held": "Cluster/demo is only observed", "later": false,
        "drift": "corrective",                          declared, corrective or foreign; "" where nobody remembers
        "since": "2026-11-23T02:10:05Z",                when Bivisor last wrote it, "" if it never did
        "needs": ["…"], "origins": ["Cluster/demo"]}],
     "remarks": [                                       what is worth knowing and no difference; about any unit
       {"address": "openstack:demo/compute_service/kvm1", "text": "an operator disabled it: new disks"}]}

A value is a string, a number, a boolean, a list of strings, or null where it is absent; secrets are masked as on
every page. Where declarations are compared, `(not declared)` stands for a field that one side does not have, and a
unit that is declared no more is a step to delete whose field `exists` has that after it. Fields may be added under
the same version; one that changes its meaning or goes raises it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.core.plan import Verb
from reconciler.core.report import Report
from reconciler.core.shown import is_secret, masked, masked_urls

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.core.compare import Edit
    from reconciler.core.plan import Plan, Step
    from reconciler.core.status import Condition, Result, Status
    from resources.contract import Address, Change, Value

VERSION = 1
"""The version of all shapes that are described here."""


def plan_data(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON data."""
    return report_data(Report(plan))


def report_data(report: Report) -> dict[str, Any]:
    """Return a plan as JSON data, with what is said about it."""
    plan = report.plan
    return {
        "version": VERSION,
        **({"supposed": report.supposed} if report.supposed else {}),
        **(_compared(report) if report.compared else {}),
        "totals": {str(verb): count for verb, count in plan.counts.items()},
        "interrupts": list(report.interrupts),
        "waves": [list(wave) for wave in report.waves],
        "steps": [_step(step) for step in plan.steps if step.verb is not Verb.NOTHING],
        "remarks": [{"address": str(step.address), "text": masked_urls(text)} for step in plan.steps for text in step.remarks],
    }


def results_data(results: Mapping[Address, Result]) -> dict[str, Any]:
    """Return what came of the steps: `{"version": 1, "results": [{"address", "outcome", "message"}]}`."""
    return {
        "version": VERSION,
        "results": [
            {"address": str(each.address), "outcome": str(each.outcome), "message": masked_urls(each.message)}
            for each in results.values()
        ],
    }


def status_data(status: Status) -> dict[str, Any]:
    """Return the state of every resource; see `standing_page` for its shape."""
    return {
        "version": VERSION,
        "ready": status.ready,
        "resources": [
            {
                "key": str(each.key),
                "kind": each.key.kind,
                "name": each.key.name,
                "generation": each.generation or None,
                "units": each.units,
                "ready": each.ready,
                "remarks": [masked_urls(text) for text in each.remarks],
                "conditions": conditions_data(each.conditions),
            }
            for each in status.resources
        ],
    }


def conditions_data(conditions: Iterable[Condition]) -> list[dict[str, Any]]:
    """Return conditions under the names that Kubernetes has for their fields."""
    return [
        {
            "type": each.type,
            "status": str(each.status),
            "reason": str(each.reason),
            "message": masked_urls(each.message),
            "lastTransitionTime": each.since or None,
            "observedGeneration": each.generation or None,
        }
        for each in conditions
    ]


def _compared(report: Report) -> dict[str, Any]:
    after, before = report.compared
    return {"compared": {"before": before, "after": after}, "documents": [_edit(edit) for edit in report.documents]}


def _edit(edit: Edit) -> dict[str, Any]:
    return {"key": str(edit.key), "verb": str(edit.verb), "changes": [_change(change) for change in edit.changes]}


def _step(step: Step) -> dict[str, Any]:
    return {
        "address": str(step.address),
        "target": str(step.address.target),
        "type": step.address.type,
        "name": step.address.name,
        "verb": str(step.verb),
        "intended": str(step.intended),
        "changes": [_change(change) for change in step.changes],
        "reasons": list(step.reasons),
        "disrupts": step.disruption.service if step.disruption else None,
        "held": masked_urls(step.held),
        "drift": step.drift,
        "since": step.since,
        "later": step.later,
        "needs": [str(need) for need in step.needs],
        "origins": [str(origin) for origin in step.origins],
    }


def _change(change: Change) -> dict[str, Any]:
    secret = is_secret(change.field, change.before) or is_secret(change.field, change.after)
    before, after = masked(change)
    return {"field": change.field, "before": plain(before), "after": plain(after), "secret": secret}


def plain(value: Value) -> str | int | bool | list[str] | None:
    """Return a value as JSON has it."""
    match value:
        case tuple():
            return list(value)
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)
