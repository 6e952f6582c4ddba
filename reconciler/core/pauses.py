"""What a person has paused: whatever a pause selects is left as it is until somebody says to go on.

A pause is no part of the documents, and not remembered by anybody but its own file; it says who made it, why, and until when.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from reconciler.core.asked import find_asked
from reconciler.core.errors import UnknownNameError
from reconciler.core.plan import Plan, Step, Verb, held_by_needs, hold
from reconciler.core.wording import quoted
from resources.contract import changed_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from reconciler.core.compile import Catalog
    from resources.contract import Address

FORMAT: Final = "bivisor pauses"
VERSION: Final = 1
"""The version of the file's shape; a program reads its own version only."""

EVERYTHING: Final = "everything"
"""What a pause without a selector holds, for people."""

DOUBT: Final = "what is paused"
"""What nobody knows where the file cannot be read; everything is held then."""


_TARGETS = ("ssh:", "pacemaker:", "openstack:", "vcenter:")
"""How the name of a target begins."""


@dataclass(frozen=True, slots=True)
class Pause:
    """What is paused, by whom and why.

    `selector` is a resource, a target or a unit, with `*` and `?` for any characters; '' is everything. `at` and `until` are
    UTC, ISO 8601, always of the same length: texts sort as times. `until` is '' for a pause that ends when somebody says so.
    """

    selector: str
    by: str
    at: str
    until: str = ""
    reason: str = ""

    @property
    def what(self) -> str:
        """Return what is paused, for people."""
        return self.selector or EVERYTHING

    @property
    def sentence(self) -> str:
        """Say who paused it, until when (UTC), and why."""
        return self.said(str)

    def said(self, clock: Callable[[str], str]) -> str:
        """Say the same; `clock` writes a time as people there read it."""
        until = f" until {clock(self.until)}" if self.until else ""
        return f"paused by {self.by}{until}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Permit:
    """What may be done at a moment, beside what the plan itself says.

    `closed`  why nothing that runs may be interrupted, or ''.
    `pauses`  those that are in force; in doubt those that were the last time they could be read.
    `doubt`   why nobody knows what is paused, or ''; then everything is held.
    """

    closed: str = ""
    pauses: tuple[Pause, ...] = ()
    doubt: str = ""

    @property
    def told(self) -> Mapping[str, str]:
        """Return of what is paused who did it, until when and why; and why nobody knows it, where it is so."""
        known = {pause.what: pause.sentence for pause in self.pauses}
        return {**known, DOUBT: self.doubt} if self.doubt else known

    def paused(self, step: Step, catalog: Catalog) -> str:
        """Say who paused what the step is about, or ''."""
        if self.doubt:
            return self.doubt
        for pause in self.pauses:
            if not pause.selector or any(_fits(pause.selector, name) for name in names_of(step, catalog)):
                return pause.sentence
        return ""


def hold_paused(plan: Plan, permit: Permit, catalog: Catalog) -> Plan:
    """Return the plan with everything held that is paused, and whatever would act and needs it."""
    if not (permit.pauses or permit.doubt):
        return plan
    steps: dict[Address, Step] = {}
    for step in plan.steps:
        why = permit.paused(step, catalog) if step.pending and step.verb is not Verb.WAIT else ""
        steps[step.address] = held_by_needs(hold(step, why) if why else step, steps)
    return replace(plan, steps=tuple(steps.values()))


def names_of(step: Step, catalog: Catalog) -> Iterator[str]:
    """Yield all by which a pause may select a step: the unit, its target, who declares either, and who declared it before."""
    target = step.address.target
    yield str(step.address)
    yield str(target)
    if target in catalog.owners:
        yield str(catalog.owners[target])
    yield from map(str, step.origins)
    claim = catalog.former.without.get(step.address)
    if claim is not None and not changed_fields(step.changes).isdisjoint(claim.fields):
        yield from map(str, claim.origins)


def selector_of(text: str, catalog: Catalog) -> str:
    """Return the selector that a person means: a kind, a host's name and the end of an address will do.

    Raises UnknownNameError for what selects nothing that is declared.
    """
    targets = {str(target): target for target in (*catalog.endpoints, *(address.target for address in catalog.units))}
    names = [*map(str, catalog.resources), *targets, *map(str, catalog.units)]
    if not text or text in names:
        return text
    if text in {key.kind for key in catalog.resources}:
        return f"{text}/*"
    if "*" in text or "?" in text:
        if not any(_fits(text, name) for name in names):
            raise UnknownNameError(f"{quoted(text)} selects nothing that is declared: bivisor graph lists all addresses")
        return text
    hosts = [name for name, target in targets.items() if target.name == text]
    return hosts[0] if len(hosts) == 1 else str(find_asked(text, "", catalog.resources.keys(), catalog.units.keys()).about)


def selector_in_full(text: str, kinds: Collection[str], unread: str) -> str:
    """Return the selector that a person means, whatever the documents say; `unread` is why they cannot be read.

    A daemon knows by the last good documents what there is, but heeds whole names and patterns of them: anything shorter
    would be called paused and hold nothing. Raises UnknownNameError for that.
    """
    if text in kinds:
        return f"{text}/*"
    heads = (*(f"{kind}/" for kind in kinds), *_TARGETS)
    literal = re.split(r"[*?]", text)[0]
    if literal == text:
        whole = any(text.startswith(head) and text != head and "/" not in text.removeprefix(head) for head in heads)
    else:
        whole = any(literal.startswith(head) or head.startswith(literal) for head in heads)
    if not whole:
        raise UnknownNameError(
            f"nobody can say what {quoted(text)} selects while the documents cannot be read: {unread}\nUntil they are mended, "
            "write the whole name of a resource (Node/kvm1) or of a target (ssh:kvm1), or a pattern of whole names "
            "(ssh:kvm*, */service/nova-compute); bivisor pause alone holds everything"
        )
    return text


def read_pauses(text: str) -> tuple[Pause, ...]:
    """Return what the file holds. Raises ValueError with what is wrong with it."""
    try:
        data = json.loads(text)
    except ValueError:
        raise ValueError("it is no JSON") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError("it holds no pauses")
    if data.get("version") != VERSION:
        raise ValueError(f"it is of version {data.get('version')}, and this program reads version {VERSION}")
    pauses = data.get("pauses")
    if not isinstance(pauses, list):
        raise ValueError("it has no list of pauses")  # noqa: TRY004 - of a file, not of a caller
    return tuple(_pause(one) for one in pauses)


def write_pauses(pauses: Iterable[Pause]) -> str:
    """Return the file's content."""
    data = {"format": FORMAT, "version": VERSION, "pauses": [asdict(pause) for pause in pauses]}
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _pause(data: Any) -> Pause:
    match data:
        case {"selector": str(), "by": str(), "at": str(), "until": str(), "reason": str()} if len(data) == len(
            Pause.__dataclass_fields__
        ):
            return Pause(**data)
        case _:
            raise ValueError("one of its pauses is damaged")


def _fits(selector: str, name: str) -> bool:
    return selector == name or (("*" in selector or "?" in selector) and fnmatchcase(name, selector.replace("[", "[[]")))
