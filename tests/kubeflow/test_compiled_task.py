"""Which task a pipeline that is compiled learns."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kubeflow.compiler import task as compiled_task
from modules import mnist
from pipelines import settings
from pipelines.errors import DataError, SettingsError
from tests import task_data
from tests.kubeflow.conftest import COMMAND

OWN = """
from modules.task import Classification, Feature, Picture, Task

TASK = Task(
    "own",
    (Feature("image", (48, 48, 3), picture=Picture(48, 48, 3)),),
    "label",
    Classification(("china", "flower")),
    model="own_compiled.build",
)
OTHER = Task("other", TASK.features, "label", Classification(("cat", "dog")))


def build(task): ...
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset that `tfx-mobile data` wrote of photos, whose folder is beside it."""
    folder = tmp_path_factory.mktemp("compiled task")
    task_data.write_photos(folder / "photos")
    command = [COMMAND, "data", "--source", str(folder / "photos"), "--output"]
    subprocess.run([*command, str(folder / "dataset")], check=True)
    return folder / "dataset"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the user's module."""
    (tmp_path / "own_compiled.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_compiled", raising=False)
    return tmp_path


def choose(source: object = "auto", task: str = "auto"):
    return compiled_task.choose(settings.validate({"data": {"source": str(source)}, "task": task}))


@pytest.mark.parametrize("source", ["auto", "digits", "mnist"])
def test_mnist_is_the_default(source):
    assert choose(source) == (mnist.TASK, "the default")


def test_a_named_task_needs_no_data(own):
    task, why = choose(task="own_compiled.TASK")
    assert (task.name, task.model, why) == ("own", "own_compiled.build", "as the settings say")
    assert choose(own, "own_compiled.TASK")[0] == task, "what lies there is for runs elsewhere"
    assert choose(task="mnist") == (mnist.TASK, "as the settings say")


@pytest.mark.parametrize("task", ["auto", "images"])
def test_the_dataset_tells_its_task(photos, task):
    found, why = choose(photos, task)
    assert found.head.classes == task_data.PHOTO_CLASSES
    assert found.pictures.shape == (48, 48, 3)
    assert why == f"as in the dataset {photos}"


def test_a_named_task_that_fits_the_dataset_keeps_its_code(own, photos):
    assert choose(photos, "own_compiled.TASK")[0].model == "own_compiled.build"


def test_a_named_task_and_another_dataset_are_refused(own, photos):
    with pytest.raises(SettingsError) as caught:
        choose(photos, "own_compiled.OTHER")
    assert str(caught.value) == (
        "the data is of another task than own_compiled.OTHER: its classes are china, flower, not "
        "cat, dog"
    )


def test_what_is_no_dataset_is_one_sentence(photos):
    source = photos.with_name("photos")
    with pytest.raises(DataError) as caught:
        choose(source)
    assert str(caught.value) == (
        f"the data is to tell the task, and there is no dataset at {source}: write a dataset with "
        f"`tfx-mobile data --source {source} --output DIRECTORY`, and give DIRECTORY as --data"
    )


def test_choosing_loads_nothing_heavy(photos):
    code = (
        "import sys; from pipelines import settings; from kubeflow.compiler import task; "
        f"task.choose(settings.validate({{'data': {{'source': {str(photos)!r}}}}})); "
        "print({name.partition('.')[0] for name in sys.modules} & {'numpy', 'tensorflow', 'tfx'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("task", ["auto", "mnist"])
def test_a_damaged_dataset_is_one_sentence(tmp_path, task):
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(DataError) as caught:
        choose(tmp_path, task)
    assert str(caught.value) == (
        f"{tmp_path}/dataset.json is damaged: it is no JSON object: write the dataset again with "
        "`tfx-mobile data`"
    )


@pytest.mark.parametrize("task", ["images", "table"])
def test_data_that_nothing_names_is_one_sentence(task):
    with pytest.raises(SettingsError) as caught:
        choose(task=task)
    assert str(caught.value) == (
        f"the task is {task}, which the data tells: give the directory of a dataset, which "
        "`tfx-mobile data` writes, as --data"
    )


@pytest.mark.parametrize("named", ["auto", "own_compiled.TASK"])
def test_settings_that_do_not_fit_the_task_are_refused(own, photos, named):
    values = {"data": {"source": str(photos)}, "task": named, "evaluation": {"max_error": 3}}
    with pytest.raises(SettingsError, match=r"^evaluation\.max_error is set, and the task .* is a"):
        compiled_task.choose(settings.validate(values))


# ---------------------------------------------------------------- the command


def compile_(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [COMMAND, "compile", "--image", "a/b:1.0.0", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_the_command_says_what_it_chose(photos, tmp_path):
    ended = compile_(tmp_path, "--data", photos)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == (
        "pipeline.yaml: pipeline mnist, 15 tasks, image a/b:1.0.0\n"
        f"task photos: 2 classes, 48x48 colour, as in the dataset {photos}\n"
    )
    (spec,) = yaml.safe_load_all((tmp_path / "pipeline.yaml").read_text())
    given = spec["root"]["dag"]["tasks"]["data-fingerprint"]["inputs"]["parameters"]["task"]
    assert '"classes": ["china", "flower"]' in given["runtimeValue"]["constant"]


def test_a_task_of_the_current_folder(tmp_path):
    (tmp_path / "own_compiled.py").write_text(OWN)

    ended = compile_(tmp_path, "--set", "task=own_compiled.TASK")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("task own: 2 classes, 48x48 colour, as the settings say\n")
    (spec,) = yaml.safe_load_all((tmp_path / "pipeline.yaml").read_text())
    given = spec["root"]["dag"]["tasks"]["trainer-lite"]["inputs"]["parameters"]["custom_config"]
    assert '"model": "own_compiled.build"' in given["runtimeValue"]["constant"]


@pytest.mark.parametrize(
    ("task", "text", "sentence"),
    [
        ("own_compiled.TSAK", OWN, "has no task 'TSAK': did you mean 'TASK'?"),
        ("missing.TASK", OWN, "there is no module 'missing'"),
        ("own_compiled.build", OWN, "a modules.task.Task is needed"),
        (
            "own_compiled.TASK",
            OWN.replace('"own_compiled.build"', '"own_compiled.bulid"'),
            "the model of the task 'own' is 'own_compiled.bulid', and the module 'own_compiled' "
            "has no function 'bulid': did you mean 'build'?",
        ),
    ],
)
def test_a_wrong_task_is_one_sentence(tmp_path, task, text, sentence):
    (tmp_path / "own_compiled.py").write_text(text)

    ended = compile_(tmp_path, "--set", f"task={task}")

    assert ended.returncode == 2
    assert ended.stderr.startswith("tfx-mobile: ")
    assert sentence in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not os.path.exists(tmp_path / "pipeline.yaml")


def test_the_command_refuses_settings_that_do_not_fit_the_task(tmp_path):
    ended = compile_(tmp_path, "--set", "evaluation.max_error=3")

    assert (ended.returncode, ended.stderr) == (
        2,
        "tfx-mobile: evaluation.max_error is set, and the task 'mnist' is a classification: set "
        "evaluation.min_accuracy instead\n",
    )
    assert not os.path.exists(tmp_path / "pipeline.yaml")
