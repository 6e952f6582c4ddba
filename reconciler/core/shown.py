"""How values become words on a page: masked, printable, short. Everything that people or programs are shown passes here.

A page is data: lines of spans, each with a tone. Whoever prints it gives the tones their colours.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from resources.contract import MASK, Change, SecretText, Value

OTHER_MASK = "(another secret)"
"""Stands for the new value where a secret replaces a secret: that they differ is no secret."""

UNDECLARED = "(not declared)"
"""Stands for the value of a field that one of two compared declarations does not have. It is not known to be absent."""

_TELLTALE = r"passw(?:or)?d|passphrase|secret|token|credential|private_?key|auth_?key|transport_url"
_SECRET_NAME = re.compile(_TELLTALE, re.IGNORECASE)
_REFERENCE = re.compile(r"spec\..*\.secret")
"""A field of a document that names a Secret, which is none."""

_PUBLIC_NAME = re.compile(r"(?:uuid|file|path|type|name|expiration|enabled?)$", re.IGNORECASE)
_SECRET_LINE = re.compile(rf"^(\W*(?:Environment\s*=\W*)?[\w.-]*(?:{_TELLTALE})[\w.-]*\s*[=:]\s*)(\S.*)$", re.IGNORECASE)
_NO_VALUE = (None, UNDECLARED)
_SWITCHES = ("True", "False", "true", "false")
_DIGITS = re.compile(r"(\d+)")
_URL_PASSWORD = re.compile(r"(://[^\s/:@]*:)[^\s/]+@")


class Tone(StrEnum):
    """What a span of text means; colours are chosen by who prints it. The first ones are the verbs of steps."""

    PLAIN = ""
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    RESTART = "restart"
    WAIT = "wait"
    HELD = "held"
    UNKNOWN = "unknown"
    TITLE = "title"
    DIM = "dim"
    BEFORE = "before"
    AFTER = "after"
    REASON = "reason"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line in one tone."""

    text: str
    tone: Tone = Tone.PLAIN


Line: TypeAlias = tuple[Span, ...]
"""One line of a page, without its line end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What a page is written on: its width in characters, whether it takes more than ASCII, whether nothing is cut."""

    width: int = 100
    unicode: bool = True
    full: bool = False

    @property
    def arrow(self) -> str:
        """Return what stands between before and after."""
        return "→" if self.unicode else "->"

    @property
    def ellipsis(self) -> str:
        """Return what stands for what was cut."""
        return "…" if self.unicode else "..."

    def cut(self, text: str, room: int) -> str:
        """Return the text in at most `room` characters (never less than 12), its end cut off visibly."""
        room = max(room, 12)
        if self.full or len(text) <= room:
            return text
        return text[: room - len(self.ellipsis)] + self.ellipsis


def text_of(line: Line) -> str:
    """Return the line without its tones and without spaces at its end."""
    return "".join(span.text for span in line).rstrip()


def is_secret(field: str, value: Value) -> bool:
    """Tell whether a value must not be shown: it was declared as a secret, or its option's name says that it is one.

    The name counts because what is found on a host was declared by nobody, a password that somebody set by hand, say.
    """
    if isinstance(value, SecretText):
        return True
    if _REFERENCE.fullmatch(field):
        return False
    option = field.rpartition("] ")[2]
    return (
        isinstance(value, str | tuple)
        and value not in _SWITCHES
        and bool(_SECRET_NAME.search(option))
        and not _PUBLIC_NAME.search(option)
    )


def masked(change: Change) -> tuple[Value, Value]:
    """Return before and after as they may be shown: plain values, secrets replaced by words."""
    secret = is_secret(change.field, change.before) or is_secret(change.field, change.after)
    if not secret:
        before, after = _unlocked(change.before), _unlocked(change.after)
        if isinstance(after, str) and before == after:  # only a password inside a URL differs
            after = after.replace(MASK, OTHER_MASK)
        return before, after
    before = change.before if change.before in _NO_VALUE else MASK
    after = change.after if change.after in _NO_VALUE else (OTHER_MASK if before == MASK else MASK)
    return before, after


def masked_lines(value: Value) -> list[str]:
    """Return the lines of a text as they may be shown, none for what is no text.

    Replaced are what follows a telling name (`admin_password = …`, `Environment=TOKEN=…`), a URL's password, and the body
    of a private key.
    """
    lines: list[str] = []
    inside_key = False
    for line in value.splitlines() if isinstance(value, str) and value != UNDECLARED else ():
        inside_key = inside_key and "-----END" not in line
        lines.append(MASK if inside_key else _SECRET_LINE.sub(rf"\1{MASK}", masked_urls(line)))
        inside_key = inside_key or ("-----BEGIN" in line and "PRIVATE KEY" in line)
    return lines


def masked_text(text: str) -> str:
    """Return the text with its lines as they may be shown, and its line ends, where none of them is a secret, as they were."""
    lines = masked_lines(text)
    return (
        text if text == UNDECLARED or lines == text.splitlines() else "\n".join(lines) + ("\n" if text.endswith("\n") else "")
    )


def masked_urls(text: str) -> str:
    """Return the text with the passwords in its URLs replaced."""
    return _URL_PASSWORD.sub(rf"\1{MASK}@", text)


def printable(text: str) -> str:
    """Return the text with what would move a terminal's cursor written as an escape: hosts' words end up here."""
    return text if text.isprintable() else "".join(char if char.isprintable() else _escape(char) for char in text)


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key in the order that people count in: kvm2 stands before kvm10."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(name))


def ascii_only(text: str) -> str:
    """Return the text with everything beyond ASCII written as an escape."""
    return text.encode("ascii", "backslashreplace").decode()


def written(value: Value) -> str:
    """Return a masked value on one line: `absent`, `(not declared)`, `true`, `10`, `"text"`, `["a", "b"]`."""
    match value:
        case None:
            return "absent"
        case bool():
            return "true" if value else "false"
        case tuple():
            return f"[{', '.join(written(item) for item in value)}]"
        case str():
            return value if value in (MASK, OTHER_MASK, UNDECLARED) else printable(json.dumps(value, ensure_ascii=False))
        case _:
            return str(value)


def _unlocked(value: Value) -> Value:
    """Return the value with what its lines tell as a secret masked: a drop-in of one line may set a password."""
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, tuple):
        return tuple(masked_text(item) for item in value)
    return value


def _escape(char: str) -> str:
    return "    " if char == "\t" else char.encode("unicode_escape").decode()
