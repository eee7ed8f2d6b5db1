"""Pipelines and their versions in KFP's API server.

The messages are the server's own, layer by layer, because clients read them.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tests.kubeflow.client.api_listing import COMMON, Listing
from tests.kubeflow.client.api_models import made
from tests.kubeflow.client.api_refusal import invalid, not_found, taken, wrapped
from tests.kubeflow.client.api_spec import Spec
from tests.kubeflow.client.api_store import NEW, Query, Store, lookup, name_of, same_name

_PIPELINES = Listing[Any](
    "Pipeline",
    "pipeline_id",
    {
        **COMMON,
        **dict.fromkeys(("id", "pipeline_id"), "pipeline_id"),
        "name": name_of,
        "display_name": "display_name",
        "namespace": "namespace",
    },
)
_VERSIONS = Listing[Any](
    "PipelineVersion",
    "pipeline_version_id",
    {
        **COMMON,
        **dict.fromkeys(("id", "pipeline_version_id"), "pipeline_version_id"),
        "name": name_of,
        "display_name": "display_name",
        "status": lambda version: "READY",
    },
)


@dataclasses.dataclass(frozen=True)
class Pipelines:
    """What requests do to them."""

    store: Store

    def create(self, name: str, spec: Spec, query: Query, user: str) -> Any:
        namespace = self.store.own(query.get("namespace", ""))
        with wrapped("Authorization Failure"):
            self.store.authorize(user, namespace, "create", "pipelines", allow_shared=True)
        spec.check_name()
        with wrapped("Failed to create a pipeline and a pipeline version"):
            pipeline = self._add(name, query, namespace)
            self._add_version(pipeline, name, spec, query, pipeline.created_at)
            return pipeline

    def create_empty(self, sent: Any, user: str) -> Any:
        with wrapped("Failed to create a pipeline due to server error"):
            namespace = self.store.own(sent.namespace or "")
            self.store.authorize(user, namespace, "create", "pipelines", allow_shared=True)
            name = getattr(sent, "name", None) or sent.display_name
            if not name:
                is_new = self.store.release == NEW
                raise invalid("name is required" if is_new else "pipeline's name cannot be empty")
            query = {"display_name": sent.display_name, "description": sent.description}
            with wrapped("Failed to create a pipeline in PipelineStore"):
                return self._add(name, query, namespace, exists="exist")

    def _add(
        self, name: str, query: Mapping[str, Any], namespace: str, exists: str = "exists"
    ) -> Any:
        others = self.store.pipelines.values()
        if any(same_name(one, name) and (one.namespace or "") == namespace for one in others):
            raise taken(
                f"Failed to create a new pipeline. The name {name} already {exists}. "
                "Please specify a new name"
            )
        pipeline = made(
            "V2beta1Pipeline",
            self.store.newer(name=name),
            pipeline_id=self.store.new_id("pipeline"),
            display_name=self.store.display_name(name, query),
            description=query.get("description"),
            created_at=self.store.tick(),
            namespace=namespace,
        )
        self.store.pipelines[pipeline.pipeline_id] = pipeline
        return pipeline

    def get(self, pipeline_id: str, user: str) -> Any:
        with wrapped(f"Failed to get a pipeline {pipeline_id}. Check error stack"):
            return self._find(pipeline_id, user, "get")

    def get_by_name(self, name: str, query: Query, user: str) -> Any:
        asked = query.get("namespace", "")
        namespace = self.store.own(asked)
        outer = f"Failed to get a pipeline with name {name} and namespace {asked}"
        with wrapped(f"{outer}. Check error stack."):
            self.store.authorize(user, namespace, "get", "pipelines", allow_shared=True)
            for one in self.store.pipelines.values():
                if same_name(one, name) and (one.namespace or "") == namespace:
                    return one
            with wrapped(f"Failed to get a pipeline named {name} in namespace {namespace}"):
                raise not_found("Namespace/Pipeline", f"{namespace}/{name}")

    def page(self, query: Query, user: str) -> tuple[list[Any], int, str]:
        namespace = self.store.own(query.get("namespace", ""))
        with wrapped(f"Failed to list pipelines in namespace {namespace}"):
            self.store.authorize(user, namespace, "list", "pipelines", allow_shared=True)
        found = [
            one
            for one in self.store.pipelines.values()
            if not self.store.is_multi_user or (one.namespace or "") == namespace
        ]
        with wrapped("Failed to list pipelines due invalid list options"):
            return _PIPELINES.page(found, query)

    def delete(self, pipeline_id: str, query: Query, user: str) -> None:
        with wrapped(f"Failed to delete pipeline {pipeline_id}. Check error stack"):
            missing = f"Failed to delete pipeline with id {pipeline_id} as it was not found"
            self._find(pipeline_id, user, "delete", missing)
            versions = self._versions_of(pipeline_id)
            if versions and not (self.store.release == NEW and query.get("cascade") == "true"):
                hint = (
                    ". Set cascade=true to delete all versions" if self.store.release == NEW else ""
                )
                raise invalid(
                    f"Failed to delete pipeline with id {pipeline_id} as it has existing pipeline "
                    f"versions (e.g. {versions[-1].pipeline_version_id}){hint}"
                )
            for version in versions:
                del self.store.versions[version.pipeline_version_id]
            del self.store.pipelines[pipeline_id]

    def _find(self, pipeline_id: str, user: str, verb: str, missing: str = "") -> Any:
        pipeline = self._lookup(pipeline_id, missing)
        self._authorize(pipeline, user, verb)
        return pipeline

    def _lookup(self, pipeline_id: str, missing: str = "") -> Any:
        with wrapped(missing or f"Failed to get a pipeline with id {pipeline_id}"):
            return lookup(self.store.pipelines, "Pipeline", pipeline_id)

    def _authorize(self, pipeline: Any, user: str, verb: str) -> None:
        self.store.authorize(user, pipeline.namespace or "", verb, "pipelines", allow_shared=True)

    def create_version(self, name: str, spec: Spec, query: Query, user: str) -> Any:
        pipeline_id = query.get("pipelineid", "")
        with wrapped(f"Failed to get namespace for pipeline id {pipeline_id}"):
            pipeline = self._lookup(pipeline_id)
        with wrapped("Authorization Failure"):
            self._authorize(pipeline, user, "create")
        spec.check_name()
        with wrapped("Failed to create pipeline version in PipelineStore"):
            return self._add_version(pipeline, name, spec, query)

    def _add_version(
        self,
        pipeline: Any,
        name: str,
        spec: Spec,
        query: Mapping[str, Any],
        created_at: str = "",
    ) -> Any:
        if any(same_name(one, name) for one in self._versions_of(pipeline.pipeline_id)):
            raise taken(
                f"Failed to create a new pipeline version. The name {name} already exist. "
                "Specify a new name"
            )
        version = made(
            "V2beta1PipelineVersion",
            self.store.newer(name=name),
            pipeline_id=pipeline.pipeline_id,
            pipeline_version_id=self.store.new_id("version"),
            display_name=self.store.display_name(name, query),
            description=query.get("description"),
            created_at=created_at or self.store.tick(),
            pipeline_spec=spec.as_json(),
        )
        self.store.versions[version.pipeline_version_id] = version
        self.store.specs[version.pipeline_version_id] = spec
        return version

    def get_version(self, version_id: str, user: str) -> Any:
        # The server finds a version by its own id, whatever pipeline the path names.
        with wrapped(f"Failed to get a pipeline version {version_id}"):
            return self._version(version_id, user, "get")

    def list_versions(
        self, pipeline_id: str, query: Query, user: str
    ) -> tuple[list[Any], int, str]:
        options = (
            f"pageToken: {query.get('page_token', '')}, pageSize: {query.get('page_size') or 0}, "
            f"sortBy: {query.get('sort_by', '')}, filter: {query.get('filter', '')}"
        )
        with wrapped(f"Failed to list pipeline versions due invalid list options: {options}"):
            page = _VERSIONS.page(self._versions_of(pipeline_id), query)
        missing = (
            f"Failed to list pipeline versions for pipeline {pipeline_id}: Failed to list pipeline "
            f"versions due to error fetching the namespace for pipeline {pipeline_id}: Failed to "
            f"get namespace for pipeline id {pipeline_id}: Failed to get a pipeline with id "
            f"{pipeline_id}"
        )
        self._find(pipeline_id, user, "list", missing)
        return page

    def delete_version(self, pipeline_id: str, version_id: str, user: str) -> None:
        outer = f"Failed to delete a pipeline version id {version_id} under pipeline id"
        with wrapped(f"{outer} {pipeline_id}. Check error stack"):
            missing = f"Failed to delete pipeline version with id {version_id} as it was not found"
            self._version(version_id, user, "delete", missing)
        del self.store.versions[version_id]

    def _version(self, version_id: str, user: str, verb: str, missing: str = "") -> Any:
        with wrapped(missing or f"Failed to get a pipeline version with id {version_id}"):
            version = lookup(self.store.versions, "PipelineVersion", version_id)
        self._find(version.pipeline_id, user, verb)
        return version

    def _versions_of(self, pipeline_id: str) -> list[Any]:
        """The last is the latest."""
        found = [one for one in self.store.versions.values() if one.pipeline_id == pipeline_id]
        return sorted(found, key=lambda version: version.created_at)

    def latest_version(self, pipeline_id: str, what: str = "pipeline version") -> Any:
        """The newest version, or a refusal that says what could not be had."""
        with wrapped(f"Failed to get the latest {what} as pipeline was not found"):
            lookup(self.store.pipelines, "Pipeline", pipeline_id)
        if not (versions := self._versions_of(pipeline_id)):
            with wrapped(f"Failed to get the latest {what} for a pipeline"):
                raise not_found("PipelineVersion", pipeline_id)
        return versions[-1]
