"""Bad input: exit code 2, one clear sentence, nothing half-written; and the mended input runs."""

import os
import subprocess
import textwrap

import numpy as np
import pytest
import tensorflow as tf

from modules import mnist
from tests.pipeline.conftest import run, steps

pytestmark = pytest.mark.e2e


(IMAGE,) = mnist.TASK.features


def write_records(file, count=60, pixels=IMAGE.size, image=None, label=None):
    """TFRecords as a person might bring them: one file, no splits, no compression."""
    rng = np.random.default_rng(0)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for i in range(count):
            values = rng.uniform(-0.5, 0.5, pixels) if image is None else image
            feature = {
                IMAGE.name: tf.train.Feature(float_list=tf.train.FloatList(value=values)),
                mnist.TASK.label: tf.train.Feature(
                    int64_list=tf.train.Int64List(value=[i % 10 if label is None else label])
                ),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())


def truncate(file):
    write_records(file)
    file.write_bytes(file.read_bytes()[:-100])


BAD_DATA = {
    "no data": (lambda file: None, "holds no data"),
    "truncated": (truncate, "is truncated or not a TFRecord file"),
    "not TFRecords": (lambda file: file.write_bytes(b"hello" * 99), "not a TFRecord file"),
    "another size": (lambda file: write_records(file, pixels=32 * 32), "has 1024 values"),
    "a label of 10": (lambda file: write_records(file, label=10), "has the label 10"),
    "NaN": (lambda file: write_records(file, image=[np.nan] * IMAGE.size), "not numbers (NaN"),
}


@pytest.mark.parametrize(("write", "sentence"), BAD_DATA.values(), ids=BAD_DATA.keys())
def test_data(tmp_path, write, sentence):
    data = tmp_path / "data"
    data.mkdir()
    write(data / "train.tfrecord")
    made = run(tmp_path / "out", "--data", str(data))
    assert made.completed.returncode == 2
    assert sentence in made.completed.stderr
    assert str(data) in made.completed.stderr
    assert len(made.completed.stderr.strip().splitlines()) == 1
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"run.log", ".lock"}


def test_mended_data_runs_after_bad(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    truncate(data / "train.tfrecord")
    arguments = ["--data", str(data), "--set", "training.steps=20"]
    assert run(tmp_path / "out", *arguments).completed.returncode == 2
    write_records(data / "train.tfrecord")
    made = run(tmp_path / "out", *arguments)
    # Noise cannot be learnt: the gate refuses, and that is the right end.
    assert made.completed.returncode == 4, made.completed.stderr
    assert made.report["dataset"]["train_examples"] == 48
    assert made.report["comparison"]["lite"]["agreement"] == 1


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("training.step=3", "unknown setting 'training.step': did you mean 'training.steps'?"),
        ("training.steps=0", "training.steps: "),
        ("training.preset=vgg", "training.preset: "),
        ("branches=[lite]", "branches must include 'keras'"),
    ],
)
def test_setting(tmp_path, setting, sentence):
    made = run(tmp_path / "out", "--data", "digits", "--set", setting)
    assert made.completed.returncode == 2
    assert sentence in made.completed.stderr
    assert len(made.completed.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def awkward(tmp_path, name):
    """An output directory that no run can use."""
    path = tmp_path / name
    if name == "file":
        path.write_text("not a directory")
        return path / "out", "cannot write to the output directory"
    if name == "loop":
        path.symlink_to("loop")
        return path, "it is a link that leads nowhere"
    if name == "fifo":
        os.mkfifo(path)
        return path, "it is no directory"
    if name == "serving":
        path.write_text("mine")
        return tmp_path, f"a run needs a directory at {path}"
    return path, "choose"


@pytest.mark.parametrize(
    "name",
    ["file", "loop", "fifo", "serving", "x[1]", "a\nb", "/".join(["long" * 50] * 3)],
    ids=["file", "loop", "fifo", "serving", "pattern", "newline", "long"],
)
def test_output_that_cannot_be_used(tmp_path, name):
    output, sentence = awkward(tmp_path, name)
    made = run(output, "--data", "digits")
    assert made.completed.returncode == 2
    assert sentence in made.completed.stderr
    assert len(made.completed.stderr.strip().splitlines()) == 1
    assert made.completed.stdout == ""


@pytest.fixture(scope="module")
def diverged(tmp_path_factory):
    """A run whose training diverges; its accuracy is high enough to pass."""
    return run(
        tmp_path_factory.mktemp("diverged"),
        *("--data", "digits", "--set", "training.steps=30", "--set", "training.check_every=10"),
        *("--set", "training.learning_rate=1e30", "--set", "training.early_stopping_patience=1"),
        *("--set", "evaluation.min_accuracy=0", "--set", "branches=[keras, lite-dynamic]"),
    )


def test_training_that_diverges(diverged):
    assert diverged.completed.returncode == 4, diverged.completed.stderr
    assert diverged.completed.stderr == (
        "tfx-mobile: keras, lite-dynamic were not pushed: the loss is NaN: the training diverged; "
        "lower training.learning_rate\n"
    )
    assert not diverged.layout.serving.exists()
    for branch in diverged.report["branches"].values():
        assert (branch["loss"], branch["blessed"], branch["pushed"]) == ("NaN", False, "refused")
        assert sum(map(sum, branch["confusion"])) == branch["examples"]
    assert diverged.layout.report_html.read_text().count("<dd>NaN</dd>") == 4


def test_report_of_a_training_that_diverged_is_rebuilt(diverged):
    before = diverged.report
    diverged.layout.report_json.unlink()
    completed = report(diverged)
    assert completed.returncode == 0, completed.stderr
    assert diverged.report == before


def report(made):
    """`tfx-mobile report` of a run's directory."""
    command = [made.completed.args[0], "report", str(made.layout.root)]
    return subprocess.run(command, capture_output=True, text=True)


def test_database_that_is_damaged(diverged):
    """Last of those that read this run."""
    database = diverged.layout.metadata
    database.write_bytes(database.read_bytes()[:-8192])
    again = run(diverged.layout.root, *diverged.arguments[2:]).completed
    for completed in (again, report(diverged)):
        assert completed.returncode == 2
        assert f"{database} is damaged" in completed.stderr
        assert "run again" in completed.stderr
        assert len(completed.stderr.strip().splitlines()) == 1
    assert steps(again.stdout) == {}


@pytest.mark.parametrize("kind", ["keras", "lite"])
def test_model_that_returns_probabilities(tmp_path, kind):
    (tmp_path / "softmax.py").write_text(
        textwrap.dedent(
            f"""
            from tf_keras import Model, layers
            from modules import {kind}, model

            mlp = model.PRESETS["mlp"]


            def with_softmax(task):
                made = mlp(task)
                return Model(made.inputs, layers.Softmax()(made.outputs[0]))


            def run_fn(fn_args):
                model.PRESETS["mlp"] = with_softmax
                {kind}.run_fn(fn_args)
            """
        )
    )
    branch = f"{{name: {kind}, run_fn: softmax.run_fn}}"
    made = run(
        tmp_path / "out",
        *("--data", "digits", "--set", "training.steps=20"),
        *("--set", f"branches=[{branch}]" if kind == "keras" else f"branches=[keras, {branch}]"),
        cwd=tmp_path,
    )
    assert made.completed.returncode == 2
    step = "evaluator-keras" if kind == "keras" else "validator-lite"
    assert made.completed.stderr == (
        f"tfx-mobile: {step}: the model returns probabilities, and the Evaluator wants logits: "
        "remove the softmax at the end of the model\n"
    )
    assert not made.layout.report_json.exists()
    assert not (made.layout.serving / kind).exists()
    assert not list((made.layout.pipeline / f"evaluator-{kind}").glob("evaluation/*/*"))


def test_own_modules(tmp_path):
    """A module without `run_fn`, then one whose TFLite input matches no feature, then none such."""
    (tmp_path / "without.py").write_text("steps = 1\n")
    (tmp_path / "misnamed.py").write_text(
        textwrap.dedent(
            """
            import tempfile
            import tensorflow as tf
            from modules import lite, training


            def run_fn(fn_args):
                trained = training.train(fn_args)
                (image,) = trained.task.features

                @tf.function(input_signature=[tf.TensorSpec([None, image.size], name="pixels")])
                def serve(pixels):
                    return trained.predict({image.name: pixels})

                with tempfile.TemporaryDirectory() as directory:
                    trained.save(directory, serve)
                    lite.rewrite(directory, fn_args.serving_model_dir)
            """
        )
    )
    for module, sentence in [
        ("without", "the module 'without' has no function 'run_fn'"),
        ("missing", "there is no module 'missing'"),
        ("misnamed", "the TFLite model's input 'pixels' matches no feature"),
    ]:
        made = run(
            tmp_path / "out",
            *("--data", "digits", "--set", "training.steps=20"),
            *("--set", f"branches=[keras, {{name: lite, run_fn: {module}.run_fn}}]"),
            cwd=tmp_path,
        )
        assert made.completed.returncode == 2
        assert sentence in made.completed.stderr
        assert len(made.completed.stderr.strip().splitlines()) == 1
        assert not made.layout.report_json.exists()
    assert not (made.layout.serving / "lite").exists()

    mended = run(tmp_path / "out", "--data", "digits", "--set", "training.steps=20", cwd=tmp_path)
    assert mended.completed.returncode in {0, 4}, mended.completed.stderr
    assert steps(mended.completed.stdout)["trainer-keras"] == "cached"
