"""`bivisor validate`: check the documents without asking anybody."""

from __future__ import annotations

from pathlib import Path

from reconciler.cli.session import AsIfRelease, DesiredFolder, warn

NAME = "validate"


def run(desired: DesiredFolder = Path("desired"), release: AsIfRelease = None) -> None:
    """Check the documents: every error of all files at once. Needs no host, no network and no secret."""
    from reconciler.desired import compile_offline  # noqa: PLC0415 - keeps --help fast

    loaded, catalog, _ = compile_offline(desired, release)
    warn((*loaded.warnings, *catalog.warnings))
    resources, units, targets = len(loaded.resources), len(catalog.units), len(catalog.endpoints)
    print(f"{desired}: {resources} resources are valid; they declare {units} units on {targets} targets.")
