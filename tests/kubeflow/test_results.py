"""Which run's comparison a report shows; tests/kubeflow/test_run.py compares whole reports."""

import dataclasses
import os
import subprocess
import time
from pathlib import Path

import pytest

from kubeflow import results
from pipelines.errors import DocumentError, UsageError
from tests.kubeflow.conftest import COMMAND
from tests.unit.report_data import comparison
from tests.unit.report_data import report as small_report


@dataclasses.dataclass
class Runs:
    """Runs of a pipeline in a directory, which serves as a store."""

    root: Path

    def add(self, run: str, accuracy: float | None = None, pusher: str = "pushed_model/tflite"):
        """A run that looked at its data, and came to its comparison if it has an accuracy.

        `pusher` is the file that the Pusher of lite left; empty for one that KFP's cache answered.
        """
        self._write(run, "data-fingerprint", "dataset/manifest.json", "{}")
        if accuracy is None:
            return
        shown = small_report()
        shown["run"]["id"] = run
        for branch in shown["branches"].values():
            branch["accuracy"] = accuracy
            branch["evaluation_uri"] = f"/s3/bucket/root/mnist/{run}/evaluator/1/evaluation"
        self._write(run, "comparison", "comparison/comparison.json", comparison(shown).to_json())
        if pusher:
            self._write(run, "pusher-lite", pusher, "")

    def _write(self, run: str, task: str, name: str, text: str) -> None:
        file = self.root / run / task / "0c5f" / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
        time.sleep(0.01)  # so that their times tell the order


@pytest.fixture
def runs(tmp_path) -> Runs:
    return Runs(tmp_path / "mnist")


def accuracy(uri: Path) -> float:
    return results.read(str(uri))["branches"]["lite"]["accuracy"]


@pytest.mark.parametrize("place", ["", "one"])
def test_files_in_folders_of_an_artifact_are_the_artifacts(runs, place):
    runs.add("one", 0.5, "pushed_model/variables/index")

    branch = results.read(str(runs.root / place))["branches"]["lite"]

    assert branch["pushed_uri"] == str(runs.root / "one/pusher-lite/0c5f/pushed_model")


def test_a_run_has_its_own_comparison(runs):
    runs.add("one", 0.5)
    runs.add("two", 0.6)

    assert accuracy(runs.root / "one") == 0.5
    assert accuracy(runs.root / "two") == 0.6


def test_no_run_shows_the_comparison_of_another(runs):
    """With the same dataset, neither a newer nor an older one."""
    runs.add("one", 0.5)
    runs.add("under way")
    runs.add("other", 0.6)

    with pytest.raises(UsageError, match="has not come to its comparison"):
        accuracy(runs.root / "under way")
    assert accuracy(runs.root / "one") == 0.5


def test_the_newest_finished_run_of_a_pipeline(runs):
    runs.add("one", 0.5)
    runs.add("two", 0.6)
    runs.add("under way")

    assert accuracy(runs.root) == 0.6
    assert results.read(str(runs.root))["run"]["id"] == "two"


def test_a_report_takes_one_listing_and_one_document(runs, monkeypatch):
    for number in range(20):
        runs.add(f"run {number}", number / 20)
    requests = []

    def count(name):
        method = getattr(results.storage, name)

        def counted(*arguments):
            requests.append(name)
            return method(*arguments)

        monkeypatch.setattr(results.storage, name, counted)

    count("list_objects")
    count("read_bytes")

    assert accuracy(runs.root) == 0.95
    assert requests == ["list_objects", "read_bytes"]


def test_what_the_run_recorded_is_in_its_report(runs):
    runs.add("one", 0.5)

    report = results.read(str(runs.root / "one"))

    for key in ("dataset", "settings", "anomalies", "stack"):
        assert report[key] == small_report()[key]


def test_places_are_uris(runs):
    runs.add("one", 0.5)

    branch = results.read(str(runs.root / "one"))["branches"]["lite"]

    assert branch["evaluation_uri"] == "s3://bucket/root/mnist/one/evaluator/1/evaluation"
    assert branch["pushed_uri"] == str(runs.root / "one/pusher-lite/0c5f/pushed_model")
    assert branch["pushed"] == "yes"


@pytest.mark.parametrize(
    ("left", "state"), [("", "earlier"), ("executor-logs", "no"), ("executor-logs/main.log", "no")]
)
def test_a_pusher_that_left_no_model(runs, left, state):
    runs.add("one", 0.5, left)

    branch = results.read(str(runs.root / "one"))["branches"]["lite"]

    assert (branch["pushed"], branch["pushed_uri"]) == (state, None)


def test_a_comparison_of_another_release(runs):
    runs.add("one")
    runs._write("one", "comparison", "comparison/comparison.json", '{"branches": {}}')

    with pytest.raises(DocumentError, match=r"has the format None, .*: run the pipeline again$"):
        results.read(str(runs.root / "one"))


def test_no_finished_run(runs):
    runs.add("under way")

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
