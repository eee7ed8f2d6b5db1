"""The requests that list and change recurring runs."""

import dataclasses
import datetime
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from kubeflow.client.api import Api, where, where_in
from kubeflow.client.states import happened, state_named
from kubeflow.schedules.file import latest_multiple
from kubeflow.schedules.recurring_run import RecurringRun
from kubeflow.schedules.target import Target
from pipelines.errors import ClusterMissingError

_IDS = 100
"""IDs in one filter: 4.5 kB of URL, of the 8 kB that common proxies allow."""
_RUNS = 200
"""KFP's longest page (`maxPageSize` in `apiserver/list/list.go`)."""


def list_all(api: Api, pipeline_id: str, names: Collection[str] = ()) -> list[RecurringRun]:
    """The recurring runs of a pipeline, oldest first, without their last ticks.

    Args:
      api: The connection.
      pipeline_id: The pipeline's ID.
      names: The only names wanted; empty for all.

    Raises:
      ClusterError: The server cannot be reached, or fails.
    """
    found = api.pages(
        api.client.list_recurring_runs,
        "recurring_runs",
        namespace=api.namespace,
        sort_by="created_at asc",
        filter=where_in("display_name", names) if names else None,
    )
    every = (RecurringRun.of_answer(answer) for answer in found)
    # The server has no filter for the pipeline.
    return [run for run in every if run.pipeline_id == pipeline_id]


def load_last(api: Api, found: Iterable[RecurringRun]) -> list[RecurringRun]:
    """Recurring runs with their last ticks, of many in one request.

    A request answers with the newest runs of a hundred recurring runs. Those that are not among
    them, because others fire far more often, are asked for again.

    Raises:
      ClusterError: The server cannot be reached, or fails.
    """
    found = list(found)
    last: dict[str, datetime.datetime] = {}
    waiting = [run.recurring_run_id for run in found]
    while waiting:
        left = []
        for start in range(0, len(waiting), _IDS):
            ids = waiting[start : start + _IDS]
            page = api.ask(
                api.client.list_runs,
                namespace=api.namespace,
                page_size=_RUNS,
                sort_by="created_at desc",
                filter=where_in("recurring_run_id", ids),
            )
            for run in page.runs or []:
                tick = happened(run.scheduled_at) or run.created_at
                last.setdefault(run.recurring_run_id, tick)
            if page.next_page_token:
                left += [
                    recurring_run_id for recurring_run_id in ids if recurring_run_id not in last
                ]
        waiting = left
    return [dataclasses.replace(run, last=last.get(run.recurring_run_id)) for run in found]


def find_experiment(api: Api, name: str) -> str:
    """The ID of an experiment; empty where there is none of this name.

    Raises:
      ClusterError: The server cannot be reached, or fails.
    """
    try:
        found = api.ask(api.client.get_experiment, experiment_name=name, namespace=api.namespace)
    except ValueError:  # the client's answer to a name that is missing
        return ""
    experiment_id: str = found.experiment_id
    return experiment_id


def create(
    api: Api,
    target: Target,
    experiment_id: str,
    replaced: RecurringRun | None = None,
    known: Collection[str] = (),
) -> str:
    """Create a recurring run, paused.

    Args:
      api: The connection.
      target: What it is made from.
      experiment_id: The experiment's ID.
      replaced: The firing one that it takes over from: an interval counts on from there.
      known: IDs of recurring runs of this name that exist already.

    Returns:
      Its ID.

    Raises:
      ClusterError: The server cannot be reached, fails, or refuses.
    """
    schedule = target.schedule
    now = datetime.datetime.now(datetime.timezone.utc)
    base = schedule.base(now)
    if base is None and replaced is not None and schedule.interval:
        base = latest_multiple(replaced.counts_from, schedule.interval, now)

    def find() -> Any | None:
        found = api.pages(
            api.client.list_recurring_runs,
            "recurring_runs",
            namespace=api.namespace,
            filter=where("display_name", target.name),
        )
        same = (answer for answer in found if answer.description == target.description)
        return next((answer for answer in same if answer.recurring_run_id not in known), None)

    created = api.make(
        find,
        api.client.create_recurring_run,
        experiment_id=experiment_id,
        job_name=target.name,
        description=target.description,
        start_time=_rfc3339(base),
        end_time=_rfc3339(schedule.end),
        interval_second=int(schedule.interval.total_seconds()) if schedule.interval else None,
        cron_expression=schedule.cron or None,
        max_concurrency=schedule.concurrency,
        no_catchup=not schedule.catch_up,
        params=dict(target.arguments),
        pipeline_id=target.pipeline_id,
        # The client insists on a version; an empty one is none to the server, hence the latest.
        version_id=target.version_id,
        enabled=False,
        service_account=target.service_account or None,
    )
    recurring_run_id: str = created.recurring_run_id
    return recurring_run_id


def enable(api: Api, recurring_run_id: str) -> bool:
    """Enable a recurring run, and whether it exists.

    It fires at once if it missed a tick while it was paused.

    Raises:
      ClusterError: The server cannot be reached, fails, or refuses.
    """
    try:
        api.ask(api.client.enable_recurring_run, recurring_run_id=recurring_run_id)
    except ClusterMissingError:
        return False
    return True


def pause(api: Api, recurring_run_id: str) -> None:
    """Pause a recurring run, unless it was deleted. Its active runs go on.

    Raises:
      ClusterError: The server cannot be reached, fails, or refuses.
    """
    api.remove(api.client.disable_recurring_run, recurring_run_id=recurring_run_id)


def delete(api: Api, recurring_run_id: str) -> None:
    """Delete a recurring run. Kubernetes then ends its active runs, which it owns.

    Raises:
      ClusterError: The server cannot be reached, fails, or refuses.
    """
    api.remove(api.client.delete_recurring_run, recurring_run_id=recurring_run_id)


def list_active(api: Api, run: RecurringRun) -> Sequence[str]:
    """The names of the recurring run's runs that have not ended, newest first.

    Raises:
      ClusterError: The server cannot be reached, or fails.
    """
    found = api.pages(
        api.client.list_runs,
        "runs",
        namespace=api.namespace,
        sort_by="created_at desc",
        filter=where("recurring_run_id", run.recurring_run_id),
    )
    return [one.display_name for one in found if not state_named(one.state).is_final]


def _rfc3339(time: datetime.datetime | None) -> str | None:
    if time is None:
        return None
    return time.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
