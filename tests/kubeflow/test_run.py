"""The compiled pipeline, task by task, on an emulation of KFP and a real S3 server."""

import json
import subprocess

import pytest

from tests.kubeflow import emulation, pods
from tests.kubeflow.conftest import COMMAND, DATA, Bucket
from tests.kubeflow.documents import different, quality, report_of

pytestmark = pytest.mark.e2e

STEPS = 300
TASKS = {
    "data-fingerprint",
    "example-gen",
    "statistics-gen",
    "schema-gen",
    "example-validator",
    "transform",
    *(
        f"{kind}-{branch}"
        for kind in ("trainer", "evaluator", "pusher")
        for branch in ("keras", "lite")
    ),
    "validator-lite",
    "comparison",
}


@pytest.fixture(scope="module", autouse=True)
def _own_mounts():
    pods.require()


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    """As `tfx-mobile compile` writes it."""
    file = tmp_path_factory.mktemp("spec") / "pipeline.yaml"
    subprocess.run([COMMAND, "compile", "--image", "tfx-mobile:1.0.0", "-o", file], check=True)
    return emulation.load(file)


@pytest.fixture(scope="module")
def local(tmp_path_factory, dataset):
    """The report of a local run on the same data and settings."""
    output = tmp_path_factory.mktemp("local") / "run"
    # One lane has all cores, as each task on KFP.
    settings = ["--set", f"training.steps={STEPS}", "--set", "local.lanes=1"]
    command = [COMMAND, "run", "--output", str(output), "--data", str(dataset), *settings]
    subprocess.run(command, check=True, capture_output=True)
    return json.loads((output / "report.json").read_text())


def cluster(bucket: Bucket, shape: str, **environment: str):
    start = pods.Processes(environment)
    return emulation.Kfp(bucket.client, bucket.name, shape, start), start


@pytest.fixture(scope="module")
def pushed_data(bucket, dataset):
    bucket.put_directory(dataset, DATA)
    return bucket.uri(DATA)


@pytest.fixture(scope="module")
def first(bucket, spec, pushed_data):
    """A cluster of today, after its first run."""
    kfp, start = cluster(bucket, "2.17", **bucket.server.environment())
    given = {
        "data_uri": pushed_data,
        "train_steps": STEPS,
        "push_to": bucket.uri("serving"),
    }
    return kfp, start, given, kfp.run(spec, given, run_id="first")


def test_every_task_runs(first):
    _, start, _, tasks = first

    assert set(start.started) == TASKS
    assert set(tasks) == {*TASKS, "data"}


def test_both_branches_are_judged_blessed_and_pushed(first, bucket):
    _, _, _, tasks = first
    for branch in ("keras", "lite"):
        evaluator = tasks[f"evaluator-{branch}"].artifacts
        assert evaluator["blessing"].metadata["blessed"] == 1
        names = bucket.keys(evaluator["evaluation"].uri.removeprefix(f"s3://{bucket.name}/"))
        assert any("metrics" in name for name in names)
        assert any(name.endswith("BLESSED") for name in bucket.keys("v2/artifacts/mnist/first"))
        pushed = tasks[f"pusher-{branch}"].artifacts["pushed_model"]
        assert pushed.metadata["pushed_destination"].startswith(bucket.uri(f"serving/{branch}/"))
        assert pushed.metadata["pushed"] == 1
        version = pushed.metadata["pushed_version"]
        assert pushed.metadata["pushed_destination"].endswith(f"/{version}")
    served = [
        key.removeprefix("serving/") for key in bucket.keys("serving/") if "/.pushes/" not in key
    ]
    assert {name.split("/")[0] for name in served} == {"keras", "lite"}
    assert any(name.startswith("keras/") and name.endswith("/saved_model.pb") for name in served)
    lite = [name.split("/")[2:] for name in served if name.startswith("lite/")]
    assert lite == [["labels.txt"], ["tflite"]]


def test_what_tfx_says_names_places_that_exist(first, bucket):
    _, _, _, tasks = first
    blessing = tasks["evaluator-lite"].artifacts["blessing"].metadata
    model = tasks["trainer-lite"].artifacts["model"].uri

    assert blessing["current_model"] == model
    everything = json.dumps([a.metadata for t in tasks.values() for a in t.artifacts.values()])
    assert "/s3/" not in everything


def test_the_example_gen_knows_its_input(first):
    _, _, _, tasks = first
    examples = tasks["example-gen"].artifacts["examples"].metadata

    assert examples["input_fingerprint"].startswith("split:train,num_files:1,")
    assert json.loads(examples["split_names"]) == ["train", "eval"]


def test_the_ui_has_something_to_show(first, bucket):
    _, _, _, tasks = first
    outputs = tasks["comparison"].artifacts

    assert outputs["page"].type["schemaTitle"] == "system.HTML"
    key = outputs["page"].uri.removeprefix(f"s3://{bucket.name}/")
    assert bucket.keys(key) == [key], "one file, exactly at the URI"
    html = bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read().decode()
    assert "trained on 1,438, judged on 359 examples" in html
    assert f"<dt>steps</dt><dd>{STEPS}</dd>" in html, "the run's parameter, not the setting"
    assert "/s3/" not in html
    for branch in ("keras", "lite"):
        matrix = outputs[f"confusion_{branch}"]
        assert matrix.type["schemaTitle"] == "system.ClassificationMetrics"
        rows = matrix.metadata["confusionMatrix"]["rows"]
        assert sum(sum(row["row"]) for row in rows) == 359


def test_metrics_are_numbers(first):
    _, _, _, tasks = first
    metrics = tasks["comparison"].artifacts["metrics"].metadata

    assert metrics["accuracy_keras"] > 0.9
    assert all(isinstance(value, float) for value in metrics.values())


def test_the_report_from_the_bucket_is_that_of_a_local_run(first, bucket, local, tmp_path):
    there = report_of(bucket, f"{first[0].root}/mnist/first", tmp_path)

    assert set(there) == set(local)
    assert different(quality(there), quality(local)) == []
    assert there["branches"]["lite"]["pushed_uri"].endswith("/pushed_model")
    assert there["branches"]["lite"]["evaluation_uri"].startswith("s3://")
    page = (tmp_path / "report.html").read_text()
    assert "Branch comparison" in page


def test_unchanged_data_is_served_from_the_cache(first, bucket, spec, tmp_path):
    kfp, start, given, before = first
    start.started.clear()

    tasks = kfp.run(spec, given, run_id="second")

    own = {"data-fingerprint", "comparison"}
    assert set(start.started) == own
    assert {name for name in TASKS if not tasks[name].cached} == own
    assert tasks["evaluator-lite"].artifacts == before["evaluator-lite"].artifacts
    one = report_of(bucket, f"{kfp.root}/mnist/first", tmp_path / "first")
    two = report_of(bucket, f"{kfp.root}/mnist/second", tmp_path / "second")
    newest = report_of(bucket, f"{kfp.root}/mnist", tmp_path / "newest")
    assert different(quality(one), quality(two)) == []
    assert [report["run"]["id"] for report in (one, two, newest)] == ["first", "second", "second"]
    assert {branch["pushed"] for branch in two["branches"].values()} == {"earlier"}


def test_another_number_of_steps_trains_again_and_no_more(first, spec):
    kfp, start, given, _ = first
    start.started.clear()

    kfp.run(spec, {**given, "train_steps": 100, "min_accuracy": 1.0, "push_to": ""})

    data = {"example-gen", "statistics-gen", "schema-gen", "example-validator", "transform"}
    assert set(start.started) == TASKS - data


def test_a_refused_model_is_not_pushed(first, spec, bucket, tmp_path):
    kfp, _, given, _ = first
    before = bucket.keys("serving/")

    # From the cache of the test before.
    values = {**given, "train_steps": 100, "min_accuracy": 1.0, "push_to": ""}
    tasks = kfp.run(spec, values, run_id="refused")

    assert bucket.keys("serving/") == before
    for branch in ("keras", "lite"):
        assert tasks[f"evaluator-{branch}"].artifacts["blessing"].metadata["blessed"] == 0
        assert tasks[f"pusher-{branch}"].artifacts["pushed_model"].metadata["pushed"] == 0
    refused = report_of(bucket, f"{kfp.root}/mnist/refused", tmp_path / "refused")
    assert refused["settings"]["training"]["steps"] == 100
    assert {branch["pushed"] for branch in refused["branches"].values()} == {"refused"}


def test_a_cached_run_does_not_report_that_of_another_schedule(first, spec, bucket, tmp_path):
    """As it was seen: a repeat of a good run reported a poor one over the same data."""
    kfp, _, given, _ = first

    kfp.run(spec, given, run_id="repeat")

    one = report_of(bucket, f"{kfp.root}/mnist/first", tmp_path / "first")
    repeat = report_of(bucket, f"{kfp.root}/mnist/repeat", tmp_path / "repeat")
    assert different(quality(one), quality(repeat)) == []
    assert repeat["settings"] == one["settings"]
    assert repeat["run"]["id"] == "repeat"
    assert {branch["blessed"] for branch in repeat["branches"].values()} == {True}


def test_changed_data_under_the_same_path_trains_again(first, spec, bucket, tmp_path):
    kfp, start, given, before = first
    start.started.clear()
    other = tmp_path / "other"
    subprocess.run(
        [COMMAND, "data", "--source", "digits", "--output", str(other), "--eval-fraction", "0.3"],
        check=True,
    )
    bucket.put_directory(other, DATA)

    tasks = kfp.run(spec, given, run_id="changed")

    assert set(start.started) == TASKS
    assert tasks["data"].artifacts == before["data"].artifacts, "to KFP it is the same artifact"
    made = report_of(bucket, f"{kfp.root}/mnist/changed", tmp_path)
    assert made["dataset"]["eval_examples"] == 539
    assert made["branches"]["lite"]["examples"] == 539


@pytest.mark.parametrize("shape", ["2.4", "next"])
def test_other_versions_of_kfp(shape, bucket, spec, dataset, local, tmp_path):
    """Without a destination for the models: they are in the artifacts alone."""
    data = f"v2/artifacts/{shape}/data"
    bucket.put_directory(dataset, data)
    kfp, start = cluster(bucket, shape)

    tasks = kfp.run(spec, {"data_uri": bucket.uri(data), "train_steps": STEPS}, run_id=shape)

    assert set(start.started) == TASKS
    there = report_of(bucket, f"{kfp.root}/mnist/{shape}", tmp_path)
    assert different(quality(there), quality(local)) == []
    pushed = tasks["pusher-lite"].artifacts["pushed_model"]
    assert pushed.metadata["pushed_destination"] == pushed.uri
    files = [key.rsplit("/", 1)[1] for key in bucket.keys(_key(pushed.uri, bucket))]
    assert files == ["labels.txt", "tflite"]


def _key(uri: str, bucket: Bucket) -> str:
    return uri.removeprefix(f"s3://{bucket.name}/")
