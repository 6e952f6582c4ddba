"""The host helper as a stream: the command that is run on the host, and the bytes that make it a program.

Nothing of the program stands in the command line, and nothing is installed: the command reads a known number of bytes
from its input and runs them.
"""

from __future__ import annotations

import marshal
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER
from pkgutil import iter_modules

from reconciler.targets import host

STATE_FOLDER = "/var/lib/bivisor"
"""Where the helper keeps its inventory; the only thing that stays on a host."""

TOO_OLD = "bivisor needs Python 3.6, this is"
"""How the command says on its error output that the interpreter is too old; the version follows."""

OLDEST_FORMAT = 2
"""The format of marshal that every Python 3 reads."""

LATER = ("_changes", "_signals")
"""Modules of these names act or watch, which most connections never do: they travel as source alone."""

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
    size, program = _stream(folder)
    bootstrap = _BOOTSTRAP.format(size=size, too_old=TOO_OLD)
    return Stream(f"{'sudo -n ' if sudo else ''}{python} -I -S -c '{bootstrap}'", program)


@cache
def _stream(folder: str) -> tuple[int, bytes]:
    """Return the size of the part that the command runs, and the whole: that part, and the modules that it reads itself."""
    sources, compiled = {}, {}
    for module in iter_modules(host.__path__, f"{host.__name__}."):
        spec = module.module_finder.find_spec(module.name, None)
        assert spec is not None  # noqa: S101 - it was just found there
        assert isinstance(spec.loader, SourceFileLoader)  # noqa: S101 - as every module's that comes from a file
        sources[module.name] = spec.loader.get_source(module.name)
        if not module.name.endswith(LATER):
            compiled[module.name] = marshal.dumps(spec.loader.get_code(module.name))
    loader = sources.pop(f"{host.__name__}.loader")
    modules = zlib.compress(marshal.dumps((MAGIC_NUMBER, compiled, sources), OLDEST_FORMAT), level=1)
    lines = (
        loader,
        f"sys.meta_path.insert(0, Streamed({len(modules)}))",
        f"from {host.__name__}.serve import serve",
        f"serve({folder!r})",
        "",
    )
    program = "\n".join(map(str, lines)).encode()
    return len(program), program + modules
