"""The program `bivisor` as it is, with the bench's one kind added to its kinds."""

from __future__ import annotations

from reconciler.cli.main import main
from resources.kinds import registry
from tests.bench.declared import WORKLOAD


def launch() -> None:
    """Run the program with the arguments of this process."""
    add_kind()
    main()


def add_kind() -> None:
    """Let documents of the bench's kind be understood; must come before anything that reads documents is imported."""
    registry.KINDS = {**registry.KINDS, WORKLOAD.name: WORKLOAD}
