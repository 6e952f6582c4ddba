"""`bivisor pauses`: what is paused, by whom, why, and until when."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from reconciler.cli.session import DesiredFolder, Form, OutputForm

NAME = "pauses"


def run(desired: DesiredFolder = Path("desired"), *, output: OutputForm = Form.TEXT) -> None:
    """Show what is paused on this machine, and by whom. Needs no host and no document.

    Since when, until when, and why. What a document pauses by its annotation, bivisor status shows.
    """
    from reconciler.cli.follow import clock  # noqa: PLC0415 - keeps --help fast
    from reconciler.cli.pause import file_of  # noqa: PLC0415 - as above
    from reconciler.core.shown import printable  # noqa: PLC0415 - as above
    from reconciler.permits import stamp  # noqa: PLC0415 - as above

    now = stamp(datetime.now(UTC).timestamp())
    pauses = [pause for pause in file_of(desired).read() if not pause.until or pause.until > now]
    if output is Form.JSON:
        print(json.dumps({"pauses": [asdict(pause) for pause in pauses]}, indent=2))
        return
    for pause in pauses:
        print(printable(f"{pause.what}: {pause.said(clock)} (since {clock(pause.at)})"))
    if not pauses:
        print("Nothing is paused.")
