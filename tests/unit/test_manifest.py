"""What a manifest says of a dataset, and manifests of the release before tasks."""

import json
from pathlib import Path
from typing import Any

import pytest

from modules import mnist
from modules.task import Classification, Feature, Picture, Regression, Task
from pipelines.data import dataset
from pipelines.data.manifest import Manifest, shard_names
from pipelines.errors import DocumentError
from tests.unit import dataset_files

PETS = Task(
    "pets",
    (Feature("image", (2, 2, 3), picture=Picture(2, 2, 3)),),
    "label",
    Classification(("cat", "dog")),
)
PRICES = Task("prices", (Feature("area"), Feature("rooms", (1,), "int64")), "price", Regression())


def test_a_dataset_of_the_release_before_tasks_is_of_mnist(tmp_path: Path) -> None:
    directory = dataset_files.write_format_2(tmp_path)
    found = dataset.load(tmp_path)
    assert found.directory == directory
    assert found.find_fault() == ""
    assert found.manifest.task == mnist.TASK
    assert found.manifest.count("train") == 1438
    assert found.manifest == dataset_files.write(tmp_path / "today").manifest


@pytest.mark.parametrize("task", [mnist.TASK, PETS, PRICES], ids=lambda task: task.name)
def test_the_task_comes_back_without_its_code(tmp_path: Path, task: Task) -> None:
    coded = Task(task.name, task.features, task.label, task.head, "my.model", "my.preprocessing")
    made = dataset_files.write(tmp_path, task=coded)
    content = (made.directory / "manifest.json").read_text()
    assert json.loads(content)["format"] == 3
    assert "my." not in content
    assert Manifest.parse(content, "here").task == task
    assert made.manifest.to_json() == content


def test_a_dataset_of_another_task_has_another_name(tmp_path: Path) -> None:
    renamed = Task("pets", PETS.features, "label", Classification(("kitten", "dog")))
    tasks = (mnist.TASK, PETS, PRICES, renamed)
    made = [dataset_files.write(tmp_path / str(i), task=t) for i, t in enumerate(tasks)]
    assert len({one.manifest.name for one in made}) == len(tasks)
    assert made[0].manifest.name == "30d152d0f58ece67", "MNIST's as ever"


def change(path: list[str], value: Any) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(dataset_files.FORMAT_2)
    values["format"] = 3
    values["task"] = PETS.data.to_dict()
    inner = values
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return values


FILE = {"size": 1, "sha256": "", "crc32c": ""}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["task"], None, "here is damaged: task: .*it is no task"),
        (["task"], {}, "here is damaged: task: .*it is no task"),
        (["task", "features"], [], "it is no task .*has no features"),
        (["task", "head"], {"kind": "ranking"}, "it is no task .*ranking"),
        (["task", "head"], {"kind": "classification", "classes": ["a"]}, "at least two classes"),
        (["format"], 4, "here has the format 4, and this release reads 3"),
        (["format"], 1, "here has the format 1, and this release reads 3"),
        (["files"], {}, "it must hold the train split"),
        (["files", "../../secret"], FILE, r"it holds \.\./\.\./secret"),
        (["files", "train/../../secret"], FILE, "it must hold the train split"),
        (["files", "train/data-00000-of-00002.tfrecord.gz"], FILE, "one file or all its shards"),
        (["files", "other/data.tfrecord.gz"], FILE, "it holds other/data"),
    ],
)
def test_damaged_manifest(path: list[str], value: Any, message: str) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        Manifest.parse(json.dumps(change(path, value)), "here")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "null", "2", '{"format": 2}', '{"format": [2]}'])
def test_content_that_is_no_manifest(content: str) -> None:
    with pytest.raises(DocumentError, match="here "):
        Manifest.parse(content, "here")


def test_shards_are_in_order(tmp_path: Path) -> None:
    made = dataset_files.write(tmp_path, {"train": [b"%d" % i for i in range(12)], "eval": b"e"})
    assert made.manifest.split_files("train") == [f"train/{name}" for name in shard_names(12)]
    assert made.manifest.split_files("eval") == ["eval/data.tfrecord.gz"]
    assert shard_names(12)[11] == "data-00011-of-00012.tfrecord.gz"
    assert made.find_fault() == ""
    (made.directory / made.manifest.split_files("train")[7]).unlink()
    assert made.find_fault() == f"{made.directory}/train/{shard_names(12)[7]} is missing"
