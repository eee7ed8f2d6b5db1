"""Three tasks that are not MNIST, compiled and run in the emulation of KFP.

`tfx-mobile data`, `data push`, `compile --data`, then every task as KFP starts it.
"""

import dataclasses
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import task_data
from tests.kubeflow import emulation, pods
from tests.kubeflow.conftest import COMMAND, Bucket
from tests.kubeflow.documents import report_of

pytestmark = pytest.mark.e2e

TASKS = list(task_data.WRITERS)
BRANCHES = ("keras", "lite")


@dataclasses.dataclass(frozen=True)
class Ran:
    """A pipeline that was compiled for a dataset, after its first run."""

    spec: dict[str, Any]
    said: str
    kfp: emulation.Kfp
    given: dict[str, Any]
    tasks: dict[str, emulation.Task]
    folder: Path


@pytest.fixture(scope="module", autouse=True)
def _own_mounts():
    pods.require()


@pytest.fixture(scope="module")
def ran(tmp_path_factory, bucket: Bucket):
    """Compiles and runs the pipeline of a task, once."""
    made: dict[str, Ran] = {}

    def of(name: str) -> Ran:
        if name not in made:
            made[name] = first_run(name, tmp_path_factory.mktemp(name), bucket)
        return made[name]

    return of


def first_run(name: str, folder: Path, bucket: Bucket) -> Ran:
    def tfx_mobile(*arguments: str) -> str:
        done = subprocess.run(
            [COMMAND, *arguments],
            cwd=folder,
            env={**os.environ, **bucket.server.environment()},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    task_data.WRITERS[name](folder / name)
    data_uri = bucket.uri(f"v2/artifacts/{name}/data")
    tfx_mobile("data", "--source", name, "--output", "dataset")
    tfx_mobile("data", "push", "dataset", data_uri)
    listed = tfx_mobile("data", "ls", data_uri).splitlines()
    assert "task" in listed[0].split()
    assert name in listed[1].split()
    flags = [word for setting in task_data.SETTINGS[name] for word in ("--set", setting)]
    compile_ = ["compile", "--image", "tfx-mobile:1.0.0", "--set", f"name={name}", *flags]
    said = tfx_mobile(*compile_, "--data", "dataset")
    spec = emulation.load(folder / "pipeline.yaml")
    start = pods.Processes(bucket.server.environment())
    kfp = emulation.Kfp(bucket.client, bucket.name, "2.17", start)
    given = {"data_uri": data_uri, "push_to": bucket.uri(f"served-{name}")}
    return Ran(spec, said, kfp, given, kfp.run(spec, given, run_id="first"), folder)


@pytest.mark.parametrize("name", TASKS)
def test_compile_says_the_task(ran, name):
    last = ran(name).said.splitlines()[-1]

    assert last.startswith(f"task {name}: ")
    assert last.endswith(", as in the dataset dataset")


@pytest.mark.parametrize("name", TASKS)
def test_both_branches_are_judged_and_pushed_with_their_labels(ran, name, bucket: Bucket, tmp_path):
    tasks = ran(name).tasks

    for branch in BRANCHES:
        assert tasks[f"evaluator-{branch}"].artifacts["blessing"].metadata["blessed"] == 1
        pushed = tasks[f"pusher-{branch}"].artifacts["pushed_model"]
        for place in (pushed.metadata["pushed_destination"], pushed.uri):
            key = place.removeprefix(f"s3://{bucket.name}/")
            for file in bucket.keys(key):
                target = tmp_path / file
                target.parent.mkdir(parents=True, exist_ok=True)
                bucket.client.download_file(bucket.name, file, str(target))
            assert task_data.find_labels(tmp_path / key, branch) == task_data.CLASSES[name]
            main = "saved_model.pb" if branch == "keras" else "tflite"
            assert (tmp_path / key / main).is_file()


@pytest.mark.parametrize("name", TASKS)
def test_the_ui_shows_the_task(ran, name, bucket: Bucket):
    outputs = ran(name).tasks["comparison"].artifacts
    classes = task_data.CLASSES[name]

    key = outputs["page"].uri.removeprefix(f"s3://{bucket.name}/")
    page = bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read().decode()
    for words in classes or ("mean absolute error",):
        assert words.lower() in page.lower()
    metrics = outputs["metrics"].metadata
    assert metrics[f"{'accuracy' if classes else 'mean_absolute_error'}_lite"] > 0
    matrices = {
        key: artifact
        for key, artifact in outputs.items()
        if artifact.type.get("schemaTitle") == "system.ClassificationMetrics"
    }
    assert set(matrices) == ({f"confusion_{branch}" for branch in BRANCHES} if classes else set())
    for matrix in matrices.values():
        shown = matrix.metadata["confusionMatrix"]["annotationSpecs"]
        assert [spec["displayName"] for spec in shown] == list(classes)


@pytest.mark.parametrize("name", TASKS)
def test_the_report_is_of_the_task(ran, name, bucket: Bucket, tmp_path):
    report = report_of(bucket, f"{ran(name).kfp.root}/{name}/first", tmp_path)

    assert report["task"]["name"] == name
    assert report["task"]["head"].get("classes", []) == list(task_data.CLASSES[name] or [])
    assert {branch["pushed"] for branch in report["branches"].values()} == {"yes"}


def test_a_run_with_a_smaller_bound_is_refused(ran, bucket: Bucket, tmp_path):
    """The run form's parameter reaches the Evaluators, the comparison and the report."""
    own = ran("diabetes")

    tasks = own.kfp.run(own.spec, {**own.given, "max_error": 1, "push_to": ""}, run_id="refused")

    for branch in BRANCHES:
        assert tasks[f"trainer-{branch}"].cached
        assert tasks[f"evaluator-{branch}"].artifacts["blessing"].metadata["blessed"] == 0
        assert tasks[f"pusher-{branch}"].artifacts["pushed_model"].metadata["pushed"] == 0
    report = report_of(bucket, f"{own.kfp.root}/diabetes/refused", tmp_path)
    assert report["settings"]["evaluation"]["max_error"] == 1
    assert all("above 1" in branch["refusals"][0] for branch in report["branches"].values())


def test_data_of_another_task_is_refused(ran):
    own, wrong = ran("wine"), ran("diabetes").given["data_uri"]

    with pytest.raises(emulation.TaskFailed) as caught:
        own.kfp.run(own.spec, {**own.given, "data_uri": wrong}, run_id="wrong")

    assert str(caught.value).endswith(
        f"tfx-mobile: task data-fingerprint: {wrong} holds a dataset of another task than the "
        "pipeline's, which is wine: it is for regression, not classification; push one of wine "
        "there, or compile the pipeline with this dataset as --data\n"
    )


def test_the_same_data_is_answered_from_the_cache(ran):
    own = ran("photos")

    tasks = own.kfp.run(own.spec, own.given, run_id="second")

    computed = {name for name, task in tasks.items() if not task.cached}
    assert computed == {"data", "data-fingerprint", "comparison"}


def test_photos_of_another_size_are_another_task(ran):
    own = ran("photos")
    command = [COMMAND, "data", "--source", "photos", "--output", "small"]
    subprocess.run(
        [*command, "--set", "task.images.height=32", "--set", "task.images.width=32"],
        cwd=own.folder,
        check=True,
    )

    with pytest.raises(emulation.TaskFailed, match=r"it has image \(float32 32x32x3\) and lacks "):
        own.kfp.run(own.spec, {**own.given, "data_uri": str(own.folder / "small")}, run_id="small")


def test_a_task_of_the_users_folder(bucket: Bucket, tmp_path):
    """Compiled where the module is, and found by the tasks in the image's folder for such."""
    task_data.write_own_task(tmp_path)
    named = ["--set", "task=own_task.TASK", "--set", "training.steps=20"]
    for command in (
        ["data", "--source", "wine", "--output", "dataset", *named],
        ["compile", "--image", "tfx-mobile:1.0.0", "--data", "dataset", *named],
    ):
        subprocess.run([COMMAND, *command], cwd=tmp_path, check=True)
    spec = emulation.load(tmp_path / "pipeline.yaml")
    every = spec["root"]["dag"]["tasks"]
    kept = ("data", "data-fingerprint", "example-gen", "statistics-gen", "schema-gen", "transform")
    spec["root"]["dag"]["tasks"] = {
        name: every[name] for name in (*kept, "trainer-lite", "validator-lite")
    }
    bucket.put_directory(tmp_path / "dataset", "v2/artifacts/own/data")
    start = pods.Processes({"TFX_MOBILE_USER_FOLDERS": str(tmp_path)})
    kfp = emulation.Kfp(bucket.client, bucket.name, "2.17", start)

    tasks = kfp.run(spec, {"data_uri": bucket.uri("v2/artifacts/own/data")})

    assert tasks["data-fingerprint"].artifacts["dataset"].metadata["task"] == "strong-wine"
    assert tasks["validator-lite"].artifacts["blessing"].metadata["blessed"] == 1
