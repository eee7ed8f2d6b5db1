"""An ExampleGen that takes the files of a dataset as they are.

A dataset's examples are checked, split, shuffled and in shards. TFX's ImportExampleGen would read
each of them, shuffle them again and write them, with all of them in memory: 5 GB at 300,000 images
of MNIST's size (`Reshuffle` in Beam's `FnApiRunner`).
"""

import os
from typing import Any

from tfx import types
from tfx.components import FileBasedExampleGen
from tfx.components.example_gen import write_split
from tfx.components.util import examples_utils
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from pipelines.errors import DataError


class Executor(BaseExecutor):
    """Copies each split's files into the `Examples` artifact, under the names that TFX gives."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Copy the files that the driver found.

        They are copied, not linked: a copy takes a second for a gigabyte, while the artifact of a
        link would change with a file that the user edits, and TFX's cache would not notice.

        Raises:
          DataError: A split has no file.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        config = example_gen_pb2.Input()
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.INPUT_CONFIG_KEY], config
        )
        examples = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.EXAMPLES_KEY]
        )
        examples.split_names = artifact_utils.encode_split_names(
            [split.name for split in config.splits]
        )
        for split in config.splits:
            pattern = os.path.join(base, split.pattern)
            shards = sorted(fileio.glob(pattern))
            if not shards:
                raise DataError(f"no file matches {pattern}: write the dataset again")
            directory = artifact_utils.get_split_uri([examples], split.name)
            fileio.makedirs(directory)
            for number, shard in enumerate(shards):
                name = f"data_tfrecord-{number:05}-of-{len(shards):05}.gz"
                fileio.copy(shard, os.path.join(directory, name))
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(
            examples, write_split.to_file_format_str(example_gen_pb2.FORMAT_TFRECORDS_GZIP)
        )


class ExampleGen(FileBasedExampleGen):
    """The standard file-based ExampleGen, driver and all, with an executor that copies files."""

    def __init__(self, input_base: str, splits: dict[str, str]) -> None:
        """Reads gzip-compressed TFRecords of `tf.Example`s.

        Args:
          input_base: Directory of a dataset.
          splits: Pattern of each split's files, relative to it.
        """
        super().__init__(
            input_base=input_base,
            input_config=example_gen_pb2.Input(
                splits=[
                    example_gen_pb2.Input.Split(name=name, pattern=pattern)
                    for name, pattern in splits.items()
                ]
            ),
            custom_executor_spec=ExecutorClassSpec(Executor),
        )
