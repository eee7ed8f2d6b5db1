"""The task that looks at the data."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modules import mnist
from modules.task import Classification, Task
from pipelines.data import dataset as dataset_module
from tests import task_data
from tests.kubeflow.conftest import COMMAND, Bucket
from tests.unit import dataset_files

BOTH = ("data_fingerprint", "dataset_summary")


def look(
    directory: Path,
    data_uri="",
    local="",
    uri="",
    environment=None,
    parameters=BOTH,
    task: Task | None = mnist.TASK,
):
    """Runs the task of a pipeline that learns `task`; returns how it ended."""
    inputs = {"parameterValues": {"run": "1"}}
    if task:
        inputs["parameterValues"]["task"] = json.dumps(task.data.to_dict())
    if data_uri:
        inputs["parameterValues"]["data_uri"] = data_uri
    else:
        artifact = {"uri": uri, "customPath": str(local)} if uri else {"uri": str(local)}
        inputs["artifacts"] = {"data": {"artifacts": [artifact]}}
    executor_input = {
        "inputs": inputs,
        "outputs": {
            "artifacts": {
                "dataset": {
                    "artifacts": [
                        {
                            "uri": str(directory / "run" / "dataset"),
                            "type": {"schemaTitle": "system.Dataset"},
                        }
                    ]
                }
            },
            "parameters": {name: {"outputFile": str(directory / name)} for name in parameters},
            "outputFile": str(directory / "out" / "output.json"),
        },
    }
    return subprocess.run(
        [sys.executable, "-m", "kubeflow.fingerprint", json.dumps(executor_input)],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
    )


def parameter(directory: Path, **where) -> str:
    ended = look(directory, **where)
    assert ended.returncode == 0, ended.stderr
    return (directory / "data_fingerprint").read_text()


def current(root: Path) -> Path:
    """The directory of the current dataset."""
    return dataset_module.load(root).directory


@pytest.fixture
def copy(dataset, tmp_path) -> Path:
    return Path(shutil.copytree(dataset, tmp_path / "a dataset"))


def test_what_it_writes(dataset, tmp_path):
    found = parameter(tmp_path, local=dataset)

    assert found == current(dataset).name
    manifest = (current(dataset) / "manifest.json").read_text()
    assert (tmp_path / "run/dataset/manifest.json").read_text() == manifest
    manifest = json.loads(manifest)
    written = json.loads((tmp_path / "out/output.json").read_text())
    assert written == {
        "artifacts": {
            "dataset": {
                "artifacts": [
                    {
                        "metadata": {
                            "source": "digits",
                            "task": "mnist",
                            "train_examples": 1438,
                            "eval_examples": 359,
                            "fingerprint": manifest["fingerprint"],
                        }
                    }
                ]
            }
        }
    }
    summary = json.loads((tmp_path / "dataset_summary").read_text())
    counts = summary.pop("class_counts")
    metadata = written["artifacts"]["dataset"]["artifacts"][0]["metadata"]
    assert metadata.items() >= summary.items()
    assert {split: sum(count.values()) for split, count in counts.items()} == {
        "train": 1438,
        "eval": 359,
    }


def test_a_specification_without_the_summary_and_the_task(dataset, tmp_path):
    """As a pipeline that was compiled before has it."""
    parameter(tmp_path, local=dataset, parameters=["data_fingerprint"], task=None)

    assert not (tmp_path / "dataset_summary").exists()


def test_files_beside_the_dataset_change_nothing(dataset, copy, tmp_path):
    os.utime(current(copy) / "train" / "data.tfrecord.gz", (1, 1))
    (copy / ".hidden").write_text("x")
    (copy / "notes.txt").write_text("x")
    (current(copy) / "train" / "more.tfrecord.gz").write_text("x")
    dataset_files.write(copy.parent / "other")
    shutil.move(current(copy.parent / "other"), copy / "datasets")

    assert parameter(tmp_path, local=dataset) == parameter(tmp_path, local=copy)


def test_another_dataset_under_the_same_path_is_another(tmp_path):
    root = tmp_path / "data"
    one = dataset_files.write(root)
    first = parameter(tmp_path, local=root)
    two = dataset_files.write(root, {"train": b"other", "eval": b"eval"})

    assert [first, parameter(tmp_path, local=root)] == [one.manifest.name, two.manifest.name]
    assert parameter(tmp_path, local=one.directory) == first, "a dataset itself is a data_uri too"


@pytest.mark.parametrize(
    ("name", "folder", "difference"),
    [
        ("digits", "", ""),
        ("photos", "photos", "its label is 'label', not 'image_class'"),
        ("wine", "wine", "its label is 'target', not 'image_class'"),
    ],
)
def test_a_dataset_of_another_task_is_one_sentence(tmp_path, name, folder, difference):
    source = task_data.WRITERS[name](tmp_path / name) if folder else name
    made = tmp_path / "made"
    command = [COMMAND, "data", "--source", str(source), "--output", str(made)]
    subprocess.run(command, check=True)
    task = dataset_module.load(made).manifest.task

    own = look(tmp_path, uri="s3://bucket/data", local=made, task=task)
    ended = look(tmp_path / "other", uri="s3://bucket/data", local=made)

    assert own.returncode == 0, own.stderr
    if not difference:
        assert ended.returncode == 0, ended.stderr
        return
    assert ended.returncode == 1
    assert ended.stderr == (
        "tfx-mobile: task data-fingerprint: s3://bucket/data holds a dataset of another task than "
        f"the pipeline's, which is mnist: {difference}; push one of mnist there, or compile the "
        "pipeline with this dataset as --data\n"
    )
    assert not (tmp_path / "other" / "data_fingerprint").exists()


def test_a_dataset_of_an_earlier_release_is_of_mnist(copy, tmp_path):
    file = current(copy) / "manifest.json"
    values = json.loads(file.read_text())
    del values["task"]
    file.write_text(json.dumps({**values, "format": 2}))

    assert parameter(tmp_path, local=copy) == current(copy).name
    written = json.loads((tmp_path / "out/output.json").read_text())
    assert written["artifacts"]["dataset"]["artifacts"][0]["metadata"]["task"] == "mnist"


def test_a_dataset_with_other_classes_is_named(dataset, tmp_path):
    classes = tuple("0123456789A")
    task = Task("hex", mnist.TASK.features, mnist.TASK.label, Classification(classes))

    ended = look(tmp_path, local=dataset, task=task)

    assert ended.returncode == 1
    assert "which is hex: its classes are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, not 0, 1, " in ended.stderr


def test_a_path_is_read_directly(dataset, tmp_path):
    assert parameter(tmp_path, data_uri=f"{dataset}/") == parameter(tmp_path, local=dataset)


def test_a_store_is_read_directly(dataset, tmp_path, bucket: Bucket):
    bucket.put_directory(dataset, "look")
    where = {"environment": bucket.server.environment()}

    found = parameter(tmp_path, data_uri=bucket.uri("look"), **where)

    assert found == current(dataset).name
    assert parameter(tmp_path, data_uri=bucket.uri(f"look/datasets/{found}"), **where) == found


def change_a_byte(root: Path) -> None:
    with (current(root) / "eval" / "data.tfrecord.gz").open("r+b") as stream:
        stream.seek(-9, os.SEEK_END)
        byte = stream.read(1)
        stream.seek(-9, os.SEEK_END)
        stream.write(bytes([byte[0] ^ 1]))


def add_a_byte(root: Path) -> None:
    with (current(root) / "train" / "data.tfrecord.gz").open("ab") as stream:
        stream.write(b"x")


def remove_a_file(root: Path) -> None:
    (current(root) / "train" / "data.tfrecord.gz").unlink()


def remove_the_manifest(root: Path) -> None:
    (current(root) / "manifest.json").unlink()


def prune_in_part(root: Path) -> None:
    (current(root) / "manifest.json").write_text("")


def remove_everything(root: Path) -> None:
    shutil.rmtree(root)


def damage_the_pointer(root: Path) -> None:
    (root / "dataset.json").write_text('{"format": 1, "name": "../../x"}')


def lay_out_as_the_previous_release_did(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()
    (root / "manifest.json").write_text('{"format": 1}')


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (change_a_byte, "{name}/eval/data.tfrecord.gz has another content than manifest.json says"),
        (
            add_a_byte,
            "{name}/train/data.tfrecord.gz has {more:,} bytes, and manifest.json says {size:,}",
        ),
        (remove_a_file, "{name}/train/data.tfrecord.gz is missing"),
        (remove_the_manifest, "dataset.json names a dataset that is not there"),
        (prune_in_part, "dataset.json names a dataset that is not there"),
        (remove_everything, "there is no dataset at s3://bucket/data"),
        (
            damage_the_pointer,
            "dataset.json is damaged: name: String should match pattern '^[0-9a-f]{{16}}$'",
        ),
        (
            lay_out_as_the_previous_release_did,
            "manifest.json has the format 1, and this release reads 3",
        ),
    ],
)
def test_no_dataset_is_one_sentence(copy, tmp_path, damage, problem):
    """Also what is in the place where KFP's launcher put the artifact of a URI."""
    found = dataset_module.load(copy)
    size = found.manifest.files["train/data.tfrecord.gz"].size
    damage(copy)

    ended = look(tmp_path, uri="s3://bucket/data/", local=copy)

    assert ended.returncode == 1
    problem = problem.format(name=f"datasets/{found.directory.name}", size=size, more=size + 1)
    if not problem.startswith("there"):
        problem = f"s3://bucket/data/{problem}"
    assert ended.stderr == (
        f"tfx-mobile: task data-fingerprint: {problem}: push one there with "
        "`tfx-mobile data push DIRECTORY s3://bucket/data`\n"
    )
    assert not (tmp_path / "data_fingerprint").exists()


def test_a_damaged_object_is_seen_in_the_listing(copy, tmp_path, bucket: Bucket):
    add_a_byte(copy)
    bucket.put_directory(copy, "damaged")

    ended = look(tmp_path, data_uri=bucket.uri("damaged"), environment=bucket.server.environment())

    assert ended.returncode == 1
    assert "/train/data.tfrecord.gz has " in ended.stderr
