"""The program's first step: no search for garbage while the others load, and none on the way out.

Loading modules makes many objects and no garbage; looking for some took a fifth of the time of a plan. A session
switches the search on (`session`).
"""

from __future__ import annotations

import gc


def main() -> None:
    """Run the program."""
    gc.disable()
    try:
        from reconciler.cli.main import main as program  # noqa: PLC0415 - see the module's docstring

        program()
    finally:
        gc.freeze()
