"""Why there is an adapter: stock TFX under the same emulation fails as it does on a cluster.

An emulation that lets it pass would prove nothing about the adapter.
"""

import copy
import subprocess

import pytest

from pipelines.data.dataset import load
from tests.kubeflow import emulation, pods
from tests.kubeflow.conftest import COMMAND, DATA

pytestmark = pytest.mark.e2e

STOCK = ["python", "-m", "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    pods.require()
    file = tmp_path_factory.mktemp("spec") / "pipeline.yaml"
    settings = ["--set", "kubeflow.data_access=direct"]
    command = [COMMAND, "compile", "--image", "tfx-mobile:1.0.0", "-o", file, *settings]
    subprocess.run(command, check=True)
    return emulation.load(file)


def only(spec, *names):
    """The same specification with some tasks alone, their command TFX's own."""
    made = copy.deepcopy(spec)
    tasks = made["root"]["dag"]["tasks"]
    for name in set(tasks) - set(names):
        del tasks[name]
    for task in tasks.values():
        task["dependentTasks"] = [n for n in task.get("dependentTasks", []) if n in names]
    return made


def stock(spec, *names):
    for name in names:
        container = spec["deploymentSpec"]["executors"][f"{name}_executor"]["container"]
        container["command"] = STOCK
        args = container["args"]
        container["args"] = args[args.index("--executor_class_path") :]
    return spec


@pytest.fixture
def example_gen(compiled):
    """An ExampleGen that needs no other task."""
    spec = only(compiled, "example-gen")
    del spec["root"]["dag"]["tasks"]["example-gen"]["inputs"]["parameters"]["data_fingerprint"]
    return spec


@pytest.fixture
def examples(dataset):
    """The directory of TFRecords, which only our tasks find through the pointer."""
    return str(load(dataset).directory)


def run(bucket, spec, shape, data_uri):
    kfp = emulation.Kfp(bucket.client, bucket.name, shape, pods.Processes())
    return kfp.run(spec, {"data_uri": data_uri})


def test_it_knows_no_executor_logs(bucket, example_gen, examples):
    with pytest.raises(emulation.TaskFailed) as caught:
        run(bucket, stock(example_gen, "example-gen"), "2.17", examples)

    assert "system.Artifact" in str(caught.value)
    assert "ImportError" in str(caught.value) or "ValueError" in str(caught.value)


def test_it_knows_no_object_store(bucket, example_gen):
    """Before KFP 2.5 there are no logs among the outputs: the next obstacle shows."""
    with pytest.raises(emulation.TaskFailed) as caught:
        run(bucket, stock(example_gen, "example-gen"), "2.4", f"minio://{bucket.name}/{DATA}")

    assert "File system scheme 'minio' not implemented" in str(caught.value)


def test_it_needs_the_types_that_kfp_erases(bucket, compiled, examples):
    spec = only(compiled, "example-gen", "statistics-gen")
    del spec["root"]["dag"]["tasks"]["example-gen"]["inputs"]["parameters"]["data_fingerprint"]
    with pytest.raises(emulation.TaskFailed) as caught:
        run(bucket, stock(spec, "statistics-gen"), "2.4", examples)

    assert "statistics-gen ended with 1" in str(caught.value)
    assert "AttributeError: 'NoneType' object has no attribute 'get'" in str(caught.value)


def test_the_adapter_passes_where_stock_tfx_fails(bucket, example_gen, examples):
    tasks = run(bucket, example_gen, "2.17", examples)

    assert tasks["example-gen"].artifacts["examples"].metadata["input_fingerprint"]
