"""Import modules that came with the stream. The first thing that runs on the host, compiled there each time: keep it short."""

import marshal
import sys
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType


class Streamed:
    """Finds and loads the modules by dotted name; the packages above them become empty ones.

    The controller sends each module twice: compiled by its own Python, which an interpreter of the same kind takes as it
    is, and as source for all others.
    """

    def __init__(self, size: int) -> None:
        """Read the modules, `size` bytes, from the standard input."""
        from _frozen_importlib_external import MAGIC_NUMBER  # `importlib.util` is slow to import

        magic, compiled, self.sources = marshal.loads(zlib.decompress(sys.stdin.buffer.read(size)))  # noqa: S302 - ours
        self.compiled: dict[str, bytes] = compiled if magic == MAGIC_NUMBER else {}
        self.packages = {name.rsplit(".", depth)[0] for name in self.sources for depth in range(1, name.count(".") + 1)}

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> "ModuleSpec | None":
        """Return the specification of a module that is ours, else None."""
        if name not in self.sources and name not in self.packages:
            return None
        return type(sys.__spec__)(name, self, is_package=name in self.packages)  # type: ignore[arg-type]

    def create_module(self, _spec: "ModuleSpec") -> None:
        """Leave it to the interpreter."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run the module's code in it."""
        exec(self._code(module.__name__), module.__dict__)  # noqa: S102 - what the stream is for

    def _code(self, name: str) -> "CodeType":
        if name in self.compiled:
            code: CodeType = marshal.loads(self.compiled[name])  # noqa: S302 - ours, see above
            return code
        found: CodeType = compile(self.sources.get(name, ""), name, "exec")
        return found
