"""What came of it: results of steps, folded into the conditions of the resources that people wrote."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resources.contract import Address


class Outcome(StrEnum):
    """What came of one step. Only `converged` says that something was done and seen to be done."""

    UNCHANGED = "unchanged"
    CONVERGED = "converged"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one step; `message` says for a person why it failed or was skipped."""

    address: Address
    outcome: Outcome
    message: str = ""
