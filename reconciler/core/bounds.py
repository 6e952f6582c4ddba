"""What is done is never more than what was planned: a step as it would be done now, beside the one that was shown.

Both sides are steps, made by the same code, so that nothing here knows what a change means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.plan import Verb
from resources.contract import changed_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.plan import Step

COVERED: Mapping[Verb, frozenset[Verb]] = {
    Verb.CREATE: frozenset({Verb.CREATE, Verb.UPDATE}),
    Verb.UPDATE: frozenset({Verb.UPDATE}),
    Verb.DELETE: frozenset({Verb.DELETE}),
    Verb.RESTART: frozenset({Verb.RESTART, Verb.UPDATE, Verb.DELETE}),
}
"""What each planned verb allows: itself, and what is less. A thing that somebody has made meanwhile may be changed in place of
being made; one that is gone is not made again under the name of a change. What has stopped by itself may be started in
place of being restarted. Verbs that are missing here allow nothing but to wait, which is never more."""


def beyond(now: Step, planned: Step, mended: frozenset[str] = frozenset()) -> str:
    """Say what `now` would do that `planned` did not show, as the beginning of a sentence, or ''.

    `mended` are fields that bring up again what this very run took down; a step that interrupts nobody may change them.
    """
    if not now.pending or now.verb is Verb.WAIT:
        return ""
    shown_fields = changed_fields(planned.changes) | (mended if now.disruption is None else frozenset())
    more = changed_fields(now.changes) - shown_fields
    if more:
        return f"differs in {', '.join(sorted(more))}"
    service, shown = (step.disruption.service if step.disruption else "" for step in (now, planned))
    if service and service != shown:
        return f"would now disrupt {service}" + (f" in place of {shown}" if shown else "")
    if now.verb not in COVERED.get(planned.verb, frozenset()):
        return f"would now be a step to {now.verb}, not to {planned.verb}"
    return ""
