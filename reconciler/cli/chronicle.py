"""What `bivisor run` tells while it runs: lines of the log, a word to systemd, and a record of what was done."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from reconciler import log
from reconciler.apply import Phase
from reconciler.bookkeeper import Bookkeeper
from reconciler.core.events import DAEMON, Event, EventType
from reconciler.core.plan import NOT_ASKED, Plan, Verb
from reconciler.core.status import Truth
from reconciler.mistakes import outlived
from reconciler.notify import notify
from reconciler.outlook import Sight
from reconciler.recorder import Origin, Recorder, origin_of
from reconciler.retention import RETENTION
from reconciler.scribe import Threaded
from reconciler.watch import WATCHED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path
    from types import TracebackType

    from reconciler.apply import Progress
    from reconciler.core.plan import Step
    from reconciler.core.status import Condition
    from reconciler.folder import Folder
    from reconciler.keep import Keeper
    from reconciler.reconcile import Look, Reconciler
    from reconciler.retention import Retention
    from reconciler.watch import Watches
    from resources.contract import Address, TargetId

_COMMAND = "run"


class Chronicle:
    """Hears what the daemon does. `recorder` writes the history, `books` how everything stands and what happens."""

    def __init__(self, folder: Path, *, acts: bool = True, retention: Retention = RETENTION) -> None:
        """Tell of that folder of documents; `acts` says whether the daemon does anything but look."""
        self._folder = folder
        self._counts: dict[str, int] | None = None
        self._ready = False
        self._conditions: dict[str, Condition] = {}
        self._began: dict[Address, float] = {}
        self._standing: dict[Address, str] = {}
        self._unseen: dict[Address | TargetId, str] = {}
        self.recorder = Recorder(Threaded(folder, self._warn), Origin(_COMMAND), log.masked, retention)
        self.books = Bookkeeper(folder, log.masked, self._warn, retention, acts=acts)
        self._reconciler: Reconciler | None = None
        self._in_force: Folder | None = None
        self._told: tuple[object, ...] = ()

    def __enter__(self) -> Self:
        """Begin."""
        log.logger().info("starting", desired=str(self._folder))
        self.books.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of the records. Both are written meanwhile, and waited for."""
        self.recorder.end()
        self.books.__exit__(kind, error, trace)
        self.recorder.__exit__(kind, error, trace)

    def keep(self, retention: Retention) -> None:
        """Keep so much of what was done and of what happens from now on."""
        self.recorder.retention = self.books.retention = retention

    def keeping(self, keeper: Keeper, watches: Watches) -> None:
        """Know whose decisions these are, and who listens."""
        self._reconciler = keeper.reconciler
        self.books.kinds, self.books.deaf = frozenset(WATCHED), lambda: watches.deaf
        with outlived("tell what is to be looked at"):  # the first decision waits for whoever answers first
            self._pass_on(self._reconciler, self._reconciler.decide().plan)

    def ending(self) -> None:
        """Keep to who was heard until now: that nobody listens any more is no news of the cloud."""
        heard = dict(self.books.deaf())
        self.books.deaf = lambda: heard

    def folder(self, folder: Folder) -> None:
        """Say that documents are in force, or why they are not."""
        self.books.folder(folder.conditions)
        if folder.stuck and folder.desired is None:
            notify("READY=1", "STATUS=waits for documents that can be read as declared")
        for condition in folder.conditions:
            if self._conditions.get(condition.type) != condition:
                self._conditions[condition.type] = condition
                tell = log.logger().warning if condition.status is Truth.FALSE else log.logger().info
                told = {"message": condition.message} if condition.message else {}
                tell("desired", condition=condition.type, status=str(condition.status), reason=condition.reason, **told)

    def taking(self, folder: Folder) -> None:
        """Hear that these documents are in force from now on. Of a branch that is followed their commit is known."""
        before, self._in_force = self._in_force, folder
        same = before is not None and _means(before) == _means(folder)
        origin = self.recorder.origin if same else Origin(_COMMAND, folder.revision, folder.branch)
        self.recorder.taken(origin)
        self.books.taking(origin)

    async def name(self, folder: Folder) -> bool:
        """Ask git of which commit the documents are, say and remember it; tell whether that is news.

        It is none when they have been read anew and are as before, nor when others are in force by then.
        """
        origin = await origin_of(self._folder, _COMMAND)
        if folder is not self._in_force:
            return False
        if folder.revision:  # what was read; by now another one may be checked out
            dirty = origin.dirty and origin.commit == folder.revision
            origin = replace(origin, commit=folder.revision, branch=folder.branch, dirty=dirty)
        self.recorder.named(origin)
        self.books.taking(origin)  # though it was told before: others may have been in force meanwhile
        told = (*_means(folder), origin)
        if told == self._told:
            return False
        self._told = told
        self.books.taken(origin)
        if origin.commit:
            log.logger().info("commit", commit=origin.commit, branch=origin.branch, dirty=origin.dirty)
        return True

    def decided(self, look: Look) -> None:
        """Say what is to be done and what is being done, when that has changed; the first time, that the daemon is ready."""
        self._tell_what_stands(look.plan)
        if self._reconciler is not None:
            self._pass_on(self._reconciler, look.plan)
        counts = {str(verb): count for verb, count in Counter(step.verb for step in look.plan.steps).items()}
        if self._began:  # what was restarted looks well before its step has seen that it stays so
            counts["in_hand"] = len(self._began)
        if not self._ready:
            self._ready = True
            notify("READY=1")
        if counts == self._counts:
            return
        self._counts = counts
        left = {verb: count for verb, count in sorted(counts.items()) if verb != "nothing"}
        log.logger().info("decided", units=len(look.plan.steps), **left)
        told = ", ".join(f"{count} {verb}" for verb, count in left.items()).replace("_", " ")
        notify(f"STATUS={told or 'everything is as declared'}")

    def _pass_on(self, reconciler: Reconciler, plan: Plan) -> None:
        """Have the books know of a decision."""
        desired, broken, rollout = reconciler.desired, dict(reconciler.broken), reconciler.rollout
        plan = _with_what_is_in_hand(plan, self._began.keys())
        self.books.decided(Sight(plan, desired.catalog, desired.loaded, broken, rollout, reconciler.permit))

    def undecided(self, why: str) -> None:
        """Say, to systemd too, that nothing can be decided; the log has the rest already."""
        self._counts = None  # so that the next decision is told, whatever it is
        log.logger().error("undecided", reason=why)
        notify(f"STATUS=nothing is decided: {why}")
        self.books.happened(Event(EventType.WARNING, "Undecided", DAEMON, why))

    def _tell_what_stands(self, plan: Plan) -> None:
        """Say of each step that is held for a reason of its own why, once, and when it is so no more; and what is unknown.

        What was not looked at yet is in no trouble, nor is what waits only for its turn: of many that do the reasons change
        with each turn.
        """
        own = [step for step in plan.steps if step.root is None and not step.later and step.held not in ("", NOT_ASKED.reason)]
        standing = {step.address: step.held for step in own if step.verb is not Verb.UNKNOWN}
        # what cannot be seen for a while is not free again
        unknown = {step.address for step in plan.steps if step.verb is Verb.UNKNOWN}
        standing |= {address: why for address, why in self._standing.items() if address in unknown}
        for address, why in standing.items():
            if self._standing.get(address) != why:
                log.logger().warning("held", address=str(address), reason=why)
        for address in self._standing.keys() - standing.keys():
            log.logger().info("free_again", address=str(address))
        self._standing = standing
        answering = {step.address.target for step in plan.steps if step.verb is not Verb.UNKNOWN}
        self._tell_what_is_unseen([step for step in own if step.verb is Verb.UNKNOWN], answering)

    def _tell_what_is_unseen(self, unknown: Iterable[Step], answering: Collection[TargetId]) -> None:
        """Say once of a target that does not answer why, and when it does again; of one that answers, of each unknown unit."""
        unseen: dict[Address | TargetId, str] = {}
        for step in unknown:
            target = step.address.target
            unseen.setdefault(step.address if target in answering else target, step.held)
        for about, why in unseen.items():
            if self._unseen.get(about) != why:  # each attempt may find another reason of the same silence
                tell = log.logger().debug if about in self._unseen else log.logger().warning
                tell("unseen", **_named(about), reason=why)
        for about in self._unseen.keys() - unseen.keys():
            if getattr(about, "target", None) not in unseen:
                log.logger().info("seen_again", **_named(about))
        self._unseen = unseen

    def step(self, progress: Progress) -> None:
        """Say what came of a step."""
        address, now = progress.step.address, asyncio.get_running_loop().time()
        if progress.phase is Phase.STARTED:
            self._began[address] = now
            reasons = {"reasons": "; ".join(progress.step.reasons)} if progress.step.reasons else {}
            log.logger().info("step", address=str(address), verb=str(progress.step.verb), **reasons)
        elif progress.result is not None:
            result, began = progress.result, self._began.pop(address, now)
            tell = log.logger().warning if result.outcome in ("failed", "skipped") else log.logger().info
            told = {"message": result.message} if result.message else {}
            self.books.step(progress.step, result)
            tell("result", address=str(address), outcome=str(result.outcome), duration_s=round(now - began, 3), **told)

    def over(self, plan: Plan) -> None:
        """Hear that nothing of that plan is in hand any more, though the end of a step may not have been told."""
        for step in plan.pending:
            self._began.pop(step.address, None)

    def _warn(self, text: str) -> None:
        log.logger().warning("history", message=text)


def _named(about: Address | TargetId) -> dict[str, str]:
    return {"address" if hasattr(about, "target") else "target": str(about)}


def _means(folder: Folder) -> tuple[object, ...]:
    """Return what the documents say, with what they point to, and the commit that was followed."""
    desired = folder.desired
    return folder.revision, *((desired.loaded.resources, desired.secrets, desired.files) if desired is not None else ())


def _with_what_is_in_hand(plan: Plan, in_hand: Collection[Address]) -> Plan:
    """Return the plan with what looks as declared, and whose step is not over, as waited for: it may not stay so."""
    if not any(step.verb is Verb.NOTHING and step.address in in_hand for step in plan.steps):
        return plan
    return Plan(tuple(_settling(step) if step.address in in_hand else step for step in plan.steps))


def _settling(step: Step) -> Step:
    return replace(step, verb=Verb.WAIT, reasons=("its step is not over",)) if step.verb is Verb.NOTHING else step
