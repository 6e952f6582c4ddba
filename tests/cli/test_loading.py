"""What a command does not need is not loaded: a program that is called often must start at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.test_program import DESIRED

HEAVY = {"asyncssh", "cryptography", "networkx", "openstack", "pyVmomi", "rich", "structlog"}
LISTING = """
import sys
from reconciler.cli.start import main
sys.argv = ["bivisor", *sys.argv[1:]]
try:
    main()
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [("--help",), ("validate", "-d", str(DESIRED)), ("graph", "-d", str(DESIRED))])
def test_heavy_libraries_wait_for_who_needs_them(arguments: tuple[str, ...]) -> None:
    """Whoever asks no host pays for no protocol; what is piped for no colours; a quiet program for no log."""
    done = subprocess.run([sys.executable, "-c", LISTING, *arguments], capture_output=True, text=True, check=True)
    assert "reconciler.cli.main" in done.stderr
    assert not HEAVY & {name.partition(".")[0] for name in done.stderr.split()}


def test_help_needs_no_documents() -> None:
    """`bivisor --help` does not even load what reads documents."""
    done = subprocess.run([sys.executable, "-c", LISTING, "--help"], capture_output=True, text=True, check=True)
    assert not {"pydantic", "yaml", "uvloop"} & set(done.stderr.split())
