"""Cron expressions as KFP reads them: six fields, seconds first.

KFP parses them with `Parse` of robfig/cron 1.2, which also takes five fields and then reads the
minutes as seconds: `0 3 * * *`, at three for everyone else, is at three minutes past every hour
there. Unlike other crons it knows no day 7, no `L` and no `#`.
"""

import dataclasses
import datetime
import re
from collections.abc import Iterator

import croniter

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
_RANGE = re.compile(r"(?P<low>\*|\?|\w+)(-(?P<high>\w+))?(/(?P<step>\d+))?")
_MONTH_DAY, _WEEK_DAY = 3, 5


@dataclasses.dataclass(frozen=True)
class Cron:
    """A set of moments.

    Attributes:
      text: As a server is told.
      fields: The six fields, each written out as numbers.
      both_days: Whether a day has to fit both the month's and the week's; else either.
    """

    text: str
    fields: tuple[tuple[int, ...], ...]
    both_days: bool

    @classmethod
    def parse(cls, text: str) -> "Cron":
        """Reads an expression.

        Raises:
          ValueError: It is none that KFP reads as it is meant; says how to write it.
        """
        text = " ".join(text.split())
        if text.startswith("@every"):
            raise ValueError("write @every as an interval, such as interval: 6h")
        expanded = _DESCRIPTORS.get(text, text)
        parts = expanded.split(" ")
        if len(parts) == len(_NAMES) - 1:
            raise ValueError(
                f"KFP reads seconds first, so {text!r} would not fire when it seems to: write "
                f"'0 {text}'"
            )
        if len(parts) != len(_NAMES):
            raise ValueError(
                "a cron expression has six fields here: second minute hour day-of-month month "
                "day-of-week"
            )
        fields = tuple(_field(part, *bounds) for part, bounds in zip(parts, _NAMES, strict=True))
        # robfig's `dayMatches`: a star in one of them, stepped or not, leaves it to the other.
        both = any(mark in parts[day] for day in (_MONTH_DAY, _WEEK_DAY) for mark in "*?")
        return cls(text, fields, both)

    def after(self, moment: datetime.datetime) -> Iterator[datetime.datetime]:
        """The times after a moment, in its time zone; ends where none comes within years."""
        fields = " ".join(",".join(map(str, field)) for field in self.fields)
        times = croniter.croniter(
            fields, moment, day_or=not self.both_days, second_at_beginning=True
        )
        while True:
            try:
                yield times.get_next(datetime.datetime)
            except croniter.CroniterBadDateError:
                return


def _field(text: str, name: str, low: int, high: int, names: tuple[str, ...]) -> tuple[int, ...]:
    numbers: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is not understood among the {name}")
        star = match["low"] in "*?"
        first = low if star else _number(match["low"], name, low, names)
        if star or (match["step"] and not match["high"]):
            last = high
        else:
            last = _number(match["high"], name, low, names) if match["high"] else first
        step = int(match["step"] or 1)
        if not low <= first <= last <= high or not step:
            raise ValueError(f"{part!r} is not within the {name}, {low} to {high}")
        numbers.update(range(first, last + 1, step))
    return tuple(sorted(numbers))


def _number(text: str, name: str, low: int, names: tuple[str, ...]) -> int:
    if text.lower() in names:
        return low + names.index(text.lower())
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is not understood among the {name}")
    return int(text)
