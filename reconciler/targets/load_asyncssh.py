"""Load asyncssh without its search for optional C libraries.

When it is imported, asyncssh looks for liboqs and nettle by `ctypes.util.find_library`, which runs ldconfig and, where
it finds nothing, the C compiler and the linker of the machine (asyncssh/crypto/pq.py and umac.py of 2.24). That takes
a tenth of a second, for algorithms that are never offered here (see `ssh_connection`).
"""

from __future__ import annotations

import ctypes.util
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def load_asyncssh() -> None:
    """Import asyncssh; whoever imports it after that gets the same."""
    with _nothing_found():
        import asyncssh  # noqa: F401, PLC0415 - the import is what this is for


@contextmanager
def _nothing_found() -> Iterator[None]:
    search = ctypes.util.find_library
    ctypes.util.find_library = lambda name: None  # noqa: ARG005 - the search's own signature
    try:
        yield
    finally:
        ctypes.util.find_library = search
