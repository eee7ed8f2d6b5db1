"""The Pusher's executor, called as TFX calls it."""

import json

import pytest
from tfx.types import standard_artifacts

from pipelines.components import pusher


@pytest.fixture
def push(tmp_path):
    """Pushes a model to a base directory; returns the artifact."""
    serving = tmp_path / "model" / "Format-Serving"
    serving.mkdir(parents=True)
    (serving / "tflite").write_bytes(b"model")

    def call(base, blessed=1, name="1"):
        model, blessing = standard_artifacts.Model(), standard_artifacts.ModelBlessing()
        pushed = standard_artifacts.PushedModel()
        model.uri, pushed.uri = str(tmp_path / "model"), str(tmp_path / "pushed" / name)
        blessing.set_int_custom_property("blessed", blessed)
        executor = pusher.Executor()
        executor.Do(
            {"model": [model], "model_blessing": [blessing]},
            {"pushed_model": [pushed]},
            {"push_destination": json.dumps({"filesystem": {"base_directory": str(base)}})},
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
