"""Maintenance windows on the calendar: whether one is open at a time, and when the next one opens.

A window is what the clocks of its time zone show. Where they are put forward over its start or its end, that is the moment
at which they are; where an hour comes twice, the first time counts. So a window never opens twice a night.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from reconciler.core.wording import nearest, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.core.errors import LocatedProblem
    from reconciler.core.load import Loaded
    from resources.published import RolloutFacts, WindowFacts

MOST_DAYS = 15
"""So many days are searched for the next opening: a week, and another one where clocks skip the whole window."""

_DAY = 24 * 60


def closed_at(rollouts: Iterable[RolloutFacts], now: float) -> str:
    """Say why nothing that runs may be interrupted at that time (seconds since 1970), or ''. No windows: always.

    Of several Clusters each one's windows must be open.
    """
    for rollout in rollouts:
        if rollout.windows and (why := _closed(rollout.windows, now)):
            return why
    return ""


def opening(window: WindowFacts, day: date) -> tuple[float, float]:
    """Return when a window that opens on that day opens and closes (seconds since 1970); twice the same if it is skipped.

    Raises OSError and KeyError (ZoneInfoNotFoundError) where the time zone cannot be read.
    """
    midnight = datetime.combine(day, datetime.min.time())
    end = window.end + (_DAY if window.end <= window.start else 0)
    moments = (midnight + timedelta(minutes=window.start), midnight + timedelta(minutes=end))
    opens, closes = (_moment(each, ZoneInfo(window.time_zone)) for each in moments)
    return opens, max(opens, closes)


def unknown_zones(loaded: Loaded) -> list[LocatedProblem]:
    """Return each time zone of a window that this machine does not know. No pure room reads what zones there are."""
    windows = [
        (key, number, window.time_zone)
        for key, resource in loaded.resources.items()
        if key.kind == "Cluster"
        for number, window in enumerate(resource.spec.rollout.windows)
    ]
    known = available_timezones() if windows else set()
    return [
        loaded.located(key, ("spec", "rollout", "windows", number, "timeZone"), _unknown(zone, known))
        for key, number, zone in windows
        if zone not in known
    ]


def _unknown(zone: str, known: Iterable[str]) -> str:
    near = nearest(zone, (name for name in known if "/" in name))  # abbreviations mean one offset, summer and winter
    meant = f"did you mean {quoted(near)}?" if near else "write a name such as Europe/Berlin or UTC"
    return f"no time zone is called {quoted(zone)} ({meant})"


def _closed(windows: tuple[WindowFacts, ...], now: float) -> str:
    try:
        if any(_is_open(window, now) for window in windows):
            return ""
        coming = [found for window in windows if (found := _next(window, now))]
    except (OSError, KeyError) as error:
        return f"nobody knows whether a maintenance window is open: the time zone cannot be read: {error}"
    if not coming:
        return "no maintenance window is open, and none opens in the next days"
    at, zone = min(coming)
    there = datetime.fromtimestamp(at, ZoneInfo(zone))
    return f"no maintenance window is open: the next one opens on {there:%a %Y-%m-%d} at {there:%H:%M} ({zone})"


def _is_open(window: WindowFacts, now: float) -> bool:
    today = _today(window, now)
    spans = (_span(window, today + timedelta(days=number)) for number in (-1, 0))
    return any(opens <= now < closes for opens, closes in spans)


def _next(window: WindowFacts, now: float) -> tuple[float, str] | None:
    """Return when it opens after that time, and its time zone."""
    today = _today(window, now)
    spans = (_span(window, today + timedelta(days=number)) for number in range(MOST_DAYS))
    return next(((opens, window.time_zone) for opens, closes in spans if now < opens < closes), None)


def _today(window: WindowFacts, now: float) -> date:
    return datetime.fromtimestamp(now, ZoneInfo(window.time_zone)).date()


@lru_cache(maxsize=1024)
def _span(window: WindowFacts, day: date) -> tuple[float, float]:
    """Return when it opens and closes, if that is one of its days."""
    return opening(window, day) if day.weekday() in window.days else (0.0, 0.0)


def _moment(shown: datetime, zone: ZoneInfo) -> float:
    """Return when the clocks show that first, or when they are put forward over it."""
    first = shown.replace(tzinfo=zone).timestamp()
    if datetime.fromtimestamp(first, zone).replace(tzinfo=None) == shown:
        return first
    seconds = range(int(shown.replace(tzinfo=zone, fold=1).timestamp()), int(first) + 1)
    before = _offset(seconds[0], zone)
    return float(seconds[bisect_left(seconds, x=True, key=lambda at: _offset(at, zone) != before)])


def _offset(at: float, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(at, zone).utcoffset()
