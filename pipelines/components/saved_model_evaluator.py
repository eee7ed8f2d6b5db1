"""An Evaluator for SavedModels, which have no validator in front."""

from typing import Any

from tfx import types
from tfx.components import Evaluator
from tfx.components.evaluator import executor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import artifact_utils
from tfx.utils import path_utils

from modules.task import Task
from pipelines.components import task_property
from pipelines.components.lite_validator import EXAMPLES


class Executor(executor.Executor):
    """The standard Evaluator's executor, after a check of what the model returns."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """As the base class.

        Raises:
          modules.contract.ContractError: The model returns something else than the task's head.
        """
        from modules import contract
        from pipelines.judging import predictors
        from pipelines.judging.examples import read_first

        task = task_property.read(exec_properties)
        examples = read_first(
            artifact_utils.get_split_uri(input_dict["examples"], "eval"), task, EXAMPLES
        )
        model_dir = path_utils.serving_model_path(
            artifact_utils.get_single_uri(input_dict["model"])
        )
        contract.check_outputs(task, predictors.KerasModel(model_dir).predict(examples))
        super().Do(input_dict, output_dict, exec_properties)


class SavedModelEvaluator(Evaluator):
    """The standard Evaluator, which refuses a SavedModel of another contract than the task's."""

    EXECUTOR_SPEC = BeamExecutorSpec(Executor)

    def __init__(self, task: Task, **evaluator: Any) -> None:
        """Evaluates a model.

        Args:
          task: What the model learnt.
          **evaluator: The standard Evaluator's arguments.
        """
        super().__init__(**evaluator)
        self.spec.exec_properties[task_property.TASK] = task_property.write(task)
