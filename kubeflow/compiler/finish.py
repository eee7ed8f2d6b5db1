"""What TFX leaves out of its specification and open-source KFP needs: one pure step."""

import copy
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kubeflow import names, parameters
from kubeflow.spec import Spec, type_title
from pipelines.components.names import COMPARISON
from pipelines.errors import SettingsError
from pipelines.settings import Kubeflow, Settings

if TYPE_CHECKING:
    from modules.task import Task

_TYPES = {int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE", str: "STRING"}
_DATASET = {"artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}}
_RUN_ID = {"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}}
"""A value that no two runs share."""
_INPUTS_SPEC = "--json_serialized_inputs_spec_args"


def finish(tfx_spec: Spec, settings: Settings, task: "Task", image: str) -> Spec:
    """The specification with everything that a run on KFP needs.

    Args:
      tfx_spec: From `tfx_spec.build`; left as it is.
      settings: The same as there.
      task: The same as there.
      image: The container image of the tasks that TFX knows nothing of.

    Raises:
      SettingsError: A setting names a task that does not exist.
      LookupError: TFX's parameters have no place for a run parameter; see `parameters.put`.
    """
    spec = copy.deepcopy(tfx_spec)
    spec["root"]["inputDefinitions"] = {"parameters": {}}
    if settings.kubeflow.pipeline_root:
        spec["defaultPipelineRoot"] = settings.kubeflow.pipeline_root
    _add_run_parameters(spec, settings, parameters.form(task))
    _add_data(spec, settings.kubeflow, task, image)
    _add_run(spec)
    _name_system_types(spec)
    _finish_containers(spec, settings.kubeflow)
    _set_caching(spec, settings.kubeflow)
    return spec


def _tasks(spec: Spec) -> dict[str, Any]:
    tasks: dict[str, Any] = spec["root"]["dag"]["tasks"]
    return tasks


def _executors(spec: Spec) -> dict[str, Any]:
    executors: dict[str, Any] = spec["deploymentSpec"]["executors"]
    return executors


def _label(node_id: str) -> str:
    """TFX's own pattern."""
    return f"{node_id}_executor"


def _definition(default: parameters.Value, description: str) -> dict[str, Any]:
    return {
        "parameterType": _TYPES[type(default)],
        "defaultValue": default,
        "isOptional": True,
        "description": description,
    }


def _add_run_parameters(
    spec: Spec, settings: Settings, form: Sequence[parameters.RunParameter]
) -> None:
    definitions = spec["root"]["inputDefinitions"]["parameters"]
    for parameter in form:
        definitions[parameter.name] = _definition(
            parameter.default(settings), parameter.description
        )
    for node_id, task in _tasks(spec).items():
        for parameter, target in parameters.taken_by(node_id, form):
            default = parameter.default(settings)
            given = task["inputs"]["parameters"]
            constants = {
                name: value["runtimeValue"]["constant"]
                for name, value in given.items()
                if "runtimeValue" in value
            }
            parameters.put(constants, target, default)
            given[parameter.name] = {"componentInputParameter": parameter.name}
            spec["components"][node_id]["inputDefinitions"]["parameters"][parameter.name] = {
                "parameterType": _TYPES[type(default)]
            }


def _add_data(spec: Spec, kubeflow: Kubeflow, task: "Task", image: str) -> None:
    """The dataset, and a look at it that no cache answers, so that changed data trains again.

    KFP's cache key holds the names of input artifacts and the values of parameters, not the content
    (`GenerateCacheKey` in `backend/src/v2/cacheutils/cache.go`): the ExampleGen of unchanged data
    has the same fingerprint among its parameters, of changed data another.
    """
    spec["root"]["inputDefinitions"]["parameters"][parameters.DATA_URI] = _definition(
        kubeflow.data, parameters.DATA_DESCRIPTION
    )
    tasks, components = _tasks(spec), spec["components"]
    data_uri = {"componentInputParameter": parameters.DATA_URI}
    text = {"parameterType": "STRING"}
    example_gen, fingerprint = names.EXAMPLE_GEN, names.FINGERPRINT_NODE

    tasks[fingerprint] = {
        "taskInfo": {"name": fingerprint},
        "componentRef": {"name": fingerprint},
        # A run's own value, so that not even a run submitted with caching forced on is answered
        # from the cache.
        "inputs": {
            "parameters": {
                names.RUN: _RUN_ID,
                names.TASK: {"runtimeValue": {"constant": json.dumps(task.data.to_dict())}},
            }
        },
    }
    components[fingerprint] = {
        "executorLabel": _label(fingerprint),
        "inputDefinitions": {"parameters": {names.RUN: text, names.TASK: text}},
        "outputDefinitions": {
            "parameters": {names.DATA_FINGERPRINT: text, names.DATASET_SUMMARY: text},
            "artifacts": {names.DATASET: _DATASET},
        },
    }
    _executors(spec)[_label(fingerprint)] = {
        "container": {"image": image, "command": list(names.FINGERPRINT), "args": ["{{$}}"]}
    }
    tasks[example_gen]["inputs"]["parameters"][names.DATA_FINGERPRINT] = {
        "taskOutputParameter": {
            "producerTask": fingerprint,
            "outputParameterKey": names.DATA_FINGERPRINT,
        }
    }
    components[example_gen]["inputDefinitions"]["parameters"][names.DATA_FINGERPRINT] = text
    tasks[example_gen]["dependentTasks"] = [fingerprint]

    if kubeflow.data_access == "direct":
        tasks[fingerprint]["inputs"]["parameters"][parameters.DATA_URI] = data_uri
        components[fingerprint]["inputDefinitions"]["parameters"][parameters.DATA_URI] = text
        tasks[example_gen]["inputs"]["parameters"]["input_base"] = data_uri
        return
    importer = names.DATA_NODE
    tasks[importer] = {
        "taskInfo": {"name": importer},
        "componentRef": {"name": importer},
        "inputs": {"parameters": {"uri": data_uri}},
    }
    components[importer] = {
        "executorLabel": _label(importer),
        "inputDefinitions": {"parameters": {"uri": text}},
        "outputDefinitions": {"artifacts": {"artifact": _DATASET}},
    }
    _executors(spec)[_label(importer)] = {
        "importer": {
            "artifactUri": {"runtimeParameter": "uri"},
            "typeSchema": _DATASET["artifactType"],
        }
    }
    for node_id in (fingerprint, example_gen):
        tasks[node_id]["inputs"].setdefault("artifacts", {})[names.DATA_INPUT] = {
            "taskOutputArtifact": {"producerTask": importer, "outputArtifactKey": "artifact"}
        }
        components[node_id]["inputDefinitions"].setdefault("artifacts", {})[names.DATA_INPUT] = (
            _DATASET
        )
        tasks[node_id]["dependentTasks"] = sorted(
            {*tasks[node_id].get("dependentTasks", []), importer}
        )


def _add_run(spec: Spec) -> None:
    """Give the comparison the run's id and dataset, so that each run has a comparison of its own.

    With the id among its parameters, not even a run submitted with caching forced on is answered
    with the comparison of another run.
    """
    task = _tasks(spec)[COMPARISON]
    task["inputs"]["parameters"] |= {
        names.RUN: _RUN_ID,
        names.DATASET: {
            "taskOutputParameter": {
                "producerTask": names.FINGERPRINT_NODE,
                "outputParameterKey": names.DATASET_SUMMARY,
            }
        },
    }
    task["dependentTasks"] = sorted({*task["dependentTasks"], names.FINGERPRINT_NODE})


def _name_system_types(spec: Spec) -> None:
    """KFP without ML Metadata knows its own types only by an exact `schemaTitle`."""
    for component in spec["components"].values():
        for definitions in ("inputDefinitions", "outputDefinitions"):
            for artifact in component.get(definitions, {}).get("artifacts", {}).values():
                title = type_title(artifact["artifactType"])
                if title.startswith("system."):
                    artifact["artifactType"] = {"schemaTitle": title, "schemaVersion": "0.0.1"}


def _finish_containers(spec: Spec, kubeflow: Kubeflow) -> None:
    for node_id, component in spec["components"].items():
        container = _executors(spec)[component["executorLabel"]].get("container")
        if container is None:
            continue
        if container["command"] == list(names.ADAPTER):
            args = container["args"]
            # The adapter runs the driver that KFP does not.
            driver = ["--example_gen_driver"] if container.pop("lifecycle", None) else []
            inputs = json.dumps(component.get("inputDefinitions", {}), sort_keys=True)
            args[args.index(_INPUTS_SPEC) + 1] = inputs
            container["args"] = ["--task", node_id, *driver, *args]
        container["resources"] = {
            "cpuRequest": _cores(kubeflow.cpu),
            "memoryRequest": _gigabytes(kubeflow.memory),
        }
        if kubeflow.environment:
            container["env"] = [
                {"name": name, "value": value}
                for name, value in sorted(kubeflow.environment.items())
            ]


def _cores(quantity: str) -> float:
    """`500m` is half a core."""
    if quantity.endswith("m"):
        return float(quantity.removesuffix("m")) / 1000
    return float(quantity)


def _gigabytes(quantity: str) -> float:
    """KFP counts memory in units of 10^9 bytes; see `ResourceSpec.memory_request`."""
    number = quantity.rstrip("kMGTi")
    unit = quantity.removeprefix(number)
    base = 1024 if unit.endswith("i") else 1000
    return float(number) * math.pow(base, " kMGT".index(unit[:1] or " ")) / 1e9


def _set_caching(spec: Spec, kubeflow: Kubeflow) -> None:
    unknown = set(kubeflow.uncached) - set(_tasks(spec))
    if unknown:
        raise SettingsError(
            f"kubeflow.uncached names {sorted(unknown)[0]!r}, and the tasks are "
            f"{', '.join(sorted(_tasks(spec)))}"
        )
    uncached = {names.FINGERPRINT_NODE, COMPARISON, *kubeflow.uncached}
    for node_id, task in _tasks(spec).items():
        # As the kfp SDK writes it: an empty message is "no".
        task["cachingOptions"] = {} if node_id in uncached else {"enableCache": True}
