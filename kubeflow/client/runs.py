"""Runs on a server: started, looked at, ended."""

import dataclasses
import datetime
import enum
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kubeflow.client import pipelines
from kubeflow.client.api import Api, where
from kubeflow.client.pipelines import Version
from kubeflow.package import Package
from kubeflow.parameters import Value
from pipelines.errors import ClusterMissingError, ClusterRefusedError

DEFAULT_PIPELINE_ROOT = "minio://mlpipeline/v2/artifacts"
"""Of an installation that nobody configured (`backend/src/v2/config/env.go` in KFP)."""


_CACHED_POD = ("executor", "SKIPPED")
"""Name and state of the node for a task's pod where the cache answered."""


class State(enum.Enum):
    """Of a run or a task, as KFP names them, but for the two at the end."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELING = "canceling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    CACHED = "cached"
    NOT_RUN = "not run"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows."""
        return self not in (State.PENDING, State.RUNNING, State.PAUSED, State.CANCELING)


@dataclasses.dataclass(frozen=True)
class Task:
    """One task of a run.

    Attributes:
      name: In the pipeline.
      state: Its state.
      seconds: How long it took or takes so far, with its pod's start; None where it has none.
      error: What KFP says of its failure.
    """

    name: str
    state: State
    seconds: float | None = None
    error: str = ""

    @property
    def is_cached(self) -> bool:
        """Whether KFP's cache answered."""
        return self.state is State.CACHED


@dataclasses.dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
      run_id: Its id.
      name: For people.
      pipeline: Name of the pipeline; empty where its version was deleted.
      version: Name of the version.
      state: Its state.
      created: When it was made.
      finished: When it ended.
      schedule_id: Id of the recurring run that made it, if one did.
      pipeline_root: Where its artifacts are, above the pipeline's name.
      parameters: As given; the others have their defaults.
      tasks: In an order in which they can run.
      error: What KFP says of its failure.
    """

    run_id: str
    name: str
    pipeline: str
    version: str
    state: State
    created: datetime.datetime
    finished: datetime.datetime | None
    schedule_id: str
    pipeline_root: str
    parameters: Mapping[str, Value]
    tasks: Sequence[Task]
    error: str

    @property
    def seconds(self) -> float:
        """How long it took, or takes so far."""
        return ((self.finished or _now()) - self.created).total_seconds()

    @property
    def artifacts_uri(self) -> str:
        """Where its artifacts are."""
        return f"{self.pipeline_root.rstrip('/')}/{self.pipeline}/{self.run_id}"

    @property
    def path(self) -> str:
        """Of its page in the UI."""
        return path(self.run_id)


def path(run_id: str) -> str:
    """Of a run's page in the UI."""
    return f"runs/details/{run_id}"


def submit(
    api: Api,
    version: Version,
    given: Mapping[str, Any],
    experiment: str,
    name: str = "",
    service_account: str = "",
) -> str:
    """Starts a run.

    Args:
      api: The connection.
      version: What to run.
      given: Parameters as a person wrote them; the others have their defaults.
      experiment: Its name; made if missing.
      name: Beginning of the run's name; the pipeline's where empty.
      service_account: Of the pods; KFP's own default where empty.

    Returns:
      The run's id.

    Raises:
      SettingsError: A parameter that the pipeline does not have, or a wrong value.
      ClusterError: The server cannot be reached, fails, or refuses.
    """
    arguments = version.package.arguments(given)
    experiment_id = experiment_named(api, experiment)
    # A name that no other run has: where an answer is lost, the run is found by it.
    stamp = _now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
    unique = f"{stamp} {secrets.token_hex(2)}"

    def there() -> Any | None:
        found = api.pages(
            api.client.list_runs,
            "runs",
            experiment_id=experiment_id,
            # Not the whole name: the server decodes % and + in filters once more than it should.
            filter=where("display_name", unique, "IS_SUBSTRING"),
        )
        return next(found, None)

    run = api.make(
        there,
        api.client.run_pipeline,
        experiment_id=experiment_id,
        job_name=f"{name or version.package.name} {unique}",
        params=arguments,
        pipeline_id=version.pipeline_id,
        version_id=version.version_id,
        service_account=service_account or None,
    )
    run_id: str = run.run_id
    return run_id


def experiment_named(api: Api, name: str) -> str:
    """The id of an experiment, which is made if missing.

    Raises:
      ClusterError: The server cannot be reached, fails, or refuses.
    """
    # The client looks for it before it makes one, so that it may be asked again.
    try:
        made = api.ask(api.client.create_experiment, name=name, namespace=api.namespace)
    except ClusterRefusedError:  # another client made it in between, which the second look finds
        made = api.ask(api.client.create_experiment, name=name, namespace=api.namespace)
    experiment_id: str = made.experiment_id
    return experiment_id


def newest(api: Api, pipeline: str | None = None) -> Iterator[Run]:
    """Runs without their tasks, newest first.

    Args:
      api: The connection.
      pipeline: Name of the only pipeline whose runs are wanted.

    Raises:
      ClusterMissingError: There is no such pipeline.
      ClusterError: The server cannot be reached, or fails.
    """
    pipeline_id = pipelines.find_id(api, pipeline) if pipeline else None
    versions: dict[str, Version | None] = {}
    for found in api.pages(
        api.client.list_runs, "runs", sort_by="created_at desc", namespace=api.namespace
    ):
        reference = found.pipeline_version_reference
        if pipeline_id and (reference is None or reference.pipeline_id != pipeline_id):
            continue
        version_id = reference.pipeline_version_id if reference else ""
        if version_id not in versions:
            versions[version_id] = _version(api, found)
        yield _run(found, versions[version_id])


def get(api: Api, run_id: str) -> Run:
    """A run with its tasks.

    Raises:
      ClusterMissingError: There is no such run.
      ClusterError: The server cannot be reached, or fails.
    """
    found = _found(api, run_id)
    return _run(found, _version(api, found))


def watch(api: Api, run_id: str, every: float) -> Iterator[Run]:
    """The run as it is now and again, until it has ended.

    Args:
      api: The connection.
      run_id: Of the run.
      every: Seconds between two looks.

    Raises:
      ClusterMissingError: There is no such run.
      ClusterError: The server cannot be reached, or fails.
    """
    found = _found(api, run_id)
    version = _version(api, found)
    while True:
        run = _run(found, version)
        yield run
        if run.state.is_final:
            return
        time.sleep(every)
        found = _found(api, run_id)


def cancel(api: Api, run_id: str) -> Run:
    """Ends a run's pods; a run that has ended stays as it is.

    Raises:
      ClusterMissingError: There is no such run.
      ClusterError: The server cannot be reached, or fails.
    """
    run = get(api, run_id)
    if not run.state.is_final and run.state is not State.CANCELING:
        api.ask(api.client.terminate_run, run_id=run_id)
    return run


def _found(api: Api, run_id: str) -> Any:
    try:
        return api.ask(api.client.get_run, run_id=run_id)
    except ClusterMissingError as error:
        raise ClusterMissingError(
            f"{api.host} has no run {run_id}: tfx-mobile runs list shows those it has"
        ) from error


def _version(api: Api, found: Any) -> Version | None:
    """The version of a run; None where it is gone, or was never uploaded."""
    reference = found.pipeline_version_reference
    if reference is None or not reference.pipeline_version_id:
        return None
    try:
        return pipelines.get(api, reference.pipeline_id, reference.pipeline_version_id)
    except ClusterMissingError:
        return None


def _run(found: Any, version: Version | None) -> Run:
    package = version.package if version else Package.of_version(found.pipeline_spec or {})
    runtime = found.runtime_config
    details = found.run_details.task_details if found.run_details else None
    root = (runtime.pipeline_root if runtime else "") or (
        package.pipeline_root if package.is_ours else ""
    )
    state = state_named(found.state)
    # A run that was cancelled ends as failed, and only its history tells.
    if state is State.FAILED and any(
        past.state == "CANCELING" for past in found.state_history or []
    ):
        state = State.CANCELED
    return Run(
        run_id=found.run_id,
        name=found.display_name,
        pipeline=package.name if package.is_ours else "",
        version=version.name if version else "",
        state=state,
        created=found.created_at,
        finished=happened(found.finished_at),
        schedule_id=found.recurring_run_id or "",
        pipeline_root=root or DEFAULT_PIPELINE_ROOT,
        parameters=dict(runtime.parameters or {}) if runtime else {},
        tasks=_tasks(package, details or [], state.is_final),
        error=_error(found),
    )


def _tasks(package: Package, details: Sequence[Any], over: bool) -> list[Task]:
    """The pipeline's tasks among the nodes of the workflow that KFP reports, drivers and all."""
    if not package.is_ours:
        return [_task(detail.display_name, detail, over) for detail in details]
    by_name = {detail.display_name: detail for detail in details}
    tasks = [_task(name, by_name.get(name), over) for name in package.tasks]
    cached = _cached(
        [
            by_name[task.name]
            for task in tasks
            if task.state is State.SUCCEEDED and not package.is_importer(task.name)
        ],
        [detail for detail in details if (detail.display_name, detail.state) == _CACHED_POD],
    )
    return [Task(task.name, State.CACHED) if task.name in cached else task for task in tasks]


def _cached(succeeded: Sequence[Any], skipped: Sequence[Any]) -> set[str]:
    """Names of the tasks that the cache answered.

    KFP tells by skipping a task's pod, a node of its own, and by nothing else. That node is part
    of the shortest task around it: one that had a pod takes longer (`toModelTasks` in KFP's API
    server keeps no other link).
    """
    names: set[str] = set()
    for pod in skipped:
        around = [
            task
            for task in succeeded
            if task.display_name not in names
            and task.start_time <= pod.start_time
            and pod.end_time <= task.end_time
        ]
        if around:
            names.add(min(around, key=lambda task: task.end_time - task.start_time).display_name)
    return names


def _task(name: str, detail: Any | None, over: bool) -> Task:
    state = state_named(detail.state) if detail else State.PENDING
    if over and state is State.PENDING:
        return Task(name, State.NOT_RUN)
    start = happened(detail.start_time) if detail else None
    if detail is None or start is None:
        return Task(name, state)
    seconds = ((happened(detail.end_time) or _now()) - start).total_seconds()
    return Task(name, state, seconds, _error(detail))


def state_named(name: str | None) -> State:
    """A run has none until its workflow has one."""
    return State.__members__.get(name or "", State.PENDING)


def _error(found: Any) -> str:
    return " ".join((found.error.message or "").split()) if found.error else ""


def happened(moment: datetime.datetime | None) -> datetime.datetime | None:
    """KFP gives the year 1970 for what has not happened."""
    return moment if moment and moment.year > 1970 else None


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
