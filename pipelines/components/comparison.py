"""Branch comparison: every model on every evaluation example, beside what its Evaluator said."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tfx import types
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import path_utils

from pipelines.components.artifacts import ClassificationMetrics, Comparison, Metrics, Page
from pipelines.components.names import COMPARISON_DOCUMENT, VERDICT
from pipelines.settings import BASELINE, Branch


class Executor(BaseExecutor):
    """Compares the branches and writes the comparison's document."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Predicts every evaluation example with every model."""
        from pipelines import evaluation, stack
        from pipelines.report import build, document, page, predictors

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
            validation = input_dict.get(_key("validation", name))
            measured[name] = document.Measured(
                kind=branch["kind"],
                evaluation=evaluation.read(
                    artifact_utils.get_single_uri(input_dict[_key("evaluation", name)])
                ),
                predictions=model.logits(examples).argmax(axis=1),
                model_bytes=model.bytes(),
                latency=predictors.latency(model, examples),
                verdict=_failures(validation) if validation else [],
            )
        compared = document.compare(examples, measured, BASELINE, stack.installed())
        uri = artifact_utils.get_single_uri(output_dict["comparison"])
        with open(os.path.join(uri, COMPARISON_DOCUMENT), "w") as stream:
            json.dump(compared, stream)
        metrics = artifact_utils.get_single_instance(output_dict["metrics"])
        for key, value in document.metrics(compared).items():
            metrics.set_float_custom_property(key, value)
        artifact_utils.get_single_instance(output_dict["page"]).write(
            page.render(build.before_pushing(compared))
        )
        for name, branch in compared["branches"].items():
            confusion = artifact_utils.get_single_instance(output_dict[_key("confusion", name)])
            confusion.set_json_value_custom_property(
                "confusionMatrix", document.kfp_confusion(branch["confusion"])
            )


def _failures(validation: list[types.Artifact]) -> list[str]:
    """Why a lite validator refused its model, a sentence each."""
    with open(os.path.join(artifact_utils.get_single_uri(validation), VERDICT)) as stream:
        failures: list[str] = json.load(stream)["failures"]
    return failures


def _key(what: str, branch_name: str) -> str:
    """An input's key; TFX wants identifiers, and branch names may hold dashes."""
    return f"{what}_{branch_name.replace('-', '_')}"


def _spec_for(
    channels: Mapping[str, types.BaseChannel], confusions: Iterable[str]
) -> type[ComponentSpec]:
    """A spec with inputs and outputs for each branch: TFX has none by pattern."""
    inputs = {"examples": ChannelParameter(type=standard_artifacts.Examples)}
    inputs |= {key: ChannelParameter(type=channel.type) for key, channel in channels.items()}
    return type(
        "Spec",
        (Spec,),
        {
            "PARAMETERS": {"branches": ExecutionParameter(type=str)},
            "INPUTS": inputs,
            "OUTPUTS": {
                "comparison": ChannelParameter(type=Comparison),
                "metrics": ChannelParameter(type=Metrics),
                "page": ChannelParameter(type=Page),
                **{key: ChannelParameter(type=ClassificationMetrics) for key in confusions},
            },
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
        validations: Mapping[str, types.BaseChannel],
    ) -> None:
        """Compares on the `eval` split.

        Args:
          examples: Raw examples with a split `eval`.
          branches: The branches, the baseline among them.
          models: A `Model` for each branch, by name.
          evaluations: A `ModelEvaluation` for each branch, by name.
          validations: A lite validator's `InfraBlessing` for each branch that has one, by name.
        """
        channels = {
            _key(what, name): channel
            for what, by_name in (
                ("model", models),
                ("evaluation", evaluations),
                ("validation", validations),
            )
            for name, channel in by_name.items()
        }
        confusions = [_key("confusion", branch.name) for branch in branches]
        super().__init__(
            _spec_for(channels, confusions)(
                examples=examples,
                branches=json.dumps([{"name": b.name, "kind": b.kind} for b in branches]),
                comparison=types.Channel(type=Comparison),
                metrics=types.Channel(type=Metrics),
                page=types.Channel(type=Page),
                **{key: types.Channel(type=ClassificationMetrics) for key in confusions},
                **channels,
            )
        )
