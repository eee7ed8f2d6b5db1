"""Runs on a server: started, looked at, ended."""

import contextlib
import dataclasses
import datetime
import itertools
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kubeflow.client import pipelines, tasks
from kubeflow.client.api import Api, where, where_in
from kubeflow.client.pipelines import Version
from kubeflow.client.states import State, happened, now, state_named
from kubeflow.client.tasks import Task
from kubeflow.package import Package
from kubeflow.parameters import Value
from pipelines.errors import ClusterError, ClusterMissingError, ClusterRefusedError

DEFAULT_PIPELINE_ROOT = "minio://mlpipeline/v2/artifacts"
"""Of an installation that nobody configured (`backend/src/v2/config/env.go` in KFP)."""

_SETTLE_SECONDS = 5.0
"""How long the tasks of a run that has ended may lag behind; .2 s were seen."""
_SETTLE_EVERY = 0.2
_VERSIONS_AT_ONCE = 50
"""IDs in one filter: a request with more would be longer than proxies take."""


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
      tasks: In an order in which they can run; none in a list of runs.
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
        return ((self.finished or now()) - self.created).total_seconds()

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
    stamp = now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
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

    run_name = f"{name or version.package.name} {unique}"
    try:
        run = api.make(
            there,
            api.client.run_pipeline,
            experiment_id=experiment_id,
            job_name=run_name,
            params=arguments,
            pipeline_id=version.pipeline_id,
            version_id=version.version_id,
            service_account=service_account or None,
        )
    except ClusterRefusedError:
        raise
    except ClusterError as error:
        raise ClusterError(
            f"{error}; the run may have started all the same: before another one, see whether "
            f"tfx-mobile runs list has {run_name!r}"
        ) from error
    run_id: str = run.run_id
    return run_id


def experiment_named(api: Api, name: str) -> str:
    """The id of an experiment, which is made if missing.

    Raises:
      ClusterError: The server cannot be reached, fails, or refuses.
    """
    # The client looks for it before it makes one, so that it may be asked again.
    try:
        experiment = api.ask(api.client.create_experiment, name=name, namespace=api.namespace)
    except ClusterRefusedError:  # another client created it in between: look again
        experiment = api.ask(api.client.create_experiment, name=name, namespace=api.namespace)
    experiment_id: str = experiment.experiment_id
    return experiment_id


def newest(api: Api, limit: int, pipeline: str | None = None) -> list[Run]:
    """Runs without their tasks, newest first.

    KFP 2.5 to 2.17 cannot filter runs by their pipeline (`runAPIToModelFieldMap`), so pages are
    turned until enough runs of it are found.

    Args:
      api: The connection.
      limit: How many at most.
      pipeline: Name of the only pipeline whose runs are wanted.

    Raises:
      ClusterMissingError: There is no such pipeline.
      ClusterError: The server cannot be reached, or fails.
    """
    pipeline_id = pipelines.find_id(api, pipeline) if pipeline else ""
    every = api.pages(
        api.client.list_runs,
        "runs",
        0 if pipeline_id else limit,
        sort_by="created_at desc",
        namespace=api.namespace,
    )
    wanted = (run for run in every if not pipeline_id or _ids_of(run)[0] == pipeline_id)
    found = list(itertools.islice(wanted, limit))
    versions = _versions(api, {_ids_of(run) for run in found})
    return [_run(run, versions.get(_ids_of(run)[1])) for run in found]


def get(api: Api, run_id: str) -> Run:
    """A run with its tasks.

    Raises:
      ClusterMissingError: There is no such run.
      ClusterError: The server cannot be reached, or fails.
    """
    found = _settled(api, _found(api, run_id))
    return _with_tasks(found, _version(api, found))


def watch(api: Api, run_id: str, every: float) -> Iterator[Run]:
    """The run as it is now and again, until it has ended.

    Args:
      api: The connection.
      run_id: The run's ID.
      every: Seconds between two looks.

    Raises:
      ClusterMissingError: There is no such run.
      ClusterError: The server cannot be reached, or fails.
    """
    found = _settled(api, _found(api, run_id))
    version = _version(api, found)
    while True:
        run = _with_tasks(found, version)
        yield run
        if run.state.is_final:
            return
        time.sleep(every)
        found = _settled(api, _found(api, run_id))


def cancel(api: Api, run_id: str) -> Run:
    """Ends a run's pods; a run that has ended stays as it is.

    Raises:
      ClusterMissingError: There is no such run.
      ClusterError: The server cannot be reached, or fails.
    """
    found = _found(api, run_id)
    run = _run(found, _version(api, found))
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


def _settled(api: Api, found: Any) -> Any:
    """The same run, read again while KFP has stored its end but not yet its tasks'."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (
        (state := state_named(found.state)).is_final
        and tasks.are_stale(_details(found), state)
        and time.monotonic() < deadline
    ):
        time.sleep(_SETTLE_EVERY)
        found = _found(api, found.run_id)
    return found


def _ids_of(found: Any) -> tuple[str, str]:
    """The IDs of the pipeline and the version of a run; empty where it was never uploaded."""
    reference = found.pipeline_version_reference
    return (reference.pipeline_id, reference.pipeline_version_id) if reference else ("", "")


def _version(api: Api, found: Any) -> Version | None:
    """The version of a run; None where it is gone, or was never uploaded."""
    pipeline_id, version_id = _ids_of(found)
    try:
        return pipelines.get(api, pipeline_id, version_id) if version_id else None
    except ClusterMissingError:
        return None


def _versions(api: Api, ids: Iterable[tuple[str, str]]) -> dict[str, Version]:
    """The versions that are there, by ID, many with one request.

    Args:
      api: The connection.
      ids: IDs of pipelines, each with that of one version.
    """
    by_pipeline: dict[str, list[str]] = defaultdict(list)
    for pipeline_id, version_id in sorted(ids):
        if version_id:
            by_pipeline[pipeline_id].append(version_id)
    versions = {}
    for pipeline_id, version_ids in by_pipeline.items():
        for first in range(0, len(version_ids), _VERSIONS_AT_ONCE):
            chunk = version_ids[first : first + _VERSIONS_AT_ONCE]
            with contextlib.suppress(ClusterMissingError):
                page = api.ask(
                    api.client.list_pipeline_versions,
                    pipeline_id=pipeline_id,
                    page_size=_VERSIONS_AT_ONCE,
                    filter=where_in("pipeline_version_id", chunk),
                )
                for found in page.pipeline_versions or []:
                    version_id = found.pipeline_version_id
                    package = Package.of_version(found.pipeline_spec or {})
                    versions[version_id] = Version(
                        pipeline_id, version_id, found.display_name, package
                    )
    return versions


def _details(found: Any) -> list[Any]:
    return (found.run_details.task_details if found.run_details else None) or []


def _run(found: Any, version: Version | None) -> Run:
    """The run without its tasks."""
    package = _package(found, version)
    runtime = found.runtime_config
    root = (runtime.pipeline_root if runtime else "") or (
        package.pipeline_root if package.is_ours else ""
    )
    state = state_named(found.state)
    if state is State.FAILED and _cancelled(found):
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
        tasks=(),
        error=_error(found),
    )


def _with_tasks(found: Any, version: Version | None) -> Run:
    run = _run(found, version)
    package, details = _package(found, version), _details(found)
    read = tasks.read(package, details, run.state.is_final, _cancelled(found))
    return dataclasses.replace(run, tasks=read)


def _package(found: Any, version: Version | None) -> Package:
    return version.package if version else Package.of_version(found.pipeline_spec or {})


def _cancelled(found: Any) -> datetime.datetime | None:
    """When KFP noticed that the run was cancelled: it ends as failed, its history tells."""
    history = found.state_history or []
    return next((past.update_time for past in history if past.state == "CANCELING"), None)


def _error(found: Any) -> str:
    return " ".join((found.error.message or "").split()) if found.error else ""
