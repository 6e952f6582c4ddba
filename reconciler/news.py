"""What is worth telling somebody who does not read along: something began to be wrong, or is right again.

Level, not edge: what is told follows from what stands, so nothing is told twice while it lasts, however often it is tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from reconciler.core.plan import Verb
from reconciler.core.status import GOOD, Outcome, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.apply import Progress
    from reconciler.core.plan import Step
    from reconciler.folder import Folder
    from reconciler.keep import Keeper
    from reconciler.reconcile import Look
    from reconciler.recorder import Origin
    from reconciler.watch import Watches

MOST_LISTED = 20
"""As many things are named in one piece of news; `count` has how many there are."""


class Event(StrEnum):
    """What a piece of news is about. What begins has an end that is told as well."""

    STEP_FAILED = "step.failed"
    STEP_RECOVERED = "step.recovered"
    STEP_HELD = "step.held"
    STEP_FREED = "step.freed"
    STEP_STALLED = "step.stalled"
    STEP_RELEASED = "step.released"
    ROLLOUT_STOPPED = "rollout.stopped"
    ROLLOUT_RESUMED = "rollout.resumed"
    PAUSE_BEGAN = "pause.began"
    PAUSE_ENDED = "pause.ended"
    TARGET_DEAF = "target.deaf"
    TARGET_HEARD = "target.heard"
    DOCUMENTS_REFUSED = "documents.refused"
    DOCUMENTS_MENDED = "documents.mended"
    DOCUMENTS_TAKEN = "documents.taken"


MEANINGS = {
    Event.STEP_FAILED: "A step did not come through. It is tried again, ever more seldom; that is not told again.",
    Event.STEP_RECOVERED: "What had failed is as declared, or is declared no more.",
    Event.STEP_HELD: "Something differs, and what stands against acting is no other step, no stopped rollout and no window.",
    Event.STEP_FREED: "What was held is held no more.",
    Event.STEP_STALLED: "Something was made right and came undone again and again: it is left alone, a person has to decide.",
    Event.STEP_RELEASED: "What was left alone is not so any more.",
    Event.ROLLOUT_STOPPED: "A service did not come through its restart: no other one is interrupted meanwhile.",
    Event.ROLLOUT_RESUMED: "No service stands against the restart of others any more.",
    Event.PAUSE_BEGAN: "Somebody has paused something, or nobody can read what is paused; each says who, until when and why.",
    Event.PAUSE_ENDED: "What was paused is so no more: it was resumed, or its time is over. Or it can be read again.",
    Event.TARGET_DEAF: "Nothing is heard of a target: what changes there is found by looking from time to time.",
    Event.TARGET_HEARD: "A target is heard again, or is no longer listened to.",
    Event.DOCUMENTS_REFUSED: "The documents cannot be read as declared: the last good ones stay in force, if there are any.",
    Event.DOCUMENTS_MENDED: "What stands there is refused no more; where it differs from what was in force, it is taken.",
    Event.DOCUMENTS_TAKEN: "Documents are in force that were not before.",
}
"""What each event says, for people."""

ENDS = {
    Event.STEP_FAILED: Event.STEP_RECOVERED,
    Event.STEP_HELD: Event.STEP_FREED,
    Event.STEP_STALLED: Event.STEP_RELEASED,
    Event.ROLLOUT_STOPPED: Event.ROLLOUT_RESUMED,
    Event.PAUSE_BEGAN: Event.PAUSE_ENDED,
    Event.TARGET_DEAF: Event.TARGET_HEARD,
    Event.DOCUMENTS_REFUSED: Event.DOCUMENTS_MENDED,
}
"""What begins and lasts, with its end."""

_ABOUT = {
    Event.STEP_FAILED: ("the unit's address", "how it failed"),
    Event.STEP_HELD: ("the unit's address", "what stands against it"),
    Event.STEP_STALLED: ("the unit's address", "why it is left alone"),
    Event.ROLLOUT_STOPPED: ("the service", "the address of its unit"),
    Event.PAUSE_BEGAN: ("what is paused", "by whom, until when and why; or why nobody can read what is paused"),
    Event.TARGET_DEAF: ("the target", "why it is not heard"),
}
DATA = {
    **{event: f"`count`; `subjects` with `name`: {name}, and `reason`: {why}" for event, (name, why) in _ABOUT.items()},
    **{ENDS[event]: "`count`; `subjects` with `name` and `reason` as when it began" for event in _ABOUT},
    Event.DOCUMENTS_REFUSED: "`reason`: every mistake with its place, or why they are not taken; one in a line",
    Event.DOCUMENTS_MENDED: "`reason`: why they were refused last",
    Event.DOCUMENTS_TAKEN: "`commit` and `branch`, empty where no commit is known; `dirty`: whether something is not committed",
}
"""What the data of each event holds, for people; names of fields in backquotes."""


@dataclass(frozen=True, slots=True)
class News:
    """One piece of news; `data` goes into JSON as it is."""

    event: Event
    data: Mapping[str, Any]


def refusal(folder: Folder) -> str:
    """Return why the documents that stand there now are not in force, or ''."""
    if folder.refused is not None:
        return str(folder.refused)
    return next((each.message for each in folder.conditions if each.type == "Current" and each.status is Truth.FALSE), "")


class Newsroom:
    """Hears what the daemon does, knows what stands, and tells what is new. One of its audience."""

    def __init__(self, tell: Callable[[News], None], origin: Callable[[], Origin]) -> None:
        """Tell; `origin` knows of which commit the documents are that are taken."""
        self._tell = tell
        self._origin = origin
        self.refused = ""
        """Why the documents that stand there now are not in force, or ''."""
        self._kept: tuple[Keeper, Watches] | None = None
        self.standing: dict[Event, Mapping[str, str]] = {begins: {} for begins in ENDS}
        """What stands now: to each event that lasts the addresses or names it is about, with a sentence why."""

    def keeping(self, keeper: Keeper, watches: Watches) -> None:
        """Know whose inside is to be looked at with each decision, and who listens."""
        self._kept = keeper, watches

    def folder(self, folder: Folder) -> None:
        """Tell that documents are refused, once for each reason, and that they are so no more.

        A commit that is being looked at is neither.
        """
        refused = refusal(folder)
        if not refused and any(each.type == "Current" and each.status is Truth.UNKNOWN for each in folder.source):
            return
        if refused and refused != self.refused:
            self._tell(News(Event.DOCUMENTS_REFUSED, {"reason": refused}))
        elif self.refused and not refused:
            self._tell(News(Event.DOCUMENTS_MENDED, {"reason": self.refused}))
        self.refused = refused

    def taken(self) -> None:
        """Tell that other documents are in force."""
        origin = self._origin()
        self._tell(News(Event.DOCUMENTS_TAKEN, {"commit": origin.commit, "branch": origin.branch, "dirty": origin.dirty}))

    def step(self, progress: Progress) -> None:
        """Tell that a step failed which had not failed before, or the other way round."""
        address, result = str(progress.step.address), progress.result
        failed = self.standing[Event.STEP_FAILED]
        if result is not None and result.outcome is Outcome.FAILED:
            self._stands(Event.STEP_FAILED, {**failed, address: result.message})
        elif result is not None and result.outcome in GOOD:
            self._stands(Event.STEP_FAILED, {name: why for name, why in failed.items() if name != address})

    def decided(self, look: Look) -> None:
        """Tell what is new in what stands, and what stands no more."""
        steps = {str(step.address): step for step in look.plan.steps}
        failed = self.standing[Event.STEP_FAILED].items()
        left = {name: why for name, why in failed if name in steps and steps[name].verb is not Verb.NOTHING}
        self._stands(Event.STEP_FAILED, left)
        stalled: Mapping[str, str] = {}
        whole = {""}  # what holds a whole rollout is told once, and not of each step
        if self._kept is not None:
            keeper, watches = self._kept
            inside = keeper.inside
            whole = {inside.permit.closed, inside.stopped}
            stalled = {name: steps[name].held for name in map(str, inside.stalled) if name in steps}
            self._stands(Event.STEP_STALLED, stalled)
            broken = {service: str(address) for address, service in inside.broken.items()} if inside.stopped else {}
            self._stands(Event.ROLLOUT_STOPPED, broken)
            self._stands(Event.PAUSE_BEGAN, inside.permit.told)
            self._stands(Event.TARGET_DEAF, {str(target): why for target, why in watches.deaf.items()})
        held = {
            name: step.held for name, step in steps.items() if _is_held(step) and name not in stalled and step.held not in whole
        }
        self._stands(Event.STEP_HELD, held)

    def undecided(self, why: str) -> None:
        """Hear that nothing can be decided: what stands is not known anew."""

    def _stands(self, begins: Event, now: Mapping[str, str]) -> None:
        """Remember what stands; tell what is new of it, and what is over."""
        before, self.standing[begins] = self.standing[begins], now
        for event, names in ((begins, now.keys() - before.keys()), (ENDS[begins], before.keys() - now.keys())):
            if names:
                reasons = now if event is begins else before
                listed = [{"name": name, "reason": reasons[name]} for name in sorted(names)[:MOST_LISTED]]
                self._tell(News(event, {"count": len(names), "subjects": listed}))


def _is_held(step: Step) -> bool:
    """Tell whether a step is held for a reason of its own that does not end by itself."""
    return step.verb is Verb.HELD and step.root is None and not step.later
