"""A recurring run on the server, and how it differs from a schedule of the file."""

import contextlib
import dataclasses
import datetime
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kubeflow.client.states import happened
from kubeflow.package import LATEST
from kubeflow.parameters import Value
from kubeflow.schedules.cron import Cron
from kubeflow.schedules.file import Schedule, latest_multiple, written
from kubeflow.schedules.target import Target

_LONGEST = datetime.timedelta.max // datetime.timedelta(seconds=1)  # seconds
MARK = re.compile(r"\s*\[tfx-mobile (?P<digest>[0-9a-f]{12})\]$")
"""The end of the description of a recurring run that was made from a file: its target's digest."""

_DEFAULT_ACCOUNTS = ("", "pipeline-runner", "default-editor")
"""What KFP stores where a request names no service account, for one user and for several."""


@dataclasses.dataclass(frozen=True)
class RecurringRun:
    """A recurring run of the server.

    Attributes:
      recurring_run_id: The ID.
      name: Display name. Not unique.
      digest: The digest of the target it was made from; empty where it was made by hand.
      description: The description without the mark.
      enabled: Whether it fires.
      created: When it was created, by the server's clock, in whole seconds.
      pipeline_id: The pipeline's ID.
      version_id: The version's ID; empty for the latest at each run.
      experiment_id: The ID of its runs' experiment.
      service_account: The account of its runs' pods.
      arguments: The parameters of its runs.
      concurrency: How many of its runs may be active at the same time.
      catch_up: Whether it fires for every missed tick, or for the last one only.
      cron: The expression; empty where it has none.
      interval: The time between two runs; None where it has none.
      start: As KFP was told: a time that counts as a tick for which it fired.
      end: No tick after this time.
      last: The last tick for which it fired; None where it never fired, and where
        `server.load_last` was not called.
    """

    recurring_run_id: str
    name: str
    digest: str
    description: str
    enabled: bool
    created: datetime.datetime
    pipeline_id: str
    version_id: str
    experiment_id: str
    service_account: str
    arguments: Mapping[str, Value]
    concurrency: int
    catch_up: bool
    cron: str
    interval: datetime.timedelta | None
    start: datetime.datetime | None
    end: datetime.datetime | None
    last: datetime.datetime | None = None

    @classmethod
    def of_answer(cls, answer: Any) -> "RecurringRun":
        """The recurring run in an answer of the server, with whatever its maker left out."""
        reference, runtime = answer.pipeline_version_reference, answer.runtime_config
        cron = answer.trigger.cron_schedule if answer.trigger else None
        periodic = answer.trigger.periodic_schedule if answer.trigger else None
        bounds = cron or periodic
        seconds = int(periodic.interval_second or 0) if periodic else 0
        description = answer.description or ""
        mark = MARK.search(description)
        return cls(
            recurring_run_id=answer.recurring_run_id,
            name=answer.display_name,
            digest=mark["digest"] if mark else "",
            description=MARK.sub("", description),
            enabled=answer.status == "ENABLED",
            created=answer.created_at,
            pipeline_id=(reference.pipeline_id or "") if reference else "",
            version_id=(reference.pipeline_version_id or "") if reference else "",
            experiment_id=answer.experiment_id or "",
            service_account=answer.service_account or "",
            arguments=dict(runtime.parameters or {}) if runtime else {},
            concurrency=int(answer.max_concurrency or 0),
            catch_up=not answer.no_catchup,
            cron=(cron.cron or "") if cron else "",
            interval=datetime.timedelta(seconds=min(seconds, _LONGEST)) if seconds > 0 else None,
            start=happened(bounds.start_time) if bounds else None,
            end=happened(bounds.end_time) if bounds else None,
        )

    @property
    def order(self) -> tuple[datetime.datetime, str]:
        """A total order by age on which all clients agree; two may be created in one second."""
        return self.created, self.recurring_run_id

    @property
    def when(self) -> str:
        """When it fires, such as `every 6h`."""
        return _when(self.cron, self.interval)

    @property
    def counts_from(self) -> datetime.datetime:
        """What KFP's controller adds the interval to (`PeriodicSchedule.GetNextScheduledEpoch`)."""
        return self.last or self.start or self.created

    def times(self, after: datetime.datetime, zone: datetime.tzinfo) -> Iterator[datetime.datetime]:
        """The ticks while it is enabled, up to the year 9999.

        There are none where KFP cannot read its expression.

        Args:
          after: The time before the first tick.
          zone: The server's time zone.
        """
        # Whoever made the recurring run may have given times and intervals that Python cannot add.
        with contextlib.suppress(ValueError, OverflowError):
            for moment in self._endless_times(after, zone):
                if self.end and moment > self.end:
                    return
                yield moment.astimezone(zone)

    def _endless_times(
        self, after: datetime.datetime, zone: datetime.tzinfo
    ) -> Iterator[datetime.datetime]:
        if self.interval is not None:
            base = latest_multiple(self.counts_from, self.interval, after)
            yield from (base + n * self.interval for n in itertools.count(1))
        elif self.cron:
            start = max(after, self.start or after)
            yield from Cron.read(self.cron).after(start.astimezone(zone))

    def missed(self, now: datetime.datetime) -> bool:
        """Whether it is paused and missed a tick, for which it fires when it is enabled."""
        upcoming = next(self.times(self.counts_from, datetime.timezone.utc), None)
        return not self.enabled and upcoming is not None and upcoming <= now

    def fired_since(self, moment: datetime.datetime) -> bool:
        """Whether it fired for a tick after a time."""
        return self.last is not None and self.last > moment

    def fires_between(
        self, moment: datetime.datetime, now: datetime.datetime, zone: datetime.tzinfo
    ) -> bool:
        """Whether it is enabled and a tick falls between two times, in the server's time zone."""
        following = next(self.times(moment, zone), None) if self.enabled else None
        return following is not None and following <= now


def compare(
    run: RecurringRun, target: Target, now: datetime.datetime
) -> dict[str, tuple[str, str]]:
    """What a recurring run would have to change to be what the file says.

    The comparison is of content: the digest in the description may come from another release.

    Args:
      run: The recurring run.
      target: The schedule of the file.
      now: The current time.

    Returns:
      The old and the new value by field; empty where the recurring run can stay.
    """
    if run.digest == target.digest:
        return {}
    schedule = target.schedule
    pairs = {
        "when": (run.when, _when(schedule.cron, schedule.interval)),
        "version": (run.version_id or LATEST, target.version_id or LATEST),
        "parameters": (_shown(run.arguments), _shown(target.arguments)),
        "concurrency": (str(run.concurrency), str(schedule.concurrency)),
        "catch-up": (_yes(run.catch_up), _yes(schedule.catch_up)),
        "start": (_time(run.start), _time(schedule.start)),
        "end": (_time(run.end), _time(schedule.end)),
        "description": (run.description or "none", schedule.description or "none"),
        "experiment": (run.experiment_id, target.experiment_id or target.experiment),
        "service account": (run.service_account, target.service_account or "KFP's default"),
    }
    alike = {
        "parameters": dict(run.arguments) == dict(target.arguments),
        "start": _starts_alike(run, schedule, now),
        "end": _seconds(run.end) == _seconds(schedule.end),
        "service account": run.service_account == target.service_account
        or (not target.service_account and run.service_account in _DEFAULT_ACCOUNTS),
    }
    return {
        field: (old, new) for field, (old, new) in pairs.items() if not alike.get(field, old == new)
    }


def _starts_alike(run: RecurringRun, schedule: Schedule, now: datetime.datetime) -> bool:
    """Whether KFP was told a start with the effect of the file's."""
    told, expected = run.start, schedule.base(run.created)
    if told is None or expected is None:
        # A start that has passed has no effect, and an interval may count from a predecessor.
        return expected is None and (told is None or told <= now)
    if _seconds(told) == _seconds(expected):
        return True
    # Each creation computes the latest multiple before it: both count on from the same grid.
    is_past = max(told, expected) <= run.created
    return bool(schedule.interval and is_past and not (told - expected) % schedule.interval)


def _when(cron: str, interval: datetime.timedelta | None) -> str:
    return cron or (f"every {written(interval)}" if interval else "once")


def _shown(arguments: Mapping[str, Value]) -> str:
    shown = (
        f"{name}={int(value) if isinstance(value, float) and value.is_integer() else value}"
        for name, value in sorted(arguments.items())
    )
    return ", ".join(shown) or "defaults"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _time(moment: datetime.datetime | None) -> str:
    return moment.astimezone(datetime.timezone.utc).isoformat() if moment else "none"


def _seconds(moment: datetime.datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None
