"""Cron expressions as KFP's controller reads them.

Every time here was taken from the Go library that it uses (robfig/cron 1.2.0).
"""

import datetime
import itertools
import zoneinfo

import pytest

from kubeflow.schedules.cron import Cron

NOW = datetime.datetime(2026, 11, 23, 17, 5, 7, tzinfo=datetime.timezone.utc)


def times(text: str, count: int = 3) -> list[str]:
    found = itertools.islice(Cron.parse(text).after(NOW), count)
    return [f"{moment:%Y-%m-%d %H:%M:%S}" for moment in found]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("0 0 3 * * *", ["2026-11-24 03:00:00", "2026-11-25 03:00:00"]),
        ("0 */20 * * * ?", ["2026-11-23 17:20:00", "2026-11-23 17:40:00"]),
        ("30 5/25 17-18 * * *", ["2026-11-23 17:05:30", "2026-11-23 17:30:30"]),
        ("0 0 0 ? * MON", ["2026-11-30 00:00:00", "2026-12-07 00:00:00"]),
        ("0 0 0 1 feb,dec *", ["2026-12-01 00:00:00", "2027-02-01 00:00:00"]),
        ("@weekly", ["2026-11-29 00:00:00", "2026-12-06 00:00:00"]),
        # Either day where both are named, both where one of them is a star, stepped or not.
        ("0 0 3 1 * mon", ["2026-11-30 03:00:00", "2026-12-01 03:00:00"]),
        ("0 0 3 */2 * 1", ["2026-12-07 03:00:00", "2026-12-21 03:00:00"]),
    ],
)
def test_times(text: str, first: list[str]) -> None:
    assert times(text, 2) == first


def test_times_are_in_the_zone_they_are_asked_in() -> None:
    berlin = NOW.astimezone(zoneinfo.ZoneInfo("Europe/Berlin"))

    first = next(Cron.parse("0 0 3 * * *").after(berlin))

    assert first.isoformat() == "2026-11-24T03:00:00+01:00"


@pytest.mark.parametrize(
    ("zone", "moment", "text", "expected"),
    [
        # Skipped local times are skipped, doubled ones fire twice.
        ("Europe/Berlin", "2027-03-27T12:00", "0 30 2 * * *", ["29. 02:30 +0200"]),
        (
            "Europe/Berlin",
            "2027-10-30T12:00",
            "0 30 2 * * *",
            ["31. 02:30 +0200", "31. 02:30 +0100", "01. 02:30 +0100"],
        ),
        (
            "Europe/Berlin",
            "2027-03-27T23:00",
            "0 0 */2 * * *",
            ["28. 00:00 +0100", "28. 04:00 +0200"],
        ),
        (
            "America/New_York",
            "2027-11-06T12:00",
            "0 30 1 * * *",
            ["07. 01:30 -0400", "07. 01:30 -0500", "08. 01:30 -0500"],
        ),
        # Half an hour of summer time.
        ("Australia/Lord_Howe", "2027-10-02T12:00", "0 15 2 * * *", ["04. 02:15 +1100"]),
        (
            "Australia/Lord_Howe",
            "2027-04-03T12:00",
            "0 45 1 * * *",
            ["04. 01:45 +1100", "04. 01:45 +1030", "05. 01:45 +1030"],
        ),
        # Offsets with half an hour.
        ("Asia/Kolkata", "2027-03-27T12:00", "0 0 3 * * *", ["28. 03:00 +0530"]),
        ("America/St_Johns", "2027-03-13T12:00", "0 30 2 * * *", ["15. 02:30 -0230"]),
        # Where midnight is skipped, the loop over days lands in the hour before it: a day that it
        # has to look for (Sunday) is missed, even at noon.
        ("America/Sao_Paulo", "2018-11-03T12:00", "0 30 0 * * *", ["05. 00:30 -0200"]),
        ("Asia/Beirut", "2027-03-27T12:00", "0 0 0 * * *", ["29. 00:00 +0300"]),
        ("America/Havana", "2027-03-13T12:00", "0 0 12 * * sun", ["21. 12:00 -0400"]),
        # A day that a zone skipped.
        ("Pacific/Apia", "2011-12-29T06:00", "0 0 3 * * *", ["31. 03:00 +1400"]),
    ],
)
def test_times_around_a_change_of_the_clocks(
    zone: str, moment: str, text: str, expected: list[str]
) -> None:
    local = datetime.datetime.fromisoformat(moment).replace(tzinfo=zoneinfo.ZoneInfo(zone))

    found = itertools.islice(Cron.parse(text).after(local), len(expected))

    assert [f"{time:%d. %H:%M %z}" for time in found] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Five fields start with the seconds.
        ("0 3 * * *", ["18:03:00"]),
        ("@every 1h30m", ["18:35:07", "20:05:07"]),
        ("@every 100ms", ["17:05:08", "17:05:09"]),
        ("@every -5m", ["17:05:08"]),
        ("@daily", ["00:00:00"]),
        ("0 0 3, * * *", ["03:00:00"]),
    ],
)
def test_times_of_what_was_made_by_hand(text: str, expected: list[str]) -> None:
    found = itertools.islice(Cron.read(text).after(NOW), len(expected))

    assert [f"{moment:%H:%M:%S}" for moment in found] == expected


@pytest.mark.parametrize("text", ["", "@every day", "@sometimes", "nightly", "0 0 24 * * *"])
def test_what_kfp_does_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Cron.read(text)


def test_what_never_comes_has_no_time() -> None:
    assert times("0 0 0 31 2 *") == []


def test_before_a_day_that_a_zone_skipped() -> None:
    """The Go library looks for the Sunday after it for ever."""
    apia = datetime.datetime(2011, 12, 29, 6, tzinfo=zoneinfo.ZoneInfo("Pacific/Apia"))

    assert next(Cron.parse("0 0 3 * * sun").after(apia), None) is None


def test_five_fields_are_refused_with_the_six_that_were_meant() -> None:
    with pytest.raises(ValueError, match=r"write '0 0 3 \* \* 1-5'"):
        Cron.parse("0 3 * * 1-5")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "six fields"),
        ("0 0 3 * * * 2026", "six fields"),
        ("@sometimes", "six fields"),
        ("@every 6h", "interval: 6h"),
        ("0 0 3 * * 7", "days of the week, 0 to 6"),
        ("60 0 3 * * *", "seconds, 0 to 59"),
        ("0 0 3 0 * *", "days of the month, 1 to 31"),
        ("0 0 20-3 * * *", "hours, 0 to 23"),
        ("0 */0 3 * * *", "minutes"),
        ("0 0 3 L * *", "'L' is not understood among the days of the month"),
        ("0 0 3 * * 5#3", "'5#3' is not understood"),
        ("0 0 3 * mon *", "'mon' is not understood among the months"),
        ("0 0 ٣ * * *", "not understood among the hours"),
        ("0 0 3, * * *", "a comma in '0 0 3, "),
    ],
)
def test_what_kfp_does_not_know_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Cron.parse(text)
