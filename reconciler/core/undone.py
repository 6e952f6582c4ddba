"""What is made right and comes undone again and again is left alone: somebody else sets it, and a person has to decide.

For each unit a history is kept, fed by what every pass sees and does, and nothing else:

    seen differing, corrected, seen differing once more   one of its fields was undone
    the same field MOST_UNDONE times within WINDOW_S       the unit is stalled: nothing corrects it any more

It is released when it has stood as declared for QUIET_S, when something else is declared of it, or by a person's word.

Times are seconds of any one clock that goes on over restarts of the program; whoever feeds the history has it.
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

_MOST_SHOWN = 80
"""Characters of a value that are kept: of a whole file the beginning says enough."""


@dataclass(frozen=True, slots=True)
class Undone:
    """A field that was made right and was seen to differ again: `at` that time, with that value, masked if secret."""

    field: str
    at: float
    found: str


@dataclass(frozen=True, slots=True)
class History:
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


def seen(history: History, at: float, declared: str, changes: Sequence[Change]) -> History:
    """Return the history after a look that saw these differences, none when all was as declared.

    What nobody could see is no look.
    """
    if declared != history.declared:
        return History(declared, quiet_since=None if changes else at)
    if not changes:
        quiet_since = at if history.quiet_since is None else history.quiet_since
        if history.stalled and at - quiet_since >= QUIET_S:
            return History(declared, quiet_since=quiet_since)
        return replace(history, quiet_since=quiet_since)
    if history.stalled:
        return replace(history, quiet_since=None)
    again = tuple(Undone(each.field, at, _found(each)) for each in changes if each.field in history.made)
    undone = (*(each for each in history.undone if at - each.at < WINDOW_S), *again)
    return replace(
        history,
        made=history.made - {each.field for each in again},
        undone=undone,
        stalled=bool(_too_often(undone)),
        quiet_since=None,
    )


def corrected(history: History, changes: Iterable[Change]) -> History:
    """Return the history after a step that made these differences right, and was seen to have."""
    return replace(history, made=history.made | {change.field for change in changes})


def released(history: History) -> History:
    """Return the history after a person said to go on."""
    return History(history.declared)


def undone_of(history: History) -> tuple[Undone, ...]:
    """Return when the fields for which a unit is stalled were undone, and what was found; nothing when it is not stalled."""
    often = _too_often(history.undone) if history.stalled else frozenset()
    return tuple(each for each in history.undone if each.field in often)


def hold_stalled(plan: Plan, histories: Mapping[Address, History], tell: Callable[[float], str]) -> Plan:
    """Return the plan with each stalled unit held, and whatever would act and needs it. `tell` turns a time into words."""
    if not any(history.stalled for history in histories.values()):
        return plan
    steps: dict[Address, Step] = {}
    for step in plan.steps:
        history = histories.get(step.address)
        why = _why(history, tell) if step.pending and history is not None and history.stalled else ""
        steps[step.address] = held_by_needs(hold(step, why) if why else step, steps)
    return replace(plan, steps=tuple(steps.values()))


def _found(change: Change) -> str:
    found = written(masked(change)[0])
    return found if len(found) <= _MOST_SHOWN else f"{found[:_MOST_SHOWN]}…"


def _too_often(undone: Iterable[Undone]) -> frozenset[str]:
    return frozenset(field for field, count in Counter(each.field for each in undone).items() if count >= MOST_UNDONE)


def _why(history: History, tell: Callable[[float], str]) -> str:
    undone = undone_of(history)
    fields = named(dict.fromkeys(each.field for each in undone))
    times = named(dict.fromkeys(tell(each.at) for each in undone))
    last = undone[-1]
    return (
        f"{fields} was made as declared and undone again {MOST_UNDONE} times ({times}; found {last.found} last): "
        "find out who sets it, or leave it to them (bivisor/ignore)"
    )
