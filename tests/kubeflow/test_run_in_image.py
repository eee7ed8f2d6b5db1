"""The same run with each task in a container of the image, which has the other stack."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.kubeflow import emulation, golden_file
from tests.kubeflow.conftest import Bucket
from tests.kubeflow.documents import different, quality, report_of

pytestmark = [pytest.mark.e2e, pytest.mark.container, pytest.mark.timeout(2400)]

STEPS = 300


class Containers:
    """Runs tasks as KFP's pods do: any user, nothing writable but the launcher's directories."""

    def __init__(self, engine, image) -> None:
        self.started: list[str] = []
        self._engine, self._image = engine, image

    def __call__(
        self, name: str, command: list[str], pod: Path
    ) -> subprocess.CompletedProcess[str]:
        """As `emulation.Start`."""
        self.started.append(name)
        volumes = {pod / own: f"/{own}" for own in emulation.PODS_OWN}
        return self._engine.run(self._image, command, volumes=volumes)


def in_image(engine, image, directory: Path, *arguments: str) -> None:
    """Runs `tfx-mobile` there with a directory of this machine as its own."""
    directory.chmod(0o777)
    ended = engine.run(
        image,
        ["tfx-mobile", *arguments],
        volumes={directory: "/work"},
        options=("--workdir", "/work"),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def compiled(engine, image, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("spec")
    in_image(engine, image, directory, "compile", "--image", golden_file.IMAGE, "-o", "made.yaml")
    return directory / "made.yaml"


@pytest.fixture(scope="module")
def local(engine, image, tmp_path_factory, dataset):
    """The report of a run on one machine, in the image."""
    directory = tmp_path_factory.mktemp("local")
    subprocess.run(["cp", "-r", dataset, directory / "data"], check=True)
    subprocess.run(["chmod", "-R", "a+rwX", directory], check=True)
    settings = ["--set", f"training.steps={STEPS}", "--set", "local.lanes=1"]
    in_image(engine, image, directory, "run", "--output", "run", "--data", "data", *settings)
    return json.loads((directory / "run" / "report.json").read_text())


def test_the_other_stack_compiles_to_its_kept_specification(compiled):
    assert golden_file.drift(compiled.read_text(), "current") == ""


@pytest.fixture(scope="module")
def tasks(engine, image, compiled, bucket: Bucket, dataset):
    """A run; the pods have no network, KFP's launcher does everything that needs one."""
    data = "v2/artifacts/image/data"
    bucket.put_directory(dataset, data)
    kfp = emulation.Kfp(bucket.client, bucket.name, "2.17", Containers(engine, image))
    spec = emulation.load(compiled)
    return kfp.run(spec, {"data_uri": bucket.uri(data), "train_steps": STEPS}, run_id="image")


def test_both_branches_are_pushed(tasks):
    for branch in ("keras", "lite"):
        assert tasks[f"evaluator-{branch}"].artifacts["blessing"].metadata["blessed"] == 1
        assert tasks[f"pusher-{branch}"].artifacts["pushed_model"].metadata["pushed"] == 1


def test_the_report_from_the_bucket_is_that_of_a_local_run(tasks, bucket, local, tmp_path):
    there = report_of(bucket, bucket.uri("v2/artifacts/mnist/image"), tmp_path)

    assert there["stack"]["name"] == "current"
    assert different(quality(there), quality(local)) == []
