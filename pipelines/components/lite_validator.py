"""Lite validation: a TFLite model loads, takes the features, fits its head, keeps its budgets.

TFX's InfraValidator starts a model server, which TFLite models do not have; this one answers the
same question on the device format and gives the same `InfraBlessing` to the Pusher.
"""

import os
from pathlib import Path
from typing import Any

from tfx import types
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import path_utils

from modules.task import Task
from pipelines import files
from pipelines.components import task_property
from pipelines.judging.verdict import FILENAME, Verdict

EXAMPLES = 256
"""How many a model is tried on before it is judged."""

_BLESSED = "blessed"


class Executor(BaseExecutor):
    """Blesses a TFLite model that runs on evaluation examples within its budgets."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the blessing and its verdict.

        Raises:
          modules.contract.ContractError: An input of the model has no feature of its name, or it
            returns something else than the task's head. That is an error, not a refusal: the
            Evaluator would judge the model on made-up values, or as another model.
        """
        from modules import contract, lite
        from pipelines.judging import delegation, predictors
        from pipelines.judging.examples import read_first

        task = task_property.read(exec_properties)
        model_dir = path_utils.serving_model_path(
            artifact_utils.get_single_uri(input_dict["model"])
        )
        examples = read_first(
            artifact_utils.get_split_uri(input_dict["examples"], "eval"), task, EXAMPLES
        )
        file = os.path.join(model_dir, lite.FILENAME)
        lite.check_inputs(file, {feature.name for feature in task.features})
        model = predictors.LiteModel(model_dir)
        contract.check_outputs(task, model.predict(examples))
        operators = delegation.inspect(file)
        warning = operators.warning()
        latency = predictors.measure_latency(model, examples)
        size = model.bytes()
        failures = []
        max_bytes = exec_properties.get("max_bytes")
        if max_bytes and size > max_bytes:
            failures.append(f"model_bytes is {size:,}, {size - max_bytes:,} above {max_bytes:,}")
        max_latency = exec_properties.get("max_latency_us")
        if max_latency and latency.p50 > max_latency:
            failures.append(
                f"latency_us is {latency.p50:.1f}, {latency.p50 - max_latency:.1f} above "
                f"{max_latency:g}"
            )
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        verdict = Verdict(
            model_bytes=size,
            latency_us=latency.p50,
            operators=len(operators.operators),
            delegated=operators.delegated,
            failures=failures,
            warnings=[warning] if warning else [],
        )
        files.write_text(Path(blessing.uri, FILENAME), verdict.to_json())
        blessing.set_int_custom_property(_BLESSED, int(not failures))


class Spec(ComponentSpec):
    """A TFLite model and examples in, an infra blessing out."""

    PARAMETERS = {
        task_property.TASK: ExecutionParameter(type=str),
        "max_bytes": ExecutionParameter(type=int, optional=True),
        "max_latency_us": ExecutionParameter(type=float, optional=True),
    }
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        "examples": ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {"blessing": ChannelParameter(type=standard_artifacts.InfraBlessing)}


class LiteValidator(BaseComponent):
    """Gives an `InfraBlessing` to a TFLite model."""

    SPEC_CLASS = Spec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        examples: types.BaseChannel,
        task: Task,
        max_bytes: int | None,
        max_latency_us: float | None,
    ) -> None:
        """Validates on the `eval` split.

        Args:
          model: A `Model` whose serving directory holds a file `tflite`.
          examples: Raw examples with a split `eval`.
          task: What the model learnt.
          max_bytes: Largest file; None for any.
          max_latency_us: Largest median time for one example; None for any.
        """
        super().__init__(
            Spec(
                model=model,
                examples=examples,
                task=task_property.write(task),
                max_bytes=max_bytes,
                max_latency_us=max_latency_us,
                blessing=types.Channel(type=standard_artifacts.InfraBlessing),
            )
        )
