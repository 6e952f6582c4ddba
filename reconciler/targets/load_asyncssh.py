"""Load asyncssh without what it would load in vain.

When it is imported, asyncssh looks for liboqs and nettle by `ctypes.util.find_library`, which runs ldconfig and, where
it finds nothing, the C compiler and the linker of the machine (asyncssh/crypto/pq.py and umac.py of 2.24): a tenth of
a second for algorithms that are never offered here (see `ssh_connection`). Certificates by X.509 need pyOpenSSL, which
is no dependency of ours; asyncssh notices only after it has loaded the whole of cryptography.x509.
"""

from __future__ import annotations

import ctypes.util
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_X509 = "asyncssh.crypto.x509"


def load_asyncssh() -> None:
    """Import asyncssh; whoever imports it after that gets the same."""
    if "asyncssh" not in sys.modules:
        with _nothing_found():
            import asyncssh  # noqa: F401, PLC0415 - the import is what this is for


@contextmanager
def _nothing_found() -> Iterator[None]:
    search = ctypes.util.find_library
    ctypes.util.find_library = lambda name: None  # noqa: ARG005 - the search's own signature
    sys.modules[_X509] = None  # type: ignore[assignment] # the import system's word for "there is none"
    try:
        yield
    finally:
        ctypes.util.find_library = search
        del sys.modules[_X509]
