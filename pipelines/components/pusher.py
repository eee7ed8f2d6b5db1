"""A Pusher whose version directory appears whole or not at all."""

import os
from typing import Any

from tfx import types
from tfx.components import Pusher as StandardPusher
from tfx.components.pusher import executor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.dsl.io import fileio
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

_STAGING = ".staging"


class Executor(executor.Executor):
    """The standard Pusher's executor into a staging directory, then a rename.

    The standard one copies straight into the version directory, so a model server may load, and
    a killed run may leave, half a model.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """As the base class."""
        key = standard_component_specs.PUSH_DESTINATION_KEY
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties[key], destination)
        final = destination.filesystem.base_directory
        staging = os.path.join(final, _STAGING)
        if fileio.exists(staging):
            fileio.rmtree(staging)
        destination.filesystem.base_directory = staging
        staged_properties = {**exec_properties, key: proto_utils.proto_to_json(destination)}
        super().Do(input_dict, output_dict, staged_properties)

        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        if not pushed.get_int_custom_property("pushed"):
            return
        version = int(pushed.get_string_custom_property("pushed_version"))
        staged = pushed.get_string_custom_property("pushed_destination")
        # Two runs within a second would share the standard Pusher's version, a Unix time.
        while fileio.exists(os.path.join(final, str(version))):
            version += 1
        serving_path = os.path.join(final, str(version))
        fileio.rename(staged, serving_path)
        fileio.rmtree(staging)
        pushed.set_string_custom_property("pushed_version", str(version))
        pushed.set_string_custom_property("pushed_destination", serving_path)


class Pusher(StandardPusher):
    """The standard Pusher with an executor that never shows half a model."""

    EXECUTOR_SPEC = ExecutorClassSpec(Executor)
