"""Runs in KFP's API server, and what recurring runs share with them.

The messages are the server's own, layer by layer, because clients read them.
"""

import dataclasses
from collections.abc import Collection
from typing import Any

from tests.kubeflow.client.api_access import USER
from tests.kubeflow.client.api_listing import COMMON, Listing
from tests.kubeflow.client.api_models import made
from tests.kubeflow.client.api_pipelines import Pipelines
from tests.kubeflow.client.api_refusal import (
    Code,
    Refusal,
    blamed_on_itself,
    internal,
    invalid,
    wrapped,
)
from tests.kubeflow.client.api_spec import Spec
from tests.kubeflow.client.api_store import NEVER, NEW, SERVICE_ACCOUNT, Query, Store, lookup

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
_RUNS = Listing[Any](
    "Run",
    "run_id",
    {
        **COMMON,
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


@dataclasses.dataclass(frozen=True)
class Runs:
    """What requests do to them."""

    store: Store

    def create(self, sent: Any, user: str) -> Any:
        with wrapped("CreateJob(job.ToV2())Failed to create a run due to conversion error"):
            if not sent.display_name:
                raise internal(
                    "Failed to convert a API run detail to its internal representation",
                    invalid("Run name cannot be empty"),
                )
        with wrapped("Failed to create a new run"):
            return self.start(sent, user)

    def start(self, sent: Any, user: str = USER) -> Any:
        """Starts a run, of which the server has read the request."""
        experiment_id, _ = self.experiment_of(sent, "runs", user, "run")
        if (existing := self._same_tick(sent)) is not None:
            return existing
        with blamed_on_itself("Failed to create a run due to error fetching manifest"):
            spec, reference = self.template(sent)
        with wrapped("Failed to generate the ExecutionSpec"):
            self.check_parameters(spec, sent)
        spec.check_nodes()
        recurring_run_id = sent.recurring_run_id or ""
        if recurring_run_id and recurring_run_id not in self.store.recurring_runs:
            raise internal(
                "Failed to create a run due to invalid recurring run id",
                invalid(f"RecurringRunId doesn't exist: {recurring_run_id}"),
            )
        return self.add(
            spec,
            reference,
            display_name=sent.display_name,
            description=sent.description,
            experiment_id=experiment_id,
            runtime_config=config_of(sent),
            service_account=sent.service_account or SERVICE_ACCOUNT,
            recurring_run_id=sent.recurring_run_id,
        )

    def _same_tick(self, sent: Any) -> Any | None:
        """The run that the newer server has already started for a tick of a recurring run."""
        if self.store.release != NEW or not sent.recurring_run_id:
            return None
        tick = (sent.recurring_run_id, sent.display_name)
        runs = self.store.runs.values()
        return next((r for r in runs if (r.recurring_run_id, r.display_name) == tick), None)

    def add(
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
        created_at = self.store.tick()
        run = made(
            "V2beta1Run",
            run_id=self.store.new_id("run"),
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
        self.store.runs[run.run_id] = run
        self.store.specs[run.run_id] = spec
        self.store.workflows[run.run_id] = workflow or f"{spec.name}-{run.run_id[:5]}"
        experiment = self.store.experiments.get(run.experiment_id)
        if experiment is not None and hasattr(experiment, "last_run_created_at"):
            experiment.last_run_created_at = created_at
        return run

    def get(self, run_id: str, user: str) -> Any:
        with wrapped("Failed to get a run"):
            return self._find(run_id, user, "get")

    def page(self, query: Query, user: str) -> tuple[list[Any], int, str]:
        with wrapped("Failed to create list options"):
            _RUNS.page([], query)
        with wrapped("Failed to list runs"):
            found = self.owned_by(self.store.runs.values(), query, user, "runs", "runs")
            with wrapped("Failed to list runs"):
                return _RUNS.page(found, query)

    def terminate(self, run_id: str, user: str) -> None:
        with wrapped("Failed to terminate a run"):
            with wrapped(f"Failed to terminate run {run_id} due to error fetching the run"):
                run = self._find(run_id, user, "terminate")
            if run.state not in ("PAUSED", "PENDING", "RUNNING", None):
                with wrapped(f"Failed to terminate run {run_id}"):
                    raise invalid(f"Failed to terminate a run {run_id}. Row not found")
            run.state = "CANCELING"

    def archive(self, run_id: str, user: str) -> None:
        with (
            wrapped("Failed to archive a run"),
            wrapped(f"Failed to archive run {run_id} as it failed to be retrieved"),
        ):
            self._find(run_id, user, "archive").storage_state = "ARCHIVED"

    def unarchive(self, run_id: str, user: str) -> None:
        with wrapped("Failed to unarchive a run"):
            with wrapped(f"Failed to unarchive run {run_id} as it does not exist"):
                run = self._find(run_id, user, "unarchive")
            experiment = self.store.experiments.get(run.experiment_id)
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

    def delete(self, run_id: str, user: str) -> None:
        with (
            wrapped("Failed to delete a run"),
            wrapped(f"Failed to delete run {run_id} as it does not exist"),
        ):
            self._find(run_id, user, "delete")
        del self.store.runs[run_id]

    def _find(self, run_id: str, user: str, verb: str) -> Any:
        with wrapped(f"Failed to fetch run {run_id}"):
            run = lookup(self.store.runs, "Run", run_id)
        with wrapped("Failed to authorize the request"):
            self.store.authorize(user, self.store.namespace_of(run), verb, "runs")
        return run

    def experiment_of(self, sent: Any, kind: str, user: str, what: str) -> tuple[str, str]:
        """The experiment that a run shall belong to, and its namespace."""
        experiment_id = sent.experiment_id or ""
        with wrapped(
            f"Failed to create a {what} due to invalid experimentId and namespace combination"
        ):
            if self.store.is_multi_user and not experiment_id:
                raise invalid("Experiment id can not be empty in multi-user mode")
            experiment_id = experiment_id or self.store.default_experiment
            with (
                wrapped(f"Failed to fetch namespace for experiment {experiment_id}"),
                wrapped(f"Failed to fetch namespace from experiment {experiment_id}"),
            ):
                experiment = lookup(self.store.experiments, "Experiment", experiment_id)
            namespace = experiment.namespace or ""
            claimed = getattr(sent, "namespace", None) or ""
            if claimed and claimed != namespace:
                raise invalid(
                    f"Experiment {experiment_id} belongs to namespace '{namespace}' "
                    f"instead of '{claimed}'"
                )
        with wrapped(f"Failed to create a {what} due to authorization error"):
            self.store.authorize(user, namespace, "create", kind)
        return experiment_id, namespace

    def template(self, sent: Any) -> tuple[Spec, Any | None]:
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
                    version = lookup(self.store.versions, "PipelineVersion", version_id)
                if reference.pipeline_id and reference.pipeline_id != version.pipeline_id:
                    raise invalid(
                        f"Pipeline version {version_id} belongs to pipeline {version.pipeline_id} "
                        f"(not {reference.pipeline_id})"
                    )
                return self.store.specs[version_id], _reference(version)
            if reference and reference.pipeline_id:
                with wrapped(
                    "Failed to fetch a pipeline version and its manifest from pipeline "
                    f"{reference.pipeline_id}"
                ):
                    version = Pipelines(self.store).latest_version(reference.pipeline_id)
                return self.store.specs[version.pipeline_version_id], _reference(version)
        if not sent.pipeline_spec:
            raise invalid("Failed to fetch a template with an empty pipeline spec manifest")
        with wrapped("Failed to fetch a template with an invalid pipeline spec manifest"):
            return Spec.sent(sent.pipeline_spec), None

    def check_parameters(
        self, spec: Spec, sent: Any, words: str = "invalid pipeline job inputs"
    ) -> None:
        """Checks the parameters of a request, with these words before what is wrong."""
        config = sent.runtime_config
        with wrapped(words):
            spec.check_parameters((config and config.parameters) or {})

    def owned_by(
        self, items: Collection[Any], query: Query, user: str, kind: str, plural: str
    ) -> list[Any]:
        """Those of the namespace or the experiment that a request names."""
        namespace = self.store.own(query.get("namespace", ""))
        experiment_id = query.get("experiment_id", "")
        if experiment_id:
            with (
                wrapped(
                    f"Failed to list {plural} due to error fetching namespace for experiment "
                    f"{experiment_id}. Try filtering based on namespace"
                ),
                wrapped(f"Failed to fetch namespace from experiment {experiment_id}"),
            ):
                experiment = lookup(self.store.experiments, "Experiment", experiment_id)
            namespace = experiment.namespace or ""
        self.store.authorize(user, namespace, "list", kind)
        if experiment_id:
            return [one for one in items if one.experiment_id == experiment_id]
        if self.store.is_multi_user:
            return [one for one in items if self.store.namespace_of(one) == namespace]
        return list(items)


def config_of(sent: Any) -> Any | None:
    """What the server keeps of how to run."""
    config = sent.runtime_config
    if not config or not (config.parameters or config.pipeline_root):
        return None
    return made(
        "V2beta1RuntimeConfig",
        parameters=config.parameters or None,
        pipeline_root=config.pipeline_root,
    )


def _reference(version: Any) -> Any:
    return made(
        "V2beta1PipelineVersionReference",
        pipeline_id=version.pipeline_id,
        pipeline_version_id=version.pipeline_version_id,
    )
