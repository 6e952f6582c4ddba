"""What every host shall have, as data. Each contestant is told the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("base-files", "bash", "coreutils", "dpkg", "tar")
"""Packages that every Debian has."""

MODE, DIRECTORY_MODE, OWNER = "0644", "0755", "root"

MARKER = "# {mark} OF OWNED OPTIONS"
"""Stands around the owned options, for the rows in which peers own them as one block of lines."""

FOREIGN = "[DEFAULT]\n# how chatty the service is\nverbosity = 3\n\n[limits]\nopen_files = 1024\n"
"""What stands in the configuration file and belongs to somebody else."""


@dataclass(frozen=True, slots=True)
class Items:
    """Below `root`: 3 files, 2 directories, and 1 configuration file with owned options; beside them 5 packages."""

    root: Path

    @property
    def files(self) -> dict[Path, str]:
        """The files with every byte that they hold."""
        return {self.root / f"service-{number}.conf": _text(number) for number in range(1, 4)}

    @property
    def directories(self) -> tuple[Path, ...]:
        """The directories."""
        return (self.root / "state", self.root / "cache")

    @property
    def config_file(self) -> Path:
        """The configuration file."""
        return self.root / "daemon.ini"

    @property
    def options(self) -> dict[str, dict[str, str]]:
        """The owned options of the configuration file, by section."""
        return {"api": {"workers": "4", "listen": "127.0.0.1:8774"}, "cache": {"enabled": "true"}}

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """The owned options as a peer owns each: an expression that finds its line, and the line."""
        options = ((key, value) for keys in self.options.values() for key, value in keys.items())
        return tuple((rf"^{key}\s*=.*", f"{key} = {value}") for key, value in options)

    @property
    def block(self) -> str:
        """The owned options as one block of lines."""
        sections = (
            "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in keys.items())])
            for name, keys in self.options.items()
        )
        return "\n".join(sections)

    @property
    def count(self) -> int:
        """How many items there are."""
        return len(PACKAGES) + len(self.files) + len(self.directories) + 1

    def prepare(self) -> None:
        """Put everything below `root` in place, so that there is nothing to change."""
        self.root.mkdir(mode=0o755)
        for directory in self.directories:
            directory.mkdir()
            directory.chmod(int(DIRECTORY_MODE, 8))
        begin, end = (MARKER.format(mark=mark) for mark in ("BEGIN", "END"))
        config = f"{FOREIGN}\n{begin}\n{self.block}\n{end}\n"
        for path, text in {**self.files, self.config_file: config}.items():
            path.write_text(text, encoding="utf-8")
            path.chmod(int(MODE, 8))


def _text(number: int) -> str:
    """Return a file of about one kilobyte, another one for each number."""
    return "".join(f"# service {number}, setting {line}\nsetting_{line} = value-{number}-{line}\n" for line in range(20))
