"""Which run's comparison a report shows; tests/kubeflow/test_run.py compares whole reports."""

import dataclasses
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from kubeflow import results
from pipelines.errors import UsageError
from tests.kubeflow.conftest import COMMAND
from tests.unit import dataset_files
from tests.unit.report_data import report as small_report


@dataclasses.dataclass
class Runs:
    """Runs of a pipeline in a directory, which serves as a store."""

    root: Path

    def add(self, run: str, dataset: str, accuracy: float | None = None, pushed: bool = True):
        """A run that looked at a dataset, and came to its comparison if it has an accuracy."""
        content = {"train": dataset.encode(), "eval": b""}
        written = dataset_files.write(self.root.parent / f"{run} data", content, source=dataset)
        manifest = json.loads(written.manifest.to_json())
        self._write(run, "data-fingerprint", "dataset/manifest.json", manifest)
        if accuracy is None:
            return
        document = {key: small_report()[key] for key in ("branches", "comparison", "stack")}
        for branch in document["branches"].values():
            branch["accuracy"] = accuracy
            branch["evaluation_uri"] = f"/s3/bucket/root/mnist/{run}/evaluator/1/evaluation"
        self._write(run, "comparison", "comparison/comparison.json", document)
        if pushed:
            self._write(run, "pusher-lite", "pushed_model/tflite", {})

    def _write(self, run: str, task: str, name: str, value: object) -> None:
        file = self.root / run / task / "0c5f" / name
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(value))
        time.sleep(0.01)  # so that their times tell the order


@pytest.fixture
def runs(tmp_path) -> Runs:
    return Runs(tmp_path / "mnist")


def accuracy(uri: Path) -> float:
    return results.read(str(uri))["branches"]["lite"]["accuracy"]


def test_a_run_has_its_own_comparison(runs):
    runs.add("one", "digits", 0.5)
    runs.add("two", "digits", 0.6)

    assert accuracy(runs.root / "one") == 0.5
    assert accuracy(runs.root / "two") == 0.6


def test_a_cached_run_has_that_of_the_newest_with_its_dataset(runs):
    runs.add("one", "digits", 0.5)
    runs.add("other", "mnist", 0.6)
    runs.add("cached", "digits")

    assert accuracy(runs.root / "cached") == 0.5
    assert accuracy(runs.root) == 0.5


def test_the_newest_finished_run_of_a_pipeline(runs):
    runs.add("one", "digits", 0.5)
    runs.add("two", "mnist", 0.6)
    runs.add("under way", "new")

    assert accuracy(runs.root) == 0.6


def test_places_are_uris(runs):
    runs.add("one", "digits", 0.5)

    branch = results.read(str(runs.root / "one"))["branches"]["lite"]

    assert branch["evaluation_uri"] == "s3://bucket/root/mnist/one/evaluator/1/evaluation"
    assert branch["pushed_uri"] == str(runs.root / "one/pusher-lite/0c5f/pushed_model")


def test_what_was_not_pushed(runs):
    runs.add("one", "digits", 0.5, pushed=False)

    assert results.read(str(runs.root / "one"))["branches"]["lite"]["pushed_uri"] is None


def test_no_finished_run(runs):
    runs.add("under way", "digits")

    with pytest.raises(UsageError, match="has not come to its comparison"):
        results.read(str(runs.root / "under way"))
    with pytest.raises(UsageError, match="has not come to its comparison"):
        results.read(str(runs.root))


def test_no_run_at_all(runs):
    runs.root.mkdir()

    with pytest.raises(UsageError, match="no run of the pipeline is at"):
        results.read(str(runs.root))


def test_the_command_where_nothing_is(bucket, tmp_path):
    ended = subprocess.run(
        [COMMAND, "report", bucket.uri("nowhere"), "-o", tmp_path / "out"],
        env={**os.environ, **bucket.server.environment()},
        capture_output=True,
        text=True,
    )

    assert ended.returncode == 2
    assert ended.stderr == (
        "tfx-mobile: no run of the pipeline is at s3://mobile/nowhere: "
        "give <pipeline root>/<pipeline>/<run id>\n"
    )
    assert not (tmp_path / "out").exists()
