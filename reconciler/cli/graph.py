"""`bivisor graph`: what needs what."""

from __future__ import annotations

import shutil
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.session import DesiredFolder

NAME = "graph"


class Form(StrEnum):
    """How a graph is written."""

    DOT = "dot"
    MERMAID = "mermaid"
    SVG = "svg"


def run(
    desired: DesiredFolder = Path("desired"),
    *,
    output: Annotated[
        Form, typer.Option("--output", "-o", help="dot for Graphviz, mermaid for Markdown, svg to look at (needs Graphviz).")
    ] = Form.DOT,
) -> None:
    """Draw what needs what, and why. Needs no host, no network and no secret."""
    from reconciler.core.drawing import to_dot, to_mermaid  # noqa: PLC0415 - keeps --help fast
    from reconciler.desired import compile_offline  # noqa: PLC0415 - as above

    _, _, graph = compile_offline(desired)
    match output:
        case Form.MERMAID:
            print(to_mermaid(graph))
        case Form.DOT:
            print(to_dot(graph))
        case Form.SVG:
            _svg(to_dot(graph))


def _svg(dot: str) -> None:
    program = shutil.which("dot")
    if program is None:
        print("graph: svg is drawn by Graphviz, whose program dot was not found: apt-get install graphviz", file=sys.stderr)
        raise typer.Exit(1)
    sys.stdout.flush()
    drawn = subprocess.run([program, "-Tsvg"], input=dot.encode(), check=False)  # noqa: S603 - found by PATH, no shell, our own text
    raise typer.Exit(1 if drawn.returncode else 0)
