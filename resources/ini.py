"""Edit oslo.config files (INI) and change nothing but the named options: pure, text in and text out.

The reading follows oslo.config's own parser (oslo_config/iniparser.py and cfg.py, release 9), because only what the
service reads counts:

- an option is `key = value` or `key: value`, whichever sign comes first, and begins in the first column;
- an indented line continues the option right before it; a blank line, a comment or a section header ends it;
- one pair of equal quotes around the first line of a value is taken off, spaces around each line as well;
- comments begin with `#` or `;` in the first column only;
- section names match without regard to case, except `DEFAULT`; option names match exactly;
- a repeated option is a list for a multi-valued option, and the last one counts for any other;
- the line ends are LF, CRLF or CR.

`$name` in a value is replaced by another option when the service reads it: `oslo_escape` writes such a sign plainly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Option: TypeAlias = tuple[str, str]
"""(section, option name)."""

_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|$)")
_ASSIGNMENT = re.compile(r"(?P<key>[^:=]*?)(?P<sign>\s*[:=]\s*)(?P<value>.*)", re.DOTALL)
_CONTINUATION_INDENT = "    "


class BrokenIniError(ValueError):
    """A line that oslo.config refuses: the service would not start with this file."""

    def __init__(self, line: int, problem: str) -> None:
        """Keep the line's number, counted from 1, and what is wrong with it."""
        super().__init__(f"line {line}: {problem}")
        self.line = line


class UnwritableError(ValueError):
    """A value that this format cannot hold: a line of it is blank, or has spaces at its ends, or holds a CR."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment: its lines are `start` up to, not including, `end`."""

    section: str
    key: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file. `lines` keep their line ends, so that joining them gives the text again, byte for byte.

    `sections` maps a normalised section name to (header line, end of its last assignment or of the header).
    """

    lines: tuple[str, ...]
    entries: tuple[Entry, ...]
    sections: Mapping[str, tuple[int, int]]

    @property
    def text(self) -> str:
        """Return the file's text."""
        return "".join(self.lines)

    def values(self, section: str, key: str) -> tuple[str, ...]:
        """Return the values of an option in the file's order; empty when it is not set."""
        name = normal_section(section)
        return tuple(entry.value for entry in self.entries if entry.key == key and entry.section == name)


def normal_section(name: str) -> str:
    """Return the name by which oslo.config finds a section."""
    return name if name == "DEFAULT" else name.lower()


def oslo_escape(value: str) -> str:
    r"""Return the value so that oslo.config's interpolation gives it back: `$` becomes `$$`.

    After a backslash it becomes `\$` instead, because oslo.config takes `\$` for an escaped sign first
    (cfg.py, `_substitute`), which would eat the backslash.
    """
    return re.sub(r"\$", lambda sign: r"\$" if _follows_backslash(sign) else "$$", value)


def parse(text: str) -> Document:
    """Read a file. Raises BrokenIniError where oslo.config would."""
    reader = _Reader(split_lines(text))
    reader.read()
    return Document(reader.lines, tuple(reader.entries), reader.sections)


def split_lines(text: str) -> tuple[str, ...]:
    """Split at LF, CRLF and CR only, as Python's text files do, and keep the line ends."""
    return tuple(whole.group() for whole in _LINE.finditer(text) if whole.group())


def edit(document: Document, wanted: Mapping[Option, tuple[str, ...]]) -> str:
    """Return the file's text with each named option set to its values; no values remove it.

    Lines that already say so, and all others, stay as they are. A changed line keeps its spelling around the value;
    a new one goes after its namesakes, else to the end of its section, else to a new section at the end of the file.
    Raises UnwritableError.
    """
    edits = _Edits(document)
    for (section, key), values in wanted.items():
        edits.set(section, key, values)
    return edits.apply()


@dataclass(slots=True)
class _Reader:
    """The state of oslo.config's line loop."""

    lines: tuple[str, ...]
    entries: list[Entry] = field(default_factory=list)
    sections: dict[str, tuple[int, int]] = field(default_factory=dict)
    section: str = ""
    first_of_its_name: bool = True
    open_key: str = ""
    open_values: list[str] = field(default_factory=list)
    open_at: int = 0

    def read(self) -> None:
        for number, whole in enumerate(self.lines):
            line = whole.rstrip()
            if line.startswith((" ", "\t")):
                self._continue(line, number)
                continue
            self._close(number)
            if not line or line.startswith(("#", ";")):
                continue
            if line.startswith("["):
                self._begin_section(line, number)
            else:
                self._begin_option(line, number)
        self._close(len(self.lines))

    def _continue(self, line: str, number: int) -> None:
        if not self.open_key:
            raise BrokenIniError(number + 1, "it is indented, but there is no option right above that it could continue")
        self.open_values.append(line.lstrip())

    def _begin_section(self, line: str, number: int) -> None:
        if not line.endswith("]"):
            raise BrokenIniError(number + 1, 'a section begins with "[" and must end with "]"')
        if line == "[]":
            raise BrokenIniError(number + 1, "the section has no name")
        self.section = normal_section(line[1:-1])
        self.first_of_its_name = self.section not in self.sections
        if self.first_of_its_name:
            self.sections[self.section] = (number, number + 1)

    def _begin_option(self, line: str, number: int) -> None:
        parts = _ASSIGNMENT.fullmatch(line)
        if parts is None:
            raise BrokenIniError(number + 1, 'neither "=" nor ":" after an option name')
        if not parts["key"].strip():
            raise BrokenIniError(number + 1, "the option has no name")
        if not self.section:
            raise BrokenIniError(number + 1, "an option before the first section")
        self.open_key, self.open_values, self.open_at = parts["key"].strip(), [_unquote(parts["value"])], number

    def _close(self, number: int) -> None:
        if not self.open_key:
            return
        self.entries.append(Entry(self.section, self.open_key, "\n".join(self.open_values), self.open_at, number))
        if self.first_of_its_name:
            self.sections[self.section] = (self.sections[self.section][0], number)
        self.open_key = ""


@dataclass(slots=True)
class _Edits:
    """Collects what to put in place of which lines."""

    document: Document
    replaced: dict[int, tuple[int, str]] = field(default_factory=dict)
    inserted: dict[int, list[str]] = field(default_factory=dict)
    new_sections: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    line_end: str = field(init=False)

    def __post_init__(self) -> None:
        lines = self.document.lines
        first = _LINE.fullmatch(lines[0]) if lines else None
        self.line_end = (first[2] if first else "") or "\n"

    def set(self, section: str, key: str, values: tuple[str, ...]) -> None:
        name = normal_section(section)
        present = [entry for entry in self.document.entries if entry.key == key and entry.section == name]
        for entry, value in zip(present, values, strict=False):
            if entry.value != value:
                self.replaced[entry.start] = (entry.end, self._restyled(entry, value))
        for entry in present[len(values) :]:
            self.replaced[entry.start] = (entry.end, "")
        added = [f"{key} = {self._written(value)}{self.line_end}" for value in values[len(present) :]]
        if not added:
            return
        if present:
            self.inserted.setdefault(present[-1].end, []).extend(added)
        elif name in self.document.sections:
            self.inserted.setdefault(self.document.sections[name][1], []).extend(added)
        else:
            self.new_sections.setdefault(name, (section, []))[1].extend(added)

    def apply(self) -> str:
        pieces = list(self._pieces())
        for heading, lines in self.new_sections.values():
            if pieces and not self._ends_blank(pieces):
                pieces.append(self.line_end)
            pieces.extend([f"[{heading}]{self.line_end}", *lines])
        return "".join(pieces)

    def _pieces(self) -> Iterator[str]:
        lines = self.document.lines
        at = 0
        while at <= len(lines):
            yield from self.inserted.get(at, ())
            if at == len(lines):
                return
            end, text = self.replaced.get(at, (at + 1, lines[at]))
            more = end in self.inserted or (end == len(lines) and bool(self.new_sections))
            yield text + self.line_end if more and text and not text.endswith(("\n", "\r")) else text
            at = end

    def _ends_blank(self, pieces: list[str]) -> bool:
        last = next((piece for piece in reversed(pieces) if piece), "\n")
        return not last.strip()

    def _restyled(self, entry: Entry, value: str) -> str:
        """Return the assignment with another value, and the name, sign and spaces that stand there."""
        whole = _LINE.fullmatch(self.document.lines[entry.start])
        parts = _ASSIGNMENT.fullmatch(whole[1]) if whole else None
        if whole is None or parts is None:  # an entry's first line is an assignment
            raise AssertionError(entry)
        sign = parts["sign"].rstrip() + " " if not parts["value"] else parts["sign"]
        last = _LINE.fullmatch(self.document.lines[entry.end - 1])
        return f"{parts['key']}{sign}{self._written(value)}{last[2] if last else self.line_end}"

    def _written(self, value: str) -> str:
        """Return the value as its line or lines, without the last line end."""
        first, *rest = value.split("\n")
        for line in rest:
            if not line or line != line.strip():
                raise UnwritableError("a line of the value is blank or has spaces at its ends")
        if "\r" in value:
            raise UnwritableError("the value holds a carriage return")
        quoted = f'"{first}"' if _needs_quotes(first) else first
        return (self.line_end + _CONTINUATION_INDENT).join([quoted, *rest])


def _needs_quotes(line: str) -> bool:
    return line != line.strip() or (line[:1] in ("'", '"') and line[:1] == line[-1:])


def _unquote(value: str) -> str:
    value = value.strip()
    return value[1:-1] if value[:1] in ("'", '"') and value[:1] == value[-1:] else value


def _follows_backslash(sign: re.Match[str]) -> bool:
    return sign.start() > 0 and sign.string[sign.start() - 1] == "\\"
