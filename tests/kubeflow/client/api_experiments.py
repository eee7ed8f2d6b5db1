"""Experiments in KFP's API server.

The messages are the server's own, layer by layer, because clients read them.
"""

import dataclasses
from typing import Any

from tests.kubeflow.client.api_listing import COMMON, Listing
from tests.kubeflow.client.api_models import epoch, made, timestamp
from tests.kubeflow.client.api_refusal import Code, Refusal, internal, invalid, taken, wrapped
from tests.kubeflow.client.api_store import NEVER, Query, Store, lookup, same_name

_EXPERIMENTS = Listing[Any](
    "Experiment",
    "experiment_id",
    {
        **COMMON,
        **dict.fromkeys(("id", "experiment_id"), "experiment_id"),
        **dict.fromkeys(("name", "display_name"), "display_name"),
        "last_run_created_at": lambda one: epoch(getattr(one, "last_run_created_at", NEVER)),
        "namespace": "namespace",
        "storage_state": "storage_state",
    },
)


@dataclasses.dataclass(frozen=True)
class Experiments:
    """What requests do to them."""

    store: Store

    def create_default(self) -> None:
        """What a single user's server begins with."""
        words = "All runs created without specifying an experiment will be grouped here."
        self.store.default_experiment = self._add("Default", words).experiment_id

    def create(self, sent: Any, user: str) -> Any:
        with wrapped("[ExperimentServer]: Failed to create a experiment due to conversion error"):
            if not sent.display_name:
                raise internal(
                    "Failed to convert API experiment to model experiment",
                    invalid("Experiment must have a non-empty name"),
                )
        with wrapped("Failed to create a experiment"):
            namespace = self.store.own(sent.namespace or "")
            with wrapped("Failed to authorize the request"):
                self.store.authorize(user, namespace, "create", "experiments")
            return self._add(sent.display_name, sent.description, namespace)

    def _add(self, name: str, description: str | None, namespace: str = "") -> Any:
        others = self.store.experiments.values()
        if any(same_name(one, name) and (one.namespace or "") == namespace for one in others):
            raise taken(
                f"Failed to create a new experiment. The name {name} already exists. "
                "Please specify a new name"
            )
        experiment = made(
            "V2beta1Experiment",
            {"last_run_created_at": NEVER},
            experiment_id=self.store.new_id("experiment"),
            display_name=name,
            description=description,
            created_at=self.store.tick(),
            namespace=namespace,
            storage_state="AVAILABLE",
        )
        self.store.experiments[experiment.experiment_id] = experiment
        return experiment

    def get(self, experiment_id: str, user: str) -> Any:
        with wrapped("Failed to fetch experiment"):
            return self._find(experiment_id, user, "get")

    def page(self, query: Query, user: str) -> tuple[list[Any], int, str]:
        namespace = self.store.own(query.get("namespace", ""))
        found = [
            one for one in self.store.experiments.values() if (one.namespace or "") == namespace
        ]
        with wrapped("Failed to create list options"):
            page = _EXPERIMENTS.page(found, query)
        with wrapped("List experiments failed: Failed to authorize with API"):
            self.store.authorize(user, namespace, "list", "experiments")
        return page

    def archive(self, experiment_id: str, user: str) -> None:
        with wrapped("Failed to archive experiment"):
            self._set_storage_state(experiment_id, user, "archive", "ARCHIVED")
        for run in self.store.runs.values():
            if run.experiment_id == experiment_id:
                run.storage_state = "ARCHIVED"
        for recurring in self.store.recurring_runs.values():
            if recurring.experiment_id == experiment_id:
                recurring.mode, recurring.status = "DISABLE", "DISABLED"
                recurring.updated_at = timestamp(self.store.now)

    def unarchive(self, experiment_id: str, user: str) -> None:
        with wrapped("Failed to unarchive experiment"):
            self._set_storage_state(experiment_id, user, "unarchive", "AVAILABLE")

    def _set_storage_state(self, experiment_id: str, user: str, verb: str, state: str) -> None:
        # For a single user the server does not look whether there is one: `canAccessExperiment`.
        if experiment_id in self.store.experiments or self.store.is_multi_user:
            self._find(experiment_id, user, verb).storage_state = state

    def delete(self, experiment_id: str, user: str) -> None:
        with wrapped("Failed to delete experiment"):
            if experiment_id == self.store.default_experiment:
                message = (
                    f"Failed to delete experiment {experiment_id}. "
                    "The default experiment cannot be deleted"
                )
                reason = f"Experiment id cannot be equal to the default id {experiment_id}"
                raise Refusal(
                    Code.ABORTED, f"BadRequestError: {message}: {invalid(reason)}", message
                )
            with wrapped(f"Failed to delete experiment {experiment_id} due to error fetching it"):
                self._find(experiment_id, user, "delete")
        del self.store.experiments[experiment_id]

    def _find(self, experiment_id: str, user: str, verb: str) -> Any:
        experiment = lookup(self.store.experiments, "Experiment", experiment_id)
        with wrapped("Failed to authorize the request"):
            self.store.authorize(user, experiment.namespace or "", verb, "experiments")
        return experiment
