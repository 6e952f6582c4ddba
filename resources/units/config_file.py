"""The owned options of an oslo.config (INI) file on a host; whatever else stands in the file stays, byte for byte."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Self

from resources.contract import EXISTS, REMEMBERED, Action, Address, Query, SecretText, Unit, digest_facts
from resources.files import ATTRIBUTES, attributes_of, seen_file, write_file
from resources.ini import BrokenIniError, UnwritableError, edit, normal_section, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.claims import Claim
    from resources.contract import Change, Facts, Need, Reply, TargetId, Value
    from resources.ini import Document
    from resources.options import Options

_FIELD = re.compile(r"\[(?P<section>[^\]]+)\] (?P<key>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile(Unit):
    """Address `ssh:NODE/config_file/PATH`. Fields: `[section] option`, and mode ("0640"), owner, group where given.

    `readers` are the systemd units that load the file: before a foreign edit is repaired, the host remembers of those
    that were started with the right content that they were. `gone` are options that were ours and must not be set, each with
    the digest of the values that we wrote, or '' where that is not known: one that holds something else is somebody else's. A
    `passing` file is removed with its last option; the values of `secret` options are not shown although none is declared.
    """

    type: ClassVar[str] = "config_file"

    readers: tuple[str, ...] = ()
    gone: Mapping[str, str] = field(default_factory=dict)
    passing: bool = False
    secret: frozenset[str] = frozenset()

    @classmethod
    def at(
        cls,
        target: TargetId,
        path: str,
        options: Options,
        *,
        attributes: Mapping[str, str] | None = None,
        needs: tuple[Need, ...] = (),
    ) -> Self:
        """Declare options by section, and any of mode, owner and group."""
        desired: dict[str, Value] = {
            f"[{section}] {key}": value for section, keys in options.items() for key, value in keys.items()
        }
        return cls(address=Address(target, cls.type, path), desired={**desired, **(attributes or {})}, needs=needs)

    def read_by(self, processes: tuple[str, ...]) -> Self:
        """Return the unit with the systemd units that load it.

        Their freshness is measured by what the host remembers of the last write. That has to be right even when options
        are declared or no longer declared that change nothing in the file.
        """
        desired = self.desired if self.desired is None else {**self.desired, REMEMBERED: True}
        return replace(self, readers=processes, desired=desired)

    def ownable(self, name: str) -> bool:
        """The options that we wrote are ours; so is the file where there was none. Its mode and owner are not."""
        return name == EXISTS or _FIELD.fullmatch(name) is not None

    def dispensable(self, name: str) -> bool:  # noqa: ARG002 - all are alike
        """Each option, and mode and owner, may be left to others."""
        return True

    def memory(self) -> Mapping[str, str]:
        """Remember who reads it, which of its options are secret, and digests of what the others are set to."""
        secret = [name for name, value in self._declared().items() if isinstance(value, SecretText)]
        values = {name: _values(after) for name, _, after in self._options() if name not in secret}
        wrote = [f"{_digest(found)} {name}" for name, found in values.items() if found]
        return {
            "readers": " ".join(self.readers),
            "secret": "\n".join([*secret, *sorted(self.secret)]),
            "values": "\n".join(wrote),
        }

    @classmethod
    def former(cls, claim: Claim) -> Self | None:
        """Return the file without our options; it goes with them if it was made for them and nothing else is left."""
        options = claim.fields - {EXISTS}
        bare = cls(address=claim.address, desired={}, passing=EXISTS in claim.fields)
        return bare.without(options, claim) if options else None

    def without(self, fields: frozenset[str], claim: Claim) -> Self:
        """Return the unit with these options as ones that must not be set; one that is declared by another spelling is not."""
        declared = {_option(name) for name in self._declared()}
        fields = frozenset(name for name in fields if _option(name) not in declared)
        secret = fields.intersection(claim.remembered("secret").split("\n"))
        digests = (line.partition(" ") for line in claim.remembered("values").split("\n"))
        gone = {**dict.fromkeys(sorted(fields), ""), **{name: digest for digest, _, name in digests if name in fields}}
        return replace(self, desired={**self._declared(), **dict.fromkeys(gone)}, gone=gone, secret=secret)

    def digest(self) -> str:
        """Return the SHA-256 of the declared options; who may read the file is none of a process's business.

        What must not be set is none of it: it is the same while that goes and when nobody speaks of it any more.
        """
        return digest_facts({name: after for name, _, after in self._options() if after is not None})

    def queries(self) -> tuple[Query, ...]:
        """Ask for the file."""
        return (Query("file.read", {"path": self.address.name}),)

    def observe(self, replies: tuple[Reply, ...]) -> Facts | None:
        """Read the declared options; one that is set several times is a tuple, as one is that is declared as such."""
        seen = seen_file(replies[0], self.address.name)
        if seen is None:
            return None
        remembered = seen.recorded in (None, self.digest())
        facts: dict[str, Value] = {**seen.attributes, REMEMBERED: remembered, "@text": seen.text, "@digest": seen.digest}
        try:
            document = parse(seen.text)
        except BrokenIniError as error:
            return {**facts, "@broken": str(error)}
        theirs = tuple(name for name, option, _ in self._options() if self._theirs(name, document.values(*option)))
        found = {name: _value(document, option, after) for name, option, after in self._options() if name not in theirs}
        hidden = {name: self._hidden(name, value) for name, value in found.items()}
        return {**facts, **dict.fromkeys(theirs), **hidden, "@theirs": theirs}

    def actions(self, changes: tuple[Change, ...], facts: Facts | None) -> tuple[Action, ...]:
        """Write the file with the options changed, if it is still the one that was read; else only its attributes."""
        path, seen = self.address.name, facts or {}
        if self.desired is None:
            return (Action("file.remove", {"path": path, "if_digest": seen.get("@digest")}),)
        if facts is not None and all(change.field in ATTRIBUTES for change in changes):
            return (Action("file.attributes", {"path": path, **attributes_of(self.desired)}),)
        theirs = _theirs(facts)
        wanted = {option: _values(after) for name, option, after in self._options() if name not in theirs}
        text = edit(parse(str(seen.get("@text", ""))), wanted)
        if self.passing and not any(line.strip() and not line.startswith("[") for line in text.splitlines()):
            return (Action("file.remove", {"path": path, "if_digest": seen.get("@digest")}),)
        more = {"owned": self.digest(), "readers": list(self.readers)}
        return (write_file(path, text, seen.get("@digest"), self.desired, **more),)

    def blocked(self, facts: Facts | None) -> str:
        """Say so when the file holds a line that no service can read, or a declared value does not fit into one."""
        if facts is not None and (broken := facts.get("@broken")):
            return f"{self.address.name}, {broken}; no service starts with this file: correct that line first"
        for name, _, after in self._options():
            try:
                edit(parse(""), {("DEFAULT", "option"): _values(after)})
            except UnwritableError as error:
                return f"the value of {name} cannot be written: {error}"
        return ""

    def remarks(self, facts: Facts | None) -> tuple[str, ...]:
        """Tell what was ours once and stays, because somebody has changed it."""
        said = "no document declares {} any more, and somebody has changed it since Bivisor wrote it: it stays"
        return tuple(said.format(name) for name in _theirs(facts))

    def _theirs(self, name: str, values: tuple[str, ...]) -> bool:
        """Tell whether an option that was ours holds something else than what we wrote."""
        wrote = self.gone.get(name, "")
        return bool(wrote and values) and _digest(values) != wrote

    def _hidden(self, name: str, value: Value) -> Value:
        if name not in self.secret or value is None:
            return value
        return SecretText("\n".join(value) if isinstance(value, tuple) else str(value))

    def _declared(self) -> Facts:
        return self.desired or {}

    def _options(self) -> tuple[tuple[str, tuple[str, str], Value], ...]:
        """Return each declared option: its field, (section, name), and value."""
        found = ((name, _FIELD.fullmatch(name), after) for name, after in self._declared().items())
        return tuple((name, (parts["section"], parts["key"]), after) for name, parts, after in found if parts)


def _option(name: str) -> tuple[str, str]:
    """Return (section, name) of an option's field as oslo.config finds it; a field of the file itself has no section."""
    parts = _FIELD.fullmatch(name)
    return (normal_section(parts["section"]), parts["key"]) if parts else ("", name)


def _theirs(facts: Facts | None) -> tuple[str, ...]:
    theirs = (facts or {}).get("@theirs")
    return theirs if isinstance(theirs, tuple) else ()


def _digest(values: tuple[str, ...]) -> str:
    """Return enough of a digest to tell whether values are the same; they are no secret."""
    return hashlib.sha256("\0".join(values).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _value(document: Document, option: tuple[str, str], after: Value) -> Value:
    """Return an option's values in the form in which it is declared."""
    values = document.values(*option)
    if isinstance(after, tuple) and values:
        return values
    if isinstance(after, SecretText) and values:
        return SecretText("\n".join(values))
    return values[0] if len(values) == 1 else values or None


def _values(after: Value) -> tuple[str, ...]:
    match after:
        case None:
            return ()
        case tuple():
            return after
        case SecretText():
            return (after.reveal,)
        case _:
            return (str(after),)
