"""The parameters of a run: what a person changes on KFP's run form.

TFX packs most of what it is told into JSON strings (`train_args`, `custom_config`). A run parameter
is one number or text instead; the compiler hands it to the tasks it concerns, and the container
adapter puts it into TFX's JSON there.
"""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipelines import settings as settings_module
from pipelines.components.names import COMPARISON
from pipelines.errors import SettingsError
from pipelines.settings import Settings

if TYPE_CHECKING:
    from modules.task import Task

Value = int | float | str


@dataclasses.dataclass(frozen=True)
class Metric:
    """Selects the metric of this class in a list of TFMA's `MetricConfig`."""

    class_name: str


Target = tuple[str | int | Metric, ...]


@dataclasses.dataclass(frozen=True)
class RunParameter:
    """One field of the run form.

    Attributes:
      name: On the form.
      setting: The setting that gives its default and its bounds.
      type: Of its values.
      description: For the user.
      targets: By kind of node, which is its id up to the first dash: the TFX parameter, then the
        keys to the value inside its JSON.
      head: Kind of the head of the tasks that have this field; empty for all tasks.
    """

    name: str
    setting: str
    type: type[int] | type[float] | type[str]
    description: str
    targets: Mapping[str, Target]
    head: str = ""

    def default(self, settings: Settings) -> Value:
        """The value that a run has where the user does not change it."""
        value: Any = settings
        for part in self.setting.split("."):
            value = getattr(value, part)
        return self.type(value)

    def checked(self, value: Value) -> Value:
        """The value as the setting takes it; KFP hands integers over as doubles.

        Raises:
          SettingsError: It is out of bounds.
        """
        group, key = self.setting.split(".")
        whole = isinstance(value, float) and value.is_integer()
        given = int(value) if whole else value
        try:
            checked = settings_module.validate({group: {key: given}})
        except SettingsError as error:
            raise SettingsError(
                f"the run's parameter {self.name} cannot be {given!r}: {error}"
            ) from None
        return self.default(checked)

    def value_for(self, node_id: str, value: Value) -> Value:
        """What a node is to read.

        A Pusher has a directory of its branch's name below the destination of all. An Evaluator
        has the largest number for no bound on the error, as `judging.evaluation.eval_config`.

        Raises:
          SettingsError: It is out of bounds.
        """
        taken = self.checked(value)
        if self.name == _MAX_ERROR and _kind(node_id) == _EVALUATOR:
            return taken or sys.float_info.max
        if _kind(node_id) == _PUSHER and taken:
            return f"{str(taken).rstrip('/')}/{node_id.removeprefix(f'{_PUSHER}-')}"
        return taken


_TRAINER, _EVALUATOR, _PUSHER = "trainer", "evaluator", "pusher"
_MAX_ERROR = "max_error"


def _gate(metric: str, bound: str) -> Target:
    """Where an EvalConfig has the bound of a metric."""
    return (
        *("eval_config", "metrics_specs", 0, "metrics", Metric(metric), "per_slice_thresholds", 0),
        *("threshold", "value_threshold", bound),
    )


PARAMETERS = (
    RunParameter(
        "train_steps",
        "training.steps",
        int,
        "Training steps of every branch.",
        {
            _TRAINER: ("train_args", "num_steps"),
            COMPARISON: ("settings", "training", "steps"),
        },
    ),
    RunParameter(
        "eval_steps",
        "training.eval_steps",
        int,
        "Batches in each check of the validation loss.",
        {
            _TRAINER: ("eval_args", "num_steps"),
            COMPARISON: ("settings", "training", "eval_steps"),
        },
    ),
    RunParameter(
        "batch_size",
        "training.batch_size",
        int,
        "Examples per training step.",
        {
            _TRAINER: ("custom_config", "training", "batch_size"),
            COMPARISON: ("settings", "training", "batch_size"),
        },
    ),
    RunParameter(
        "min_accuracy",
        "evaluation.min_accuracy",
        float,
        "A model below this accuracy is not pushed.",
        {
            _EVALUATOR: _gate("SparseCategoricalAccuracy", "lower_bound"),
            COMPARISON: ("settings", "evaluation", "min_accuracy"),
        },
        head="classification",
    ),
    RunParameter(
        _MAX_ERROR,
        "evaluation.max_error",
        float,
        "A model with a mean absolute error above this is not pushed. 0: no bound.",
        {
            _EVALUATOR: _gate("MeanAbsoluteError", "upper_bound"),
            COMPARISON: ("settings", "evaluation", _MAX_ERROR),
        },
        head="regression",
    ),
    RunParameter(
        "push_to",
        "kubeflow.push_to",
        str,
        "Where models go: gs://, s3://, minio:// or a mounted path, a directory for each branch "
        "below it. Empty: only into the run's artifacts.",
        {_PUSHER: ("push_destination", "filesystem", "base_directory")},
    ),
)

DATA_URI = "data_uri"
DATA_DESCRIPTION = "The dataset: where `tfx-mobile data push` put it."
_DATA = RunParameter(DATA_URI, "kubeflow.data", str, DATA_DESCRIPTION, {})


def form(task: "Task") -> list[RunParameter]:
    """The parameters of a pipeline of this task, without `data_uri`."""
    return [p for p in PARAMETERS if p.head in ("", task.head.kind)]


def check(name: str, value: Value) -> None:
    """Refuses a value of a run's parameter before a run has to.

    Raises:
      SettingsError: It is out of bounds.
    """
    for parameter in (*PARAMETERS, _DATA):
        if parameter.name == name:
            parameter.checked(value)


def taken_by(
    node_id: str, among: Iterable[RunParameter] = PARAMETERS
) -> list[tuple[RunParameter, Target]]:
    """The parameters that a node takes, and where in TFX's parameters each goes."""
    kind = _kind(node_id)
    return [(p, p.targets[kind]) for p in among if kind in p.targets]


def _kind(node_id: str) -> str:
    return node_id.partition("-")[0]


def put(tfx_parameters: Mapping[str, Any], target: Target, value: Any) -> dict[str, Any]:
    """TFX's parameters with one value inside one of their JSON strings replaced.

    Raises:
      LookupError: There is no such place, so nothing would read the value.
    """
    name, *path, last = target
    packed = json.loads(tfx_parameters[str(name)])
    inner = packed
    for part in path:
        inner = _find_metric(inner, part) if isinstance(part, Metric) else inner[part]
    inner[last]  # has to be there already
    inner[last] = value
    return {**tfx_parameters, str(name): json.dumps(packed)}


def _find_metric(metrics: list[dict[str, Any]], wanted: Metric) -> dict[str, Any]:
    for metric in metrics:
        if metric.get("class_name") == wanted.class_name:
            return metric
    raise LookupError(f"there is no metric {wanted.class_name}")
