"""The data-processing components through Beam's job server, on a Flink inside it."""

import contextlib
import os
import signal
import subprocess
import sys

import psutil
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from tfx.components.evaluator.executor import Executor as EvaluatorExecutor
from tfx.types import standard_artifacts

from modules import mnist
from pipelines import beam, settings
from pipelines.judging import evaluation
from tests.kubeflow import emulation, pods
from tests.kubeflow.conftest import COMMAND as TFX_MOBILE
from tests.kubeflow.conftest import bucket, dataset
from tests.kubeflow.storage import servers
from tests.pipeline import flink
from tests.pipeline.conftest import COMMAND, run, steps
from tests.pipeline.test_interruptions import end, wait_for

__all__ = ["bucket", "dataset"]

pytestmark = [pytest.mark.e2e, pytest.mark.java]

QUICK = ["--set", "training.steps=20", "--set", "training.eval_steps=10"]
BRANCHES = ("keras", "lite")


@pytest.fixture(scope="module")
def jar(tmp_path_factory):
    return flink.job_server(tmp_path_factory.mktemp("job-server"))


# ---------------------------------------------------------------- a run on this machine


@pytest.fixture(scope="module")
def arguments(jar):
    chosen = {"runner": "flink", "master": "local", "job_server_jar": jar}
    flags = [word for key, value in chosen.items() for word in ("--set", f"beam.{key}={value}")]
    return ["--data", "digits", *QUICK, *flags]


@pytest.fixture(scope="module")
def flink_run(tmp_path_factory, arguments):
    """Interrupted once, then to its end."""
    output = tmp_path_factory.mktemp("flink") / "run"
    command = [*COMMAND, "--output", str(output), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(process, "example-gen")
    started = {p.name() for p in psutil.Process(process.pid).children(recursive=True)}
    assert "java" in started
    # Asserts that no process is left.
    end(process, signal.SIGINT)

    made = run(output, *arguments)
    assert made.completed.returncode == 0, made.completed.stderr
    return made


def test_finished_components_are_not_run_again(flink_run):
    """The job server's port, among Beam's arguments, is another one than before."""
    notes = steps(flink_run.completed.stdout)
    assert notes["example-gen"] == "cached"
    assert notes["transform"] == ""


def test_every_component_is_a_job_of_flink(flink_run):
    finished = "org.apache.beam.runners.flink.FlinkPipelineRunner - Execution finished"
    # StatisticsGen, Transform and two Evaluators, as Java itself says.
    assert flink_run.layout.log.read_text().count(finished) >= 4


def test_nothing_of_java_is_left(flink_run):
    jar = next(word for word in flink_run.arguments if "job_server_jar" in word).split("=")[1]
    left = [p for p in psutil.process_iter(["cmdline"]) if jar in (p.info["cmdline"] or [])]
    assert not left


def test_transform_writes_what_it_writes_in_process(flink_run, digits_run):
    for split in ("train", "eval"):
        ours, theirs = (
            records(made.artifact("transform", "transformed_examples") / f"Split-{split}")
            for made in (flink_run, digits_run)
        )
        assert ours == theirs
        assert len(ours) > 300


@pytest.mark.parametrize("branch", BRANCHES)
def test_evaluator_finds_what_it_finds_in_process(flink_run, branch, tmp_path):
    there = tfma.load_eval_result(str(flink_run.artifact(f"evaluator-{branch}", "evaluation")))
    here = tfma.load_eval_result(evaluate_in_process(flink_run, branch, tmp_path))
    assert len(there.slicing_metrics) == 11
    assert numbers(there.slicing_metrics) == pytest.approx(numbers(here.slicing_metrics), abs=1e-6)


def records(directory):
    """Every example's features by name, in an order of their own: a cluster has none."""
    files = [str(file) for file in sorted(directory.iterdir())]
    found = []
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        found.append(sorted((name, features[name].SerializeToString()) for name in features))
    return sorted(found)


def evaluate_in_process(made, branch, directory):
    """The Evaluator once more on the same model, as `beam.runner=direct` would run it."""

    def artifact(kind, component, output):
        found = kind()
        found.uri = str(made.artifact(component, output))
        return [found]

    examples = artifact(standard_artifacts.Examples, "example-gen", "examples")
    examples[0].split_names = '["train", "eval"]'
    results, blessing = standard_artifacts.ModelEvaluation(), standard_artifacts.ModelBlessing()
    results.uri, blessing.uri = str(directory / "evaluation"), str(directory / "blessing")
    config = evaluation.eval_config(mnist.TASK, settings.Evaluation())
    if branch == "lite":
        config = evaluation.lite_eval_config(config)
    arguments = beam.pipeline_args(settings.Beam())
    EvaluatorExecutor(EvaluatorExecutor.Context(beam_pipeline_args=arguments)).Do(
        {
            "examples": examples,
            "model": artifact(standard_artifacts.Model, f"trainer-{branch}", "model"),
            "schema": artifact(standard_artifacts.Schema, "schema-gen", "schema"),
        },
        {"evaluation": [results], "blessing": [blessing]},
        {
            "eval_config": json_format.MessageToJson(config),
            "example_splits": "null",
            "fairness_indicator_thresholds": "null",
        },
    )
    return results.uri


def numbers(slicing_metrics):
    """Every number by slice and name of its metric."""
    return {
        (str(key), name): value["doubleValue"]
        for key, metrics in slicing_metrics
        for name, value in metrics[""][""].items()
        if "doubleValue" in value
    }


# ---------------------------------------------------------------- a cluster beside KFP


@contextlib.contextmanager
def worker_pool():
    """What stands beside each worker of a cluster, with a `/s3` that is not the tasks'."""
    port = servers.free_port()
    module = "apache_beam.runners.worker.worker_pool_main"
    environment = {**os.environ, "PATH": f"{TFX_MOBILE.parent}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [sys.executable, "-m", module, f"--service_port={port}"],
        env=environment,
        cwd="/",
        start_new_session=True,
    )
    try:
        yield f"localhost:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def cluster_tasks(jar, bucket, dataset, tmp_path_factory):
    """The tasks of the baseline, whose Beam components run beside the pods, not in them."""
    pods.require()
    directory = tmp_path_factory.mktemp("cluster")
    staging = directory / "staging"
    staging.mkdir()
    embedded = settings.Beam(runner="flink", master="local", job_server_jar=str(jar))
    with worker_pool() as pool, beam.job_server(embedded):
        chosen = {
            "runner": "portable",
            "job_endpoint": os.environ[beam._ENDPOINT],
            "environment": "EXTERNAL",
            "environment_config": pool,
            "staging": staging,
            # Workers stay for the next stage of a job: each start loads TensorFlow.
            "options": "[--environment_cache_millis=60000]",
        }
        flags = [f"--set=beam.{key}={value}" for key, value in chosen.items()]
        file = directory / "pipeline.yaml"
        command = [TFX_MOBILE, "compile", "--image", "tfx-mobile:1.0.0", "-o", file, *flags]
        subprocess.run([*command, "--set=branches=[keras]"], check=True)
        spec = emulation.load(file)
        for name in ("comparison", "example-validator", "pusher-keras"):
            del spec["root"]["dag"]["tasks"][name]
        bucket.put_directory(dataset, "v2/artifacts/cluster/data")
        start = pods.Processes(bucket.server.environment())
        kfp = emulation.Kfp(bucket.client, bucket.name, "2.17", start)
        given = {"data_uri": bucket.uri("v2/artifacts/cluster/data"), "train_steps": 300}
        return kfp.run(spec, given), staging


def test_tasks_reach_a_cluster_through_a_shared_volume(cluster_tasks, bucket, tmp_path):
    tasks, _ = cluster_tasks
    blessing = tasks["evaluator-keras"].artifacts["blessing"].metadata
    assert blessing["blessed"] == 1
    assert blessing["current_model"] == tasks["trainer-keras"].artifacts["model"].uri
    for name, output in (("transform", "transformed_examples"), ("evaluator-keras", "evaluation")):
        uri = tasks[name].artifacts[output].uri
        assert bucket.keys(uri.removeprefix(f"s3://{bucket.name}/"))


def test_the_shared_volume_is_left_empty(cluster_tasks):
    tasks, staging = cluster_tasks
    assert list(staging.iterdir()) == []
    told = [a.metadata for task in tasks.values() for a in task.artifacts.values()]
    assert str(staging) not in str(told)
