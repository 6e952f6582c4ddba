"""`bivisor explain`: what a kind or a field means."""

from __future__ import annotations

from typing import Annotated

import typer

NAME = "explain"


def run(
    path: Annotated[str, typer.Argument(help="A kind or a field of it: VolumeBackend, VolumeBackend.spec.ha.")] = "",
) -> None:
    """Explain a kind or a field of it; without a name, list the kinds."""
    from reconciler.core.explain import explain  # noqa: PLC0415 - keeps --help fast
    from resources.kinds.registry import KINDS  # noqa: PLC0415 - as above

    print(explain(KINDS, path))
