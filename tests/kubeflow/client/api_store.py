"""What KFP's API server holds, and the rules by which it lets it change.

The messages are the server's own, layer by layer, because clients read them.
"""

import dataclasses
import re
import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from tests.kubeflow.client import api_cron
from tests.kubeflow.client.api_access import USER
from tests.kubeflow.client.api_listing import Listing
from tests.kubeflow.client.api_models import epoch, made, timestamp
from tests.kubeflow.client.api_refusal import (
    Code,
    Refusal,
    blamed_on_itself,
    internal,
    invalid,
    not_found,
    taken,
    wrapped,
)
from tests.kubeflow.client.api_spec import Spec

OLD, NEW = "2.5", "2.17"
POD_NAMESPACE = "kubeflow"
SERVICE_ACCOUNT = "pipeline-runner"
NEVER = "1970-01-01T00:00:00Z"
"""What the server writes for a run that has not finished."""

Query = Mapping[str, str]


@dataclasses.dataclass
class Store:
    """The state, and what requests do to it."""

    release: str
    namespaces: Collection[str] | None = None
    """Those that the user may use, in multi-user mode; None in single-user mode."""

    now: datetime = datetime(2026, 1, 1, tzinfo=timezone.utc)
    step: timedelta = timedelta(seconds=1)
    """By how much the clock goes on whenever something is created."""

    pipelines: dict[str, Any] = dataclasses.field(default_factory=dict)
    versions: dict[str, Any] = dataclasses.field(default_factory=dict)
    experiments: dict[str, Any] = dataclasses.field(default_factory=dict)
    runs: dict[str, Any] = dataclasses.field(default_factory=dict)
    recurring_runs: dict[str, Any] = dataclasses.field(default_factory=dict)
    specs: dict[str, Spec] = dataclasses.field(default_factory=dict)
    """By the id of a version, a run, or a recurring run that is pinned."""
    workflows: dict[str, str] = dataclasses.field(default_factory=dict)
    """The name in Kubernetes of a run or a recurring run."""
    tasks: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    """The states of the tasks of each run that has been moved on."""
    ticks: dict[str, int] = dataclasses.field(default_factory=dict)
    """How often each recurring run has started one."""
    default_experiment: str = ""
    _count: int = 0

    def __post_init__(self) -> None:
        if not self.is_multi_user:
            self.default_experiment = self._new_experiment(
                "Default", "All runs created without specifying an experiment will be grouped here."
            ).experiment_id

    @property
    def is_multi_user(self) -> bool:
        return self.namespaces is not None

    # Pipelines

    def create_pipeline(self, name: str, spec: Spec, query: Query, user: str) -> Any:
        namespace = self._own(query.get("namespace", ""))
        with wrapped("Authorization Failure"):
            self._authorize(user, namespace, "create", "pipelines", allow_shared=True)
        spec.check_name()
        with wrapped("Failed to create a pipeline and a pipeline version"):
            pipeline = self._add_pipeline(name, query, namespace)
            self._add_version(pipeline, name, spec, query)
            return pipeline

    def create_empty_pipeline(self, sent: Any, user: str) -> Any:
        with wrapped("Failed to create a pipeline due to server error"):
            namespace = self._own(sent.namespace or "")
            self._authorize(user, namespace, "create", "pipelines", allow_shared=True)
            name = getattr(sent, "name", None) or sent.display_name
            if not name:
                is_new = self.release == NEW
                raise invalid("name is required" if is_new else "pipeline's name cannot be empty")
            query = {"display_name": sent.display_name, "description": sent.description}
            with wrapped("Failed to create a pipeline in PipelineStore"):
                return self._add_pipeline(name, query, namespace, exists="exist")

    def _add_pipeline(
        self, name: str, query: Mapping[str, Any], namespace: str, exists: str = "exists"
    ) -> Any:
        others = self.pipelines.values()
        if any(_name(one) == name and (one.namespace or "") == namespace for one in others):
            raise taken(
                f"Failed to create a new pipeline. The name {name} already {exists}. "
                "Please specify a new name"
            )
        pipeline = made(
            "V2beta1Pipeline",
            self._newer(name=name),
            pipeline_id=self._id("pipeline"),
            display_name=self._display_name(name, query),
            description=query.get("description"),
            created_at=self._tick(),
            namespace=namespace,
        )
        self.pipelines[pipeline.pipeline_id] = pipeline
        return pipeline

    def get_pipeline(self, pipeline_id: str, user: str) -> Any:
        with wrapped(f"Failed to get a pipeline {pipeline_id}. Check error stack"):
            return self._pipeline(pipeline_id, user, "get")

    def get_pipeline_by_name(self, name: str, query: Query, user: str) -> Any:
        asked = query.get("namespace", "")
        namespace = self._own(asked)
        outer = f"Failed to get a pipeline with name {name} and namespace {asked}"
        with wrapped(f"{outer}. Check error stack."):
            self._authorize(user, namespace, "get", "pipelines", allow_shared=True)
            for one in self.pipelines.values():
                if _name(one) == name and (one.namespace or "") == namespace:
                    return one
            with wrapped(f"Failed to get a pipeline named {name} in namespace {namespace}"):
                raise not_found("Namespace/Pipeline", f"{namespace}/{name}")

    def list_pipelines(self, query: Query, user: str) -> tuple[list[Any], int, str]:
        namespace = self._own(query.get("namespace", ""))
        with wrapped(f"Failed to list pipelines in namespace {namespace}"):
            self._authorize(user, namespace, "list", "pipelines", allow_shared=True)
        found = [
            one
            for one in self.pipelines.values()
            if not self.is_multi_user or (one.namespace or "") == namespace
        ]
        with wrapped("Failed to list pipelines due invalid list options"):
            return PIPELINES.page(found, query)

    def delete_pipeline(self, pipeline_id: str, query: Query, user: str) -> None:
        with wrapped(f"Failed to delete pipeline {pipeline_id}. Check error stack"):
            missing = f"Failed to delete pipeline with id {pipeline_id} as it was not found"
            self._pipeline(pipeline_id, user, "delete", missing)
            versions = self._versions_of(pipeline_id)
            if versions and not (self.release == NEW and query.get("cascade") == "true"):
                hint = ". Set cascade=true to delete all versions" if self.release == NEW else ""
                raise invalid(
                    f"Failed to delete pipeline with id {pipeline_id} as it has existing pipeline "
                    f"versions (e.g. {versions[-1].pipeline_version_id}){hint}"
                )
            for version in versions:
                del self.versions[version.pipeline_version_id]
            del self.pipelines[pipeline_id]

    def _pipeline(self, pipeline_id: str, user: str, verb: str, missing: str = "") -> Any:
        with wrapped(missing or f"Failed to get a pipeline with id {pipeline_id}"):
            pipeline = _found(self.pipelines, "Pipeline", pipeline_id)
        self._authorize(user, pipeline.namespace or "", verb, "pipelines", allow_shared=True)
        return pipeline

    # Versions

    def create_version(self, name: str, spec: Spec, query: Query, user: str) -> Any:
        pipeline_id = query.get("pipelineid", "")
        with wrapped(f"Failed to get namespace for pipeline id {pipeline_id}"):
            pipeline = self._pipeline(pipeline_id, user, "create")
        spec.check_name()
        with wrapped("Failed to create pipeline version in PipelineStore"):
            return self._add_version(pipeline, name, spec, query)

    def _add_version(self, pipeline: Any, name: str, spec: Spec, query: Mapping[str, Any]) -> Any:
        if any(_name(one) == name for one in self._versions_of(pipeline.pipeline_id)):
            raise taken(
                f"Failed to create a new pipeline version. The name {name} already exist. "
                "Specify a new name"
            )
        version = made(
            "V2beta1PipelineVersion",
            self._newer(name=name),
            pipeline_id=pipeline.pipeline_id,
            pipeline_version_id=self._id("version"),
            display_name=self._display_name(name, query),
            description=query.get("description"),
            created_at=self._tick(),
            pipeline_spec=spec.as_json(),
        )
        self.versions[version.pipeline_version_id] = version
        self.specs[version.pipeline_version_id] = spec
        return version

    def get_version(self, version_id: str, user: str) -> Any:
        # The server finds a version by its own id, whatever pipeline the path names.
        with wrapped(f"Failed to get a pipeline version {version_id}"):
            return self._version(version_id, user, "get")

    def list_versions(
        self, pipeline_id: str, query: Query, user: str
    ) -> tuple[list[Any], int, str]:
        with wrapped("Failed to list pipeline versions due invalid list options"):
            page = VERSIONS.page(self._versions_of(pipeline_id), query)
        missing = (
            f"Failed to list pipeline versions for pipeline {pipeline_id}: Failed to list pipeline "
            f"versions due to error fetching the namespace for pipeline {pipeline_id}: Failed to "
            f"get namespace for pipeline id {pipeline_id}: Failed to get a pipeline with id "
            f"{pipeline_id}"
        )
        self._pipeline(pipeline_id, user, "list", missing)
        return page

    def delete_version(self, pipeline_id: str, version_id: str, user: str) -> None:
        outer = f"Failed to delete a pipeline version id {version_id} under pipeline id"
        with wrapped(f"{outer} {pipeline_id}. Check error stack"):
            missing = f"Failed to delete pipeline version with id {version_id} as it was not found"
            self._version(version_id, user, "delete", missing)
        del self.versions[version_id]

    def _version(self, version_id: str, user: str, verb: str, missing: str = "") -> Any:
        with wrapped(missing or f"Failed to get a pipeline version with id {version_id}"):
            version = _found(self.versions, "PipelineVersion", version_id)
        self._pipeline(version.pipeline_id, user, verb)
        return version

    def _versions_of(self, pipeline_id: str) -> list[Any]:
        """The last is the latest."""
        found = [one for one in self.versions.values() if one.pipeline_id == pipeline_id]
        return sorted(found, key=lambda version: version.created_at)

    def _latest_version(self, pipeline_id: str, what: str = "pipeline version") -> Any:
        with wrapped(f"Failed to get the latest {what} as pipeline was not found"):
            _found(self.pipelines, "Pipeline", pipeline_id)
        if not (versions := self._versions_of(pipeline_id)):
            with wrapped(f"Failed to get the latest {what} for a pipeline"):
                raise not_found("PipelineVersion", pipeline_id)
        return versions[-1]

    # Experiments

    def create_experiment(self, sent: Any, user: str) -> Any:
        with wrapped("[ExperimentServer]: Failed to create a experiment due to conversion error"):
            if not sent.display_name:
                raise internal(
                    "Failed to convert API experiment to model experiment",
                    invalid("Experiment must have a non-empty name"),
                )
        with wrapped("Failed to create a experiment"):
            namespace = self._own(sent.namespace or "")
            with wrapped("Failed to authorize the request"):
                self._authorize(user, namespace, "create", "experiments")
            return self._new_experiment(sent.display_name, sent.description, namespace)

    def _new_experiment(self, name: str, description: str | None, namespace: str = "") -> Any:
        others = self.experiments.values()
        if any(one.display_name == name and (one.namespace or "") == namespace for one in others):
            raise taken(
                f"Failed to create a new experiment. The name {name} already exists. "
                "Please specify a new name"
            )
        experiment = made(
            "V2beta1Experiment",
            {"last_run_created_at": NEVER},
            experiment_id=self._id("experiment"),
            display_name=name,
            description=description,
            created_at=self._tick(),
            namespace=namespace,
            storage_state="AVAILABLE",
        )
        self.experiments[experiment.experiment_id] = experiment
        return experiment

    def get_experiment(self, experiment_id: str, user: str) -> Any:
        with wrapped("Failed to fetch experiment"):
            return self._experiment(experiment_id, user, "get")

    def list_experiments(self, query: Query, user: str) -> tuple[list[Any], int, str]:
        namespace = self._own(query.get("namespace", ""))
        found = [one for one in self.experiments.values() if (one.namespace or "") == namespace]
        with wrapped("Failed to create list options"):
            page = EXPERIMENTS.page(found, query)
        with wrapped("List experiments failed: Failed to authorize with API"):
            self._authorize(user, namespace, "list", "experiments")
        return page

    def archive_experiment(self, experiment_id: str, user: str) -> None:
        with wrapped("Failed to archive experiment"):
            self._experiment(experiment_id, user, "archive").storage_state = "ARCHIVED"
        for run in self.runs.values():
            if run.experiment_id == experiment_id:
                run.storage_state = "ARCHIVED"
        for recurring in self.recurring_runs.values():
            if recurring.experiment_id == experiment_id:
                recurring.mode, recurring.status = "DISABLE", "DISABLED"

    def unarchive_experiment(self, experiment_id: str, user: str) -> None:
        with wrapped("Failed to unarchive experiment"):
            self._experiment(experiment_id, user, "unarchive").storage_state = "AVAILABLE"

    def delete_experiment(self, experiment_id: str, user: str) -> None:
        with wrapped("Failed to delete experiment"):
            if experiment_id == self.default_experiment:
                message = (
                    f"Failed to delete experiment {experiment_id}. "
                    "The default experiment cannot be deleted"
                )
                reason = f"Experiment id cannot be equal to the default id {experiment_id}"
                raise Refusal(
                    Code.ABORTED, f"BadRequestError: {message}: {invalid(reason)}", message
                )
            with wrapped(f"Failed to delete experiment {experiment_id} due to error fetching it"):
                self._experiment(experiment_id, user, "delete")
        del self.experiments[experiment_id]

    def _experiment(self, experiment_id: str, user: str, verb: str) -> Any:
        experiment = _found(self.experiments, "Experiment", experiment_id)
        with wrapped("Failed to authorize the request"):
            self._authorize(user, experiment.namespace or "", verb, "experiments")
        return experiment

    def _experiment_of(self, sent: Any, kind: str, user: str, what: str) -> tuple[str, str]:
        """The experiment that a run shall belong to, and its namespace."""
        experiment_id = sent.experiment_id or ""
        with wrapped(
            f"Failed to create a {what} due to invalid experimentId and namespace combination"
        ):
            if self.is_multi_user and not experiment_id:
                raise invalid("Experiment id can not be empty in multi-user mode")
            experiment_id = experiment_id or self.default_experiment
            with (
                wrapped(f"Failed to fetch namespace for experiment {experiment_id}"),
                wrapped(f"Failed to fetch namespace from experiment {experiment_id}"),
            ):
                experiment = _found(self.experiments, "Experiment", experiment_id)
            namespace = experiment.namespace or ""
            claimed = getattr(sent, "namespace", None) or ""
            if claimed and claimed != namespace:
                raise invalid(
                    f"Experiment {experiment_id} belongs to namespace '{namespace}' "
                    f"instead of '{claimed}'"
                )
        with wrapped(f"Failed to create a {what} due to authorization error"):
            self._authorize(user, namespace, "create", kind)
        return experiment_id, namespace

    # Runs

    def create_run(self, sent: Any, user: str) -> Any:
        with wrapped("CreateJob(job.ToV2())Failed to create a run due to conversion error"):
            if not sent.display_name:
                raise internal(
                    "Failed to convert a API run detail to its internal representation",
                    invalid("Run name cannot be empty"),
                )
        with wrapped("Failed to create a new run"):
            return self.start_run(sent, user)

    def start_run(self, sent: Any, user: str = USER) -> Any:
        experiment_id, _ = self._experiment_of(sent, "runs", user, "run")
        with blamed_on_itself("Failed to create a run due to error fetching manifest"):
            spec, reference = self._template(sent)
        with wrapped("Failed to generate the ExecutionSpec"):
            self._check_parameters(spec, sent)
        spec.check_nodes()
        return self.add_run(
            spec,
            reference,
            display_name=sent.display_name,
            description=sent.description,
            experiment_id=experiment_id,
            runtime_config=_config(sent),
            service_account=sent.service_account or SERVICE_ACCOUNT,
            recurring_run_id=sent.recurring_run_id,
        )

    def add_run(
        self,
        spec: Spec,
        reference: Any,
        *,
        workflow: str = "",
        scheduled_at: str = "",
        state: str = "PENDING",
        **fields: Any,
    ) -> Any:
        """Writes down a run that nothing speaks against."""
        created_at = self._tick()
        run = made(
            "V2beta1Run",
            run_id=self._id("run"),
            storage_state="AVAILABLE",
            pipeline_version_reference=reference,
            pipeline_spec=None if reference else spec.as_json(),
            created_at=created_at,
            scheduled_at=scheduled_at or created_at,
            finished_at=NEVER,
            state=state,
            state_history=[made("V2beta1RuntimeStatus", update_time=created_at, state=state)],
            **fields,
        )
        self.runs[run.run_id] = run
        self.specs[run.run_id] = spec
        self.workflows[run.run_id] = workflow or f"{spec.name}-{run.run_id[:5]}"
        experiment = self.experiments.get(run.experiment_id)
        if experiment is not None and hasattr(experiment, "last_run_created_at"):
            experiment.last_run_created_at = created_at
        return run

    def get_run(self, run_id: str, user: str) -> Any:
        with wrapped("Failed to get a run"):
            return self._run(run_id, user, "get")

    def list_runs(self, query: Query, user: str) -> tuple[list[Any], int, str]:
        with wrapped("Failed to create list options"):
            RUNS.page([], query)
        with wrapped("Failed to list runs"):
            found = self._owned_by(self.runs.values(), query, user, "runs", "runs")
        return RUNS.page(found, query)

    def terminate_run(self, run_id: str, user: str) -> None:
        with wrapped("Failed to terminate a run"):
            with wrapped(f"Failed to terminate run {run_id} due to error fetching the run"):
                run = self._run(run_id, user, "terminate")
            if run.state not in ("PAUSED", "PENDING", "RUNNING", None):
                with wrapped(f"Failed to terminate run {run_id}"):
                    raise invalid(f"Failed to terminate a run {run_id}. Row not found")
            run.state = "CANCELING"

    def archive_run(self, run_id: str, user: str) -> None:
        with (
            wrapped("Failed to archive a run"),
            wrapped(f"Failed to archive run {run_id} as it failed to be retrieved"),
        ):
            self._run(run_id, user, "archive").storage_state = "ARCHIVED"

    def unarchive_run(self, run_id: str, user: str) -> None:
        with wrapped("Failed to unarchive a run"):
            with wrapped(f"Failed to unarchive run {run_id} as it does not exist"):
                run = self._run(run_id, user, "unarchive")
            experiment = self.experiments.get(run.experiment_id)
            if experiment is None or experiment.storage_state == "ARCHIVED":
                message = (
                    f"Failed to unarchive run {run_id} as experiment {run.experiment_id} "
                    "must be un-archived first"
                )
                reason = "Unarchive the experiment first to allow the run to be restored"
                raise Refusal(
                    Code.FAILED_PRECONDITION,
                    f"FailedPreconditionError: {message}: {reason}",
                    message,
                )
            run.storage_state = "AVAILABLE"

    def delete_run(self, run_id: str, user: str) -> None:
        with (
            wrapped("Failed to delete a run"),
            wrapped(f"Failed to delete run {run_id} as it does not exist"),
        ):
            self._run(run_id, user, "delete")
        del self.runs[run_id]

    def _run(self, run_id: str, user: str, verb: str) -> Any:
        with wrapped(f"Failed to fetch run {run_id}"):
            run = _found(self.runs, "Run", run_id)
        with wrapped("Failed to authorize the request"):
            self._authorize(user, self._namespace_of(run), verb, "runs")
        return run

    # Recurring runs

    def create_recurring_run(self, sent: Any, user: str) -> Any:
        with wrapped("Failed to create a recurring run due to conversion error"):
            self._check_recurring_run(sent)
        with wrapped("Failed to create a recurring run"):
            experiment_id, namespace = self._experiment_of(sent, "jobs", user, "recurring run")
            reference = sent.pipeline_version_reference
            spec: Spec | None = None
            if sent.pipeline_spec or (reference and reference.pipeline_version_id):
                with blamed_on_itself(
                    "Failed to create a recurring run with an invalid pipeline spec manifest"
                ):
                    spec, reference = self._template(sent)
                with wrapped("Failed to create a recurring run during scheduled workflow creation"):
                    self._check_parameters(spec, sent)
            elif not (reference and reference.pipeline_id):
                message = (
                    "Internal error: Cannot create a job with an empty pipeline ID\n"
                    "Failed to create a recurring run"
                )
                raise Refusal(Code.INTERNAL, message, message)
            else:
                with wrapped(
                    "Failed to validate the input parameters on the latest pipeline version"
                ):
                    latest = self._latest_version(reference.pipeline_id, "template")
                    words = "" if self.release == NEW else "invalid pipeline job inputs"
                    self._check_parameters(self.specs[latest.pipeline_version_id], sent, words)
            created_at = self._tick()
            is_enabled = sent.mode == "ENABLE"
            recurring = made(
                "V2beta1RecurringRun",
                recurring_run_id=self._id("recurring run"),
                display_name=sent.display_name,
                description=sent.description,
                pipeline_version_reference=reference,
                pipeline_spec=spec.as_json() if spec and not reference else None,
                runtime_config=_config(sent),
                service_account=sent.service_account or (SERVICE_ACCOUNT if spec else None),
                max_concurrency=str(sent.max_concurrency),
                trigger=_trigger(sent.trigger),
                mode="ENABLE" if is_enabled else "DISABLE",
                status="ENABLED" if is_enabled else "DISABLED",
                created_at=created_at,
                updated_at=created_at,
                no_catchup=sent.no_catchup,
                namespace=namespace or POD_NAMESPACE,
                experiment_id=experiment_id,
            )
            recurring_run_id = recurring.recurring_run_id
            self.recurring_runs[recurring_run_id] = recurring
            if spec:
                self.specs[recurring_run_id] = spec
            self.workflows[recurring_run_id] = _generated(sent.display_name, recurring_run_id)
            self.ticks[recurring_run_id] = 0
            return recurring

    def _check_recurring_run(self, sent: Any) -> None:
        if not sent.display_name:
            raise internal(
                "Failed to convert a API recurring run to its internal representation",
                invalid("Recurring run's name cannot be empty"),
            )
        concurrency = int(sent.max_concurrency or 0)
        if not 1 <= concurrency <= 10:
            raise invalid(
                "Max concurrency of a recurring run must be at least 1 and at most 10. "
                f"Received {concurrency}"
            )
        cron = sent.trigger and sent.trigger.cron_schedule
        if cron:
            try:
                api_cron.check(cron.cron or "")
            except ValueError as error:
                raise invalid(
                    "Schedule cron is not a supported format"
                    f"(https://godoc.org/github.com/robfig/cron). Error: {error}"
                ) from None
        periodic = sent.trigger and sent.trigger.periodic_schedule
        if cron and periodic:
            if self.release == NEW:
                trigger = "kubeflow.pipelines.backend.api.v2beta1.Trigger.trigger"
                message = f'error parsing "periodic_schedule", oneof {trigger} is already set'
                raise Refusal(Code.INVALID_ARGUMENT, f"proto: {message}", "")
            sent.trigger.cron_schedule = None  # the later one counts
        if periodic and int(periodic.interval_second or 0) < 1:
            raise invalid(
                f"Found invalid period schedule interval {periodic.interval_second or 0}. "
                "Set at interval to least 1 second"
            )

    def get_recurring_run(self, recurring_run_id: str, user: str) -> Any:
        with wrapped("Failed to fetch a recurring run"):
            return self._recurring_run(recurring_run_id, user, "get")

    def list_recurring_runs(self, query: Query, user: str) -> tuple[list[Any], int, str]:
        with wrapped("Failed to list recurring runs due to error parsing the listing options"):
            RECURRING_RUNS.page([], query)
        with wrapped("Failed to list jobs"):
            items = self.recurring_runs.values()
            found = self._owned_by(items, query, user, "jobs", "recurring runs")
        return RECURRING_RUNS.page(found, query)

    def enable_recurring_run(self, recurring_run_id: str, user: str, enable: bool) -> None:
        verb = "enable" if enable else "disable"
        with (
            wrapped(f"Failed to {verb} a recurring run"),
            wrapped(
                f"Failed to change recurring run's mode to enable:{str(enable).lower()}. "
                f"Check if recurring run {recurring_run_id} exists"
            ),
        ):
            recurring = self._recurring_run(recurring_run_id, user, verb)
        recurring.mode = "ENABLE" if enable else "DISABLE"
        recurring.status = "ENABLED" if enable else "DISABLED"
        recurring.updated_at = timestamp(self.now)

    def delete_recurring_run(self, recurring_run_id: str, user: str) -> None:
        with (
            wrapped(f"Failed to {'delete' if self.release == NEW else 'disable'} a recurring run"),
            wrapped(f"Failed to delete recurring run {recurring_run_id}. Check if exists"),
        ):
            self._recurring_run(recurring_run_id, user, "delete")
        del self.recurring_runs[recurring_run_id]

    def _recurring_run(self, recurring_run_id: str, user: str, verb: str) -> Any:
        recurring = _found(self.recurring_runs, "Job", recurring_run_id)
        with wrapped("Failed to authorize the request"):
            self._authorize(user, self._namespace_of(recurring), verb, "jobs")
        return recurring

    # What runs and recurring runs share

    def _template(self, sent: Any) -> tuple[Spec, Any | None]:
        """The specification to run, and the reference to the version that it is of."""
        with wrapped("Failed to fetch a template due to error retrieving pipeline version"):
            reference = sent.pipeline_version_reference
            if reference and reference.pipeline_version_id:
                version_id = reference.pipeline_version_id
                with (
                    wrapped(
                        "Failed to fetch a pipeline version and its manifest from pipeline "
                        f"version {version_id}"
                    ),
                    wrapped(f"Failed to get a pipeline version with id {version_id}"),
                ):
                    version = _found(self.versions, "PipelineVersion", version_id)
                if reference.pipeline_id and reference.pipeline_id != version.pipeline_id:
                    raise invalid(
                        f"Pipeline version {version_id} belongs to pipeline {version.pipeline_id} "
                        f"(not {reference.pipeline_id})"
                    )
                return self.specs[version_id], _reference(version)
            if reference and reference.pipeline_id:
                with wrapped(
                    "Failed to fetch a pipeline version and its manifest from pipeline "
                    f"{reference.pipeline_id}"
                ):
                    version = self._latest_version(reference.pipeline_id)
                return self.specs[version.pipeline_version_id], _reference(version)
        if not sent.pipeline_spec:
            raise invalid("Failed to fetch a template with an empty pipeline spec manifest")
        with wrapped("Failed to fetch a template with an invalid pipeline spec manifest"):
            return Spec.sent(sent.pipeline_spec), None

    def _check_parameters(
        self, spec: Spec, sent: Any, words: str = "invalid pipeline job inputs"
    ) -> None:
        config = sent.runtime_config
        with wrapped(words):
            spec.check_parameters((config and config.parameters) or {})

    def _owned_by(
        self, items: Collection[Any], query: Query, user: str, kind: str, plural: str
    ) -> list[Any]:
        namespace = self._own(query.get("namespace", ""))
        experiment_id = query.get("experiment_id", "")
        if experiment_id:
            with (
                wrapped(
                    f"Failed to list {plural} due to error fetching namespace for experiment "
                    f"{experiment_id}. Try filtering based on namespace"
                ),
                wrapped(f"Failed to fetch namespace from experiment {experiment_id}"),
            ):
                experiment = _found(self.experiments, "Experiment", experiment_id)
            namespace = experiment.namespace or ""
        self._authorize(user, namespace, "list", kind)
        if experiment_id:
            return [one for one in items if one.experiment_id == experiment_id]
        if self.is_multi_user:
            return [one for one in items if self._namespace_of(one) == namespace]
        return list(items)

    def _namespace_of(self, item: Any) -> str:
        experiment = self.experiments.get(item.experiment_id)
        return (experiment and experiment.namespace) or ""

    def _own(self, namespace: str) -> str:
        """A single user has no namespace, whatever the request says."""
        return namespace if self.is_multi_user else ""

    def _authorize(
        self, user: str, namespace: str, verb: str, kind: str, *, allow_shared: bool = False
    ) -> None:
        if self.namespaces is None or (allow_shared and not namespace):
            return
        if not namespace:
            owner = {"experiments": "An experiment", "runs": "A run", "jobs": "a recurring run"}
            raise invalid(f"{owner[kind]} cannot have an empty namespace in multi-user mode")
        if not user:
            message = "Failed to check authorization. User identity is empty in the request header"
            reason = "Request header error: there is no user identity header."
            raise Refusal(Code.UNAUTHENTICATED, f"Unauthenticated: {message}: [{reason}]", message)
        if namespace not in self.namespaces:
            request = (
                f"&ResourceAttributes{{Namespace:{namespace},Verb:{verb},"
                f"Group:pipelines.kubeflow.org,Version:v1beta1,Resource:{kind},Subresource:,Name:,}}"
            )
            message = f"User '{user}' is not authorized with reason:  (request: {request})"
            raise Refusal(
                Code.PERMISSION_DENIED,
                f"Failed to authorize with API: PermissionDenied: {message}: Unauthorized access",
                message,
            )

    def _display_name(self, name: str, query: Mapping[str, Any]) -> str:
        return (query.get("display_name") if self.release == NEW else None) or name

    def _newer(self, **fields: Any) -> dict[str, Any]:
        return fields if self.release == NEW else {}

    def _tick(self) -> str:
        """Now; the next thing is created later."""
        now = timestamp(self.now)
        self.now += self.step
        return now

    def _id(self, kind: str) -> str:
        """The same whenever the same requests come; in no order, as the server's."""
        self._count += 1
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {self._count}"))


def _found(where: Mapping[str, Any], kind: str, key: str) -> Any:
    if key not in where:
        raise not_found(kind, key)
    return where[key]


def _name(model: Any) -> str:
    return str(getattr(model, "name", None) or model.display_name)


def _reference(version: Any) -> Any:
    return made(
        "V2beta1PipelineVersionReference",
        pipeline_id=version.pipeline_id,
        pipeline_version_id=version.pipeline_version_id,
    )


def _config(sent: Any) -> Any | None:
    config = sent.runtime_config
    if not config or not (config.parameters or config.pipeline_root):
        return None
    return made(
        "V2beta1RuntimeConfig",
        parameters=config.parameters or None,
        pipeline_root=config.pipeline_root,
    )


def _trigger(sent: Any) -> Any:
    """Without fractions of seconds, which the server does not keep."""
    for schedule in (sent and sent.cron_schedule, sent and sent.periodic_schedule):
        for name in ("start_time", "end_time"):
            if schedule and (moment := getattr(schedule, name)):
                setattr(schedule, name, timestamp(moment))
    return sent or made("V2beta1Trigger")


def _generated(name: str, key: str) -> str:
    """The name of a ScheduledWorkflow, which Kubernetes ends with five characters."""
    return (re.sub(r"[^a-z0-9-]+", "", name.lower()) or "job-")[:25] + key[:5]


_V1_STATES = {
    None: "Unknown",
    "PENDING": "Pending",
    "PAUSED": "Pending",
    "RUNNING": "Running",
    "SUCCEEDED": "Succeeded",
    "SKIPPED": "Skipped",
    "FAILED": "Failed",
    "CANCELED": "Failed",
    "CANCELING": "Terminating",
}
_COMMON = {"created_at": "created_at", "description": "description"}
PIPELINES = Listing[Any](
    "Pipeline",
    "pipeline_id",
    {
        **_COMMON,
        **dict.fromkeys(("id", "pipeline_id"), "pipeline_id"),
        "name": _name,
        "display_name": "display_name",
        "namespace": "namespace",
    },
)
VERSIONS = Listing[Any](
    "PipelineVersion",
    "pipeline_version_id",
    {
        **_COMMON,
        **dict.fromkeys(("id", "pipeline_version_id"), "pipeline_version_id"),
        "name": _name,
        "display_name": "display_name",
        "status": lambda version: "READY",
    },
)
EXPERIMENTS = Listing[Any](
    "Experiment",
    "experiment_id",
    {
        **_COMMON,
        **dict.fromkeys(("id", "experiment_id"), "experiment_id"),
        **dict.fromkeys(("name", "display_name"), "display_name"),
        "last_run_created_at": lambda one: epoch(getattr(one, "last_run_created_at", NEVER)),
        "namespace": "namespace",
        "storage_state": "storage_state",
    },
)
RUNS = Listing[Any](
    "Run",
    "run_id",
    {
        **_COMMON,
        **dict.fromkeys(("id", "run_id"), "run_id"),
        **dict.fromkeys(("name", "display_name"), "display_name"),
        "experiment_id": "experiment_id",
        "finished_at": "finished_at",
        "recurring_run_id": "recurring_run_id",
        "scheduled_at": "scheduled_at",
        "state": lambda run: run.state or "RUNTIME_STATE_UNSPECIFIED",
        "status": lambda run: _V1_STATES[run.state],
        "storage_state": "storage_state",
    },
    one_page={"experiment_id": "ExperimentUUID", "recurring_run_id": "JobUUID"},
)
RECURRING_RUNS = Listing[Any](
    "Job",
    "recurring_run_id",
    {
        **_COMMON,
        **dict.fromkeys(("id", "recurring_run_id"), "recurring_run_id"),
        **dict.fromkeys(("name", "display_name"), "display_name"),
        "updated_at": "updated_at",
    },
)
