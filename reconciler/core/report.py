"""A plan as it is told: by resource or by target, what is the same said once, and who is down when.

Every form of a report (the terminal's page, Markdown, HTML, JSON) is written from this one value. What is decided here
is what is told; how it looks is decided by each form.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from reconciler.core.compare import Edit, leaves
from reconciler.core.plan import FRESH, Plan, Step, Verb, named
from reconciler.core.shown import natural, printable
from resources.contract import EXISTS, REMEMBERED, Change

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from reconciler.core.compile import Catalog
    from resources.contract import Address, Key, TargetId, Unit

SIGNS = {
    Verb.NOTHING: " ",
    Verb.CREATE: "+",
    Verb.UPDATE: "~",
    Verb.DELETE: "-",
    Verb.RESTART: "!",
    Verb.WAIT: ".",
    Verb.HELD: "=",
    Verb.UNKNOWN: "?",
}
"""One ASCII character before each verb: enough to scan a page by."""

H = TypeVar("H", bound="Hashable")

SUPPOSED = "Only to look at: apply works by the documents. What plan shows without --release is among the changes below."
"""The note of a plan for another release."""

LEAVES = "leaves"
"""What is said in place of a verb of what one of two declarations has no more: nobody looked whether it is there."""


class Grouping(StrEnum):
    """By what a plan is grouped: who declares it, or where it is done."""

    RESOURCE = "resource"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Report:
    """What all forms are written from.

    `supposed` is empty, or says in one sentence what this plan is for, if not for being carried out; `compared` are the
    names of two declarations that were compared, the newer one first. `note` says then what that means. `waves` are the
    services that are interrupted at the same time, first wave first, as far as it can be foreseen; `at_once` is the most
    that may be down at a time where that is not foreseen (0: not said). `documents` is what differs in compared documents.
    """

    plan: Plan
    supposed: str = ""
    compared: tuple[str, ...] = ()
    note: str = ""
    waves: tuple[tuple[str, ...], ...] = ()
    at_once: int = 0
    documents: tuple[Edit, ...] = ()

    @property
    def said(self) -> str:
        """Return in one sentence what this plan is for, '' for one that may be carried out."""
        return "What {} declares otherwise than {}.".format(*self.compared) if self.compared else self.supposed

    @property
    def interrupts(self) -> tuple[str, ...]:
        """Return the services that carrying the plan out interrupts, each once."""
        return services_of(self.plan.pending)


def report_of(plan: Plan, catalog: Catalog, supposed: str = "") -> Report:
    """Return what is told of a plan that policy has seen; `supposed` says how what was planned for is not what is declared."""
    waves = foreseen_waves(plan, catalog.units, catalog.max_unavailable, canary=catalog.canary > 0)
    return Report(plan, supposed=supposed, note=SUPPOSED if supposed else "", waves=waves)


@dataclass(frozen=True, slots=True)
class Item:
    """Steps that differ in nothing but their target and the name of the service there: told once."""

    steps: tuple[Step, ...]

    @property
    def step(self) -> Step:
        """Return the first one, which speaks for all."""
        return self.steps[0]

    @property
    def targets(self) -> tuple[str, ...]:
        """Return where it is done."""
        return tuple(str(step.address.target) for step in self.steps)

    @property
    def one_thing(self) -> bool:
        """Tell whether all steps are about one thing; of several on one target only one and the same thing is unknown."""
        return self.step.verb is not Verb.UNKNOWN or len(self.steps) == 1

    @property
    def word(self) -> str:
        """Return the verb in the words of a page."""
        return LEAVES if leaves(self.step) else str(self.step.verb)

    @property
    def services(self) -> tuple[str, ...]:
        """Return what is interrupted, or would be."""
        return services_of(self.steps)


@dataclass(frozen=True, slots=True)
class Group:
    """What stands under one title: `keys` are the resources that declare all of it, empty where the title is a target."""

    title: str
    items: tuple[Item, ...]
    keys: tuple[Key, ...] = ()


def groups(plan: Plan, by: Grouping = Grouping.RESOURCE) -> tuple[Group, ...]:
    """Return everything that is not as declared. By resource, what nobody knows still stands under its target."""
    shown = [step for step in plan.steps if step.verb is not Verb.NOTHING]
    if by is Grouping.TARGET:
        return _by_target(shown)
    known = _gathered((step.origins, step) for step in shown if step.verb is not Verb.UNKNOWN)
    declared = (
        Group(", ".join(map(str, keys)) or "declared by nobody", _alike(steps, _said_once), keys)
        for keys, steps in known.items()
    )
    return (*declared, *_by_target([step for step in shown if step.verb is Verb.UNKNOWN]))


def told_changes(step: Step) -> tuple[Change, ...]:
    """Return the changes that are worth a line: bookkeeping goes without saying where something else says it."""
    # that the process is not fresh is what the reasons say in words
    told = tuple(change for change in step.changes if change.field != FRESH or not step.reasons)
    if step.intended is Verb.DELETE:
        return tuple(change for change in told if change.field != EXISTS)
    # what a host shall remember of a file goes without saying where the file itself changes
    return tuple(change for change in told if change.field != REMEMBERED) or told


def is_new(step: Step) -> bool:
    """Tell whether there was nothing before, so that absence is not worth a word."""
    return step.intended in (Verb.CREATE, Verb.WAIT) and all(change.before is None for change in step.changes)


def why(item: Item) -> tuple[tuple[str, str | tuple[str, ...]], ...]:
    """Return what is said of an item below its name: a word ('' for a sentence that needs none), and a sentence or names."""
    step = item.step
    said: list[tuple[str, str | tuple[str, ...]]] = [
        ("because" if step.intended is Verb.RESTART else "", r) for r in step.reasons
    ]
    if item.services:
        said.append(("interrupts" if step.pending else "would interrupt", item.services))
    if step.held:
        said.append(("nobody knows" if step.verb is Verb.UNKNOWN else "held", step.held))
    return tuple(said)


def services_of(steps: Iterable[Step]) -> tuple[str, ...]:
    """Return the services that the steps interrupt, or would, each once."""
    return tuple(dict.fromkeys(step.disruption.service for step in steps if step.disruption))


def counted(plan: Plan) -> tuple[tuple[str, int, str], ...]:
    """Return how many steps do what: a verb, the number, and the words that follow it (`3`, `to create`)."""
    counts = plan.counts
    gone = sum(map(leaves, plan.steps))
    later = sum(step.later for step in plan.held)
    waits = f" ({'all' if later == counts[Verb.HELD] else later} until a following pass)" if later else ""
    words = (
        (Verb.CREATE, counts[Verb.CREATE], "to create"),
        (Verb.UPDATE, counts[Verb.UPDATE], "to update"),
        (Verb.DELETE, counts[Verb.DELETE] - gone, "to delete"),
        (Verb.RESTART, counts[Verb.RESTART], "to restart"),
        (Verb.WAIT, counts[Verb.WAIT], "to wait for"),
        (Verb.DELETE, gone, "declared no more"),
        (Verb.HELD, counts[Verb.HELD], f"held{waits}"),
        (Verb.UNKNOWN, counts[Verb.UNKNOWN], "unknown"),
    )
    return tuple((str(verb), number, word) for verb, number, word in words if number)


def interrupted(report: Report, *, full: bool = False) -> str:
    """Return the sentence about the whole price of the plan; with `full`, every service is named."""
    services = [printable(service) for service in report.interrupts]
    if not services:
        return "Interrupts nothing."
    at_once = f", at most {report.at_once} at a time" if 0 < report.at_once < len(services) else ""
    return f"Interrupts {', '.join(services) if full else named(services)}{at_once}."


def nothing_to_do(report: Report) -> str:
    """Return what is said of a plan that has no changes, or '' when it has some."""
    if counted(report.plan):
        return ""
    if report.compared:
        return "No changes. Both declare the same." if not report.documents else "No unit changes."
    return "No changes. The cloud is as declared."


def remarks_of(plan: Plan) -> tuple[str, ...]:
    """Return what is worth knowing and no difference, each with its unit."""
    return tuple(f"{step.address}: {text}" for step in plan.steps for text in step.remarks)


def foreseen_waves(
    plan: Plan, units: Mapping[Address, Unit], at_once: int, *, canary: bool = False
) -> tuple[tuple[str, ...], ...]:
    """Return which services are interrupted together, wave by wave, if everything goes well; none if nothing follows.

    The first wave is what this plan lets go, with what is down anyway. What it holds until a following pass comes in waves
    that are no larger, nor larger than `at_once` (of what is exclusive, one at a time), none before a wave that it needs.
    A first wave that is a `canary` does not tell how large the others are.
    """
    waves: list[dict[str, str]] = [dict.fromkeys(services_of(plan.pending), "")]
    room = max(at_once if canary else min(len(waves[0]), at_once), 1)
    wave_of: dict[Address, int] = {}
    for step in plan.steps:
        earliest = max((wave_of[need] for need in step.needs if need in wave_of), default=0)
        if step.disruption is not None and step.later:
            unit = units.get(step.address)
            earliest = _place(step.disruption.service, unit.exclusive() if unit else "", waves, max(earliest, 1), room)
        wave_of[step.address] = earliest
    return tuple(tuple(wave) for wave in waves if wave) if len(waves) > 1 else ()


def _place(service: str, whole: str, waves: list[dict[str, str]], earliest: int, room: int) -> int:
    """Put a service into the first wave that has room for it; return that wave's number."""
    number = earliest
    while number < len(waves):
        wave = waves[number]
        if service in wave or (len(wave) < room and not (whole and whole in wave.values())):
            break
        number += 1
    waves += [{} for _ in range(number + 1 - len(waves))]
    waves[number][service] = whole
    return number


def _by_target(steps: Sequence[Step]) -> tuple[Group, ...]:
    """Group by target: hosts before what runs across them in the plan's order, and as people count."""
    order = {kind: number for number, kind in enumerate(dict.fromkeys(step.address.target.kind for step in steps))}
    found: dict[TargetId, list[Step]] = _gathered((step.address.target, step) for step in steps)
    sorted_targets = sorted(found, key=lambda target: (order[target.kind], natural(target.name)))
    return tuple(Group(str(target), _alike(found[target], _unknown_alike)) for target in sorted_targets)


def _alike(steps: Iterable[Step], by: Callable[[Step], Hashable]) -> tuple[Item, ...]:
    return tuple(Item(tuple(same)) for same in _gathered((by(step), step) for step in steps).values())


def _said_once(step: Step) -> Hashable:
    """Return what must be equal for steps on several targets to be told as one."""
    return (
        step.address.type, step.address.name, step.verb, step.intended, step.changes, step.reasons, step.held, step.later,
        step.disruption is None, step.root is None,
    )  # fmt: skip


def _unknown_alike(step: Step) -> Hashable:
    """Return what must be equal on one target: that nobody knows, for one and the same reason."""
    return step.held if step.verb is Verb.UNKNOWN else step.address


def _gathered(pairs: Iterable[tuple[H, Step]]) -> dict[H, list[Step]]:
    found: dict[H, list[Step]] = {}
    for key, step in pairs:
        found.setdefault(key, []).append(step)
    return found
