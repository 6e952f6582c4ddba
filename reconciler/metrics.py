"""Numbers for Prometheus: what was done is counted as it happens, what stands is read when somebody asks.

Every label has a bounded set of values: words of the program, the declared targets, and the webhooks of the settings.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections import Counter as Tally
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from reconciler.apply import Phase
from reconciler.core.drift import Drift
from reconciler.core.errors import BivisorError
from reconciler.core.plan import PENDING, Plan
from reconciler.core.status import GOOD, Outcome, Truth
from reconciler.news import Event, refusal
from reconciler.turns import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from reconciler.apply import Progress
    from reconciler.core.pauses import Permit
    from reconciler.folder import Folder
    from reconciler.inside import Inside
    from reconciler.keep import Keeper
    from reconciler.news import Newsroom
    from reconciler.reconcile import Entry, Look, Records
    from reconciler.watch import Watches
    from resources.contract import Address

STEP_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
DECISION_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds at which the durations are divided: from a file that is written to packages that are installed, and up to a large
cloud."""

UNCLASSED = "unclassed"
"""The class of a difference where no host remembers what was there: in an API, a vCenter."""


@dataclass(slots=True)
class State:
    """What the daemon is told to be besides: `acts` unless it only observes, `settings_valid` as they were read last.

    `epoch` tells under which it leads at the moment, or 0.
    """

    acts: bool = True
    settings_valid: bool = True
    epoch: Callable[[], int] = int


class Metrics(Collector):
    """All numbers. One of the daemon's audience, and what is asked by a registry of its own."""

    def __init__(self, newsroom: Newsroom, state: State, waiting: Callable[[], Mapping[str, int]] = dict) -> None:
        """Count from nothing. `waiting` tells how many pieces of news wait for each webhook."""
        self.registry = registry = CollectorRegistry(auto_describe=False)
        self._newsroom = newsroom
        self._state = state
        self._waiting = waiting
        self._plan = Plan(())
        self._decided_at = 0.0
        self._taken_at = 0.0
        self._valid = False
        self._watched = False
        self._began: dict[Address, float] = {}
        self._keeper: Keeper | None = None
        self._watches: Watches | None = None
        self._passes = Counter("bivisor_passes", "Portions of a plan that were carried out.", ["result"], registry=registry)
        self._pass_s = Histogram("bivisor_pass_duration_seconds", "How long passes took.", buckets=STEP_S, registry=registry)
        self._steps = Counter("bivisor_steps", "Steps that have ended.", ["outcome", "verb"], registry=registry)
        self._step_s = Histogram(
            "bivisor_step_duration_seconds",
            "How long steps took, until they were seen to be done.",
            ["verb"],
            buckets=STEP_S,
            registry=registry,
        )
        self._decision_s = Histogram(
            "bivisor_decision_duration_seconds",
            "How long it took to plan over all that is known.",
            buckets=DECISION_S,
            registry=registry,
        )
        self._undecided = Counter("bivisor_undecided", "Decisions that a mistake of the program prevented.", registry=registry)
        self._deliveries = Counter(
            "bivisor_webhook_deliveries", "News for webhooks, sent or dropped.", ["webhook", "result"], registry=registry
        )
        self._attempts = Counter(
            "bivisor_webhook_failures", "Requests to webhooks that failed.", ["webhook"], registry=registry
        )
        for result in ("converged", "partial", "failed", "interrupted"):
            self._passes.labels(result)
        for verb in sorted(PENDING):
            self._step_s.labels(verb)
            for outcome in Outcome:
                self._steps.labels(outcome, verb)
        registry.register(self)
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)

    def page(self, accept: str) -> tuple[bytes, str]:
        """Return all numbers in the form that suits, and the name of that form."""
        encode, form = choose_encoder(accept)
        return encode(self.registry), form

    def families(self) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
        """Yield name, type, labels and meaning of each number of ours, sorted, whether it has values by now or not."""
        counted = (
            self._passes,
            self._pass_s,
            self._steps,
            self._step_s,
            self._decision_s,
            self._undecided,
            self._deliveries,
            self._attempts,
        )
        found = [(family, each._labelnames) for each in counted for family in each.describe()]  # noqa: SLF001 - nothing else tells
        found += [(family, getattr(family, "_labelnames", ())) for family in self.collect()]
        for family, labels in sorted(found, key=lambda each: each[0].name):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield name, family.type, tuple(labels), family.documentation

    @contextmanager
    def one_pass(self, records: Records, plan: Plan, report: Callable[[Progress], None]) -> Iterator[Entry]:
        """Count a pass while it is recorded by others."""
        since, result = time.monotonic(), "interrupted"
        try:
            with records.one_pass(plan, report) as entry:
                yield entry
            result = "converged" if all(one.outcome in GOOD for one in entry.results.values()) else "partial"
        except BivisorError:
            result = "failed"
            raise
        finally:
            for step in plan.pending:  # those of which a mistake has kept the end from being told
                self._began.pop(step.address, None)
            self._passes.labels(result).inc()
            self._pass_s.observe(time.monotonic() - since)

    def keeping(self, keeper: Keeper, watches: Watches) -> None:
        """Know whose inside is to be read, and who listens."""
        self._keeper, self._watches = keeper, watches

    def folder(self, folder: Folder) -> None:
        """Hear whether the documents can be taken as they are."""
        self._valid = folder.desired is not None and not (refusal(folder) or folder.waiting)
        unheard = [
            each for each in folder.conditions if each.type in ("WatchHealthy", "Fetched") and each.status is Truth.FALSE
        ]
        self._watched = not unheard

    def undecided(self, why: str) -> None:  # noqa: ARG002 - the log has it
        """Count a decision that could not be made."""
        self._undecided.inc()

    def taking(self, folder: Folder) -> None:  # noqa: ARG002 - when is all that is told
        """Hear that other documents are in force."""
        self._taken_at = time.time()

    def decided(self, look: Look) -> None:
        """Hear of a decision."""
        self._plan, self._decided_at = look.plan, time.time()
        if self._keeper is not None:
            self._decision_s.observe(self._keeper.decided_s)

    def step(self, progress: Progress) -> None:
        """Hear of a step."""
        address, now = progress.step.address, asyncio.get_running_loop().time()
        if progress.phase is Phase.STARTED:
            self._began[address] = now
        elif progress.result is not None:
            began = self._began.pop(address, None)
            self._steps.labels(progress.result.outcome, progress.step.verb).inc()
            if began is not None:
                self._step_s.labels(progress.step.verb).observe(now - began)

    @property
    def in_hand(self) -> tuple[Address, ...]:
        """The steps that have begun and not ended."""
        return tuple(self._began)

    @property
    def decided_at(self) -> float:
        """When it was decided last, in seconds since 1970; 0 before the first decision."""
        return self._decided_at

    def tells(self, webhooks: Iterable[str]) -> None:
        """Count for these from nothing: the rise from a number that was not there is none, and no alert would see it."""
        for webhook in webhooks:
            self._attempts.labels(webhook)
            for result in ("sent", "dropped"):
                self._deliveries.labels(webhook, result)

    def delivery(self, webhook: str, result: str) -> None:
        """Count what came of a request. Called in any thread."""
        if result == "failed":
            self._attempts.labels(webhook).inc()
        else:
            self._deliveries.labels(webhook, result).inc()

    def collect(self) -> Iterable[Metric]:
        """Return what stands now."""
        yield from self._of_the_program()
        yield from self._of_the_plan()
        inside = None if self._keeper is None else self._keeper.inside
        yield from _of_the_queue(inside)
        yield _one(
            "bivisor_pause_oldest_timestamp_seconds",
            "When the oldest pause was made that has no end, 0 without one.",
            0.0 if inside is None else _oldest(inside.permit),
        )
        yield from self._of_the_watches()
        waiting = [((name,), count) for name, count in self._waiting().items()]
        yield _gauge("bivisor_webhook_waiting", "News that wait for a webhook.", ("webhook",), waiting)

    def _of_the_program(self) -> Iterator[Metric]:
        about = (version("bivisor"), platform.python_version())
        yield _gauge("bivisor_build_info", "Of which version this is; 1.", ("version", "python"), [(about, 1)])
        yield _one("bivisor_acts", "1 unless it only observes.", self._state.acts)
        yield _one("bivisor_lead_epoch", "The epoch under which it leads by Pacemaker, else 0.", self._state.epoch())
        yield _one("bivisor_settings_valid", "1 if the settings could be read the last time.", self._state.settings_valid)
        yield _one("bivisor_desired_valid", "1 if the documents that stand there now are in force.", self._valid)
        yield _one("bivisor_desired_watched", "1 if changes of the documents are heard of at once.", self._watched)
        yield _one("bivisor_desired_taken_timestamp_seconds", "When other documents came into force, 0 before.", self._taken_at)
        yield _one("bivisor_last_decision_timestamp_seconds", "When it was decided last, 0 before.", self._decided_at)

    def _of_the_plan(self) -> Iterator[Metric]:
        plan, standing = self._plan, self._newsroom.standing
        verbs = [((verb,), count) for verb, count in plan.counts.items()]
        classes = Tally(step.drift or UNCLASSED for step in plan.steps if step.changes)
        drift = [((name,), classes[name]) for name in (*Drift, UNCLASSED)]
        targets = {step.address.target for step in plan.steps}
        unknown = {step.address.target for step in plan.unknown}
        yield _gauge("bivisor_units", "Declared units, by what is to be done about them.", ("verb",), verbs)
        yield _gauge("bivisor_drift", "Units that differ, by why they do.", ("class",), drift)
        yield _one("bivisor_targets", "Targets with declared units.", len(targets))
        yield _one("bivisor_targets_unknown", "Targets with units of which nobody knows.", len(unknown))
        yield _one("bivisor_steps_in_hand", "Steps that have begun and not ended.", len(self._began))
        yield _one("bivisor_failed", "Units whose last step failed.", len(standing[Event.STEP_FAILED]))
        yield _one("bivisor_held", "Units held for a reason of their own.", len(standing[Event.STEP_HELD]))
        yield _one("bivisor_stalled", "Units that came undone too often.", len(standing[Event.STEP_STALLED]))
        yield _one(
            "bivisor_pauses",
            "Pauses in force; one more where nobody can read what is paused.",
            len(standing[Event.PAUSE_BEGAN]),
        )
        stopped = bool(standing[Event.ROLLOUT_STOPPED])
        yield _one("bivisor_rollout_stopped", "1 while services that did not come through their restart stop others.", stopped)

    def _of_the_watches(self) -> Iterator[Metric]:
        watched = sorted(self._watches.watched) if self._watches is not None else ()
        deaf = self._watches.deaf if self._watches is not None else {}
        health = [((str(target),), target not in deaf) for target in watched]
        yield _gauge("bivisor_watch_healthy", "1 while changes of a target are heard.", ("target",), health)


def _oldest(permit: Permit) -> float:
    return min((datetime.fromisoformat(each.at).timestamp() for each in permit.pauses if not each.until), default=0.0)


def _of_the_queue(inside: Inside | None) -> Iterator[Metric]:
    depths = {priority.name.lower(): inside.depths[priority] if inside else None for priority in Priority}
    waiting = [((name,), depth.waiting if depth else 0) for name, depth in depths.items()]
    ages = [((name,), depth.age_s if depth else 0.0) for name, depth in depths.items()]
    yield _gauge("bivisor_queue_depth", "Targets that wait to be looked at, by why.", ("priority",), waiting)
    yield _gauge("bivisor_queue_oldest_seconds", "How long the first of them has waited.", ("priority",), ages)
    yield _one("bivisor_queue_in_hand", "Targets that are looked at now.", inside.looking if inside else 0)
    yield _one("bivisor_queue_resting", "Targets that did not answer and rest.", inside.resting if inside else 0)


def _gauge(name: str, text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    found = GaugeMetricFamily(name, text, labels=labels)
    for label, value in values:
        found.add_metric([str(part) for part in label], float(value))
    return found


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))
