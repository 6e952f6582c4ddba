"""Everything that can go wrong in the core, as one tree.

    BivisorError                what every error of ours is: a sentence for a person, and whether trying again may help
    ├── InputError              the declared documents are wrong; holds every problem with its place
    │   └── DisagreementError   two documents give one field of one unit two values
    ├── CycleError              units need each other in a circle
    ├── UnknownNameError        someone asks about a kind or a field that does not exist
    ├── PlanFileError           a file is no saved plan, or not as it was saved
    ├── StalePlanError          a saved plan does not fit what is declared, or what is there, any more
    ├── BrokenPlanError         a unit would do more than its plan says
    ├── PausesError             the file of what is paused cannot be read or written
    ├── LeadError               another leads, or nobody knows who does
    └── HistoryError            the file of what was done cannot be read or written

None of these helps by trying again by itself: someone has to change a document, or plan again, first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resources.contract import Address, Key, Need

MOST_PROBLEMS = 100
"""As many problems are listed in one message; whoever has more of them has one cause for most."""


class BivisorError(Exception):
    """An error of ours: its text is a sentence for a person.

    `retry` tells whether the same thing may succeed later without anyone changing a document. `exit_code` is what the
    program ends with.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, retry: bool = False) -> None:
        """Keep the sentence, and whether trying again may help."""
        super().__init__(message)
        self.message = message
        self.retry = retry


@dataclass(frozen=True, slots=True)
class LocatedProblem:
    """Something wrong in a declared document, and where.

    `file` is the name to print. `line` and `column` count from 1; both are 0 when the place is not known.
    `key` is None where the document has no readable identity. `path` is the field in dotted form
    (`spec.vmware.computes[0].host`), empty for the whole document. A warning does not stop anything.
    """

    file: str
    line: int
    column: int
    key: Key | None
    path: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        """Return `desired/zones.yaml:14:5: HypervisorZone/vcenter-az: spec.vmware.vcenter: no VCenter named …`."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        message = f"warning: {self.message}" if self.warning else self.message
        return ": ".join(part for part in (place, str(self.key or ""), self.path, message) if part)

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """Return what problems are sorted by: the order in which a person reads the files."""
        return (self.file, self.line, self.column, self.path, self.message)


class InputError(BivisorError):
    """The declared documents are wrong. `problems` has all of them in reading order; the text lists the first 100."""

    def __init__(self, problems: Iterable[LocatedProblem]) -> None:
        """Keep the problems, each once, sorted by their place."""
        self.problems = tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.order))
        super().__init__("\n".join(listing(self.problems)))


class DisagreementError(InputError):
    """Two documents give one field of one unit two values."""


class CycleError(BivisorError):
    """Units need each other in a circle. `edges` are (who needs, what and why), each once, in order around the circle."""

    def __init__(self, edges: Iterable[tuple[Address, Need]]) -> None:
        """Name each edge with its reason."""
        self.edges = tuple(edges)
        lines = [f"  {address} needs {need.address}: {need.reason}" for address, need in self.edges]
        super().__init__("\n".join(["These units need each other in a circle, one of these needs must go:", *lines]))


class UnknownNameError(BivisorError):
    """Someone asks about a kind or a field that does not exist; the message has the nearest name."""


class PlanFileError(BivisorError):
    """A file is no saved plan, or not as it was saved."""


class PausesError(BivisorError):
    """The file of what is paused cannot be read or written; says which, why, and what helps."""


class HistoryError(BivisorError):
    """The file of what was done cannot be read or written; nothing else depends on it."""


class TakenError(BivisorError):
    """This folder of documents cannot be kept: it is not there, or somebody else keeps it already."""


class LeadError(BivisorError):
    """This daemon does not lead the cloud, or not any more: another one does, or nobody can tell."""

    exit_code: ClassVar[int] = 5


class StalePlanError(BivisorError):
    """A saved plan does not fit any more. `moved` are sentences, one for each thing that is not as it was planned for."""

    exit_code: ClassVar[int] = 4

    def __init__(self, message: str, remedy: str, moved: Iterable[str] = ()) -> None:
        """Keep what moved; the text lists all of it, and says what to do."""
        self.moved = tuple(moved)
        lines = [f"{message}. {remedy}"] if not self.moved else [f"{message}:", *(f"  {line}" for line in self.moved), remedy]
        super().__init__("\n".join(lines))


class BrokenPlanError(BivisorError):
    """A unit would do more than its plan says, although the world is as it was planned for: a mistake of the program."""

    exit_code: ClassVar[int] = 3

    def __init__(self, address: Address, how: str) -> None:
        """Name the unit, and what it would have done."""
        self.address = address
        super().__init__(
            f"{address} broke its plan: {how}. Nothing further is begun; this is a mistake of the program: report it"
        )


def listing(problems: Sequence[LocatedProblem]) -> tuple[str, ...]:
    """Return one line per problem, and `and N more` in place of what comes after the first 100."""
    lines = [str(problem) for problem in problems[:MOST_PROBLEMS]]
    if len(problems) > MOST_PROBLEMS:
        lines.append(f"and {len(problems) - MOST_PROBLEMS} more")
    return tuple(lines)
