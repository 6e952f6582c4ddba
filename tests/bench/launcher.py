"""The program `bivisor` as it is, with the bench's one kind added to its kinds."""

from __future__ import annotations

import gc

from reconciler.cli.start import main


def launch() -> None:
    """Run the program with the arguments of this process."""
    gc.disable()  # as the program's own start does, before anything else is loaded
    add_kind()
    main()


def add_kind() -> None:
    """Let documents of the bench's kind be understood; must come before anything that reads documents is imported."""
    from resources.kinds import registry  # noqa: PLC0415 - see above
    from tests.bench.declared import WORKLOAD  # noqa: PLC0415 - as above

    registry.KINDS = {**registry.KINDS, WORKLOAD.name: WORKLOAD}
