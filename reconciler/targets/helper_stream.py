"""The host helper as a stream: the command that is run on the host, and the bytes that make it a program.

Nothing of the program stands in the command line, and nothing is installed: the command reads a known number of bytes
from its input and runs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

STATE_FOLDER = "/var/lib/bivisor"
"""Where the helper keeps its inventory; the only thing that stays on a host."""

PACKAGE = "reconciler.targets.host"

TOO_OLD = "bivisor needs Python 3.6, this is"
"""How the command says on its error output that the interpreter is too old; the version follows."""

# Only double quotes in it: it stands in single quotes, which mean the same to every shell.
_BOOTSTRAP = (
    "import sys;"
    'exec(compile(sys.stdin.buffer.read({size}),"bivisor","exec")) if sys.version_info>=(3,6) '
    'else sys.exit("{too_old} "+sys.version.split()[0])'
)


@dataclass(frozen=True, slots=True)
class Stream:
    """The shell command, and the program that must be the first thing on its standard input."""

    command: str
    program: bytes


def make_stream(*, sudo: bool, python: str = "python3", folder: str = STATE_FOLDER) -> Stream:
    """Return the stream that runs the helper with the host's `python`, as root by `sudo`, remembering in `folder`."""
    program = _program(folder)
    bootstrap = _BOOTSTRAP.format(size=len(program), too_old=TOO_OLD)
    return Stream(f"{'sudo -n ' if sudo else ''}{python} -I -S -c '{bootstrap}'", program)


@cache
def _program(folder: str) -> bytes:
    found = resources.files(PACKAGE)
    names = sorted(file.name.removesuffix(".py") for file in found.iterdir() if file.name.endswith(".py"))
    sources = {f"{PACKAGE}.{name}": found.joinpath(f"{name}.py").read_text("utf-8") for name in names if name != "__init__"}
    loader = sources.pop(f"{PACKAGE}.loader")
    lines = (
        loader,
        f"sys.meta_path.insert(0, Streamed({sources!r}))",
        f"from {PACKAGE}.serve import serve",
        f"serve({folder!r})",
        "",
    )
    return "\n".join(lines).encode()
