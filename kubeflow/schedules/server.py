"""What a server has of schedules, and the four things that can be done to them there."""

import dataclasses
import datetime
import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kubeflow.client import runs
from kubeflow.client.api import Api, where
from kubeflow.client.pipelines import Version
from kubeflow.package import LATEST
from kubeflow.parameters import Value
from kubeflow.schedules.cron import Cron
from kubeflow.schedules.file import Schedule, latest_multiple, written
from pipelines.errors import SettingsError
from pipelines.settings import Settings

_MARK = re.compile(r"\s*\[tfx-mobile (?P<digest>[0-9a-f]{12})\]$")
"""At the end of a recurring run's description: what it was made from."""

_LOOKED_UP = {"version", "parameters"}
_CHANGEABLE = {"enabled", "time_zone"}

Fields = Mapping[str, str]
"""What a person wants to see compared, by name."""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A schedule of the file, with the names in it looked up.

    Attributes:
      schedule: Of the file.
      pipeline_id: Of its pipeline.
      version_id: Of its version; empty for the latest at each run.
      arguments: The parameters, typed.
      experiment: Name of the experiment of its runs.
      service_account: Of its runs' pods; empty for KFP's own default.
    """

    schedule: Schedule
    pipeline_id: str
    version_id: str
    arguments: Mapping[str, Value]
    experiment: str
    service_account: str

    @property
    def name(self) -> str:
        """The schedule's."""
        return self.schedule.name

    @property
    def digest(self) -> str:
        """Of all that a recurring run is made from; whether it fires can be changed later."""
        content = {
            **self.schedule.model_dump(mode="json", exclude=_LOOKED_UP | _CHANGEABLE),
            "pipeline_id": self.pipeline_id,
            "version_id": self.version_id,
            "parameters": dict(self.arguments),
            "experiment": self.experiment,
            "service_account": self.service_account,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def description(self) -> str:
        """With the mark."""
        return f"{self.schedule.description} [tfx-mobile {self.digest}]".strip()

    @property
    def fields(self) -> Fields:
        """As `Existing.fields`."""
        schedule = self.schedule
        return _fields(
            cron=schedule.cron,
            interval=schedule.interval,
            version_id=self.version_id,
            parameters=self.arguments,
            concurrency=schedule.concurrency,
            catch_up=schedule.catch_up,
            end=schedule.end,
            description=schedule.description,
            service_account=self.service_account,
        )


@dataclasses.dataclass(frozen=True)
class Existing:
    """A recurring run of the server.

    Attributes:
      recurring_run_id: Its id.
      name: For people; not unique.
      digest: Of what it was made from; empty where it was not made from a file.
      enabled: Whether it fires.
      created: When it was made.
      pipeline_id: Of its pipeline.
      version_id: Of its version; empty for the latest at each run.
      arguments: The parameters given to its runs.
      cron: Its expression; empty for an interval.
      interval: Between two runs; None for a cron.
      start: As KFP was told: a time at which it counts as having fired.
      end: No run after.
      fields: What a person wants to see compared.
      last: When it fired last, as KFP planned it; None where it never did.
    """

    recurring_run_id: str
    name: str
    digest: str
    enabled: bool
    created: datetime.datetime
    pipeline_id: str
    version_id: str
    arguments: Mapping[str, Value]
    cron: str
    interval: datetime.timedelta | None
    start: datetime.datetime | None
    end: datetime.datetime | None
    fields: Fields
    last: datetime.datetime | None

    def times(self, after: datetime.datetime, zone: datetime.tzinfo) -> Iterator[datetime.datetime]:
        """When it fires, as long as it is enabled.

        Args:
          after: Times after this one are wanted.
          zone: The server's time zone.
        """
        if self.interval is None:
            times = Cron.parse(self.cron).after(max(after, self.start or after).astimezone(zone))
        else:
            base = latest_multiple(self.counts_from, self.interval, after)
            times = (base + n * self.interval for n in itertools.count(1))
        return itertools.takewhile(lambda moment: not self.end or moment <= self.end, times)

    @property
    def counts_from(self) -> datetime.datetime:
        """What KFP's controller adds the interval to (`PeriodicSchedule.GetNextScheduledEpoch`)."""
        return self.last or self.start or self.created

    def missed(self, now: datetime.datetime) -> bool:
        """Whether it is paused and missed a time, which it makes up for when enabled."""
        upcoming = next(self.times(self.counts_from, datetime.timezone.utc), None)
        return not self.enabled and upcoming is not None and upcoming <= now

    def fired_after(self, other: "Existing") -> bool:
        """Whether it fired after another was made."""
        return self.last is not None and self.last > other.created


def wanted(schedule: Schedule, version: Version, settings: Settings) -> Wanted:
    """A schedule of the file and the version that it names.

    Raises:
      SettingsError: A parameter that the pipeline does not have, or a wrong value.
    """
    try:
        arguments = version.package.arguments(schedule.parameters)
    except SettingsError as error:
        raise SettingsError(f"schedule {schedule.name}: {error}") from None
    return Wanted(
        schedule,
        version.pipeline_id,
        "" if schedule.version == LATEST else version.version_id,
        arguments,
        settings.experiment,
        settings.cluster.service_account,
    )


def existing(api: Api, pipeline_id: str) -> list[Existing]:
    """The recurring runs of a pipeline, oldest first.

    Raises:
      ClusterError: The server cannot be reached, or fails.
    """
    return [_existing(api, one) for one in _found(api, pipeline_id)]


def create(api: Api, new: Wanted, enabled: bool, after: Existing | None = None) -> str:
    """Makes a recurring run.

    Args:
      api: The connection.
      new: What it is made from.
      enabled: Whether it fires from now on.
      after: The one in whose place it comes: an interval goes on counting where that one is.

    Returns:
      Its id.

    Raises:
      ClusterError: The server cannot be reached, fails, or refuses.
    """
    schedule = new.schedule
    now = datetime.datetime.now(datetime.timezone.utc)
    base = schedule.base(now)
    if base is None and after is not None and schedule.interval:
        base = latest_multiple(after.counts_from, schedule.interval, now)
    experiment_id = runs.experiment_named(api, new.experiment)
    already = {one.recurring_run_id for one in _found(api, new.pipeline_id)}

    def there() -> Any | None:
        for one in _found(api, new.pipeline_id):
            if one.description == new.description and one.recurring_run_id not in already:
                return one
        return None

    made = api.make(
        there,
        api.client.create_recurring_run,
        experiment_id=experiment_id,
        job_name=new.name,
        description=new.description,
        start_time=_rfc3339(base),
        end_time=_rfc3339(schedule.end),
        interval_second=int(schedule.interval.total_seconds()) if schedule.interval else None,
        cron_expression=schedule.cron or None,
        max_concurrency=schedule.concurrency,
        no_catchup=not schedule.catch_up,
        params=dict(new.arguments),
        pipeline_id=new.pipeline_id,
        # The client insists on a version; an empty one is none to the server, hence the latest.
        version_id=new.version_id,
        enabled=enabled,
        service_account=new.service_account or None,
    )
    recurring_run_id: str = made.recurring_run_id
    return recurring_run_id


def enable(api: Api, recurring_run_id: str) -> None:
    """Lets it fire. Times that it missed while it was paused count as one, which fires at once."""
    api.ask(api.client.enable_recurring_run, recurring_run_id=recurring_run_id)


def pause(api: Api, recurring_run_id: str) -> None:
    """Keeps it from firing; its runs go on."""
    api.ask(api.client.disable_recurring_run, recurring_run_id=recurring_run_id)


def delete(api: Api, recurring_run_id: str) -> None:
    """Deletes it; Kubernetes then ends its runs, which belong to it."""
    api.remove(api.client.delete_recurring_run, recurring_run_id=recurring_run_id)


def running(api: Api, one: Existing) -> list[str]:
    """Names of its runs that have not ended."""
    found = api.pages(api.client.list_runs, "runs", **_runs_of(api, one.recurring_run_id))
    return [run.display_name for run in found if not runs.state_named(run.state).is_final]


def _found(api: Api, pipeline_id: str) -> list[Any]:
    """Oldest first. The server cannot filter by pipeline."""
    found = api.pages(
        api.client.list_recurring_runs,
        "recurring_runs",
        namespace=api.namespace,
        sort_by="created_at asc",
    )
    return [
        one
        for one in found
        if (reference := one.pipeline_version_reference) and reference.pipeline_id == pipeline_id
    ]


def _last(api: Api, recurring_run_id: str) -> datetime.datetime | None:
    page = api.ask(api.client.list_runs, page_size=1, **_runs_of(api, recurring_run_id))
    if not page.runs:
        return None
    (newest,) = page.runs
    return runs.happened(newest.scheduled_at) or newest.created_at


def _runs_of(api: Api, recurring_run_id: str) -> dict[str, Any]:
    """Arguments of `list_runs`: its own, newest first."""
    return {
        "namespace": api.namespace,
        "sort_by": "created_at desc",
        "filter": where("recurring_run_id", recurring_run_id),
    }


def _existing(api: Api, one: Any) -> Existing:
    reference, trigger, runtime = one.pipeline_version_reference, one.trigger, one.runtime_config
    cron, periodic = trigger.cron_schedule, trigger.periodic_schedule
    description = one.description or ""
    mark = _MARK.search(description)
    interval = datetime.timedelta(seconds=int(periodic.interval_second)) if periodic else None
    arguments = dict(runtime.parameters or {}) if runtime else {}
    end = runs.happened((cron or periodic).end_time)
    return Existing(
        recurring_run_id=one.recurring_run_id,
        name=one.display_name,
        digest=mark["digest"] if mark else "",
        enabled=one.status == "ENABLED",
        created=one.created_at,
        pipeline_id=reference.pipeline_id,
        version_id=reference.pipeline_version_id or "",
        arguments=arguments,
        cron=cron.cron if cron else "",
        interval=interval,
        start=runs.happened((cron or periodic).start_time),
        end=end,
        fields=_fields(
            cron=cron.cron if cron else "",
            interval=interval,
            version_id=reference.pipeline_version_id or "",
            parameters=arguments,
            concurrency=int(one.max_concurrency),
            catch_up=not one.no_catchup,
            end=end,
            description=_MARK.sub("", description),
            service_account=one.service_account or "",
        ),
        last=_last(api, one.recurring_run_id),
    )


def _fields(
    cron: str,
    interval: datetime.timedelta | None,
    version_id: str,
    parameters: Mapping[str, Value],
    concurrency: int,
    catch_up: bool,
    end: datetime.datetime | None,
    description: str,
    service_account: str,
) -> Fields:
    given = ", ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in sorted(parameters.items())
    )
    return {
        "when": cron or (f"every {written(interval)}" if interval else "never"),
        "version": version_id or LATEST,
        "parameters": given or "defaults",
        "concurrency": str(concurrency),
        "catch-up": "yes" if catch_up else "no",
        "end": end.astimezone(datetime.timezone.utc).isoformat() if end else "never",
        "description": description or "none",
        "service account": service_account or "KFP's default",
    }


def _rfc3339(time: datetime.datetime | None) -> str | None:
    if time is None:
        return None
    return time.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
