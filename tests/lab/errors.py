"""What can go wrong in the lab, as one tree.

LabError
├── UnfitMachineError   this machine cannot run a lab; says what to install or change
├── CommandError        a command of the machine ended badly; carries the end of its output
└── LateError           a condition did not become true in time
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class LabError(Exception):
    """Base of all errors of the lab."""


class UnfitMachineError(LabError):
    """The lab cannot run here; the message says why and what would help."""


class CommandError(LabError):
    """A command ended with something else than 0."""

    def __init__(self, argv: Sequence[str], status: int, output: str) -> None:
        """Keep the last lines of the output: the reason is nearly always there."""
        tail = "\n".join(output.strip().splitlines()[-15:])
        super().__init__(f"`{' '.join(argv)[:300]}` ended with status {status}:\n{tail}")
        self.status = status


class LateError(LabError):
    """A condition was waited for in vain."""
