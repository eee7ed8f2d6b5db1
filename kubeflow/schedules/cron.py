"""Cron expressions as KFP reads them, and the times at which it fires them.

KFP's controller uses `Parse` and `SpecSchedule.Next` of robfig/cron 1.2. Its six fields start with
the seconds. It also accepts five fields and then reads the minutes as seconds: `0 3 * * *`, three
o'clock to other crons, is three minutes past every hour there. Unlike other crons it knows no day
7, no `L` and no `#`. `read` accepts what KFP accepts; `parse` refuses what no user can have meant.
"""

import dataclasses
import datetime
import re
from collections.abc import Callable, Iterator

_NAMES = (
    ("seconds", 0, 59, ()),
    ("minutes", 0, 59, ()),
    ("hours", 0, 23, ()),
    ("days of the month", 1, 31, ()),
    (
        "months",
        1,
        12,
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    ),
    ("days of the week", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_DESCRIPTORS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_EVERY = "@every "
_RANGE = re.compile(r"(?P<low>\*|\?|\w+)(-(?P<high>\w+))?(/(?P<step>\w+))?")
_DURATION = re.compile(r"(?P<sign>[-+]?)(?P<parts>0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)")
_PART = re.compile(r"([\d.]+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_MONTH_DAY, _WEEK_DAY = 3, 5
_YEARS = 5
"""How far `SpecSchedule.Next` looks ahead."""
_LONGEST = 2**63 / 1e9  # seconds in Go's longest duration


@dataclasses.dataclass(frozen=True)
class Cron:
    """A set of times.

    Attributes:
      text: The expression, as KFP stores it.
      fields: The six fields, each as the numbers it names; empty for `@every`.
      both_days: Whether a day must match both the month's and the week's field; else either.
      every: The time between two runs, for `@every`.
    """

    text: str
    fields: tuple[frozenset[int], ...]
    both_days: bool
    every: datetime.timedelta | None = None

    @classmethod
    def parse(cls, text: str) -> "Cron":
        """The expression in a schedules file.

        Raises:
          ValueError: KFP refuses it, or reads it in another way than it looks; says how to write
            it.
        """
        text = " ".join(text.split())
        if text.startswith("@every"):
            raise ValueError("write @every as an interval, such as interval: 6h")
        parts = _DESCRIPTORS.get(text, text).split(" ")
        if len(parts) == len(_NAMES) - 1:
            raise ValueError(
                f"KFP reads seconds first, so {text!r} would not fire when it seems to: write "
                f"'0 {text}'"
            )
        if any("" in part.split(",") for part in parts) and text:
            raise ValueError(f"'' is not understood: a comma in {text!r} has nothing beside it")
        return cls.read(text)

    @classmethod
    def read(cls, text: str) -> "Cron":
        """The expression of a recurring run on the server, which may have been made by hand.

        Raises:
          ValueError: KFP's parser refuses it too.
        """
        if text.startswith(_EVERY):
            return cls(text, (), False, _duration(text.removeprefix(_EVERY)))
        parts = _DESCRIPTORS.get(text, text).split()
        if len(parts) == len(_NAMES) - 1:
            parts.append("*")
        if len(parts) != len(_NAMES):
            raise ValueError(
                "a cron expression has six fields here: second minute hour day-of-month month "
                "day-of-week"
            )
        fields = tuple(_field(part, *bounds) for part, bounds in zip(parts, _NAMES, strict=True))
        # `dayMatches` of robfig/cron: a star in either field, stepped or not, makes both count.
        both = any(
            part[0] in "*?" for day in (_MONTH_DAY, _WEEK_DAY) for part in _parts(parts[day])
        )
        return cls(text, fields, both)

    def after(self, moment: datetime.datetime) -> Iterator[datetime.datetime]:
        """The times after a moment, in its time zone; ends where none comes within five years."""
        zone = moment.tzinfo or datetime.timezone.utc
        seconds = int(moment.timestamp() // 1)
        while True:
            if self.every is not None:
                seconds += int(self.every.total_seconds())
            else:
                following = _next(self, seconds, zone)
                if following is None:
                    return
                seconds = following
            yield datetime.datetime.fromtimestamp(seconds, zone)

    def _matches_day(self, day: datetime.date) -> bool:
        in_month = day.day in self.fields[_MONTH_DAY]
        in_week = day.isoweekday() % 7 in self.fields[_WEEK_DAY]
        return (in_month and in_week) if self.both_days else (in_month or in_week)


@dataclasses.dataclass(frozen=True)
class _Unit:
    """One of the nested loops of `SpecSchedule.Next`.

    Attributes:
      matches: Whether the local time's field is one of the expression's.
      cut: The local time with all fields below this one at their lowest.
      step: Seconds since 1970, one unit later.
      is_wrapped: Whether the step began a new round of the field, so that those above count again.
    """

    matches: Callable[[datetime.datetime], bool]
    cut: Callable[[int], int]
    step: Callable[[int], int]
    is_wrapped: Callable[[datetime.datetime], bool]


def _next(cron: Cron, seconds: int, zone: datetime.tzinfo) -> int | None:
    """The first time after another; None where none comes within five years.

    This is `SpecSchedule.Next` of robfig/cron 1.2, loop by loop, since these loops decide what
    happens to times around a change of the clocks.

    Args:
      cron: Its fields.
      seconds: The time before, in seconds since 1970.
      zone: The server's.
    """
    units = _units(cron, zone)
    now = seconds + 1
    limit = _wall(now, zone).year + _YEARS
    is_cut = False
    while _wall(now, zone).year <= limit:
        for unit in units:
            while not unit.matches(_wall(now, zone)):
                if not is_cut:
                    is_cut, now = True, unit.cut(now)
                before, now = now, unit.step(now)
                if now <= before:
                    return None  # robfig/cron loops for ever before a day that a zone skips
                if unit.is_wrapped(_wall(now, zone)):
                    break
            else:
                continue
            break
        else:
            return now
    return None


def _units(cron: Cron, zone: datetime.tzinfo) -> tuple[_Unit, ...]:
    in_second, in_minute, in_hour, _, in_month, _ = cron.fields

    def first_of_month(now: int) -> int:
        return _instant(_wall(now, zone).replace(day=1, hour=0, minute=0, second=0), zone)

    def start_of_day(now: int) -> int:
        return _instant(_wall(now, zone).replace(hour=0, minute=0, second=0), zone)

    def start_of_hour(now: int) -> int:
        return _instant(_wall(now, zone).replace(minute=0, second=0), zone)

    def next_month(now: int) -> int:
        wall = _wall(now, zone)
        year, month = divmod(wall.year * 12 + wall.month, 12)
        first = wall.replace(year=year, month=month + 1, day=1)
        return _instant(first + datetime.timedelta(days=wall.day - 1), zone)

    def next_day(now: int) -> int:
        return _instant(_wall(now, zone) + datetime.timedelta(days=1), zone)

    return (
        _Unit(
            lambda wall: wall.month in in_month,
            first_of_month,
            next_month,
            lambda wall: wall.month == 1,
        ),
        _Unit(
            cron._matches_day,
            start_of_day,
            next_day,
            lambda wall: wall.day == 1,
        ),
        _Unit(
            lambda wall: wall.hour in in_hour,
            start_of_hour,
            lambda now: now + 3600,
            lambda wall: wall.hour == 0,
        ),
        _Unit(
            lambda wall: wall.minute in in_minute,
            lambda now: now // 60 * 60,
            lambda now: now + 60,
            lambda wall: wall.minute == 0,
        ),
        _Unit(
            lambda wall: wall.second in in_second,
            lambda now: now,
            lambda now: now + 1,
            lambda wall: wall.second == 0,
        ),
    )


def _wall(seconds: int, zone: datetime.tzinfo) -> datetime.datetime:
    """The local time, without its zone."""
    return datetime.datetime.fromtimestamp(seconds, zone).replace(tzinfo=None, fold=0)


def _instant(wall: datetime.datetime, zone: datetime.tzinfo) -> int:
    """Seconds since 1970 of a local time; where there are two or none, that of Go's `time.Date`."""
    as_utc = int(wall.replace(tzinfo=datetime.timezone.utc).timestamp())
    offset = _offset(as_utc, zone)
    if _offset(as_utc - offset, zone) != offset:
        offset = _offset(as_utc - offset, zone)
    return as_utc - offset


def _offset(seconds: int, zone: datetime.tzinfo) -> int:
    offset = datetime.datetime.fromtimestamp(seconds, zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _parts(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def _field(text: str, name: str, low: int, high: int, names: tuple[str, ...]) -> frozenset[int]:
    numbers: set[int] = set()
    for part in _parts(text):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is not understood among the {name}")
        is_star = match["low"] in "*?"
        first = low if is_star else _number(match["low"], name, low, names)
        if is_star or (match["step"] and not match["high"]):
            last = high
        else:
            last = _number(match["high"], name, low, names) if match["high"] else first
        step = _number(match["step"], name, low, ()) if match["step"] else 1
        if not low <= first <= last <= high or not step:
            raise ValueError(f"{part!r} is not within the {name}, {low} to {high}")
        numbers.update(range(first, last + 1, step))
    return frozenset(numbers)


def _number(text: str, name: str, low: int, names: tuple[str, ...]) -> int:
    if text.lower() in names:
        return low + names.index(text.lower())
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is not understood among the {name}")
    return int(text)


def _duration(text: str) -> datetime.timedelta:
    """Go's `time.ParseDuration`, and whole seconds, at least one, as `cron.Every` makes them."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration such as 1h30m")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(match["parts"]))
    if seconds >= _LONGEST:
        raise ValueError(f"{text!r} is longer than 292 years")
    return datetime.timedelta(seconds=1 if match["sign"] == "-" else max(1, int(seconds)))
