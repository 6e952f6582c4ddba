"""Options of oslo.config files, by section: put together, and written so that services read what was meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from resources.contract import SecretText
from resources.ini import oslo_escape

OptionValue: TypeAlias = str | SecretText | tuple[str, ...] | None
"""Of one option: a text, a secret, the lines of a multi-valued option, or None: it must not be set."""

Options: TypeAlias = Mapping[str, Mapping[str, OptionValue]]
"""Section to option name to value."""

Settings: TypeAlias = Mapping[str, Mapping[str, str | int | float | bool | tuple[str, ...]]]
"""The same as people write it: numbers and truth values are allowed, and `$other_option` means that option's value."""


def merged(*layers: Options) -> Options:
    """Return all options; what a later layer says counts."""
    sections: dict[str, dict[str, OptionValue]] = {}
    for layer in layers:
        for section, options in layer.items():
            sections.setdefault(section, {}).update(options)
    return sections


def literal(options: Options) -> Options:
    """Return the options so that services read exactly these values, whatever dollar signs are in them."""
    return {section: {key: _literal(value) for key, value in keys.items()} for section, keys in options.items()}


def from_settings(settings: Settings) -> Options:
    """Return what a person wrote as options; references to other options stay references."""
    return {
        section: {key: value if isinstance(value, tuple) else str(value) for key, value in keys.items()}
        for section, keys in settings.items()
    }


def _literal(value: OptionValue) -> OptionValue:
    match value:
        case None:
            return None
        case SecretText():
            return SecretText(oslo_escape(value.reveal))
        case tuple():
            return tuple(map(oslo_escape, value))
        case _:
            return oslo_escape(value)
