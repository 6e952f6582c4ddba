"""What came of it: results of steps, folded into the conditions of the resources that people wrote.

Conditions are as Kubernetes has them: a `type`, whether it holds, one word why for programs and a sentence for people, since
when it does or does not, and for which generation of the document that was seen. When and which is added by `standing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.core.plan import Plan, Step, Verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.core.compile import Catalog
    from resources.contract import Address, Key, TargetId


class Outcome(StrEnum):
    """What came of one step. Only `converged` says that something was done and seen to be done."""

    UNCHANGED = "unchanged"
    CONVERGED = "converged"
    FAILED = "failed"
    SKIPPED = "skipped"


GOOD = frozenset({Outcome.UNCHANGED, Outcome.CONVERGED})
"""The outcomes after which a unit is as declared."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one step; `message` says for a person why it failed or was skipped."""

    address: Address
    outcome: Outcome
    message: str = ""


class Truth(StrEnum):
    """Whether a condition holds; nobody may know."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that can be said about a resource. `reason` is one CamelCase word for programs, `message` for people.

    `since`       UTC, when `status` last became another one (lastTransitionTime); '' where nobody keeps it.
    `generation`  of the document for which it was seen (observedGeneration); 0 where nobody keeps it.
    """

    type: str
    status: Truth
    reason: str
    message: str = ""
    since: str = ""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    """The state of one resource: `units` it has, how many are `ready`, and its conditions, `Ready` first.

    `remarks` are sentences about what is worth knowing and no difference. `generation` rises with what the document says; 0
    where nobody keeps it.
    """

    key: Key
    units: int
    ready: int
    conditions: tuple[Condition, ...]
    remarks: tuple[str, ...] = ()
    generation: int = 0

    def condition(self, kind: str) -> Condition:
        """Return the condition of that type. Raises StopIteration for a type that does not exist."""
        return next(condition for condition in self.conditions if condition.type == kind)


@dataclass(frozen=True, slots=True)
class Status:
    """The state of every declared resource, sorted by key."""

    resources: tuple[ResourceStatus, ...]

    @property
    def ready(self) -> bool:
        """Tell whether every resource is as declared."""
        return all(resource.ready == resource.units for resource in self.resources)


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who is listened to: the kinds of targets that are, and of each target that is not heard at the moment why."""

    kinds: frozenset[str]
    deaf: Mapping[TargetId, str]


def fold(plan: Plan, results: Mapping[Address, Result], catalog: Catalog, hearing: Hearing | None = None) -> Status:
    """Say how each resource stands after a pass; with no `results`, how it stands before anything is done.

    With `hearing`, also whether a change of it would be heard.
    """
    steps: dict[Key, list[Step]] = {key: [] for key in sorted(catalog.resources)}
    for step in plan.steps:
        for origin in step.origins:
            # a document that is gone has a state as long as something of it is left
            if origin in steps or step.changes:
                steps.setdefault(origin, []).append(step)
    return Status(tuple(_resource(key, found, results, hearing) for key, found in steps.items()))


def exit_code(plan: Plan, results: Mapping[Address, Result] | None = None, *, detailed: bool = False) -> int:
    """Return what the program ends with: 0 converged, 2 changes pending, 3 something held, unknown or failed.

    Without `results` the plan was only made: pending changes are then 0, or 2 where `detailed` asks for it. A step
    that is held only until other restarts of the same plan are done is pending.
    """
    if results is not None:
        return 0 if all(result.outcome in GOOD for result in results.values()) else 3
    if plan.unknown or any(not step.later for step in plan.held):
        return 3
    return 2 if detailed and (plan.pending or plan.held) else 0


class _State(StrEnum):
    """How one unit stands, worst first: the order in which conditions pick what to tell."""

    FAILED = "Failed"
    UNKNOWN = "Unobserved"
    HELD = "Held"
    PENDING = "Pending"
    READY = "AsDeclared"


@dataclass(frozen=True, slots=True)
class _Judged:
    """A unit's state after a pass.

    `drifted` while it is seen to differ and nothing has repaired it yet; `cause` unless it only suffers from another.
    """

    state: _State
    drifted: bool
    message: str
    cause: bool = True


def _judge(step: Step, results: Mapping[Address, Result]) -> _Judged:
    result = results.get(step.address)
    good = step.verb is Verb.NOTHING if result is None else result.outcome in GOOD
    if good:
        return _Judged(_State.READY, drifted=False, message="")
    told = result.message if result is not None and not step.held else step.held or "; ".join(step.reasons)
    if result is not None and result.outcome is Outcome.FAILED:
        state = _State.FAILED
    elif step.verb is Verb.UNKNOWN:
        state = _State.UNKNOWN
    elif step.verb is Verb.HELD and not step.later:
        state = _State.HELD
    else:
        state = _State.PENDING
    cause = step.root is None and (result is None or result.outcome is not Outcome.SKIPPED or not step.pending)
    return _Judged(state, bool(step.changes), f"{step.address}: {told or f'to {step.verb}'}", cause)


def _resource(key: Key, steps: Sequence[Step], results: Mapping[Address, Result], hearing: Hearing | None) -> ResourceStatus:
    units = [_judge(step, results) for step in steps]
    by_state = {state: [unit for unit in units if unit.state is state] for state in _State}
    failed, unknown, held = by_state[_State.FAILED], by_state[_State.UNKNOWN], by_state[_State.HELD]
    pending, drifted = by_state[_State.PENDING], [unit for unit in units if unit.drifted]
    worst = next((state for state in _State if by_state[state]), _State.READY)
    ready = {_State.READY: Truth.TRUE, _State.UNKNOWN: Truth.UNKNOWN}.get(worst, Truth.FALSE)
    conditions = (
        Condition("Ready", ready, worst, _told(by_state[worst])),
        _when("Progressing", pending, "ChangesPending", otherwise="NothingPending"),
        _when("Drifted", drifted, "Differs", unknown, otherwise="AsDeclared"),
        _when("Degraded", failed, "StepFailed", unknown, otherwise="NoFailure"),
        _when("Stalled", held, "Held", otherwise="NotHeld"),
        *(() if hearing is None else (_watched(steps, hearing),)),
    )
    remarks = tuple(f"{step.address}: {text}" for step in steps for text in step.remarks)
    return ResourceStatus(key, len(units), len(by_state[_State.READY]), conditions, remarks)


def _when(kind: str, found: Sequence[_Judged], reason: str, unknown: Sequence[_Judged] = (), *, otherwise: str) -> Condition:
    """Return a condition that is true when units were found, and unknown when some could not be seen."""
    if found:
        return Condition(kind, Truth.TRUE, reason, _told(found))
    if unknown:
        return Condition(kind, Truth.UNKNOWN, _State.UNKNOWN, _told(unknown))
    return Condition(kind, Truth.FALSE, otherwise)


def _watched(steps: Sequence[Step], hearing: Hearing) -> Condition:
    """Return whether a change of any unit would be heard; where nobody has a voice, it is looked at from time to time."""
    targets = dict.fromkeys(step.address.target for step in steps)
    if deaf := [f"{target}: {hearing.deaf[target]}" for target in targets if target in hearing.deaf]:
        return Condition("WatchHealthy", Truth.FALSE, "NotHeard", _first(deaf))
    listening = any(target.kind in hearing.kinds for target in targets)
    return Condition("WatchHealthy", Truth.TRUE, "Watching" if listening else "Polling" if targets else "NothingToWatch")


def _told(units: Sequence[_Judged]) -> str:
    return _first([unit.message for unit in sorted(units, key=lambda unit: not unit.cause) if unit.message])


def _first(told: Sequence[str]) -> str:
    return told[0] + (f" (and {len(told) - 1} more)" if len(told) > 1 else "") if told else ""
