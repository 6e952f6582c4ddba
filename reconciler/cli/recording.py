"""How a command that acts has its passes recorded."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from reconciler.cli.session import Session
    from reconciler.recorder import Recorder


@asynccontextmanager
async def recorder(folder: Path, cloud: Session, command: str) -> AsyncIterator[Recorder]:
    """Yield who records what `command` does to the cloud of that folder; what stands against it is a warning."""
    from reconciler.recorder import Recorder, origin_of  # noqa: PLC0415 - keeps --help fast
    from reconciler.scribe import Direct  # noqa: PLC0415 - as above

    warn = partial(print, file=sys.stderr)
    with Recorder(Direct(folder, warn), await origin_of(folder, command), cloud.desired.redact, None) as found:
        yield found
