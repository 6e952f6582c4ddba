"""Import modules from sources that came with the stream. The first thing that runs on the host."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class Streamed:
    """Finds and loads the modules whose `sources` came over the channel; compiles each when it is first imported."""

    def __init__(self, sources: "dict[str, str]") -> None:
        """Take sources by dotted name. The packages above them become empty ones."""
        self.sources = sources
        self.packages = {name.rsplit(".", depth)[0] for name in sources for depth in range(1, name.count(".") + 1)}

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> "ModuleSpec | None":
        """Return the specification of a module that is ours, else None."""
        if name not in self.sources and name not in self.packages:
            return None
        return type(sys.__spec__)(name, self, is_package=name in self.packages)  # type: ignore[arg-type]

    def create_module(self, _spec: "ModuleSpec") -> None:
        """Leave it to the interpreter."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run the module's source in it."""
        source = self.sources.get(module.__name__, "")
        exec(compile(source, module.__name__, "exec"), module.__dict__)  # noqa: S102 - what the stream is for
