"""How what kinds and blueprints mean is written in a release: renamed, left out, or refused with the reason.

They write every option as the newest release calls it; here it gets the name that the cloud's release has for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.cloud import UnfitReleaseError
from resources.contract import SecretText
from resources.releases import cinder, glance, nova
from resources.releases.rows import OWN
from resources.releases.table import RELEASES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resources.options import Options, OptionValue
    from resources.releases.rows import Row
    from resources.releases.table import Release

ROWS: Mapping[str, tuple[Row, ...]] = {"nova": nova.ROWS, "cinder": cinder.ROWS, "glance": glance.ROWS}
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
    for section, keys in options.items():
        for name, value in keys.items():
            rows = rows_of(service, OWN if own and section == own else section, name)
            for (at, key), text in _spelled(RELEASES[release], service, (section, name), value, rows, settings or {}):
                if text is not None or key not in found.get(at if at != OWN else own, {}):
                    found.setdefault(at if at != OWN else own, {})[key] = text
    return found


def _spelled(
    release: Release, service: str, known: tuple[str, str], value: OptionValue, rows: tuple[Row, ...], settings: Options
) -> Iterator[tuple[tuple[str, str], OptionValue]]:
    """Yield the option under its name in the release, and None under the names that it has in others."""
    if not rows or value is None:
        yield known, value
        return
    row = next((row for row in rows if release.within(row.first, row.last)), None)
    if row is None:
        raise UnfitReleaseError(f"{release} has no option [{known[0]}] {known[1]} in {service.capitalize()}")
    if row.refused and value != row.harmless and not _given(row, settings):
        raise UnfitReleaseError(f"{service.capitalize()} of {release} {row.refused}")
    here = None if row.missing else row.at or known
    if here is not None:
        yield here, _value(row, value)
    for other in rows:
        there = None if other.missing else other.at or known
        if there not in (None, here) and not other.alive:
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
