"""Maintenance windows on the calendar: over midnight, over daylight-saving changes, and what a person is told."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.core.errors import InputError
from reconciler.desired import load_texts
from reconciler.windows import closed_at, opening
from resources.published import RolloutFacts, WindowFacts
from tests.cli.test_port_groups import ROOT

BERLIN, LORD_HOWE, SAO_PAULO, APIA = "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def window(days: str, start: str, end: str, zone: str = BERLIN) -> WindowFacts:
    """Return `sat sun`, `01:00`, `05:00` as facts."""
    opens, closes = (int(text[:2]) * 60 + int(text[3:]) for text in (start, end))
    return WindowFacts(frozenset(map(DAYS.index, days.split() or DAYS)), opens, closes, zone)


def facts(*windows: WindowFacts) -> tuple[RolloutFacts, ...]:
    """Return the rollout of a cluster with these windows."""
    return (RolloutFacts("demo", 1, windows=windows),)


def at(shown: str, zone: str = BERLIN, fold: int = 0) -> float:
    """Return when the clocks of a zone show that."""
    return datetime.fromisoformat(shown).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


WEEKEND = window("sat sun", "01:00", "05:00")
NIGHT = window("fri", "22:00", "02:00")


@pytest.mark.parametrize(
    ("windows", "now", "opens"),
    [
        ((), "2026-11-25T12:00", ""),
        ((WEEKEND,), "2026-11-28T00:59:59", "Sat 2026-11-28 at 01:00 (Europe/Berlin)"),
        ((WEEKEND,), "2026-11-28T01:00", ""),
        ((WEEKEND,), "2026-11-28T04:59:59", ""),
        ((WEEKEND,), "2026-11-28T05:00", "Sun 2026-11-29 at 01:00 (Europe/Berlin)"),
        ((WEEKEND,), "2026-11-29T05:00", "Sat 2026-12-05 at 01:00 (Europe/Berlin)"),
        ((NIGHT,), "2026-11-27T21:59", "Fri 2026-11-27 at 22:00 (Europe/Berlin)"),
        ((NIGHT,), "2026-11-28T01:59", ""),
        ((NIGHT,), "2026-11-28T02:00", "Fri 2026-12-04 at 22:00 (Europe/Berlin)"),
        ((NIGHT,), "2026-11-28T22:30", "Fri 2026-12-04 at 22:00 (Europe/Berlin)"),
        ((WEEKEND, NIGHT), "2026-11-28T06:00", "Sun 2026-11-29 at 01:00 (Europe/Berlin)"),
        ((window("sat", "00:00", "24:00"),), "2026-11-28T23:59", ""),
        ((window("sat", "00:00", "24:00"),), "2026-11-29T00:00", "Sat 2026-12-05 at 00:00 (Europe/Berlin)"),
        ((WEEKEND, window("wed", "20:00", "21:00", "Asia/Tokyo")), "2026-11-25T12:30", ""),
        ((WEEKEND, window("wed", "20:00", "21:00", "Asia/Tokyo")), "2026-11-25T10:30", "Wed 2026-11-25 at 20:00 (Asia/Tokyo)"),
    ],
)
def test_when_the_next_one_opens_is_told(windows: tuple[WindowFacts, ...], now: str, opens: str) -> None:
    """Open from the minute of its start to that of its end; closed, the sentence names the next one as its zone shows it."""
    said = closed_at(facts(*windows), at(now))
    assert said == (f"no maintenance window is open: the next one opens on {opens}" if opens else "")


@pytest.mark.parametrize(
    ("one", "day", "opens", "closes"),
    [
        # 2026-03-29, Berlin: 02:00 becomes 03:00
        (window("", "01:00", "05:00"), "2026-03-29", "2026-03-29T00:00Z", "2026-03-29T03:00Z"),
        (window("", "02:30", "05:00"), "2026-03-29", "2026-03-29T01:00Z", "2026-03-29T03:00Z"),
        (window("", "01:00", "02:30"), "2026-03-29", "2026-03-29T00:00Z", "2026-03-29T01:00Z"),
        (window("", "02:10", "02:50"), "2026-03-29", "2026-03-29T01:00Z", "2026-03-29T01:00Z"),
        (window("", "22:00", "02:30"), "2026-03-28", "2026-03-28T21:00Z", "2026-03-29T01:00Z"),
        # 2026-10-25, Berlin: 03:00 becomes 02:00
        (window("", "01:00", "05:00"), "2026-10-25", "2026-10-24T23:00Z", "2026-10-25T04:00Z"),
        (window("", "01:00", "02:30"), "2026-10-25", "2026-10-24T23:00Z", "2026-10-25T00:30Z"),
        (window("", "02:30", "05:00"), "2026-10-25", "2026-10-25T00:30Z", "2026-10-25T04:00Z"),
        # half an hour, 2026-10-04: 02:00 becomes 02:30
        (window("", "02:10", "04:00", LORD_HOWE), "2026-10-04", "2026-10-03T15:30Z", "2026-10-03T17:00Z"),
        # midnight itself is skipped, 2018-11-04: 00:00 becomes 01:00
        (window("", "00:00", "02:00", SAO_PAULO), "2018-11-04", "2018-11-04T03:00Z", "2018-11-04T04:00Z"),
        # a whole day is, 2011-12-30
        (window("", "01:00", "05:00", APIA), "2011-12-30", "2011-12-30T10:00Z", "2011-12-30T10:00Z"),
    ],
)
def test_clocks_that_are_changed(one: WindowFacts, day: str, opens: str, closes: str) -> None:
    """A skipped hour does not exist, and one that comes twice counts the first time."""
    moments = tuple(datetime.fromisoformat(text).timestamp() for text in (opens, closes))
    assert opening(one, date.fromisoformat(day)) == moments


def test_what_is_skipped_opens_the_next_time() -> None:
    """A window that lies wholly in the skipped hour does not open that day; the next opening that is told is a true one."""
    said = closed_at(facts(window("sun", "02:10", "02:50")), at("2026-03-29T00:30"))
    assert said.endswith("opens on Sun 2026-04-05 at 02:10 (Europe/Berlin)")


def test_of_two_clusters_each_has_to_agree() -> None:
    """One without windows does not open those of another."""
    both = (*facts(), *facts(WEEKEND))
    assert closed_at(both, at("2026-11-25T12:00"))
    assert not closed_at(both, at("2026-11-28T02:00"))


def test_a_time_zone_that_is_gone_closes() -> None:
    """Nobody knows then whether it is open, so nothing is interrupted."""
    said = closed_at(facts(window("", "00:00", "24:00", "Nowhere/Gone")), 0.0)
    assert said.startswith("nobody knows whether a maintenance window is open: the time zone cannot be read: ")


_ZONES = st.sampled_from([BERLIN, LORD_HOWE, SAO_PAULO, APIA, "UTC", "America/New_York", "Africa/Casablanca", "Asia/Kathmandu"])
_MINUTES = st.integers(0, 24 * 60 - 1)
_WINDOWS = st.builds(
    WindowFacts,
    st.frozensets(st.integers(0, 6), min_size=1),
    _MINUTES,
    st.integers(1, 24 * 60),
    _ZONES,
).filter(lambda one: one.start != one.end)
_TIMES = st.integers(int(at("2010-01-01T00:00")), int(at("2030-01-01T00:00")))


def shown_in(one: WindowFacts, there: datetime) -> bool:
    """Tell whether a clock that shows this shows a time in the window, as a person reads it."""
    minute, today, yesterday = (
        there.hour * 60 + there.minute,
        there.weekday() in one.days,
        (there.weekday() - 1) % 7 in one.days,
    )
    if one.start < one.end:
        return today and one.start <= minute < one.end
    return (today and minute >= one.start) or (yesterday and minute < one.end)


@given(_WINDOWS, _TIMES)
def test_it_is_open_when_the_clock_shows_it(one: WindowFacts, now: int) -> None:
    """Whatever was changed, at every time that comes once it is open just when a clock on the wall shows it."""
    there = datetime.fromtimestamp(now, ZoneInfo(one.time_zone))
    twice = there.replace(fold=0).utcoffset() != there.replace(fold=1).utcoffset()
    skipped_days = any((there + timedelta(days=number)).date() != (there.date() + timedelta(days=number)) for number in (-1, 0))
    whole = all(_exists(there.date() + timedelta(days=number), one.time_zone) for number in (-1, 0))
    assume(not twice and whole and not skipped_days)
    assert (closed_at(facts(one), float(now)) == "") is shown_in(one, there)


def _exists(day: date, zone: str) -> bool:
    """Tell whether that zone ever had that day at noon."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone))
    return datetime.fromtimestamp(noon.timestamp(), ZoneInfo(zone)).date() == day


@given(_WINDOWS, _TIMES)
def test_a_day_has_one_opening(one: WindowFacts, now: int) -> None:
    """It opens once and closes after that, within a day and the longest change of clocks; never in the middle again."""
    day = datetime.fromtimestamp(now, ZoneInfo(one.time_zone)).date()
    opens, closes = opening(one, day)
    assert 0 <= closes - opens <= 25 * 3600
    only = WindowFacts(frozenset({day.weekday()}), one.start, one.end, one.time_zone)
    states = [closed_at(facts(only), opens + part * (closes - opens) / 8) == "" for part in range(8)]
    assert states == [closes > opens] * 8


@given(_WINDOWS, _TIMES)
def test_the_opening_that_is_told_is_true(one: WindowFacts, now: int) -> None:
    """At the time that the sentence names it is open, and a second before it is not."""
    said = closed_at(facts(one), float(now))
    assume(said)
    day, _, clock = said.partition(" opens on ")[2].partition(" (")[0].partition(" at ")
    shown = at(f"{day.split()[1]}T{clock}", one.time_zone)
    assert closed_at(facts(one), shown) == ""
    assert closed_at(facts(one), shown - 1) == said


@pytest.mark.parametrize(
    ("zone", "meant"),
    [("Europe/Berln", 'did you mean "Europe/Berlin"?'), ("CEST", "write a name such as Europe/Berlin or UTC")],
)
def test_a_zone_that_nobody_knows_is_refused_with_its_place(zone: str, meant: str) -> None:
    """A misspelt time zone is an error at its field, with the name that was probably meant."""
    texts = {str(path): path.read_text() for path in (ROOT / "desired").glob("*.yaml")}
    name = next(file for file in texts if file.endswith("cluster.yaml"))
    wrong = f"  rollout: {{windows: [{{days: [sat], start: 10:30, end: 12:00, timeZone: {zone}}}]}}\n"
    lines = texts[name].splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("  rollout:")]
    texts[name] = "".join(kept).replace("\nspec:\n", f"\nspec:\n{wrong}", 1)
    with pytest.raises(InputError) as caught:
        load_texts(texts, ROOT / "desired")
    assert str(caught.value).endswith(f'spec.rollout.windows[0].timeZone: no time zone is called "{zone}" ({meant})')
