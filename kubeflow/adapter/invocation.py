"""What KFP's launcher asks for, as the TFX executor understands it: pure functions.

An `ExecutorInput` (`api/v2alpha1/pipeline_spec.proto` in KFP) is a dict here, as its JSON has it.
It comes in three shapes, all accepted (docs/kfp-compatibility.md):

- up to KFP 2.4: no `executor-logs` among the outputs;
- 2.5 to 2.17: `executor-logs`, input types erased, dicts in metadata wrapped;
- without ML Metadata: input types as a title that may be a whole YAML text, metadata as written.
"""

import copy
from collections.abc import Mapping
from typing import Any

import yaml

from kubeflow import launcher_paths, names, parameters
from kubeflow.adapter.errors import TaskError
from kubeflow.spec import type_title
from pipelines.data import dataset
from pipelines.errors import SettingsError

ExecutorInput = dict[str, Any]
Artifact = dict[str, Any]

INPUT_BASE = "input_base"
"""The ExampleGen's parameter: the directory that it reads."""

_LOGS = "executor-logs"
"""An output that KFP's driver adds for itself (`driver.go`, since 2.5.0)."""

_ADDED_BY_KFP = {"display_name", "store_session_info", "_kfp_workspace"}

_CLASSES = {
    "mobile.BranchComparison": "pipelines.components.artifacts.Comparison",
    "system.ClassificationMetrics": "pipelines.components.artifacts.ClassificationMetrics",
    "system.HTML": "pipelines.components.artifacts.Page",
    "system.Metrics": "pipelines.components.artifacts.Metrics",
}
"""Types that TFX does not know by title: it takes such a title for the path of a class."""


def local_path(artifact: Artifact) -> str:
    """Where the launcher keeps an artifact; see `retrieveArtifactPath` in KFP's launcher."""
    return artifact.get("customPath") or launcher_paths.to_local(artifact["uri"])


def outputs(executor_input: ExecutorInput) -> dict[str, Artifact]:
    """The task's own output artifacts by name."""
    lists = executor_input.get("outputs", {}).get("artifacts", {})
    return {
        name: value["artifacts"][0]
        for name, value in lists.items()
        if name != _LOGS and value.get("artifacts")
    }


def inputs(executor_input: ExecutorInput) -> dict[str, Artifact]:
    """The first artifact of each input by name; no component of ours takes several."""
    lists = executor_input.get("inputs", {}).get("artifacts", {})
    return {name: value["artifacts"][0] for name, value in lists.items() if value.get("artifacts")}


def dataset_uri(executor_input: ExecutorInput) -> str:
    """The URI of the dataset that the run trains on; empty for a task that does not read it.

    It is the one that the fingerprint task found: the pointer may have moved since.
    """
    values = executor_input.get("inputs", {}).get("parameterValues", {})
    if names.DATA_FINGERPRINT not in values:
        return ""
    data = inputs(executor_input).get(names.DATA_INPUT)
    root = data["uri"] if data else values[INPUT_BASE]
    return dataset.join(root, values[names.DATA_FINGERPRINT])


def to_tfx(
    executor_input: ExecutorInput,
    declared: Mapping[str, Any],
    task: str,
    output_file: str,
) -> ExecutorInput:
    """The same invocation with local paths, the declared types, and only what TFX knows.

    Args:
      executor_input: As the launcher renders it.
      declared: The component's `inputDefinitions`.
      task: The task's name, for messages.
      output_file: Where TFX is to write its answer.

    Raises:
      TaskError: An input is missing or not of the declared type, or a parameter is out of bounds.
    """
    given = inputs(executor_input)
    artifacts = {}
    for name, definition in declared.get("artifacts", {}).items():
        if name not in given:
            raise TaskError(f"task {task}: KFP handed over no artifact for the input {name!r}")
        _check_type(given[name], definition["artifactType"], task, name)
        artifacts[name] = {
            "artifacts": [_input(given[name], _type_for_tfx(definition["artifactType"]))]
        }
    data = artifacts.pop(names.DATA_INPUT, None)
    parameter_values = executor_input.get("inputs", {}).get("parameterValues", {})
    values = _parameters(parameter_values, task)
    if data is not None:
        values[INPUT_BASE] = data["artifacts"][0]["uri"]
    if names.DATA_FINGERPRINT in parameter_values:
        values[INPUT_BASE] = dataset.join(
            values[INPUT_BASE], parameter_values[names.DATA_FINGERPRINT]
        )
    return {
        "inputs": {"artifacts": artifacts, "parameterValues": values},
        "outputs": {
            "artifacts": {
                name: {"artifacts": [_output(artifact)]}
                for name, artifact in outputs(executor_input).items()
            },
            "outputFile": output_file,
        },
    }


def _parameters(values: Mapping[str, Any], task: str) -> dict[str, Any]:
    """TFX's parameters, with the run's own put into them."""
    made = {name: value for name, value in values.items() if name != names.DATA_FINGERPRINT}
    for parameter, target in parameters.taken_by(task):
        if parameter.name not in made:
            continue
        try:
            value = parameter.value_for(task, made.pop(parameter.name))
        except SettingsError as error:
            raise TaskError(f"task {task}: {error}") from None
        made = parameters.put(made, target, value)
    return made


def _input(artifact: Artifact, artifact_type: dict[str, str]) -> Artifact:
    metadata = {
        key: _unwrapped(value)
        for key, value in artifact.get("metadata", {}).items()
        if key not in _ADDED_BY_KFP
    }
    made = {"uri": local_path(artifact), "type": artifact_type, "metadata": metadata}
    # TFX makes the artifact's id of it; the coming KFP has a unique one beside the name.
    name = artifact.get("artifactId") or artifact.get("name")
    return {"name": name, **made} if name else made


def _output(artifact: Artifact) -> Artifact:
    made = copy.deepcopy(artifact)
    made.pop("customPath", None)
    made["uri"] = local_path(artifact)
    made["type"] = _type_for_tfx(artifact["type"])
    return made


def _unwrapped(value: Any) -> Any:
    """ML Metadata has no dicts and lists but in a struct (`StructValueToMLMDValue` in KFP)."""
    if isinstance(value, dict) and len(value) == 1:
        if isinstance(value.get("struct"), dict):
            return value["struct"]
        if isinstance(value.get("list"), list):
            return value["list"]
    return value


def _type_for_tfx(artifact_type: dict[str, str]) -> dict[str, str]:
    class_path = _CLASSES.get(type_title(artifact_type))
    return {"schemaTitle": class_path} if class_path else artifact_type


def _check_type(artifact: Artifact, declared: dict[str, str], task: str, name: str) -> None:
    """Refuses another type than the declared one, as far as KFP still tells it."""
    arrived = _arrived_title(artifact.get("type", {}))
    wanted = type_title(declared)
    # Without a namespace it is a generic name of KFP's, such as `Artifact`.
    if "." in arrived and arrived != wanted:
        raise TaskError(
            f"task {task}: the input {name!r} is declared as {wanted}, and KFP handed over a "
            f"{arrived} at {artifact.get('uri')}"
        )


def _arrived_title(artifact_type: Mapping[str, str]) -> str:
    text = artifact_type.get("schemaTitle") or artifact_type.get("instanceSchema") or ""
    read = yaml.safe_load(text) if text else ""
    return str(read.get("title", "")) if isinstance(read, dict) else str(read)
