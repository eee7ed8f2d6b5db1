"""Branch comparison: every model on every evaluation example, beside what its Evaluator said."""

import dataclasses
import datetime
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from pipelines.components.artifacts import ClassificationMetrics, Comparison, Metrics, Page
from pipelines.components.names import COMPARISON_DOCUMENT
from pipelines.judging import heads, verdict
from pipelines.judging.verdict import Verdict
from pipelines.settings import BASELINE, Settings

if TYPE_CHECKING:
    from pipelines.judging import comparison

_ANOMALIES = "SchemaDiff.pb"
"""`DEFAULT_FILE_NAME` of TFX's ExampleValidator, whose module would load TFDV."""


class Executor(BaseExecutor):
    """Compares the branches and writes the comparison's document."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Predict every evaluation example with every model.

        Raises:
          DocumentError: A lite validator's verdict cannot be read.
        """
        from pipelines import stack
        from pipelines.judging import (
            assembly,
            comparison,
            document,
            evaluation,
            page,
            predictors,
            rendering,
        )
        from pipelines.judging.examples import read_batches, read_first

        task = task_property.read(exec_properties)
        head = heads.of(task)
        split = artifact_utils.get_split_uri(input_dict["examples"], "eval")
        kinds = {b["name"]: b["kind"] for b in json.loads(exec_properties["branches"])}
        models = {
            name: predictors.MODELS[kind](
                path_utils.serving_model_path(
                    artifact_utils.get_single_uri(input_dict[_key("model", name)])
                )
            )
            for name, kind in kinds.items()
        }
        predictions = predictors.predict(models, read_batches(split, task), head.decide)
        timed = read_first(split, task, predictors.TIMED_EXAMPLES)
        measured = {}
        for name, model in models.items():
            validation = input_dict.get(_key("validation", name))
            measured[name] = document.Measured(
                kind=kinds[name],
                evaluation=evaluation.read(
                    artifact_utils.get_single_uri(input_dict[_key("evaluation", name)])
                ),
                model_bytes=model.bytes(),
                latency=predictors.measure_latency(model, timed),
                verdict=_verdict(validation) if validation else None,
            )
        paired = document.paired(head, predictions, BASELINE)
        shown = {index for compared in paired.values() for index in compared.shown()}
        compared = comparison.Comparison(
            task=task.to_dict(),
            run=comparison.Run(
                id=exec_properties["run"],
                date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                processor=stack.processor(),
                cores=os.cpu_count() or 1,
            ),
            dataset=json.loads(exec_properties["dataset"]),
            settings=json.loads(exec_properties["settings"]),
            anomalies=_anomalies(input_dict["anomalies"]),
            stack=comparison.Stack(**dataclasses.asdict(stack.installed())),
            branches=document.branches(head, measured, predictions, BASELINE),
            comparison=paired,
            examples=rendering.render(task, read_batches(split, task), shown),
        )
        uri = artifact_utils.get_single_uri(output_dict["comparison"])
        files.write_text(Path(uri, COMPARISON_DOCUMENT), compared.to_json())
        metrics = artifact_utils.get_single_instance(output_dict["metrics"])
        for key, value in document.metrics(compared).items():
            metrics.set_float_custom_property(key, value)
        artifact_utils.get_single_instance(output_dict["page"]).write(
            page.render(assembly.assemble(compared), with_places=False)
        )
        for name, branch in compared.branches.items():
            if matrix := head.kfp_confusion(branch):
                confusion = artifact_utils.get_single_instance(output_dict[_key("confusion", name)])
                confusion.set_json_value_custom_property("confusionMatrix", matrix)


def _verdict(validation: list[types.Artifact]) -> Verdict:
    """What a lite validator found."""
    file = Path(artifact_utils.get_single_uri(validation), verdict.FILENAME)
    return Verdict.parse(file.read_bytes(), str(file))


def _anomalies(artifacts: list[types.Artifact]) -> list["comparison.Anomaly"]:
    """What ExampleValidator found, by split and feature."""
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    from pipelines.judging.comparison import Anomaly

    (artifact,) = artifacts
    found = []
    for split in artifact_utils.decode_split_names(artifact.split_names):
        file = Path(artifact_utils.get_split_uri(artifacts, split), _ANOMALIES)
        anomalies = anomalies_pb2.Anomalies.FromString(file.read_bytes())
        for feature, info in sorted(anomalies.anomaly_info.items()):
            found.append(Anomaly(split=split, feature=feature, description=info.description))
        if anomalies.HasField("dataset_anomaly_info"):
            description = anomalies.dataset_anomaly_info.description
            found.append(Anomaly(split=split, feature="", description=description))
    return found


def _key(what: str, branch_name: str) -> str:
    """An input's key; TFX wants identifiers, and branch names may hold dashes."""
    return f"{what}_{branch_name.replace('-', '_')}"


def _spec_for(
    channels: Mapping[str, types.BaseChannel], confusions: Iterable[str]
) -> type[ComponentSpec]:
    """A spec with inputs and outputs for each branch: TFX has none by pattern."""
    inputs = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "anomalies": ChannelParameter(type=standard_artifacts.ExampleAnomalies),
    }
    inputs |= {key: ChannelParameter(type=channel.type) for key, channel in channels.items()}
    return type(
        "Spec",
        (Spec,),
        {
            "PARAMETERS": {
                key: ExecutionParameter(type=str)
                for key in ("branches", "settings", task_property.TASK, "dataset", "run")
            },
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
        settings: Settings,
        task: Task,
        dataset: str,
        run: str,
        examples: types.BaseChannel,
        anomalies: types.BaseChannel,
        models: Mapping[str, types.BaseChannel],
        evaluations: Mapping[str, types.BaseChannel],
        validations: Mapping[str, types.BaseChannel],
    ) -> None:
        """Compares on the `eval` split.

        Args:
          settings: What the run was told; the document records it.
          task: What the models learnt.
          dataset: JSON of `pipelines.judging.comparison.Dataset`; the document records it.
          run: The run's id. No cache answers with the comparison of another run.
          examples: Raw examples with a split `eval`.
          anomalies: What ExampleValidator found in them.
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
        branches = settings.branches
        confusions = []
        if heads.of(task).draws_confusion:
            confusions = [_key("confusion", branch.name) for branch in branches]
        recorded = settings.model_dump(
            mode="json", include={"training", "evaluation", "branches", "preprocessing_fn"}
        )
        super().__init__(
            _spec_for(channels, confusions)(
                examples=examples,
                anomalies=anomalies,
                branches=json.dumps([{"name": b.name, "kind": b.kind} for b in branches]),
                settings=json.dumps(recorded),
                task=task_property.write(task),
                dataset=dataset,
                run=run,
                comparison=types.Channel(type=Comparison),
                metrics=types.Channel(type=Metrics),
                page=types.Channel(type=Page),
                **{key: types.Channel(type=ClassificationMetrics) for key in confusions},
                **channels,
            )
        )
