"""A Pusher whose version directory appears whole or not at all, with the names of the classes."""

import time
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components import Pusher as StandardPusher
from tfx.components.pusher import executor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, proto_utils

from modules.task import Task
from pipelines import files
from pipelines.components import task_property
from pipelines.judging import heads
from pipelines.pushing import directory

LABELS = "labels.txt"


class Executor(executor.Executor):
    """The standard Pusher's executor with a push that never shows half a model.

    The standard one copies straight into the version directory, so a model server may load, and
    a killed run may leave, half a model.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """As the base class; without a base directory, the model goes into the artifact alone.

        A classifier gets a file `labels.txt`: a class name a line, in the order of the outputs.

        Raises:
          OutputError: The destination cannot be written.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination
        )
        model = Path(pushed.uri)
        io_utils.copy_dir(self.GetModelPath(input_dict), str(model))
        _write_labels(model, task_property.read(exec_properties))
        base = destination.filesystem.base_directory
        if base:
            place = directory.push(model, Path(base), pusher=pushed.uri)
            self._MarkPushed(pushed, str(place), place.name)
        else:
            self._MarkPushed(pushed, pushed.uri, str(int(time.time())))


class Pusher(StandardPusher):
    """The standard Pusher with an executor that never shows half a model."""

    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self, task: Task, **pusher: Any) -> None:
        """Pushes a model.

        Args:
          task: What the model learnt.
          **pusher: The standard Pusher's arguments.
        """
        super().__init__(**pusher)
        self.spec.exec_properties[task_property.TASK] = task_property.write(task)


def _write_labels(model: Path, task: Task) -> None:
    """Name the classes beside a TFLite model, or among the extra assets of a SavedModel.

    TensorFlow Serving leaves `assets.extra` to the user (`kSavedModelAssetsExtraDirectory` in
    `tensorflow/cc/saved_model/constants.h`).
    """
    lines = heads.of(task).output_names()
    if not lines:
        return
    is_saved_model = (model / "saved_model.pb").exists()
    file = (model / "assets.extra" if is_saved_model else model) / LABELS
    text = "".join(f"{' '.join(line.splitlines())}\n" for line in lines)
    files.write_text(file, text)
