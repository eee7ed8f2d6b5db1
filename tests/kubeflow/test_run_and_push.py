"""A dataset that is pushed or pruned while a run goes on, on the emulation of KFP."""

import json
import subprocess

import pytest

from tests.kubeflow import emulation, pods
from tests.kubeflow.conftest import COMMAND, Bucket

pytestmark = pytest.mark.e2e

DATA = "v2/artifacts/pushed/data"
TASKS = ("data", "data-fingerprint", "example-gen")


@pytest.fixture(scope="module", autouse=True)
def _own_mounts():
    pods.require()


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    """The compiled pipeline, up to the task that reads the data."""
    file = tmp_path_factory.mktemp("spec") / "pipeline.yaml"
    subprocess.run([COMMAND, "compile", "--image", "tfx-mobile:1.0.0", "-o", file], check=True)
    spec = emulation.load(file)
    tasks = spec["root"]["dag"]["tasks"]
    spec["root"]["dag"]["tasks"] = {name: tasks[name] for name in TASKS}
    return spec


class Meanwhile(pods.Processes):
    """Does something between the task that finds the dataset and the task that reads it."""

    def __init__(self, environment, work):
        super().__init__(environment)
        self._work = work

    def __call__(self, name, command, pod):
        ended = super().__call__(name, command, pod)
        if name == "data-fingerprint":
            self._work()
        return ended


@pytest.fixture
def data(bucket: Bucket, dataset, monkeypatch):
    """A dataset in the bucket; calls `tfx-mobile data` with the bucket's credentials."""
    for key, value in bucket.server.environment().items():
        monkeypatch.setenv(key, value)

    def run(*arguments):
        command = [COMMAND, "data", *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    run("push", dataset, bucket.uri(DATA))
    yield run
    for key in bucket.keys(DATA):
        bucket.client.delete_object(Bucket=bucket.name, Key=key)


def start(bucket: Bucket, work):
    return emulation.Kfp(bucket.client, bucket.name, "2.17", Meanwhile({}, work))


def examples_read(task) -> str:
    """What TFX says of its input: file counts, bytes and times of each split."""
    return task.artifacts["examples"].metadata["input_fingerprint"]


def test_a_run_trains_on_the_dataset_that_it_began_with(bucket, spec, data, dataset, tmp_path):
    """The pointer moves, and the next run follows it."""

    def push_another():
        if not (tmp_path / "other").exists():
            other = ("--source", "digits", "--eval-fraction", "0.3")
            data(*other, "--output", tmp_path / "other")
            data("push", tmp_path / "other", bucket.uri(DATA))

    kfp = start(bucket, push_another)

    first = kfp.run(spec, {"data_uri": bucket.uri(DATA)})
    second = kfp.run(spec, {"data_uri": bucket.uri(DATA)})

    for tasks, eval_examples, root in ((first, 359, dataset), (second, 539, tmp_path / "other")):
        name = tasks["data-fingerprint"].parameters["data_fingerprint"]
        assert name == json.loads((root / "dataset.json").read_text())["name"]
        said = tasks["data-fingerprint"].artifacts["dataset"].metadata
        assert said["eval_examples"] == eval_examples
        size = (root / "datasets" / name / "eval" / "data.tfrecord.gz").stat().st_size
        assert f"split:eval,num_files:1,total_bytes:{size}," in examples_read(tasks["example-gen"])
    assert second["data"].artifacts == first["data"].artifacts, "to KFP it is the same artifact"
    assert not second["example-gen"].cached


def test_unchanged_data_is_cached_although_it_was_pushed_again(bucket, spec, data, dataset):
    kfp = start(bucket, lambda: data("push", dataset, bucket.uri(DATA)))

    kfp.run(spec, {"data_uri": bucket.uri(DATA)})
    tasks = kfp.run(spec, {"data_uri": bucket.uri(DATA)})

    assert tasks["example-gen"].cached


def test_a_dataset_that_is_pruned_from_a_run_is_one_sentence(bucket, spec, data, dataset, tmp_path):
    def push_another_and_prune():
        other = ("--source", "digits", "--eval-fraction", "0.4")
        data(*other, "--output", tmp_path / "other")
        data("push", tmp_path / "other", bucket.uri(DATA))
        data("prune", bucket.uri(DATA), "--keep", "1")

    name = json.loads((dataset / "dataset.json").read_text())["name"]
    kfp = start(bucket, push_another_and_prune)

    with pytest.raises(emulation.TaskFailed) as caught:
        kfp.run(spec, {"data_uri": bucket.uri(DATA)})

    assert str(caught.value).endswith(
        f"tfx-mobile: task example-gen: there is no dataset at {bucket.uri(DATA)}/datasets/{name}: "
        "push the dataset again with `tfx-mobile data push`\n"
    )
