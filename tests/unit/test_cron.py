"""Cron expressions as KFP's controller reads them.

The times were checked with the Go library that it uses (robfig/cron 1.2.0).
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


def test_what_never_comes_has_no_time() -> None:
    assert times("0 0 0 31 2 *") == []


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
        ("0 0 3, * * *", "'' is not understood"),
    ],
)
def test_what_kfp_does_not_know_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Cron.parse(text)
