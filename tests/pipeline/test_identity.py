"""What a run says is its own: its data, its settings, its failure, its documents."""

import json
import signal
import subprocess
import textwrap

import pytest

from modules import mnist
from pipelines import settings, tasks
from tests.pipeline.conftest import COMMAND, run, steps
from tests.pipeline.test_interruptions import QUICK, end, start, wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    made = run(tmp_path_factory.mktemp("identity") / "run", *QUICK)
    assert made.completed.returncode in {0, 4}, made.completed.stderr
    return made


def test_the_report_states_the_settings_and_data_of_its_run(finished):
    report = finished.report
    told = tasks.settle(settings.load(overrides=QUICK[-1:]), mnist.TASK)
    assert told.training.steps == 20
    assert report["settings"]["training"] == told.training.model_dump(mode="json")
    counts = report["dataset"]["class_counts"]
    assert [sum(counts[split].values()) for split in ("train", "eval")] == [1438, 359]
    assert report["run"]["processor"]
    assert report["run"]["date"].endswith("+00:00")
    assert report["anomalies"] == []


def test_a_run_on_other_data_does_not_change_the_report_before_it_is_done(finished):
    """As it was seen: the second run's counts beside the first one's accuracies."""
    before = finished.report
    process = start(finished.layout.root, "--set", "data.eval_fraction=0.4")
    wait_for(process, "data")
    end(process, signal.SIGTERM)

    command = [*COMMAND[:1], "report", str(finished.layout.root)]
    rebuilt = subprocess.run(command, capture_output=True, text=True)

    assert rebuilt.returncode == 0, rebuilt.stderr
    assert finished.report == before
    assert "trained on 1,438, judged on 359" in rebuilt.stdout


def test_a_damaged_document_is_told_and_made_again(finished):
    (verdict,) = finished.layout.pipeline.glob("validator-lite/blessing/*/verdict.json")
    verdict.write_text(verdict.read_text()[:20])

    again = run(finished.layout.root, *QUICK)

    assert again.completed.returncode == finished.completed.returncode, again.completed.stderr
    notes = steps(again.completed.stdout)
    assert notes["compose"] == f"{verdict} was removed or changed; its artifact is made again"
    assert (notes["trainer-lite"], notes["validator-lite"]) == ("cached", "")
    assert not verdict.exists()


def test_a_failure_is_told_as_the_step_that_failed(finished, tmp_path):
    """The Keras branch fails while the other lane is at its own steps."""
    (tmp_path / "broken.py").write_text(
        textwrap.dedent(
            f"""
            import pathlib, time

            def run_fn(fn_args):
                pipeline = pathlib.Path({str(finished.layout.pipeline)!r})
                while len(list(pipeline.glob("evaluator-lite/evaluation/*"))) < 2:
                    time.sleep(0.1)
                time.sleep(0.5)
                raise ValueError("the keras run_fn is broken")
            """
        )
    )
    made = run(
        finished.layout.root,
        *("--data", "digits", "--set", "training.steps=21", "--set", "local.lanes=2"),
        *("--set", "branches=[{name: keras, run_fn: broken.run_fn}, lite]"),
        cwd=tmp_path,
    )

    assert made.completed.returncode == 1
    assert made.completed.stderr == (
        "tfx-mobile: trainer-keras failed: ValueError: the keras run_fn is broken; "
        f"the log is {made.layout.log}\n"
    )
    assert json.loads(made.layout.report_json.read_text()) == finished.report
