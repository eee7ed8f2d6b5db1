"""`schedules.yaml`: the recurring runs that a pipeline is to have.

The fields are those of `Schedule`:

schedules:
  - name: nightly
    cron: 0 0 3 * * *         # seconds first
    parameters: {train_steps: 5000}
  - name: hourly-check
    interval: 1h
    version: 4f2a90c1d7e3-g1a2b3c4
    enabled: false

Texts are taken as they are written, as in settings: an unquoted number is refused.
"""

import datetime
import re
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from kubeflow.package import LATEST
from kubeflow.schedules.cron import Cron
from pipelines import yaml_text
from pipelines.errors import SettingsError
from pipelines.yaml_text import Document

_SOME_TIME = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}  # seconds
_LONGEST = datetime.timedelta(days=3650)
_FIRST_YEAR, _LAST_YEAR = 2000, 2199
"""KFP takes a time up to 1970 for none, and `start` minus an interval must lie after that."""


class Schedule(BaseModel):
    """One recurring run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$",
        description="the schedule's name: a-z, 0-9 and dashes",
    )
    description: str = Field("", max_length=200, description="for people")
    cron: str = Field(
        "", description="six fields: second minute hour day-of-month month day-of-week"
    )
    interval: datetime.timedelta | None = Field(
        None, description="instead of cron: the time between two runs, such as 90m, 6h or 1d"
    )
    time_zone: str = Field(
        "UTC", description="the zone of KFP's server, to show times in; KFP itself is not told"
    )
    start: datetime.datetime | None = Field(
        None, description="no run before: a time with its zone, such as 2026-12-01T00:00:00Z"
    )
    end: datetime.datetime | None = Field(None, description="no run after")
    version: str = Field(
        LATEST, min_length=1, description="name of a version, or latest: the newest at each run"
    )
    parameters: dict[str, Any] = Field(
        {}, description="values of the run's parameters; the others have their defaults"
    )
    concurrency: int = Field(1, ge=1, le=10, description="runs at the same time")
    catch_up: bool = Field(
        False, description="whether every missed time is made up for, or the last one only"
    )
    enabled: bool = Field(True, description="whether it fires")

    @field_validator("cron")
    @classmethod
    def _six_fields(cls, value: str) -> str:
        return Cron.parse(value).text if value else value

    @field_validator("interval", mode="before")
    @classmethod
    def _with_unit(cls, value: Any) -> Any:
        if value is None or isinstance(value, datetime.timedelta):
            return value
        match = re.fullmatch(r"([1-9][0-9]*)([smhd])", str(value))
        if match is None:
            raise ValueError("write a number with its unit, such as 90m, 6h or 1d")
        # The number may have more digits than Python converts.
        seconds = int(match[1][:20]) * _UNITS[match[2]]
        if seconds > _LONGEST.total_seconds():
            raise ValueError(f"is longer than {written(_LONGEST)}, ten years")
        return datetime.timedelta(seconds=seconds)

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            read_zone(value)
        except SettingsError:
            raise ValueError("no time zone is called so; write one as Europe/Berlin") from None
        return value

    @field_validator("concurrency", "start", "end", mode="before")
    @classmethod
    def _no_other_kind(cls, value: Any, info: ValidationInfo) -> Any:
        """Python takes yes for 1, and pydantic takes a number for seconds since 1970."""
        if isinstance(value, bool):
            raise ValueError("takes a value, not yes or no")
        if info.field_name != "concurrency" and re.fullmatch(r"[-+.\d]+", str(value)):
            raise ValueError("write a time with its zone, such as 2026-12-01T00:00:00Z")
        return value

    @field_validator("start", "end")
    @classmethod
    def _zone_is_given(cls, value: datetime.datetime | None) -> datetime.datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("has no zone: end it with Z or +02:00")
        if value is not None and not _FIRST_YEAR <= value.year <= _LAST_YEAR:
            raise ValueError(f"is not within the years {_FIRST_YEAR} to {_LAST_YEAR}")
        return value

    @model_validator(mode="after")
    def _one_trigger(self) -> "Schedule":
        if bool(self.cron) == bool(self.interval):
            raise ValueError("give either cron or interval")
        if self.start and self.end and self.end <= self.start:
            raise ValueError("end is not after start")
        # KFP takes such a cron, starts a run for it again and again, and may stop all schedules.
        if self.cron and next(Cron.parse(self.cron).after(_SOME_TIME), None) is None:
            raise ValueError(f"the cron {self.cron!r} never fires")
        return self

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The server's time zone."""
        return zoneinfo.ZoneInfo(self.time_zone)

    def times(self, after: datetime.datetime) -> Iterator[datetime.datetime]:
        """When it fires next, as if it were made at `after`."""
        earliest = max(after, self.start) if self.start else after
        if self.cron:
            times = Cron.parse(self.cron).after(earliest.astimezone(self.zone))
        else:
            times = self._multiples(after)
        for moment in times:
            if self.end and moment > self.end:
                return
            yield moment.astimezone(self.zone)

    def base(self, now: datetime.datetime) -> datetime.datetime | None:
        """`start_time` as KFP has to be told it, None for none.

        KFP takes it for a time at which the schedule fired: an interval's first run is one
        interval later, and a time in the past makes it fire at once
        (`GetNextScheduledTimeNoCatchup` of the ScheduledWorkflow controller).
        """
        if self.start is None:
            return None
        if self.interval is None:
            return self.start if self.catch_up or self.start > now else None
        base = self.start - self.interval
        return base if self.catch_up else latest_multiple(base, self.interval, now)

    def _multiples(self, after: datetime.datetime) -> Iterator[datetime.datetime]:
        assert self.interval is not None
        moment = self.base(after) or after
        while True:
            moment += self.interval
            yield moment


def read_zone(name: str) -> zoneinfo.ZoneInfo:
    """A time zone by its name.

    Raises:
      SettingsError: There is no such time zone.
    """
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingsError(
            f"no time zone is called {name!r}; write one as Europe/Berlin"
        ) from None


def written(interval: datetime.timedelta) -> str:
    """An interval as the file has it, such as `6h`."""
    seconds = int(interval.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def latest_multiple(
    base: datetime.datetime, interval: datetime.timedelta, now: datetime.datetime
) -> datetime.datetime:
    """The latest of base, base + interval, ... that is not after now; base if it is itself."""
    return base + max(0, (now - base) // interval) * interval


def load(file: Path) -> list[Schedule]:
    """Reads the file.

    Raises:
      SettingsError: It cannot be read, or something in it is wrong; names what and where.
    """
    document = yaml_text.read(file, "the schedules in")
    content = document.value
    if not isinstance(content, dict) or not isinstance(content.get("schedules"), list):
        raise SettingsError(f"{file} must hold a list under the key schedules")
    unknown = [key for key in content if key != "schedules"]
    if unknown:
        raise SettingsError(f"{file} holds {unknown[0]!r}, which is not known beside schedules")
    schedules = [_one(file, document, index) for index in range(len(content["schedules"]))]
    names = [schedule.name for schedule in schedules]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"{file} has two schedules named {name}")
    return schedules


def _one(file: Path, document: Document, index: int) -> Schedule:
    item = document.value["schedules"][index]
    name = item.get("name", f"number {index + 1}") if isinstance(item, dict) else index + 1
    try:
        return Schedule.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "string_type":
            message = document.explain(("schedules", index, *first["loc"])) or message
        if first["type"] == "extra_forbidden":
            message = f"is not known; known are {', '.join(Schedule.model_fields)}"
        where = f"{file}, schedule {name}" + (f", {key}" if key else "")
        raise SettingsError(f"{where}: {message}") from None
