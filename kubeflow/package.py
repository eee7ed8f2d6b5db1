"""A compiled pipeline as it is uploaded and as a server hands it back."""

import dataclasses
import graphlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from kubeflow import parameters
from kubeflow.names import ADAPTER
from kubeflow.parameters import Value
from kubeflow.spec import Spec
from pipelines.errors import SettingsError, UsageError

LATEST = "latest"
"""In place of a version's name: the newest."""

_NUMBERS = {"NUMBER_INTEGER": "a whole number", "NUMBER_DOUBLE": "a number"}
"""Types of parameters that are numbers; our other parameters are texts."""


@dataclasses.dataclass(frozen=True)
class Package:
    """One version of a pipeline.

    Attributes:
      documents: The specification, then the platform's document where there is one.
    """

    documents: Sequence[dict[str, Any]]

    @classmethod
    def read(cls, file: Path) -> "Package":
        """A file that `tfx-mobile compile` wrote.

        Raises:
          UsageError: There is no such file, or it is something else.
        """
        try:
            documents = list(yaml.load_all(file.read_bytes(), yaml.CSafeLoader))
        except OSError as error:
            raise UsageError(
                f"cannot read {file} ({error.strerror}): write it with tfx-mobile compile"
            ) from error
        except (yaml.YAMLError, ValueError):
            documents = []
        package = cls(documents)
        if not package.is_ours:
            raise UsageError(f"{file} is not what tfx-mobile compile writes: compile it again")
        return package

    @classmethod
    def of_version(cls, pipeline_spec: Mapping[str, Any]) -> "Package":
        """What a server has of a version: two documents come back as one with two keys.

        See `V2Spec.bytes` and `ToApiPipelineVersion` in KFP's API server.
        """
        if "pipeline_spec" in pipeline_spec:
            return cls([pipeline_spec["pipeline_spec"], pipeline_spec["platform_spec"]])
        return cls([dict(pipeline_spec)])

    @property
    def spec(self) -> Spec:
        """The specification."""
        return self.documents[0]

    @property
    def is_ours(self) -> bool:
        """Whether `tfx-mobile compile` wrote it: its tasks run our container adapter."""
        try:
            executors = self.spec["deploymentSpec"]["executors"].values()
            containers = [e["container"] for e in executors if "container" in e]
            return bool(self.name) and any(
                tuple(container["command"][: len(ADAPTER)]) == ADAPTER for container in containers
            )
        except (LookupError, TypeError, AttributeError):
            return False

    @property
    def name(self) -> str:
        """The pipeline's."""
        name: str = self.spec["pipelineInfo"]["name"]
        return name

    @property
    def digest(self) -> str:
        """SHA-256 of the content, whatever the order and layout of the file, in hexadecimal."""
        content = json.dumps(list(self.documents), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def pipeline_root(self) -> str:
        """Where artifacts go; empty for the cluster's default."""
        root: str = self.spec.get("defaultPipelineRoot", "")
        return root

    @property
    def tasks(self) -> list[str]:
        """The tasks in an order in which they can run; none where the server lost the version."""
        dag = self._dag
        order = graphlib.TopologicalSorter(
            {name: task.get("dependentTasks", []) for name, task in sorted(dag.items())}
        )
        return list(order.static_order())

    def is_importer(self, task: str) -> bool:
        """Whether a task only names an artifact that is there, and has no pod."""
        if task not in self._dag:
            return False
        component = self._dag[task]["componentRef"]["name"]
        label = self.spec["components"][component].get("executorLabel")  # a nested DAG has none
        return label is not None and "importer" in self.spec["deploymentSpec"]["executors"][label]

    @property
    def _dag(self) -> dict[str, Any]:
        tasks: dict[str, Any] = self.spec.get("root", {}).get("dag", {}).get("tasks", {})
        return tasks

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Value]:
        """The parameters of a run, each as the type that the pipeline declares.

        Args:
          given: Values by name, as a person wrote them.

        Raises:
          SettingsError: The pipeline has no such parameter, or the value is not one for it.
        """
        form = self.spec["root"].get("inputDefinitions", {}).get("parameters", {})
        typed = {}
        for name, value in given.items():
            if name not in form:
                known = ", ".join(sorted(form))
                raise SettingsError(
                    f"the pipeline {self.name} has no parameter {name!r}, only {known}"
                )
            typed[name] = _typed(name, value, form[name]["parameterType"])
            parameters.check(name, typed[name])
        return typed


def _typed(name: str, value: Any, wanted: str) -> Value:
    try:
        match value:
            case str() if wanted not in _NUMBERS:
                return value
            case int() | float() | str() if wanted in _NUMBERS and not isinstance(value, bool):
                return int(str(value)) if wanted == "NUMBER_INTEGER" else float(value)
    except (ValueError, OverflowError):
        pass
    kind = _NUMBERS.get(wanted, "a text")
    mend = "" if wanted in _NUMBERS else ": quote it"
    raise SettingsError(f"the parameter {name} takes {kind}, not {value!r}{mend}")
