"""An Evaluator for SavedModels, which have no validator in front."""

from typing import Any

from tfx import types
from tfx.components import Evaluator
from tfx.components.evaluator import executor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import artifact_utils
from tfx.utils import path_utils


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
          modules.contract.ContractError: The model returns probabilities.
        """
        from modules import contract
        from pipelines.report import predictors

        examples = predictors.read_examples(
            artifact_utils.get_split_uri(input_dict["examples"], "eval"), limit=256
        )
        model_dir = path_utils.serving_model_path(
            artifact_utils.get_single_uri(input_dict["model"])
        )
        contract.check_logits(predictors.KerasModel(model_dir).logits(examples))
        super().Do(input_dict, output_dict, exec_properties)


class SavedModelEvaluator(Evaluator):
    """The standard Evaluator, which refuses a SavedModel that returns probabilities."""

    EXECUTOR_SPEC = BeamExecutorSpec(Executor)
