"""The program `bivisor` as it is, with the bench's one kind added to its kinds: `python -m tests.bench.launcher plan …`."""

from __future__ import annotations

from reconciler.cli.main import main
from resources.kinds import registry
from tests.bench.declared import WORKLOAD


def add_kind() -> None:
    """Let documents of the bench's kind be understood; must come before anything that reads documents is imported."""
    registry.KINDS = {**registry.KINDS, WORKLOAD.name: WORKLOAD}


if __name__ == "__main__":
    add_kind()
    main()
