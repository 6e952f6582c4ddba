"""Why something is as it is, for programs: as JSON data, with a version and a documented shape.

A unit:

    {"version": 1, "address": "ssh:kvm1/config_file//etc/nova/nova.conf",
     "field": "",                                       the one that was asked for
     "declared": [PLACE], "formerly": [],               the documents; or the keys of those that declared it once
     "because": [PLACE],                                the words that make it be there at all
     "more": [],                                        kinds of which more documents decide something than are told
     "ignored": null,                                   PLACE of the document that leaves the field to others
     "state": {"verb": "update", "intended": "update", "seen": "1 field differs", "looked": "2026-11-23T06:20:11Z",
               "drift": "corrective", "since": "2026-11-23T02:10:05Z", "reasons": [], "held": "", "later": false,
               "root": null, "disrupts": null, "remarks": [], "next": "by the next `bivisor apply`", "ours": "…"},
                                                        null with --offline
     "fields": [{"name": "[DEFAULT] report_interval", "declared": "5", "found": "9", "differs": true,
                 "owners": ["HypervisorZone/kvm-az"], "ours": true,
                 "goes": false,                         true: no document declares it any more
                 "sources": [PLACE]}],
     "needs": [{"depth": 0, "address": "…", "reason": "…", "verb": "held", "said": "…"}],
     "needed_by": ["…"],
     "past": [{"pass": 12, "began": "…", "commit": "…", "dirty": false, "user": "root", "address": "…", "verb": "update",
               "outcome": "converged", "message": "", "changes": [{"field": "…", "before": "9", "after": "5"}]}]}

A PLACE: `{"key": "Cluster/demo", "path": "spec.region", "file": "desired/cluster.yaml", "line": 9, "default": false,
"by": {"commit": "…", "author": "…", "date": "…", "summary": "…"}}`; `by` is null where git does not know, its commit `""`
where the line is not committed; `path` is `""` for a whole document; a `default` is written nowhere.
`found` means something where it `differs`. A field without sources has the value that its kind gives it, whatever is written.

A resource: `{"version": 1, "key": "HypervisorZone/kvm-az", "declared": PLACE, "looked": "…", "units": [{"address": "…",
"verb": "nothing"}], "worst": null, "past": […]}`; `worst` is a unit as above, a verb `""` with --offline. Fields may be added
under the same version; one that changes its meaning or goes raises it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.core.shown import masked_urls
from reconciler.core.structured import plain
from reconciler.core.why import ResourceWhy, UnitWhy

if TYPE_CHECKING:
    from reconciler.core.places import Place
    from reconciler.core.plan import Step
    from reconciler.core.why import FieldWhy, Past

VERSION = 1
"""The version of the shapes that are described here."""


def why_data(why: UnitWhy | ResourceWhy) -> dict[str, Any]:
    """Return an answer as JSON data."""
    return {"version": VERSION, **(_unit(why) if isinstance(why, UnitWhy) else _resource(why))}


def _resource(why: ResourceWhy) -> dict[str, Any]:
    return {
        "key": str(why.document.key),
        "declared": _place(why.document),
        "looked": why.looked,
        "units": [{"address": str(address), "verb": verb} for address, verb in why.units],
        "worst": _unit(why.worst) if why.worst else None,
        "past": [_past(each) for each in why.past],
    }


def _unit(why: UnitWhy) -> dict[str, Any]:
    return {
        "address": str(why.address),
        "field": why.about,
        "declared": [_place(each) for each in why.documents],
        "formerly": [str(key) for key in why.formerly],
        "because": [_place(each) for each in why.because],
        "more": list(why.more),
        "ignored": _place(why.ignored) if why.ignored else None,
        "state": _state(why, why.step) if why.step else None,
        "fields": [_field(each) for each in why.fields],
        "needs": [
            {"depth": link.depth, "address": str(link.needs), "reason": link.reason, "verb": link.verb, "said": link.said}
            for link in why.needs
        ],
        "needed_by": [str(address) for address in why.needed_by],
        "past": [_past(each) for each in why.past],
    }


def _state(why: UnitWhy, step: Step) -> dict[str, Any]:
    return {
        "verb": str(step.verb),
        "intended": str(step.intended),
        "seen": why.seen,
        "looked": why.looked,
        "drift": str(step.drift),
        "since": step.since,
        "reasons": [masked_urls(reason) for reason in step.reasons],
        "held": masked_urls(step.held),
        "later": step.later,
        "root": str(step.root) if step.root else None,
        "disrupts": step.disruption.service if step.disruption else None,
        "remarks": [masked_urls(remark) for remark in step.remarks],
        "next": why.next,
        "ours": why.ours,
    }


def _field(each: FieldWhy) -> dict[str, Any]:
    return {
        "name": each.name,
        "declared": plain(each.declared),
        "found": plain(each.found),
        "differs": each.differs,
        "owners": [str(key) for key in each.owners],
        "ours": each.ours,
        "goes": each.goes,
        "sources": [_place(place) for place in each.sources],
    }


def _place(place: Place) -> dict[str, Any]:
    by = place.by
    return {
        "key": str(place.key),
        "path": place.path,
        "file": place.file,
        "line": place.line,
        "default": place.default,
        "by": {"commit": by.commit, "author": by.author, "date": by.date, "summary": by.summary} if by else None,
    }


def _past(each: Past) -> dict[str, Any]:
    step = each.step
    return {
        "pass": each.number,
        "began": each.began,
        "commit": each.commit,
        "dirty": each.dirty,
        "user": each.user,
        "address": step.address,
        "verb": step.verb,
        "outcome": step.outcome,
        "message": step.message,
        "changes": [{"field": c.field, "before": c.before, "after": c.after} for c in step.changes],
    }
