"""A Pusher whose version directory appears whole or not at all."""

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

from pipelines.pushing import directory


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
        model = self.GetModelPath(input_dict)
        io_utils.copy_dir(model, pushed.uri)
        base = destination.filesystem.base_directory
        if base:
            place = directory.push(Path(model), Path(base), pusher=pushed.uri)
            self._MarkPushed(pushed, str(place), place.name)
        else:
            self._MarkPushed(pushed, pushed.uri, str(int(time.time())))


class Pusher(StandardPusher):
    """The standard Pusher with an executor that never shows half a model."""

    EXECUTOR_SPEC = ExecutorClassSpec(Executor)
