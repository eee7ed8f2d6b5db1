"""The Pusher's executor, called as TFX calls it."""

import dataclasses
import json
import os

import pytest
from tfx.types import standard_artifacts

from modules import mnist
from modules.task import Classification, Regression
from pipelines.components import pusher, task_property

REGRESSION = dataclasses.replace(mnist.TASK, head=Regression())


@pytest.fixture
def push(tmp_path):
    """Pushes a model to a base directory; returns the artifact."""
    serving = tmp_path / "model" / "Format-Serving"
    serving.mkdir(parents=True)
    (serving / "tflite").write_bytes(b"model")

    def call(base, blessed=1, name="1", task=REGRESSION):
        model, blessing = standard_artifacts.Model(), standard_artifacts.ModelBlessing()
        pushed = standard_artifacts.PushedModel()
        model.uri, pushed.uri = str(tmp_path / "model"), str(tmp_path / "pushed" / name)
        blessing.set_int_custom_property("blessed", blessed)
        executor = pusher.Executor()
        executor.Do(
            {"model": [model], "model_blessing": [blessing]},
            {"pushed_model": [pushed]},
            {
                "push_destination": json.dumps({"filesystem": {"base_directory": str(base)}}),
                task_property.TASK: task_property.write(task),
            },
        )
        return pushed

    return call


def test_a_blessed_model_is_pushed_and_kept_as_an_artifact(push, tmp_path):
    pushed = push(tmp_path / "serving")

    place = pushed.get_string_custom_property("pushed_destination")
    version = pushed.get_string_custom_property("pushed_version")
    assert pushed.get_int_custom_property("pushed") == 1
    assert place == str(tmp_path / "serving" / version)
    assert (tmp_path / "serving" / version / "tflite").read_bytes() == b"model"
    assert [f.name for f in (tmp_path / "pushed" / "1").iterdir()] == ["tflite"]


def test_a_second_run_with_the_same_model_reports_the_version_that_is_there(push, tmp_path):
    first, second = push(tmp_path / "serving"), push(tmp_path / "serving", name="2")

    assert first.get_custom_property("pushed_version") == second.get_custom_property(
        "pushed_version"
    )
    assert [f.name for f in (tmp_path / "pushed" / "2").iterdir()] == ["tflite"]


def test_without_a_base_directory_the_artifact_is_the_place(push, tmp_path):
    pushed = push("")

    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_version").isdigit()
    assert pushed.get_string_custom_property("pushed_destination") == pushed.uri
    assert sorted(f.name for f in tmp_path.iterdir()) == ["model", "pushed"]


def test_a_refused_model_goes_nowhere(push, tmp_path):
    pushed = push(tmp_path / "serving", blessed=0)

    assert pushed.get_int_custom_property("pushed") == 0
    assert [f.name for f in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("base", ["serving", ""])
def test_class_names_are_beside_a_classifier(push, tmp_path, base):
    pushed = push(tmp_path / base if base else "", task=mnist.TASK)

    text = "".join(f"{digit}\n" for digit in range(10))
    assert (tmp_path / "pushed" / "1" / "labels.txt").read_text() == text
    place = pushed.get_string_custom_property("pushed_destination")
    assert sorted(os.listdir(place)) == ["labels.txt", "tflite"]


def test_class_names_of_a_saved_model_are_an_extra_asset(push, tmp_path):
    (tmp_path / "model" / "Format-Serving" / "saved_model.pb").touch()
    head = Classification(("a cat", "two\nlines"))
    push(tmp_path / "serving", task=dataclasses.replace(mnist.TASK, head=head))

    (version,) = (tmp_path / "serving").glob("[0-9]*")
    assert (version / "assets.extra" / "labels.txt").read_text() == "a cat\ntwo lines\n"
    assert not (version / "labels.txt").exists()


def test_other_class_names_are_another_version(push, tmp_path):
    heads = (Classification(("cat", "dog")), Classification(("dog", "cat")))
    versions = {
        push(
            tmp_path / "serving", name=str(i), task=dataclasses.replace(mnist.TASK, head=head)
        ).get_custom_property("pushed_version")
        for i, head in enumerate(heads)
    }
    assert len(versions) == 2
