"""What goes on in a keeper, as numbers and names: for metrics, and for whoever asks whether it lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.pauses import Permit
    from reconciler.queue import Depth
    from reconciler.turns import Priority
    from resources.contract import Address


@dataclass(frozen=True, slots=True)
class Inside:
    """What goes on in a keeper at a moment.

    `depths`   how many targets wait to be looked at, and for how long.
    `looking`  so many are looked at; `resting` are those that did not answer and wait for their time.
    `due`      something was seen or done that was not decided on yet, though nothing is in the way of that.
    `stalled`  what is left alone because it came undone again and again.
    `broken`   the services that did not come through their restart, by the address of what was restarted.
    `stopped`  why no other one is interrupted, when they are too many, or ''.
    `permit`   what a person allows: what is paused, and whether a maintenance window is open.
    """

    depths: Mapping[Priority, Depth]
    looking: int
    resting: int
    due: bool
    stalled: frozenset[Address]
    broken: Mapping[Address, str]
    stopped: str
    permit: Permit
