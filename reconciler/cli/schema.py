"""`bivisor schema`: JSON Schema of the documents, for editors, and of a plan, for programs."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

NAME = "schema"


class Of(StrEnum):
    """What is described."""

    DOCUMENTS = "documents"
    PLAN = "plan"


def run(
    of: Annotated[Of, typer.Argument(metavar="WHAT", help="The documents, or what plan --output json prints.")] = Of.DOCUMENTS,
) -> None:
    """Print the JSON Schema of all kinds, for editors. They complete and check the documents with it."""
    if of is Of.PLAN:
        from reconciler.core.plan_schema import plan_schema  # noqa: PLC0415 - keeps --help fast

        print(json.dumps(plan_schema(), indent=2))
        return
    from reconciler.core.explain import schema  # noqa: PLC0415 - keeps --help fast
    from resources.kinds.registry import KINDS  # noqa: PLC0415 - as above

    print(json.dumps(schema(KINDS), indent=2))
