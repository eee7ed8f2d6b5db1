"""What KFP's API server holds: everything that requests to it read and change."""

import dataclasses
import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from tests.kubeflow.client.api_models import timestamp
from tests.kubeflow.client.api_refusal import (
    Code,
    Refusal,
    invalid,
    not_found,
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

    rights: Mapping[str, Collection[str]] | None = None
    """The verbs that the user may use there, by kind, as a Role has them; None for all."""

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
    ended: set[str] = dataclasses.field(default_factory=set)
    """The runs whose workflows Kubernetes deleted with their recurring run; KFP does not notice."""
    default_experiment: str = ""
    _count: int = 0

    @property
    def is_multi_user(self) -> bool:
        return self.namespaces is not None

    def own(self, namespace: str) -> str:
        """A single user has no namespace, whatever the request says."""
        return namespace if self.is_multi_user else ""

    def namespace_of(self, item: Any) -> str:
        experiment = self.experiments.get(item.experiment_id)
        return (experiment and experiment.namespace) or ""

    def authorize(
        self, user: str, namespace: str, verb: str, kind: str, *, allow_shared: bool = False
    ) -> None:
        if self.namespaces is None:
            return
        if allow_shared and not namespace:
            if verb != "delete" or self.release != NEW:
                return
            namespace = POD_NAMESPACE  # shared pipelines belong to KFP since 2.16.1
        if not namespace:
            owner = {"experiments": "An experiment", "runs": "A run", "jobs": "a recurring run"}
            raise invalid(f"{owner[kind]} cannot have an empty namespace in multi-user mode")
        words = {
            "experiments": "Failed to authorize with API: ",
            "jobs": "failed to authorize with API: ",
        }.get(kind, "")
        if not user:
            message = "Failed to check authorization. User identity is empty in the request header"
            reason = "Request header error: there is no user identity header."
            cause = f"Unauthenticated: {reason}: {reason}"
            raise Refusal(
                Code.UNAUTHENTICATED, f"{words}Unauthenticated: {message}: {cause}", message
            )
        may = self.rights is None or verb in self.rights.get(kind, ())
        if namespace not in self.namespaces or not may:
            selectors = "FieldSelector:nil,LabelSelector:nil," if self.release == NEW else ""
            request = (
                f"&ResourceAttributes{{Namespace:{namespace},Verb:{verb},"
                f"Group:pipelines.kubeflow.org,Version:v1beta1,Resource:{kind},Subresource:,Name:,{selectors}}}"
            )
            message = f"User '{user}' is not authorized with reason:  (request: {request})"
            raise Refusal(
                Code.PERMISSION_DENIED,
                f"{words}PermissionDenied: {message}: Unauthorized access",
                message,
            )

    def display_name(self, name: str, query: Mapping[str, Any]) -> str:
        return (query.get("display_name") if self.release == NEW else None) or name

    def newer(self, **fields: Any) -> dict[str, Any]:
        return fields if self.release == NEW else {}

    def tick(self) -> str:
        """Now; the next thing is created later."""
        now = timestamp(self.now)
        self.now += self.step
        return now

    def new_id(self, kind: str) -> str:
        """The same whenever the same requests come; in no order, as the server's."""
        self._count += 1
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {self._count}"))


def lookup(where: Mapping[str, Any], kind: str, key: str) -> Any:
    if key not in where:
        raise not_found(kind, key)
    return where[key]


def same_name(model: Any, name: str) -> bool:
    """Whether names are the same to the database, which knows no upper case."""
    return name_of(model).lower() == name.lower()


def name_of(model: Any) -> str:
    return str(getattr(model, "name", None) or model.display_name)
