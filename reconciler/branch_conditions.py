"""What is told of a branch that is followed: whether it could be fetched, and whether what it is now is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.core.status import Condition, Truth
from reconciler.git_clone import SHORT
from reconciler.git_remote import FollowError

if TYPE_CHECKING:
    from reconciler.core.errors import BivisorError

FETCHED = Condition("Fetched", Truth.TRUE, "Fetched")


class Known(NamedTuple):
    """What is known of the branch."""

    fetched: Condition = Condition("Fetched", Truth.UNKNOWN, "NotYetFetched")
    current: Condition = Condition("Current", Truth.UNKNOWN, "NotYetFetched")


class Candidate(NamedTuple):
    """A commit of a branch that is to be in force, and the one that is `before` it; '' where none is."""

    commit: str
    branch: str
    before: str

    def taken(self) -> Condition:
        """It is in force."""
        return Condition("Current", Truth.TRUE, "InForce", f"{self.commit[:SHORT]} of {self.branch}")

    def late(self) -> Condition:
        """It is not yet: nobody knows whether it can be."""
        what = "that takes long: git, a file system, or the command of a Secret, may not answer"
        return Condition("Current", Truth.UNKNOWN, "Unsettled", self._untaken(what))

    def refused(self, error: BivisorError | OSError) -> Condition:
        """It is not, and why."""
        return Condition("Current", Truth.FALSE, _reason(error), self._untaken(error))

    def _untaken(self, why: object) -> str:
        instead = f"{self.before[:SHORT]} stays in force" if self.before else "nothing is in force"
        return f"{self.commit[:SHORT]} of {self.branch} is not taken, {instead}: {why}"


def unfetched(error: BivisorError | OSError, every_s: float) -> Condition:
    """It could not be fetched, and when it is tried again."""
    return Condition("Fetched", Truth.FALSE, _reason(error), f"{error}. It is tried again every {every_s:g} s")


def _reason(error: BivisorError | OSError) -> str:
    return error.reason if isinstance(error, FollowError) else "GitFailed"
