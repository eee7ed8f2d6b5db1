"""A task's files on a shared volume, and back."""

from pathlib import Path

import pytest

from kubeflow.adapter import staging
from kubeflow.adapter.errors import TaskError


@pytest.fixture
def asked(tmp_path):
    """What TFX is asked, with two files to read and one directory to write."""
    for name in ("schema", "data"):
        (tmp_path / "pod" / name).mkdir(parents=True)
        (tmp_path / "pod" / name / "file").write_text(name)
    (tmp_path / "pod" / "model").mkdir()
    return {
        "inputs": {
            "artifacts": {"schema": artifact(tmp_path / "pod" / "schema")},
            "parameterValues": {"input_base": str(tmp_path / "pod" / "data"), "steps": 3},
        },
        "outputs": {
            "artifacts": {"model": artifact(tmp_path / "pod" / "model")},
            "outputFile": str(tmp_path / "pod" / "output.json"),
        },
    }


def artifact(path):
    return {"artifacts": [{"uri": str(path)}]}


def uri(seen, side, name):
    return Path(seen[side]["artifacts"][name]["artifacts"][0]["uri"])


@pytest.fixture
def volume(tmp_path):
    directory = tmp_path / "volume"
    directory.mkdir()
    return directory


def test_what_is_read_and_written_lies_on_the_volume(asked, volume, tmp_path):
    with staging.staged(asked, str(volume), "transform") as (seen, places):
        schema, model = uri(seen, "inputs", "schema"), uri(seen, "outputs", "model")
        data = Path(seen["inputs"]["parameterValues"]["input_base"])
        assert [(path / "file").read_text() for path in (schema, data)] == ["schema", "data"]
        assert all(path.is_relative_to(volume) for path in (schema, data, model))
        assert model.is_dir()
        assert seen["outputs"]["outputFile"] == asked["outputs"]["outputFile"]
        assert seen["inputs"]["parameterValues"]["steps"] == 3
        assert places[str(tmp_path / "pod" / "model")] == str(model)
        (model / "deep").mkdir()
        (model / "deep" / "weights").write_text("w")

    assert (tmp_path / "pod" / "model" / "deep" / "weights").read_text() == "w"
    assert list(volume.iterdir()) == []


def test_without_a_volume_all_stays_as_it_is(asked):
    with staging.staged(asked, "", "transform") as (seen, places):
        assert seen is asked
        assert places == {}


def test_a_failed_task_leaves_nothing_and_brings_nothing_back(asked, volume, tmp_path):
    def fail():
        with staging.staged(asked, str(volume), "transform") as (seen, _):
            (uri(seen, "outputs", "model") / "half").write_text("")
            raise RuntimeError("its own")

    with pytest.raises(RuntimeError, match="its own"):
        fail()

    assert list(volume.iterdir()) == []
    assert list((tmp_path / "pod" / "model").iterdir()) == []


def test_the_next_attempt_removes_what_a_killed_one_left(asked, volume):
    attempt = staging.staged(asked, str(volume), "transform")
    seen, _ = attempt.__enter__()
    half = uri(seen, "outputs", "model") / "half"
    half.write_text("")

    with staging.staged(asked, str(volume), "transform") as (again, _):
        assert uri(again, "outputs", "model") == half.parent
        assert not half.exists()


def test_tasks_do_not_meet(asked, volume, tmp_path):
    other = {**asked, "outputs": {"artifacts": {"model": artifact(tmp_path / "pod" / "other")}}}
    with (
        staging.staged(asked, str(volume), "evaluator") as (one, _),
        staging.staged(other, str(volume), "evaluator") as (two, _),
    ):
        assert uri(one, "outputs", "model") != uri(two, "outputs", "model")


@pytest.mark.parametrize("place", ["a file", "nothing"])
def test_no_volume_is_one_sentence(asked, volume, place):
    directory = volume / "file"
    if place == "a file":
        directory.write_text("")
    else:
        directory = Path("/proc/no-volume")
    with (
        pytest.raises(TaskError, match=r"task transform: beam\.staging .* cannot be written"),
        staging.staged(asked, str(directory), "transform"),
    ):
        raise AssertionError("the block ran")
