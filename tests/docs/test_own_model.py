"""The walks of docs/your-own-model.md as they are written, in a folder and a shell in their way."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from modules.precedence import PACKAGES
from tests.docs import pages

pytestmark = pytest.mark.e2e

TFX_MOBILE = Path(sys.executable).with_name("tfx-mobile")
PAGE = (pages.ROOT / "docs" / "your-own-model.md").read_text(encoding="utf-8")
PICTURES, TABLE, TASK, RUN_FN = (
    "Your pictures in five minutes",
    "Your table",
    "Your own model and features",
    "Your own run_fn",
)
SHELL = {
    "KERAS_BACKEND": "torch",
    "TF_USE_LEGACY_KERAS": "0",
    "PYTHONWARNINGS": "error",
    "http_proxy": "http://127.0.0.1:9",
}


def find_section(heading: str) -> str:
    match = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert match, heading
    return match[1]


def find_commands(heading: str) -> list[str]:
    """The shell blocks of a walk."""
    return re.findall(r"^```sh\n(.*?)^```$", find_section(heading), re.M | re.S)


def write_files(heading: str, folder: Path) -> list[str]:
    """Write the files of a walk: each block of code is the file that the text before it names."""
    names = []
    text = find_section(heading)
    for block in re.finditer(r"^```(python|yaml)\n(.*?)^```$", text, re.M | re.S):
        suffix = {"python": "py", "yaml": "yaml"}[block[1]]
        names.append(re.findall(rf"`(\w+\.{suffix})`", text[: block.start()])[-1])
        (folder / names[-1]).write_text(block[2], encoding="utf-8")
    return names


def follow(script: str, folder: Path) -> str:
    """Run a block of shell in a user's folder; what it printed."""
    done = subprocess.run(
        ["sh", "-ec", script],
        cwd=folder,
        env={**os.environ, **SHELL},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_report(output: Path) -> dict:
    return json.loads((output / "report.json").read_text(encoding="utf-8"))


def find_pushed(output: Path, branch: str) -> Path:
    (version,) = (output / "serving" / branch).glob("[0-9]*")
    return version


def describe_inputs(output: Path) -> dict[str, tuple[list[int], str]]:
    """The inputs of the TFLite model for the phone: shape, -1 for the batch, and type by name."""
    model = tf.lite.Interpreter(model_path=str(find_pushed(output, "lite") / "tflite"))
    return {
        detail["name"].removeprefix("serving_default_").split(":")[0]: (
            detail["shape_signature"].tolist(),
            detail["dtype"].__name__,
        )
        for detail in model.get_input_details()
    }


def make_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a link to the environment."""
    made = tmp_path_factory.mktemp("a user's folder")
    (made / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    return made


def obstruct(folder: Path) -> None:
    """Files called as others that a run imports."""
    for name in (*PACKAGES, "random", "queue", "runpy", "yaml", "keras"):
        (folder / f"{name}.py").write_text("raise RuntimeError('not the right one')")


def test_your_pictures(tmp_path_factory):
    folder = make_folder(tmp_path_factory)
    assert write_files(PICTURES, folder) == ["make_photos.py"]
    (commands,) = find_commands(PICTURES)
    printed = follow(commands, folder)

    described = "task photos: 2 classes, 48x48 colour"
    assert described in find_section(PICTURES)
    assert described in printed
    output = folder / "photos-run"
    report = read_report(output)
    assert {branch["pushed"] for branch in report["branches"].values()} == {"yes"}
    assert list(report["branches"]) == ["keras", "lite"]
    assert (output / "report.html").is_file()
    labels = (find_pushed(output, "lite") / "labels.txt").read_text(encoding="utf-8")
    assert labels.splitlines() == ["china", "flower"]
    assert describe_inputs(output) == {"image": ([-1, 48, 48, 3], "float32")}


def test_your_table(tmp_path_factory):
    folder = make_folder(tmp_path_factory)
    assert write_files(TABLE, folder) == ["make_tables.py"]
    (commands,) = find_commands(TABLE)
    follow(commands, folder)

    wine, diabetes = (folder / f"{name}-run" for name in ("wine", "diabetes"))
    report = read_report(wine)
    assert report["task"]["head"]["classes"] == ["class_0", "class_1", "class_2"]
    assert min(branch["accuracy"] for branch in report["branches"].values()) >= 0.8
    labels = (find_pushed(wine, "lite") / "labels.txt").read_text(encoding="utf-8")
    assert labels.splitlines() == ["class_0", "class_1", "class_2"]
    inputs = describe_inputs(wine)
    assert len(inputs) == 13
    assert inputs["od280_od315_of_diluted_wines"] == ([-1, 1], "float32")
    report = read_report(diabetes)
    assert max(branch["mean_absolute_error"] for branch in report["branches"].values()) <= 65
    assert len(describe_inputs(diabetes)) == 10
    assert not (find_pushed(diabetes, "lite") / "labels.txt").exists()


@pytest.fixture(scope="module")
def task_folder(tmp_path_factory):
    """The folder of the walk with a task of one's own: it has the wine table."""
    folder = make_folder(tmp_path_factory)
    write_files(TABLE, folder)
    follow(find_commands(TABLE)[0].splitlines()[0], folder)
    assert write_files(TASK, folder) == ["my_task.py", "my_task.yaml"]
    obstruct(folder)
    return folder


def test_your_own_model_and_features(task_folder):
    command, _ = find_commands(TASK)
    follow(command, task_folder)

    output = task_folder / "my-task"
    report = read_report(output)
    assert report["task"]["model"] == "my_task.build"
    assert list(report["branches"]) == ["keras", "lite", "lite-float16"]
    assert {branch["pushed"] for branch in report["branches"].values()} == {"yes"}
    one_float = ([-1, 1], "float32")
    names = ("alcohol", "color_intensity", "proline")
    assert describe_inputs(output) == dict.fromkeys(names, one_float)
    details = tf.lite.Interpreter(
        model_path=str(find_pushed(output, "lite") / "tflite")
    ).get_tensor_details()
    assert any(32 in detail["shape"] for detail in details), "the layer of my_task.build"


def test_your_own_model_and_features_compiled(task_folder):
    _, command = find_commands(TASK)
    follow(command, task_folder)

    text = (task_folder / "pipeline.yaml").read_text(encoding="utf-8")
    assert {"my_task.build", "my_task.preprocessing_fn"} <= set(re.findall(r"my_task\.\w+", text))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder with a run_fn of one's own."""
    folder = make_folder(tmp_path_factory)
    assert write_files(RUN_FN, folder) == ["my_model.py", "my_model.yaml"]
    obstruct(folder)
    return folder


def tfx_mobile(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(TFX_MOBILE), *arguments, "--settings", "my_model.yaml"],
        cwd=folder,
        env={**os.environ, **SHELL},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def test_your_own_run_fn(folder):
    (command,) = find_commands(RUN_FN)
    follow(f"{command.rstrip()} --set training.steps=40", folder)

    report = read_report(folder / "my-model")
    assert list(report["branches"]) == ["keras", "lite", "lite-int8"]


def test_your_own_run_fn_compiled(folder):
    done = tfx_mobile(folder, "compile", "--image", "registry.example/my-model:1.0.0")
    assert done.returncode == 0, done.stderr
    text = (folder / "pipeline.yaml").read_text(encoding="utf-8")
    assert {"my_model.keras_run_fn", "my_model.lite_run_fn"} <= set(
        re.findall(r"my_model\.\w+", text)
    )


@pytest.mark.parametrize(
    "command", [["compile", "--image", "a/b:1.0.0"], ["run", "--output", "out"]], ids=lambda c: c[0]
)
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("my_model.run", "the module 'my_model' has no function 'run'"),
        ("my_modell.run_fn", "there is no module 'my_modell'"),
    ],
)
def test_a_wrong_name_is_refused_before_any_work(folder, command, path, reason):
    done = tfx_mobile(folder, *command, "--set", f"preprocessing_fn={path}")
    assert done.returncode == 2
    assert done.stderr == f"tfx-mobile: preprocessing_fn is {path!r}, and {reason}\n"
    assert not (folder / "out").exists()


def test_python_without_docstrings_is_refused_where_tensorflow_is_loaded(folder, monkeypatch):
    monkeypatch.setitem(SHELL, "PYTHONOPTIMIZE", "2")
    done = tfx_mobile(folder, "compile", "--image", "a/b:1.0.0")
    assert done.returncode == 3
    assert done.stderr == (
        "tfx-mobile: PYTHONOPTIMIZE=2 drops docstrings, which TensorFlow reads: unset it\n"
    )
