"""Branch comparison: every model on every evaluation example, beside what its Evaluator said."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from tfx import types
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.artifact import Artifact
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import path_utils

from pipelines.components.names import COMPARISON_DOCUMENT
from pipelines.settings import BASELINE, Branch


class Comparison(Artifact):
    """How the branches compare."""

    TYPE_NAME = "BranchComparison"


class Executor(BaseExecutor):
    """Compares the branches and writes the comparison's document."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Predicts every evaluation example with every model."""
        from pipelines import evaluation
        from pipelines.report import document, predictors

        examples = predictors.read_examples(
            artifact_utils.get_split_uri(input_dict["examples"], "eval")
        )
        measured = {}
        for branch in json.loads(exec_properties["branches"]):
            name = branch["name"]
            model_dir = path_utils.serving_model_path(
                artifact_utils.get_single_uri(input_dict[_key("model", name)])
            )
            model = predictors.MODELS[branch["kind"]](model_dir)
            measured[name] = document.Measured(
                kind=branch["kind"],
                evaluation=evaluation.read(
                    artifact_utils.get_single_uri(input_dict[_key("evaluation", name)])
                ),
                predictions=model.logits(examples).argmax(axis=1),
                model_bytes=model.bytes(),
                latency=predictors.latency(model, examples),
            )
        uri = artifact_utils.get_single_uri(output_dict["comparison"])
        with open(os.path.join(uri, COMPARISON_DOCUMENT), "w") as stream:
            json.dump(document.compare(examples, measured, baseline=BASELINE), stream)


def _key(what: str, branch_name: str) -> str:
    """An input's key; TFX wants identifiers, and branch names may hold dashes."""
    return f"{what}_{branch_name.replace('-', '_')}"


def _spec_for(names: Sequence[str]) -> type[ComponentSpec]:
    """A spec with a model and an evaluation for each branch: TFX has no inputs by pattern."""
    inputs = {"examples": ChannelParameter(type=standard_artifacts.Examples)}
    for name in names:
        inputs[_key("model", name)] = ChannelParameter(type=standard_artifacts.Model)
        inputs[_key("evaluation", name)] = ChannelParameter(type=standard_artifacts.ModelEvaluation)
    return type(
        "Spec",
        (Spec,),
        {
            "PARAMETERS": {"branches": ExecutionParameter(type=str)},
            "INPUTS": inputs,
            "OUTPUTS": {"comparison": ChannelParameter(type=Comparison)},
        },
    )


class Spec(ComponentSpec):
    """What every comparison's spec derives from."""

    PARAMETERS: dict[str, ExecutionParameter] = {}
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS: dict[str, ChannelParameter] = {}


class BranchComparison(BaseComponent):
    """Compares every branch with the baseline."""

    SPEC_CLASS = Spec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        branches: Sequence[Branch],
        models: Mapping[str, types.BaseChannel],
        evaluations: Mapping[str, types.BaseChannel],
    ) -> None:
        """Compares on the `eval` split.

        Args:
          examples: Raw examples with a split `eval`.
          branches: The branches, the baseline among them.
          models: A `Model` for each branch, by name.
          evaluations: A `ModelEvaluation` for each branch, by name.
        """
        names = [branch.name for branch in branches]
        channels = {_key("model", name): models[name] for name in names}
        channels |= {_key("evaluation", name): evaluations[name] for name in names}
        super().__init__(
            _spec_for(names)(
                examples=examples,
                branches=json.dumps([{"name": b.name, "kind": b.kind} for b in branches]),
                comparison=types.Channel(type=Comparison),
                **channels,
            )
        )
