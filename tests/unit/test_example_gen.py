"""The ExampleGen: its driver and executor, called as TFX calls them."""

import gzip
import os
from pathlib import Path

import pytest
from tfx.components import ImportExampleGen
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto import example_gen_pb2
from tfx.types import Artifact, standard_artifacts

from pipelines.components.example_gen import ExampleGen
from pipelines.errors import DataError

PATTERNS = {"train": "train/data*.tfrecord.gz", "eval": "eval/data*.tfrecord.gz"}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Three shards for training, one file for evaluation, and files that are not the dataset's."""
    import tensorflow as tf

    files = {
        "train/data-00000-of-00003.tfrecord.gz": [b"a", b"b"],
        "train/data-00001-of-00003.tfrecord.gz": [b"c"],
        "train/data-00002-of-00003.tfrecord.gz": [],
        "train/more.tfrecord.gz": [b"x"],
        "eval/data.tfrecord.gz": [b"d"],
        "manifest.json": [],
    }
    for name, records in files.items():
        file = tmp_path / "dataset" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            for record in records:
                example = tf.train.Example()
                example.features.feature["x"].bytes_list.value.append(record)
                writer.write(example.SerializeToString())
    return tmp_path / "dataset"


def run(component: ExampleGen | ImportExampleGen, directory: Path) -> Artifact:
    """Runs the component alone; returns its artifact as ML Metadata has it."""
    directory.mkdir()
    config = metadata.sqlite_metadata_connection_config(str(directory / "metadata.db"))
    LocalDagRunner().run(
        pipeline.Pipeline(
            pipeline_name="test",
            pipeline_root=str(directory / "pipeline"),
            components=[component.with_id("example-gen")],
            metadata_connection_config=config,
        )
    )
    with metadata.Metadata(config) as handler:
        (stored,) = handler.store.get_artifacts_by_type("Examples")
    artifact: Artifact = standard_artifacts.Examples()
    artifact.set_mlmd_artifact(stored)
    return artifact


def read(artifact: Artifact) -> dict[str, list[bytes]]:
    """The records by split, in no order."""
    import tensorflow as tf

    return {
        split: sorted(
            record
            for file in Path(artifact.uri, f"Split-{split}").iterdir()
            for record in tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator()
        )
        for split in PATTERNS
    }


def test_it_gives_what_the_import_example_gen_of_tfx_gives(dataset: Path, tmp_path: Path) -> None:
    """The records, the names of splits, and every property that components downstream read."""
    theirs = run(
        ImportExampleGen(
            str(dataset),
            example_gen_pb2.Input(
                splits=[
                    example_gen_pb2.Input.Split(name=name, pattern=pattern)
                    for name, pattern in PATTERNS.items()
                ]
            ),
        ),
        tmp_path / "theirs",
    )
    ours = run(ExampleGen(str(dataset), PATTERNS), tmp_path / "ours")

    assert read(ours) == read(theirs)
    assert len(read(ours)["train"]) == 3
    assert ours.split_names == theirs.split_names
    for name in ("span", "payload_format", "file_format", "input_fingerprint"):
        assert ours.get_custom_property(name) == theirs.get_custom_property(name) is not None


def test_a_shard_is_copied_byte_by_byte(dataset: Path, tmp_path: Path) -> None:
    artifact = run(ExampleGen(str(dataset), PATTERNS), tmp_path / "run")

    copies = sorted(Path(artifact.uri, "Split-train").iterdir())
    assert [file.name for file in copies] == [
        f"data_tfrecord-0000{index}-of-00003.gz" for index in range(3)
    ]
    for index, copied in enumerate(copies):
        source = dataset / "train" / f"data-0000{index}-of-00003.tfrecord.gz"
        assert copied.read_bytes() == source.read_bytes()
    names = [file.name for file in Path(artifact.uri, "Split-eval").iterdir()]
    assert names == ["data_tfrecord-00000-of-00001.gz"]


def test_the_artifact_does_not_change_with_the_dataset(dataset: Path, tmp_path: Path) -> None:
    """TFX's cache knows the dataset by the sizes and times that its files had."""
    artifact = run(ExampleGen(str(dataset), PATTERNS), tmp_path / "run")
    before = read(artifact)

    source = dataset / "eval" / "data.tfrecord.gz"
    with source.open("r+b") as stream:
        stream.write(gzip.compress(b"edited in place"))

    assert read(artifact) == before


def test_a_split_without_files_is_refused(dataset: Path, tmp_path: Path) -> None:
    os.remove(dataset / "eval" / "data.tfrecord.gz")

    with pytest.raises(DataError, match=r"no file matches .*/eval/data\*\.tfrecord\.gz: write"):
        run(ExampleGen(str(dataset), PATTERNS), tmp_path / "run")
