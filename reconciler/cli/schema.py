"""`bivisor schema`: JSON Schema of the documents, for editors."""

from __future__ import annotations

import json

NAME = "schema"


def run() -> None:
    """Print the JSON Schema of all kinds, for editors. They complete and check the documents with it."""
    from reconciler.core.explain import schema  # noqa: PLC0415 - keeps --help fast
    from resources.kinds.registry import KINDS  # noqa: PLC0415 - as above

    print(json.dumps(schema(KINDS), indent=2))
