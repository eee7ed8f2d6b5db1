"""Three tasks that are not MNIST, and a task of one's own: run by the command on this machine."""

import csv
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests import task_data
from tests.pipeline.conftest import Run, run, steps

pytestmark = pytest.mark.e2e

TASKS = list(task_data.WRITERS)


def flags(name: str) -> list[str]:
    return [word for setting in task_data.SETTINGS[name] for word in ("--set", setting)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Makes the run of a task, once."""
    made: dict[str, Run] = {}
    folder = tmp_path_factory.mktemp("tasks")

    def of(name: str) -> Run:
        if name not in made:
            source = task_data.WRITERS[name](folder / name)
            made[name] = run(folder / f"{name}-run", "--data", str(source), *flags(name))
            assert made[name].completed.returncode == 0, made[name].completed.stderr
        return made[name]

    return of


def pushed(made: Run, branch: str) -> Path:
    (version,) = (made.layout.serving / branch).glob("[0-9]*")
    return version


@pytest.mark.parametrize("name", TASKS)
def test_both_branches_are_judged_compared_and_pushed(runs, name):
    made = runs(name)
    report = made.report

    assert report["task"]["name"] == name
    assert report["task"]["head"].get("classes") == (
        list(task_data.CLASSES[name]) if task_data.CLASSES[name] else None
    )
    assert list(report["branches"]) == ["keras", "lite"]
    for branch in report["branches"].values():
        assert (branch["blessed"], branch["pushed"]) == (True, "yes")
        assert branch["examples"] == report["dataset"]["eval_examples"]
    if task_data.CLASSES[name]:
        for branch in report["branches"].values():
            assert set(branch["per_class_accuracy"]) == set(task_data.CLASSES[name])
            assert sum(map(sum, branch["confusion"])) == branch["examples"]
        assert report["comparison"]["lite"]["agreement"] >= 0.97
    else:
        assert report["branches"]["lite"]["r2"] > 0.2
        low, high = report["comparison"]["lite"]["ci95"]
        assert low <= report["comparison"]["lite"]["error_delta"] <= high
        assert report["comparison"]["lite"]["largest_difference"] < 0.01
    for branch in report["branches"]:
        labels = task_data.find_labels(pushed(made, branch), branch)
        assert labels == task_data.CLASSES[name]


@pytest.mark.parametrize("name", TASKS)
def test_the_page_is_of_the_task(runs, name):
    made = runs(name)
    page = made.layout.report_html.read_text(encoding="utf-8")

    for words in task_data.CLASSES[name] or ("mean absolute error",):
        assert words.lower() in page.lower()
    assert "digit" not in page
    assert f"report: {made.layout.report_html}" in made.completed.stdout


@pytest.mark.parametrize("name", TASKS)
def test_the_pushed_models_take_what_an_app_has(runs, name):
    """Raw values of the user's own files: scaling is inside both models, which agree."""
    made = runs(name)
    inputs, labels = read_raw(made, name)

    lite = predict_lite(pushed(made, "lite") / "tflite", inputs)
    keras = predict_keras(pushed(made, "keras"), inputs)

    np.testing.assert_allclose(lite, keras, rtol=1e-3, atol=1e-2)
    if task_data.CLASSES[name]:
        assert np.mean(lite.argmax(axis=1) == labels) > 0.9
    else:
        error = np.abs(lite[:, 0] - labels).mean()
        assert error < 0.8 * np.abs(labels - labels.mean()).mean()


def test_a_second_run_is_answered_from_the_cache(runs):
    made = runs("diabetes")
    again = run(made.layout.root, *made.arguments[2:])

    assert again.completed.returncode == 0, again.completed.stderr
    notes = steps(again.completed.stdout)
    ran = {step for step, note in notes.items() if note != "cached"}
    assert ran == {"data", "compose", "comparison", "report"}
    assert "unchanged" in notes["data"]
    assert again.report["branches"] == made.report["branches"]


def test_an_error_above_the_bound_is_refused(runs):
    """After the others: it changes the newest run of the directory."""
    made = runs("diabetes")
    refused = run(made.layout.root, *made.arguments[2:], "--set", "evaluation.max_error=1")

    assert refused.completed.returncode == 4
    error = refused.report["branches"]["lite"]["mean_absolute_error"]
    assert f"mean_absolute_error is {error:.4g}"[:25] in refused.completed.stderr
    assert "above 1" in refused.completed.stderr
    notes = steps(refused.completed.stdout)
    assert (notes["trainer-keras"], notes["trainer-lite"]) == ("cached", "cached")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with the user's task and its table."""
    return task_data.write_own_task(tmp_path)


def test_a_task_of_the_current_folder(own):
    """Found by every process of a run, in which each branch has its own."""
    arguments = ["--data", "wine", "--set", "task=own_task.TASK", "--set", "local.lanes=2"]
    made = run(own / "out", *arguments, "--set", "training.steps=300", cwd=own)

    assert made.completed.returncode == 0, made.completed.stderr
    assert made.report["task"]["model"] == "own_task.build"
    lite = predict_lite(
        pushed(made, "lite") / "tflite",
        {"alcohol": np.float32([[13.2]]), "proline": np.int64([[1050]])},
    )
    assert lite.argmax() == 0, "strong, and much proline"


@pytest.mark.parametrize(
    ("task", "old", "new", "sentence"),
    [
        ("own_task.TSAK", "", "", "task is 'own_task.TSAK', and the module 'own_task' has no task"),
        (
            "own_task.TASK",
            '"own_task.build"',
            '"own_task.bild"',
            "the model of the task 'strong-wine' is 'own_task.bild', and the module 'own_task' has "
            "no function 'bild': did you mean 'build'?",
        ),
        (
            "own_task.TASK",
            '("class_0", "class_1", "class_2")',
            '("class_0",)',
            "ValueError: a classification needs at least two classes",
        ),
    ],
)
def test_a_wrong_task_is_refused_before_any_work(own, task, old, new, sentence):
    file = own / "own_task.py"
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    made = run(own / "out", "--data", "wine", "--set", f"task={task}", cwd=own)

    assert made.completed.returncode == 2
    assert sentence in made.completed.stderr
    assert len(made.completed.stderr.splitlines()) == 1
    assert not made.layout.data.exists()


@pytest.mark.parametrize(
    ("task", "setting", "sentence"),
    [
        ("auto", "training.preset=cnn", "the preset cnn takes one picture and nothing else"),
        ("auto", "evaluation.max_error=3", "evaluation.max_error is set, and the task 'wine' is a"),
        ("own_task.TASK", "training.augment.flip=true", "training.augment changes pictures"),
    ],
)
def test_settings_that_do_not_fit_the_task_are_refused_before_any_work(
    own, task, setting, sentence
):
    made = run(own / "out", "--data", "wine", "--set", f"task={task}", "--set", setting, cwd=own)

    assert made.completed.returncode == 2
    assert sentence in made.completed.stderr
    assert len(made.completed.stderr.splitlines()) == 1
    assert not made.layout.pipeline.exists()
    # Only the data tells the task that is not named.
    assert made.layout.data.exists() == (task == "auto")


def read_raw(made: Run, name: str):
    """Every example of the user's files: the inputs by feature's name, and the labels."""
    source = Path(made.arguments[3])
    if name == "photos":
        files = sorted(source.rglob("*.png"))
        pixels = np.stack([np.asarray(Image.open(file), np.float32) for file in files])
        labels = [task_data.PHOTO_CLASSES.index(file.parent.name) for file in files]
        return {"image": pixels / 255 - 0.5}, np.array(labels)
    rows = list(csv.reader((source / "table.csv").read_text(encoding="utf-8").splitlines()))[1:]
    features = [feature["name"] for feature in made.report["task"]["features"]]
    columns = np.array([row[:-1] for row in rows], np.float32).T[:, :, np.newaxis]
    classes = task_data.CLASSES[name]
    labels = [classes.index(row[-1]) if classes else float(row[-1]) for row in rows]
    return dict(zip(features, columns, strict=True)), np.array(labels)


def predict_lite(file: Path, inputs) -> np.ndarray:
    run_model = tf.lite.Interpreter(model_path=str(file)).get_signature_runner("serving_default")
    (outputs,) = run_model(**inputs).values()
    return outputs


def predict_keras(directory: Path, inputs) -> np.ndarray:
    def serialize(index: int) -> bytes:
        features = {
            name: tf.train.Feature(float_list=tf.train.FloatList(value=values[index].ravel()))
            for name, values in inputs.items()
        }
        return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()

    count = len(next(iter(inputs.values())))
    signature = tf.saved_model.load(str(directory)).signatures["serving_default"]
    (outputs,) = signature(examples=tf.constant([*map(serialize, range(count))])).values()
    return outputs.numpy()
