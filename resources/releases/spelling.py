"""How what kinds and blueprints mean is written in a release: renamed, left out, or refused with the reason.

They write every option as the newest release calls it; here it gets the name that the cloud's release has for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.cloud import UnfitReleaseError
from resources.contract import SecretText
from resources.releases import cinder, glance, neutron, nova
from resources.releases.rows import OWN
from resources.releases.table import RELEASES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from resources.options import Options, OptionValue
    from resources.releases.rows import Row

    _Place = tuple[tuple[str, str], OptionValue]

ROWS: Mapping[str, tuple[Row, ...]] = {"nova": nova.ROWS, "cinder": cinder.ROWS, "glance": glance.ROWS, "neutron": neutron.ROWS}
"""The tables by service."""


def rows_of(service: str, section: str, name: str) -> tuple[Row, ...]:
    """Return the rows about an option, oldest first; none means that the tables do not know it."""
    return _INDEX.get((service, section, name), ())


def written(release: str, service: str, options: Options, *, own: str = "", settings: Options | None = None) -> Options:
    """Return the options as the release's service reads them.

    `own` is the section of the backend or store, if they have one; `settings` are what a person adds. An option that has
    another name in other releases is taken away under that name (None), so that an upgrade leaves nothing behind.
    What the tables do not know passes through. Raises UnfitReleaseError where the release cannot do what is meant.
    """
    found: dict[str, dict[str, OptionValue]] = {}
    refusals: list[str] = []
    for section, keys in options.items():
        for name, value in keys.items():
            known = (section, name)
            rows = rows_of(service, OWN if own and section == own else section, name)
            row = next((row for row in rows if RELEASES[release].within(row.first, row.last)), None)
            if not rows or value is None:
                places: Iterable[_Place] = ((known, value),)
            elif row is None:
                refusals.append(f"has no option [{section}] {name}")
                continue
            elif row.refused and value != row.harmless and not _given(row, settings or {}):
                refusals.append(row.refused)
                continue
            else:
                places = _places(row, rows, known, value)
            for (at, key), text in places:
                keys_there = found.setdefault(own if at == OWN else at, {})
                if text is not None or key not in keys_there:
                    keys_there[key] = text
    if refusals:
        raise UnfitReleaseError(
            tuple(f"{service.capitalize()} of {RELEASES[release]} {why}" for why in dict.fromkeys(refusals))
        )
    return found


def _places(row: Row, rows: tuple[Row, ...], known: tuple[str, str], value: OptionValue) -> Iterator[_Place]:
    """Yield the option under its name in the row's releases, and None under the names that it has in others."""
    here = None if row.missing else row.at or known
    if here is not None:
        yield here, _value(row, value)
    for other in rows:
        there = other.at or known
        if not (other.missing or other.alive or there == here):
            yield there, None


def _given(row: Row, settings: Options) -> bool:
    return row.unless is not None and row.unless[1] in settings.get(row.unless[0], {})


def _value(row: Row, value: OptionValue) -> OptionValue:
    if isinstance(value, SecretText) or not isinstance(value, str):
        return value
    text = row.values.get(value, value)
    return text.replace(*row.replace) if row.replace else text


def _index() -> Mapping[tuple[str, str, str], tuple[Row, ...]]:
    found: dict[tuple[str, str, str], list[Row]] = {}
    for service, rows in ROWS.items():
        for row in rows:
            for name in row.names:
                found.setdefault((service, row.section, name), []).append(row)
    return {key: tuple(sorted(same, key=lambda row: RELEASES[row.first].nova)) for key, same in found.items()}


_INDEX = _index()
