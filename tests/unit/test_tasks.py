"""The task of a pipeline: named by the settings, or told by the data."""

import dataclasses
import sys
from pathlib import Path

import pytest

from modules import mnist
from modules.task import Feature, Task
from pipelines import settings, tasks
from pipelines.errors import SettingsError
from tests.unit.test_task import PHOTOS, TABLE

MODULE = """
from modules.task import Classification, Feature, Task

NUMBERS = Task("numbers", (Feature("a", (3,)),), "b", Classification(("no", "yes")))
OTHER = 3
NOTHING = None
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's module `mine_of_tasks`, which can be imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine_of_tasks", raising=False)
    file = tmp_path / "mine_of_tasks.py"
    file.write_text(MODULE)
    return file


def choice(name: str) -> settings.Task:
    return settings.validate({"task": name}).task


@pytest.mark.parametrize("name", ["auto", "images", "table"])
def test_the_data_tells_the_task_unless_it_is_named(name: str) -> None:
    assert tasks.find_named(choice(name)) is None
    assert tasks.resolve(choice(name), PHOTOS) == PHOTOS


def test_mnist_is_named() -> None:
    assert tasks.resolve(choice("mnist"), mnist.TASK) is mnist.TASK


def test_a_users_task_keeps_its_code(module: Path) -> None:
    named = tasks.find_named(choice("mine_of_tasks.NUMBERS"))
    assert named
    assert named.name == "numbers"
    data = dataclasses.replace(named, name="of the data")
    assert tasks.resolve(choice("mine_of_tasks.NUMBERS"), data) == named


@pytest.mark.parametrize(
    ("name", "data", "difference"),
    [
        ("mnist", PHOTOS, "its label is 'label', not 'image_class'"),
        ("mine_of_tasks.NUMBERS", TABLE, "its label is 'risk', not 'b'"),
    ],
)
def test_data_of_another_task_is_refused(module: Path, name, data, difference) -> None:
    with pytest.raises(SettingsError) as caught:
        tasks.resolve(choice(name), data)
    assert str(caught.value) == f"the data is of another task than {name}: {difference}"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("missing_of_tasks.TASK", "there is no module 'missing_of_tasks'"),
        ("mine_of_tasks.TASK", "the module 'mine_of_tasks' has no task 'TASK'"),
        ("mine_of_tasks.OTHER", "that is of type int: a modules.task.Task is needed"),
        ("mine_of_tasks.NOTHING", "that is of type NoneType: a modules.task.Task is needed"),
    ],
)
def test_what_is_no_task_is_one_sentence(module: Path, path: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        tasks.load(path)
    assert str(caught.value) == f"task is {path!r}, and {problem}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("TASK = Task(", "line 1, is not Python: '(' was never closed"),
        (
            "from modules.task import Task, Regression\n\nTASK = Task('x', (), 'y', Regression())",
            "line 3: ValueError: the task 'x' has no features",
        ),
        ("import sys\nsys.exit('no')", "line 2: SystemExit: no"),
    ],
)
def test_a_module_that_fails_names_its_line(module: Path, text: str, problem: str) -> None:
    module.write_text(text)
    with pytest.raises(SettingsError) as caught:
        tasks.load("mine_of_tasks.TASK")
    assert str(caught.value).startswith("task is 'mine_of_tasks.TASK', and ")
    assert str(caught.value).endswith(f"{module}, {problem}")


@pytest.mark.parametrize(
    ("task", "values", "sentence"),
    [
        (
            TABLE,
            {"training": {"preset": "cnn"}},
            "training.preset is cnn: the preset cnn takes one picture and nothing else, and the "
            "task 'table' has no picture: take the preset mlp, or a model of your own",
        ),
        (
            TABLE,
            {"training": {"augment": {"shift": 0.1}}},
            "training.augment changes pictures, and the task 'table' has none: remove it",
        ),
        (
            TABLE,
            {"evaluation": {"min_accuracy": 0.9}},
            "evaluation.min_accuracy is set, and the task 'table' is a regression: set "
            "evaluation.max_error instead",
        ),
        (
            PHOTOS,
            {"evaluation": {"max_error": 3}},
            "evaluation.max_error is set, and the task 'photos' is a classification: set "
            "evaluation.min_accuracy instead",
        ),
    ],
)
def test_settings_of_another_kind_of_task_are_refused(task, values, sentence) -> None:
    with pytest.raises(SettingsError) as caught:
        tasks.check(settings.validate(values), task)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("task", "values"),
    [
        (TABLE, {}),
        (TABLE, {"training": {"preset": "mlp"}, "evaluation": {"max_error": 3}}),
        (TABLE, {"evaluation": {"min_accuracy": 0.8}}),  # the default
        (dataclasses.replace(TABLE, model="mine.build"), {"training": {"preset": "cnn"}}),
        (
            PHOTOS,
            {
                "training": {"preset": "mobilenet", "augment": {"flip": True}},
                "evaluation": {"min_accuracy": 0.5},
            },
        ),
        (mnist.TASK, {"training": {"preset": "cnn"}}),
    ],
)
def test_settings_that_fit_the_task(task, values) -> None:
    tasks.check(settings.validate(values), task)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (mnist.TASK, "mnist: 10 classes, 28x28 grey"),
        (PHOTOS, "photos: 2 classes, 6x4 colour"),
        (TABLE, "table: 2 features, a number"),
        (dataclasses.replace(TABLE, features=(Feature("age"),)), "table: 1 feature, a number"),
    ],
)
def test_a_task_in_a_few_words(task: Task, words: str) -> None:
    assert tasks.describe(task) == words


@pytest.mark.parametrize(
    ("task", "preset"),
    [
        (mnist.TASK, "mlp"),
        (PHOTOS, "cnn"),
        (TABLE, "mlp"),
        (dataclasses.replace(PHOTOS, features=(*PHOTOS.features, Feature("age"))), "mlp"),
    ],
    ids=["mnist", "photos", "table", "photos-and-a-number"],
)
def test_auto_is_the_preset_of_the_task(task: Task, preset: str) -> None:
    settled = tasks.settle(settings.Settings(), task)
    assert settled.training.preset == preset
    assert settled == settings.validate({"training": {"preset": preset}})
    named = settings.validate({"training": {"preset": "mobilenet"}})
    assert tasks.settle(named, task) == named
