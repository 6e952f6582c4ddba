"""Why a unit is as it is, as one value: who declares what and where, what is there, what stands against it, what was done.

Everything in it may be shown: secrets are masked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.claiming import REMEMBERING, tellers, tells
from reconciler.core.diff import Unobserved
from reconciler.core.plan import NOT_ASKED, Verb
from reconciler.core.shown import masked, masked_urls
from resources.contract import EXISTS, REMEMBERED, Change, Unit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from reconciler.core.compile import Catalog
    from reconciler.core.diff import Observed
    from reconciler.core.graph import Graph
    from reconciler.core.past import StepRecord
    from reconciler.core.places import Place, Places
    from reconciler.core.plan import Step
    from reconciler.core.provenance import Provenance
    from resources.contract import Address, Key, TargetId, Value


@dataclass(frozen=True, slots=True)
class FieldWhy:
    """One declared field.

    `declared`  what it shall be, and `found` what is there where that `differs`; masked.
    `owners`    the documents that say it, `sources` the words that decide its value: none where it is the kind's own word.
    `ours`      Bivisor wrote it, and takes it away when nobody declares it any more; `goes`: that is so now.
    """

    name: str
    declared: Value
    found: Value
    differs: bool
    owners: tuple[Key, ...]
    sources: tuple[Place, ...]
    ours: bool
    goes: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """One need in the chain: whose it is, what is needed and why, and how that stands ('' where nobody was asked)."""

    depth: int
    needs: Address
    reason: str
    verb: str
    said: str


@dataclass(frozen=True, slots=True)
class Past:
    """What a pass did about it: its number, when it began (UTC), the commit of the documents, who ran it, and the step."""

    number: int
    began: str
    commit: str
    dirty: bool
    user: str
    step: StepRecord


@dataclass(frozen=True, slots=True)
class UnitWhy:
    """Everything about one unit.

    `about`      the field that was asked for, '' for all.
    `documents`  declare it, and `because` are the words that make it be there at all. Of the kinds in `more` further
                 documents decide something, too many to be told.
    `formerly`   declared it, where no document does any more.
    `ignored`    the document that leaves the field that was asked for to others.
    `step`       what is to be done, None where nobody was asked; `seen` says in a sentence what is there, `looked` when.
    `ours`       says what Bivisor remembers of having written it.
    `needs`      is the chain of needs, each once, followed as long as something is not as declared.
    `next`       says when something will be done about it.
    """

    address: Address
    about: str
    documents: tuple[Place, ...]
    because: tuple[Place, ...]
    formerly: tuple[Key, ...]
    ignored: Place | None
    fields: tuple[FieldWhy, ...]
    step: Step | None
    seen: str
    looked: str
    ours: str
    needs: tuple[Link, ...]
    needed_by: tuple[Address, ...]
    next: str
    past: tuple[Past, ...] = ()
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceWhy:
    """Everything about one resource: its document, its units with their verbs ('' where nobody was asked), and the worst."""

    document: Place
    units: tuple[tuple[Address, str], ...]
    worst: UnitWhy | None
    looked: str
    past: tuple[Past, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What an answer is made of. `steps` and `observed` are empty where nobody was asked; `looked` is then '' as well."""

    catalog: Catalog
    graph: Graph
    places: Places
    steps: Mapping[Address, Step]
    observed: Mapping[Address, Observed]
    looked: str = ""


_WORST = (Verb.UNKNOWN, Verb.HELD, Verb.RESTART, Verb.DELETE, Verb.CREATE, Verb.UPDATE, Verb.WAIT)
"""In this order a resource's units are picked as the worst; of those that are held, one that is so for its own sake."""


def why_unit(known: Known, unit: Unit, provenance: Provenance, about: str = "", past: tuple[Past, ...] = ()) -> UnitWhy:
    """Return why that unit is as it is; `about` is one of its fields, or '' for all of them."""
    catalog, step = known.catalog, known.steps.get(unit.address)
    former = unit.address in catalog.former.units
    declared = [key for key in unit.origins if key in catalog.resources and not former]
    return UnitWhy(
        address=unit.address,
        about=about,
        documents=tuple(known.places.document(key) for key in declared),
        because=tuple(known.places.words(provenance.sources.get(EXISTS, ()))),
        formerly=unit.origins if former else (),
        ignored=_ignored(unit, about, known) if about else None,
        fields=tuple(_fields(unit, about, provenance, known)),
        step=step,
        seen=_seen(step, known.observed.get(unit.address)) if step else "",
        looked=known.looked,
        ours=_ours(unit, about, known) if step else "",
        needs=tuple(_chain(unit.address, known)),
        needed_by=known.graph.needed_by(unit.address),
        next=_next(step) if step else "",
        past=past,
        more=provenance.more,
    )


def why_resource(known: Known, key: Key, worst: UnitWhy | None, past: tuple[Past, ...] = ()) -> ResourceWhy:
    """Return why that resource is as it is."""
    units = ((a, str(known.steps[a].verb) if a in known.steps else "") for a in units_of(known.catalog, key))
    return ResourceWhy(known.places.document(key), tuple(units), worst, known.looked, past)


def units_of(catalog: Catalog, key: Key) -> tuple[Address, ...]:
    """Return the units that a resource declares."""
    return tuple(address for address, unit in catalog.units.items() if key in unit.origins)


def worst_of(units: Iterable[Address], steps: Mapping[Address, Step]) -> Address | None:
    """Return the unit with which most is wrong, None where all are as declared or nobody was asked.

    Of several alike it is the one that stands first in the plan: what others need.
    """
    among = set(units)
    wrong = [step for step in steps.values() if step.address in among and step.verb in _WORST]
    if not wrong:
        return None
    return min(wrong, key=lambda step: (_WORST.index(step.verb), step.root is not None, step.later)).address


def fields_to_ask_for(unit: Unit, catalog: Catalog) -> Collection[str]:
    """Return the names of the fields that can be asked about: what is declared, or ours and to go."""
    claim = catalog.former.without.get(unit.address)
    return tuple(name for name in {**(unit.desired or {}), **dict.fromkeys(claim.fields if claim else ())} if name[0] != "@")


def _ignored(unit: Unit, name: str, known: Known) -> Place | None:
    """Return the document that leaves a field to others."""
    if name in (unit.desired or {}) or not known.catalog.ignored.fits(unit, name):
        return None
    keys = (key for key in unit.origins if key in known.catalog.ignored.patterns)
    return next((known.places.document(key) for key in keys), None)


def _fields(unit: Unit, about: str, provenance: Provenance, known: Known) -> Iterator[FieldWhy]:
    step, claim = known.steps.get(unit.address), known.catalog.former.claims.get(unit.address)
    undeclared = known.catalog.former.without.get(unit.address)
    changes = {change.field: change for change in step.changes} if step else {}
    for name, value in (unit.desired or {}).items():
        change = changes.get(name)
        if name.startswith("@") or about not in ("", name) or (name == REMEMBERED and name != about and change is None):
            continue
        found, declared = masked(change or Change(name, None, value))
        yield FieldWhy(
            name=name,
            declared=declared,
            found=found,
            differs=change is not None,
            owners=provenance.owners.get(name, ()),
            sources=tuple(known.places.words(provenance.sources.get(name, ()))),
            ours=claim is not None and name in claim.fields,
            goes=undeclared is not None and name in undeclared.fields,
        )


def _seen(step: Step, seen: Observed) -> str:
    if isinstance(seen, Unobserved):
        return f"nobody knows: {masked_urls(seen.reason)}"
    differing = "1 field differs" if len(step.changes) == 1 else f"{len(step.changes)} fields differ"
    if seen is None:
        return "it does not exist" + ("" if step.changes else ", as declared")
    return differing if step.changes else "all is as declared" if step.verb is Verb.NOTHING else "no difference"


def _ours(unit: Unit, about: str, known: Known) -> str:
    """Say what is remembered of having written it."""
    target = unit.address.target
    if target.kind not in REMEMBERING:
        return f"{target} has no place where it could be remembered: nothing of it is taken away when nobody declares it"
    if type(unit).ownable is Unit.ownable:
        return "it is nothing that could be taken away"
    claim = known.catalog.former.claims.get(unit.address)
    if claim is None and (silent := _silent(target, known)):
        return f"nobody knows: {silent} does not tell what it remembers"
    if claim is None:
        return "nothing is remembered of Bivisor having written it: it stays when nobody declares it any more"
    wrote = f"Bivisor last wrote it on {claim.at}" if claim.at else "Bivisor wrote it"
    if about:
        whose = "this field is Bivisor's" if about in claim.fields else "this field was found so and stays when undeclared"
    elif EXISTS in claim.fields:
        whose = "the whole of it is Bivisor's"
    else:
        whose = f"{len(claim.fields)} of its fields are Bivisor's" if claim.fields else "it was found so, and stays"
    return f"{wrote}; {whose}"


def _silent(target: TargetId, known: Known) -> str:
    """Return a host that should remember what is ours on that target, and could not be asked or did not answer; or ''."""
    hosts = tellers(known.catalog, target)
    for address, unit in known.catalog.units.items():
        if address.target in hosts and tells(unit):
            seen = known.observed.get(address, NOT_ASKED)
            if isinstance(seen, Unobserved):
                return str(address.target)
    return ""


def _chain(address: Address, known: Known) -> Iterator[Link]:
    """Yield what it needs, each unit once, and what that needs in turn as long as it is not as declared, or nobody knows."""
    told: set[Address] = set()

    def links(of: Address, depth: int) -> Iterator[Link]:
        for need in known.graph.needs(of):
            if need.address in told:
                continue
            told.add(need.address)
            step = known.steps.get(need.address)
            yield Link(depth, need.address, need.reason, str(step.verb) if step else "", _said(step) if step else "")
            if step is None or step.verb is not Verb.NOTHING:
                yield from links(need.address, depth + 1)

    yield from links(address, 0)


def _said(step: Step) -> str:
    return masked_urls(step.held or "; ".join(step.reasons))


def _next(step: Step) -> str:
    """Say when something will be done about it."""
    held = masked_urls(step.held)
    match step.verb:
        case Verb.NOTHING:
            when = "nothing is to be done"
        case Verb.UNKNOWN:
            when = "by the first `bivisor apply` that can see it"
        case Verb.HELD if step.later:
            when = f"by the next `bivisor apply`, in a later pass of it: {held}"
        case Verb.HELD if step.root is not None:
            when = f"by a `bivisor apply` after {step.root} is as declared: {held}"
        case Verb.HELD:
            when = f"not before this has changed: {held}"
        case Verb.WAIT:
            when = "it becomes so by itself; the next `bivisor apply` waits for it"
        case _:
            when = "by the next `bivisor apply`, or at once where `bivisor run` keeps the cloud"
    return when
