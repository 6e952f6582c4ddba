"""What is made right and comes undone again and again is left alone: somebody else sets it, and a person has to decide.

Of each unit its corrections are kept, fed by what every pass sees and does, and nothing else:

    seen differing, corrected, seen differing once more   one of its fields was undone
    the same field MOST_UNDONE times within WINDOW_S       the unit is stalled: nothing corrects it any more

It is released when it has stood as declared for QUIET_S, when something else is declared of it, or by a person's word.

Times are seconds of any one clock that goes on over restarts of the program; whoever feeds them has it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.core.claiming import declared_digest
from reconciler.core.plan import Plan, Step, held_by_needs, hold, named
from reconciler.core.shown import masked, written
from resources.contract import digest_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from resources.contract import Address, Change, Unit

MOST_UNDONE = 4
"""Once is an accident and twice may be; a field that was undone so often within a window is somebody's wish."""

WINDOW_S = 3 * 3600.0
"""Long enough for agents of other tools: Puppet's runs every 30 minutes unless told otherwise (`runinterval`), Chef's too."""

QUIET_S = 3600.0
"""Two runs of such an agent: what has stood as declared for so long is no longer undone."""

_AGAIN = " was made as declared and undone again "
"""What is told of nothing else."""

_MOST_SHOWN = 80
"""Characters of a value that are kept: of a whole file the beginning says enough."""


@dataclass(frozen=True, slots=True)
class Undone:
    """A field that was made right and was seen to differ again: `at` that time, with that value, masked if secret."""

    field: str
    at: float
    found: str


@dataclass(frozen=True, slots=True)
class Corrections:
    """What is known of one unit. All of it is plain data, to be kept anywhere; kept nowhere, counting begins anew.

    `declared` is the digest of what was declared meanwhile. `made` are the fields that were made right and not seen to
    differ since. `undone` is in order, at most MOST_UNDONE of each field. `quiet_since` is the first of the last looks in a row
    that saw it as declared, None when the last one did not.
    """

    declared: str = ""
    made: frozenset[str] = frozenset()
    undone: tuple[Undone, ...] = ()
    stalled: bool = False
    quiet_since: float | None = None


def declaration(unit: Unit, units: Mapping[Address, Unit]) -> str:
    """Return the digest of all that is declared of a unit: for a process, what is in the files that it loads as well."""
    loaded = {str(address): units[address].digest() for address in unit.loads if address in units}
    return digest_facts({"": declared_digest(unit), **loaded})


def seen(known: Corrections, at: float, declared: str, changes: Sequence[Change]) -> Corrections:
    """Return what is known after a look that saw these differences, none when all was as declared.

    What nobody could see is no look.
    """
    if declared != known.declared:
        return Corrections(declared, quiet_since=None if changes else at)
    if known.stalled and known.quiet_since is not None and at - known.quiet_since >= QUIET_S:
        return Corrections(declared, quiet_since=None if changes else known.quiet_since)  # nobody may have looked since
    if not changes:
        return replace(known, quiet_since=at if known.quiet_since is None else known.quiet_since)
    if known.stalled:
        return replace(known, quiet_since=None)
    again = tuple(Undone(each.field, at, _found(each)) for each in changes if each.field in known.made)
    undone = (*(each for each in known.undone if at - each.at < WINDOW_S), *again)
    return replace(
        known,
        made=known.made - {each.field for each in again},
        undone=undone,
        stalled=bool(_too_often(undone)),
        quiet_since=None,
    )


def corrected(known: Corrections, changes: Iterable[Change]) -> Corrections:
    """Return what is known after a step that made these differences right, and was seen to have."""
    return replace(known, made=known.made | {change.field for change in changes})


def released(known: Corrections) -> Corrections:
    """Return what is known after a person said to go on."""
    return Corrections(known.declared)


def undone_of(known: Corrections) -> tuple[Undone, ...]:
    """Return when the fields for which a unit is stalled were undone, and what was found; nothing when it is not stalled."""
    often = _too_often(known.undone) if known.stalled else frozenset()
    return tuple(each for each in known.undone if each.field in often)


def hold_stalled(plan: Plan, corrections: Mapping[Address, Corrections], tell: Callable[[float], str]) -> Plan:
    """Return the plan with each stalled unit held, and whatever would act and needs it. `tell` turns a time into words."""
    if not any(known.stalled for known in corrections.values()):
        return plan
    steps: dict[Address, Step] = {}
    for step in plan.steps:
        known = corrections.get(step.address)
        why = _why(known, tell) if step.pending and known is not None and known.stalled else ""
        steps[step.address] = held_by_needs(hold(step, why) if why else step, steps)
    return replace(plan, steps=tuple(steps.values()))


def is_stalled(step: Step) -> bool:
    """Tell whether the step is held by `hold_stalled`, and not for another one's sake."""
    return step.root is None and _AGAIN in step.held


def _found(change: Change) -> str:
    found = written(masked(change)[0])
    return found if len(found) <= _MOST_SHOWN else f"{found[:_MOST_SHOWN]}…"


def _too_often(undone: Iterable[Undone]) -> frozenset[str]:
    return frozenset(field for field, count in Counter(each.field for each in undone).items() if count >= MOST_UNDONE)


def _why(known: Corrections, tell: Callable[[float], str]) -> str:
    undone = undone_of(known)
    fields = named(dict.fromkeys(each.field for each in undone))
    times = named(dict.fromkeys(tell(each.at) for each in undone))
    last = undone[-1]
    return (
        f"{fields}{_AGAIN}{MOST_UNDONE} times ({times}; found {last.found} last): "
        "find out who sets it, or leave it to them (bivisor/ignore)"
    )
