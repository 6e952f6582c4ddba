"""Requests and replies as JSON, one a line: `{"do": name, "with": {…}}` → `{"done": …}` or `{"failed": traceback}`."""

from __future__ import annotations

import json
import sys
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def serve(start: Callable[..., object], plain: Callable[[Any], Any]) -> None:
    """Answer requests until the input ends.

    `start` is called with the arguments of the first request, `{"do": "start", …}`; the others are methods of
    what it returned. `plain` turns a value that JSON does not know into one that it does.
    """
    served: object = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "start":
                served = start(**request["with"])
                reply: dict[str, object] = {"done": None}
            else:
                reply = {"done": getattr(served, request["do"])(**request["with"])}
        except Exception:  # noqa: BLE001 - whatever the driver raises is the test's to judge
            reply = {"failed": traceback.format_exc()}
        sys.stdout.write(json.dumps(reply, default=plain) + "\n")
        sys.stdout.flush()
