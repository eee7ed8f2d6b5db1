"""`python -m kubeflow.fingerprint`: the task that finds out which dataset a run trains on.

KFP's cache key does not hold the content of an artifact. The dataset's name follows from its
content, and as a parameter of the ExampleGen it is part of the key. What is pushed after this task
is another dataset, which the run does not read.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubeflow import datasets, names, parameters, pod_guard
from kubeflow.adapter import invocation
from kubeflow.adapter.errors import TaskError
from kubeflow.adapter.invocation import ExecutorInput
from pipelines import files
from pipelines.data.manifest import EVAL, MANIFEST, TRAIN, Manifest
from pipelines.errors import DataError, DocumentError


def main() -> None:
    """Takes KFP's `ExecutorInput` as its one argument."""
    with pod_guard.explained():
        run(json.loads(sys.argv[1]))


def run(executor_input: ExecutorInput) -> None:
    """Write the dataset's name and summary as parameters, and its manifest as an artifact.

    Raises:
      TaskError: There is no dataset, it is not what its manifest says, or it is of another task
        than the pipeline.
      StorageError: The store cannot be read.
    """
    parameter_values = executor_input["inputs"]["parameterValues"]
    data = invocation.inputs(executor_input).get(names.DATA_INPUT)
    if data is not None:
        uri, place = data["uri"], invocation.local_path(data)
    else:
        uri = place = parameter_values[parameters.DATA_URI]
    manifest = _find(uri, place)
    _check_task(parameter_values, manifest, uri)
    outputs = executor_input["outputs"]
    artifact = Path(invocation.local_path(invocation.outputs(executor_input)[names.DATASET]))
    files.write_text(artifact / MANIFEST, manifest.to_json())
    values = {
        names.DATA_FINGERPRINT: manifest.name,
        names.DATASET_SUMMARY: json.dumps(manifest.summary()),
    }
    for name, output in outputs["parameters"].items():
        files.write_text(Path(output["outputFile"]), values[name])
    metadata = {
        "source": manifest.source,
        "task": manifest.task.name,
        "train_examples": manifest.count(TRAIN),
        "eval_examples": manifest.count(EVAL),
        "fingerprint": manifest.fingerprint,
    }
    answer = {"artifacts": {names.DATASET: {"artifacts": [{"metadata": metadata}]}}}
    files.write_text(Path(outputs["outputFile"]), json.dumps(answer))
    print(f"{uri}: dataset {manifest.name}")


def _find(uri: str, place: str) -> Manifest:
    """The manifest of the dataset at a place, verified; messages name its URI."""
    try:
        return datasets.resolve_and_verify(place).manifest
    except (DataError, DocumentError) as error:
        uri = uri.rstrip("/")
        problem = str(error).replace(place.rstrip("/"), uri)
        raise TaskError(
            f"task {names.FINGERPRINT_NODE}: {problem}: push one there with `tfx-mobile data push "
            f"DIRECTORY {uri}`"
        ) from None


def _check_task(parameter_values: Mapping[str, Any], manifest: Manifest, uri: str) -> None:
    """Refuse a dataset that the pipeline's models cannot learn.

    A pipeline that an earlier release compiled does not say its task, which was MNIST.
    """
    from modules import mnist
    from modules.task import Task

    content = parameter_values.get(names.TASK)
    task = Task.from_dict(json.loads(content)) if content is not None else mnist.TASK
    if difference := task.find_difference(manifest.task):
        raise TaskError(
            f"task {names.FINGERPRINT_NODE}: {uri} holds a dataset of another task than the "
            f"pipeline's, which is {task.name}: {difference}; push one of {task.name} there, or "
            "compile the pipeline with this dataset as --data"
        )


if __name__ == "__main__":
    main()
