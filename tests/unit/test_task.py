"""A task as plain data."""

import dataclasses
import json
import re
import subprocess
import sys

import pytest

from modules import mnist
from modules.task import Classification, Feature, Picture, Regression, Task

PHOTOS = Task(
    "photos",
    (Feature("image", (4, 6, 3), picture=Picture(4, 6, 3)),),
    "label",
    Classification(("cat", "dog")),
)
TABLE = Task("table", (Feature("age"), Feature("steps", dtype="int64")), "risk", Regression("%"))


@pytest.mark.parametrize("task", [mnist.TASK, PHOTOS, TABLE], ids=lambda task: task.name)
def test_json_holds_all_of_a_task(task):
    assert Task.from_dict(json.loads(json.dumps(task.to_dict()))) == task


def test_a_task_without_code_is_of_the_presets():
    own = dataclasses.replace(TABLE, model="mine.build", preprocessing_fn="mine.preprocessing_fn")
    assert own.data == TABLE
    without_code = {k: v for k, v in own.to_dict().items() if k in ("name", "features", "label")}
    assert Task.from_dict({**without_code, "head": own.to_dict()["head"]}) == TABLE


def test_sizes():
    assert [feature.size for feature in PHOTOS.features] == [72]
    assert (PHOTOS.head.outputs, TABLE.head.outputs) == (2, 1)
    assert mnist.TASK.example_bytes == 784 * 4 + 8
    assert TABLE.example_bytes == 4 + 8 + 8
    assert (PHOTOS.pictures, TABLE.pictures) == (PHOTOS.features[0], None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": ()}, "the task 'photos' has no features"),
        ({"features": (Feature("a"), Feature("a"))}, "are called 'a'"),
        ({"features": (Feature("label"),)}, "are called 'label'"),
        ({"features": (Feature("a b"),)}, "the name 'a b'"),
        ({"features": (Feature("Ph"), Feature("pH"))}, "are called 'Ph'"),
        ({"features": (Feature("_a"),)}, "does not begin with a letter"),
        ({"label": "größe"}, "the name 'größe'"),
        ({"features": (Feature("a", (0,)),)}, "the feature 'a' has no values"),
        (
            {"features": (Feature("a", (5,), picture=Picture(2, 2, 1)),)},
            "the feature 'a' has 5 values, and its picture has 4",
        ),
        ({"head": Classification(("one",))}, "at least two classes"),
        ({"head": Classification(("a", "b", "a"))}, "two classes have the same name"),
    ],
)
def test_what_cannot_be_learnt_is_refused(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        dataclasses.replace(PHOTOS, **changes)


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({}, ""),
        ({"name": "other", "model": "a.b", "preprocessing_fn": "a.c"}, ""),
        ({"label": "kind"}, "its label is 'kind', not 'label'"),
        ({"head": Regression()}, "it is for regression, not classification"),
        ({"head": Classification(("cat", "cow"))}, "its classes are cat, cow, not cat, dog"),
        (
            {"features": (Feature("image", (72,), picture=Picture(4, 6, 3)),)},
            "it has image (float32 72) and lacks image (float32 4x6x3)",
        ),
    ],
)
def test_a_dataset_of_another_task_is_told(changes, difference):
    assert PHOTOS.find_difference(dataclasses.replace(PHOTOS, **changes)) == difference


def test_the_order_of_features_and_many_classes_are_told():
    turned = dataclasses.replace(TABLE, features=TABLE.features[::-1])
    assert TABLE.find_difference(turned) == "its features have another order"
    many = dataclasses.replace(PHOTOS, head=Classification(tuple(map(str, range(12)))))
    assert "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more" in PHOTOS.find_difference(many)


def test_loading_a_task_loads_nothing_heavy():
    code = (
        "import sys, modules.mnist; "
        "print(sorted({'numpy', 'tensorflow', 'tf_keras', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
