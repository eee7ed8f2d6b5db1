"""The DAG: shared data components, then Trainer, Evaluator and Pusher for each branch.

    ExampleGen -> StatisticsGen -> SchemaGen -> ExampleValidator
               -> Transform -> trainer-keras -> evaluator-keras -> pusher-keras
                            -> trainer-lite -> validator-lite -> evaluator-lite -> pusher-lite
    all models + eval examples + all evaluations + anomalies -> comparison

Node ids hold only `[a-z0-9-]`: Argo rejects dots and underscores when a run is created.
"""

import dataclasses
import os

from tfx.components import (
    Evaluator,
    ExampleValidator,
    SchemaGen,
    StatisticsGen,
    Trainer,
    Transform,
)
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.proto import pusher_pb2, trainer_pb2
from tfx.types.channel import BaseChannel

from modules.task import Task
from pipelines import tasks
from pipelines.code import code_fingerprint
from pipelines.components.comparison import BranchComparison
from pipelines.components.example_gen import ExampleGen
from pipelines.components.lite_validator import LiteValidator
from pipelines.components.names import COMPARISON
from pipelines.components.pusher import Pusher
from pipelines.components.saved_model_evaluator import SavedModelEvaluator
from pipelines.data.manifest import FILE_PATTERNS
from pipelines.judging import evaluation
from pipelines.settings import Branch, Settings

CODE = "code"
"""The property that holds a component's code; see `_add_code`."""

_OURS = ("pipelines", "modules")
"""The packages that the executors of our own components load."""


@dataclasses.dataclass(frozen=True)
class Places:
    """Where a pipeline reads and pushes.

    Attributes:
      examples: Directory of a dataset; see `pipelines.data.manifest`.
      serving: Below it each branch has its own directory of versions.
    """

    examples: str
    serving: str


@dataclasses.dataclass(frozen=True)
class Run:
    """What the comparison records of its run.

    Attributes:
      id: The run's id.
      dataset: JSON of `pipelines.judging.comparison.Dataset`.
    """

    id: str
    dataset: str


def components(settings: Settings, task: Task, places: Places, run: Run) -> list[BaseComponent]:
    """The components of the DAG, in an order that runs."""
    settings = tasks.settle(settings, task)
    example_gen = ExampleGen(places.examples, FILE_PATTERNS).with_id("example-gen")
    examples = example_gen.outputs["examples"]
    statistics_gen = StatisticsGen(examples=examples).with_id("statistics-gen")
    schema_gen = SchemaGen(
        statistics=statistics_gen.outputs["statistics"], infer_feature_shape=True
    ).with_id("schema-gen")
    schema = schema_gen.outputs["schema"]
    preprocessing_fn = settings.preprocessing_fn or task.preprocessing_fn
    example_validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema
    ).with_id("example-validator")
    transform = Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn=preprocessing_fn,
        custom_config={"task": task.to_dict()},
        # StatisticsGen has them; Transform would compute its own before and after.
        disable_statistics=True,
    ).with_id("transform")
    _add_code(transform, preprocessing_fn, "modules")

    nodes = {
        branch.name: _branch_nodes(branch, settings, task, places, examples, schema, transform)
        for branch in settings.branches
    }
    comparison = BranchComparison(
        settings=settings,
        task=task,
        dataset=run.dataset,
        run=run.id,
        examples=examples,
        anomalies=example_validator.outputs["anomalies"],
        models={name: n.trainer.outputs["model"] for name, n in nodes.items()},
        evaluations={name: n.evaluator.outputs["evaluation"] for name, n in nodes.items()},
        validations={
            name: n.validator.outputs["blessing"] for name, n in nodes.items() if n.validator
        },
    ).with_id(COMPARISON)
    _add_code(comparison, *_OURS)
    return [
        example_gen,
        statistics_gen,
        schema_gen,
        example_validator,
        transform,
        *(node for n in nodes.values() for node in n.in_order()),
        comparison,
    ]


def node_ids(branch: Branch) -> list[str]:
    """The nodes that a branch has for itself."""
    kinds = ["trainer", "evaluator", "pusher"] + (["validator"] if branch.kind == "lite" else [])
    return [f"{kind}-{branch.name}" for kind in kinds]


@dataclasses.dataclass(frozen=True)
class _BranchNodes:
    trainer: Trainer
    validator: LiteValidator | None
    evaluator: Evaluator
    pusher: Pusher

    def in_order(self) -> list[BaseComponent]:
        nodes = (self.trainer, self.validator, self.evaluator, self.pusher)
        return [node for node in nodes if node is not None]


def _branch_nodes(
    branch: Branch,
    settings: Settings,
    task: Task,
    places: Places,
    examples: BaseChannel,
    schema: BaseChannel,
    transform: Transform,
) -> _BranchNodes:
    training = settings.training
    trainer = Trainer(
        run_fn=branch.run_fn_path,
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        train_args=trainer_pb2.TrainArgs(num_steps=training.steps),
        eval_args=trainer_pb2.EvalArgs(num_steps=training.eval_steps),
        custom_config={
            "task": task.to_dict(),
            "training": training.model_dump(exclude={"steps", "eval_steps"}),
            "quantization": branch.quantization,
        },
    ).with_id(f"trainer-{branch.name}")
    _add_code(trainer, branch.run_fn_path, "modules", *filter(None, [task.model]))
    model = trainer.outputs["model"]

    config = evaluation.eval_config(task, settings.evaluation)
    validator = None
    if branch.kind == "lite":
        validator = LiteValidator(
            model=model,
            examples=examples,
            task=task,
            max_bytes=branch.max_bytes,
            max_latency_us=branch.max_latency_us,
        ).with_id(f"validator-{branch.name}")
        _add_code(validator, *_OURS)
        evaluator = Evaluator(
            examples=examples,
            model=model,
            schema=schema,
            eval_config=evaluation.lite_eval_config(config),
        )
        _add_code(evaluator, "modules")  # it loads a metric of ours
        # It refuses a model whose inputs match no feature, which the Evaluator would fill with -1.
        evaluator.add_upstream_node(validator)
    else:
        evaluator = SavedModelEvaluator(
            task, examples=examples, model=model, schema=schema, eval_config=config
        )
        _add_code(evaluator, *_OURS)
    evaluator = evaluator.with_id(f"evaluator-{branch.name}")
    pusher = Pusher(
        task,
        model=model,
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=validator.outputs["blessing"] if validator else None,
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(
                base_directory=os.path.join(places.serving, branch.name)
            )
        ),
    ).with_id(f"pusher-{branch.name}")
    _add_code(pusher, *_OURS)
    return _BranchNodes(trainer, validator, evaluator, pusher)


def _add_code(component: BaseComponent, *dotted_paths: str) -> None:
    """Make the code that a component runs part of its cache key, in TFX and in KFP.

    Executors ignore a property that they do not know.
    """
    component.spec.exec_properties[CODE] = code_fingerprint(*dotted_paths)
