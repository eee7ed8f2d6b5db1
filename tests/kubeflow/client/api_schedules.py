"""Recurring runs in KFP's API server.

The messages are the server's own, layer by layer, because clients read them.
"""

import dataclasses
import re
from typing import Any

from tests.kubeflow.client import api_cron
from tests.kubeflow.client.api_listing import COMMON, Listing
from tests.kubeflow.client.api_models import made, timestamp
from tests.kubeflow.client.api_pipelines import Pipelines
from tests.kubeflow.client.api_refusal import (
    Code,
    Refusal,
    blamed_on_itself,
    internal,
    invalid,
    quoted,
    wrapped,
)
from tests.kubeflow.client.api_runs import Runs, config_of
from tests.kubeflow.client.api_spec import Spec
from tests.kubeflow.client.api_store import (
    NEVER,
    NEW,
    OLD,
    POD_NAMESPACE,
    SERVICE_ACCOUNT,
    Query,
    Store,
    lookup,
)

_SCHEDULES = Listing[Any](
    "Job",
    "recurring_run_id",
    {
        **COMMON,
        **dict.fromkeys(("id", "recurring_run_id"), "recurring_run_id"),
        **dict.fromkeys(("name", "display_name"), "display_name"),
        "updated_at": "updated_at",
    },
)


@dataclasses.dataclass(frozen=True)
class Schedules:
    """What requests do to them."""

    store: Store
    runs: Runs

    def create(self, sent: Any, user: str) -> Any:
        with wrapped("Failed to create a recurring run due to conversion error"):
            self._check(sent)
        with wrapped("Failed to create a recurring run"):
            experiment_id, namespace = self.runs.experiment_of(sent, "jobs", user, "recurring run")
            spec, reference = self._source(sent)
            service_account = sent.service_account
            if spec and (not service_account or self.store.release == OLD):
                # Up to 2.16.1 the compiled workflow's own stays: `V2Spec.ScheduledWorkflow`.
                service_account = SERVICE_ACCOUNT
            created_at = self.store.tick()
            is_enabled = sent.mode == "ENABLE"
            recurring = made(
                "V2beta1RecurringRun",
                recurring_run_id=self.store.new_id("recurring run"),
                display_name=sent.display_name,
                description=sent.description,
                pipeline_version_reference=reference,
                pipeline_spec=spec.as_json() if spec and not reference else None,
                runtime_config=config_of(sent),
                service_account=service_account,
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
            self.store.recurring_runs[recurring_run_id] = recurring
            if spec:
                self.store.specs[recurring_run_id] = spec
            self.store.workflows[recurring_run_id] = _generated(sent.display_name, recurring_run_id)
            self.store.ticks[recurring_run_id] = 0
            return recurring

    def _source(self, sent: Any) -> tuple[Spec | None, Any]:
        """The specification, if it is pinned, and the reference to what shall run."""
        reference = sent.pipeline_version_reference
        if sent.pipeline_spec or (reference and reference.pipeline_version_id):
            with blamed_on_itself(
                "Failed to create a recurring run with an invalid pipeline spec manifest"
            ):
                spec, reference = self.runs.template(sent)
            with wrapped("Failed to create a recurring run during scheduled workflow creation"):
                self.runs.check_parameters(spec, sent)
            return spec, reference
        if not (reference and reference.pipeline_id):
            message = "Internal error: Cannot create a job with an empty pipeline ID"
            raise Refusal(Code.INTERNAL, message, message)
        with wrapped("Failed to validate the input parameters on the latest pipeline version"):
            pipelines = Pipelines(self.store)
            latest = pipelines.latest_version(reference.pipeline_id, "template")
            spec = self.store.specs[latest.pipeline_version_id]
            words = "" if self.store.release == NEW else "invalid pipeline job inputs"
            self.runs.check_parameters(spec, sent, words)
        # An empty id of a version is none.
        return None, made("V2beta1PipelineVersionReference", pipeline_id=reference.pipeline_id)

    def _check(self, sent: Any) -> None:
        if sent.mode not in (None, "MODE_UNSPECIFIED", "ENABLE", "DISABLE"):
            message = f"invalid value for enum field mode: {quoted(sent.mode)}"
            raise Refusal(Code.INVALID_ARGUMENT, f"proto: {message}", "")
        if not sent.display_name:
            raise internal(
                "Failed to convert a API recurring run to its internal representation",
                invalid("Recurring run's name cannot be empty"),
            )
        if not re.fullmatch(r"-?\d+", sent.max_concurrency or "0"):
            message = (
                f"invalid value for int64 field maxConcurrency: {quoted(sent.max_concurrency)}"
            )
            raise Refusal(Code.INVALID_ARGUMENT, f"proto: {message}", "")
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
            if self.store.release == NEW:
                trigger = "kubeflow.pipelines.backend.api.v2beta1.Trigger.trigger"
                message = f'error parsing "periodic_schedule", oneof {trigger} is already set'
                raise Refusal(Code.INVALID_ARGUMENT, f"proto: {message}", "")
            sent.trigger.cron_schedule = None  # the later one counts
        if periodic and int(periodic.interval_second or 0) < 1:
            raise invalid(
                f"Found invalid period schedule interval {periodic.interval_second or 0}. "
                "Set at interval to least 1 second"
            )

    def get(self, recurring_run_id: str, user: str) -> Any:
        with wrapped("Failed to fetch a recurring run"):
            return self._find(recurring_run_id, user, "get")

    def page(self, query: Query, user: str) -> tuple[list[Any], int, str]:
        with wrapped("Failed to list recurring runs due to error parsing the listing options"):
            _SCHEDULES.page([], query)
        with wrapped("Failed to list jobs"):
            items = self.store.recurring_runs.values()
            found = self.runs.owned_by(items, query, user, "jobs", "recurring runs")
        return _SCHEDULES.page(found, query)

    def enable(self, recurring_run_id: str, user: str, enable: bool) -> None:
        verb = "enable" if enable else "disable"
        with (
            wrapped(f"Failed to {verb} a recurring run"),
            wrapped(
                f"Failed to change recurring run's mode to enable:{str(enable).lower()}. "
                f"Check if recurring run {recurring_run_id} exists"
            ),
        ):
            recurring = self._find(recurring_run_id, user, verb)
        recurring.mode = "ENABLE" if enable else "DISABLE"
        recurring.status = "ENABLED" if enable else "DISABLED"
        recurring.updated_at = timestamp(self.store.now)

    def delete(self, recurring_run_id: str, user: str) -> None:
        verb = "delete" if self.store.release == NEW else "disable"
        with (
            wrapped(f"Failed to {verb} a recurring run"),
            wrapped(f"Failed to delete recurring run {recurring_run_id}. Check if exists"),
        ):
            self._find(recurring_run_id, user, "delete")
        del self.store.recurring_runs[recurring_run_id]
        # Their workflows belong to it (`SetOwnerReferences`); what KFP has of them stays as it is.
        self.store.ended |= {
            run.run_id
            for run in self.store.runs.values()
            if run.recurring_run_id == recurring_run_id and run.finished_at == NEVER
        }

    def _find(self, recurring_run_id: str, user: str, verb: str) -> Any:
        recurring = lookup(self.store.recurring_runs, "Job", recurring_run_id)
        with wrapped("Failed to authorize the request"):
            self.store.authorize(user, self.store.namespace_of(recurring), verb, "jobs")
        return recurring


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
