"""The adapter as KFP's launcher starts it: a process with arguments, signals and an exit code."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kubeflow.adapter import __main__ as adapter
from tests.unit import dataset_files

HERE = Path(__file__).parent
SCHEMA = {"instanceSchema": "title: tfx.Schema\ntype: object\n"}
MODEL = {"instanceSchema": "title: tfx.Model\ntype: object\n"}


class Task:
    """A task whose artifacts lie in a directory of the test: its URIs are plain paths."""

    def __init__(self, directory: Path, executor: str) -> None:
        self.model = directory / "run" / "model"
        self.schema = directory / "in" / "schema"
        self.output_file = directory / "out" / "output_metadata.json"
        self.model.parent.mkdir()
        self.schema.mkdir(parents=True)
        (self.schema / "schema.pbtxt").write_text("")
        executor_input = {
            "inputs": {
                "artifacts": {"schema": {"artifacts": [{"name": "1", "uri": str(self.schema)}]}},
                "parameterValues": {"steps": 3, "name": "x"},
            },
            "outputs": {
                "artifacts": {
                    "model": {"artifacts": [{"uri": str(self.model), "type": MODEL}]},
                    "executor-logs": {"artifacts": [{"uri": "s3://b/executor-logs-0"}]},
                },
                "outputFile": str(self.output_file),
            },
        }
        declared = {
            "artifacts": {"schema": {"artifactType": SCHEMA}},
            "parameters": {
                "steps": {"parameterType": "NUMBER_INTEGER"},
                "name": {"parameterType": "STRING"},
            },
        }
        self.command = [
            *(sys.executable, "-m", "kubeflow.adapter", "--task", "trainer"),
            *("--executor_class_path", f"executors.{executor}"),
            *("--json_serialized_invocation_args", json.dumps(executor_input)),
            *("--json_serialized_inputs_spec_args", json.dumps(declared)),
            "--runner=DirectRunner",
        ]
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(HERE),
            "TMPDIR": str(directory),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command, env=self.environment, text=True, stderr=subprocess.PIPE
        )

    def run(self) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.command, env=self.environment, text=True, capture_output=True)


def last_line(ended):
    return ended.stderr.strip().splitlines()[-1]


def test_a_task_that_runs_twice(tmp_path):
    """As a retry in the same pod: leftovers are gone; a crash on the way out is no failure."""
    task = Task(tmp_path, "Tell")
    task.model.mkdir()
    (task.model / "half").write_text("")
    task.output_file.parent.mkdir()
    task.output_file.write_text("of the attempt before")

    ended = task.run()

    assert ended.returncode == 0, ended.stderr
    told = json.loads((task.model / "told.json").read_text())
    assert told == {
        "found": [],
        "properties": {"steps": 3, "name": "x"},
        "types": {"schema": "Schema"},
    }
    written = json.loads(task.output_file.read_text())
    assert list(written["artifacts"]) == ["model"]
    assert list(written["artifacts"]["model"]["artifacts"][0]["metadata"]) == ["tfx_version"]
    assert os.listdir(task.output_file.parent) == ["output_metadata.json"]
    assert not list(tmp_path.glob("tfx-mobile-*"))


def test_a_cancel_ends_everything_at_once(tmp_path):
    task = Task(tmp_path, "Sleep")
    with task.start() as process:
        pid_file = task.model / "pid"
        deadline = time.monotonic() + 120
        while not (pid_file.exists() and pid_file.read_text()):
            assert time.monotonic() < deadline
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        executor = int(pid_file.read_text())

        # KFP's launcher is gone by now, and with it whoever reads what is printed.
        process.stderr.close()
        process.send_signal(signal.SIGTERM)
        process.wait(10)

    assert process.returncode == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        _wait_until_gone(executor)
    assert not task.output_file.exists()


def _wait_until_gone(pid):
    for _ in range(100):
        os.kill(pid, 0)
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("executor", "sentence"),
    [
        ("Crash", "tfx-mobile: task trainer: its executor was ended by SIGSEGV"),
        ("Fail", "tfx-mobile: task trainer failed: ValueError: the executor's own words"),
        ("FailAsBeam", "tfx-mobile: task trainer failed: ValueError: the value 7 is wrong"),
    ],
)
def test_a_failure_is_one_sentence_at_the_end(tmp_path, executor, sentence):
    task = Task(tmp_path, executor)

    ended = task.run()

    assert ended.returncode == 1
    assert last_line(ended) == sentence
    assert not task.output_file.exists()


def test_an_input_that_is_gone_from_the_store(tmp_path):
    task = Task(tmp_path, "Tell")
    (task.schema / "schema.pbtxt").unlink()

    ended = task.run()

    assert ended.returncode == 1
    assert ended.stderr == (
        f"tfx-mobile: task trainer: the input 'schema' is empty: nothing lies at {task.schema}\n"
    )


DATASET = {"schemaTitle": "system.Dataset"}


class ExampleGen(Task):
    """A task that reads the dataset which the fingerprint task has found."""

    def __init__(self, directory: Path, name: str, uri: str, access: str = "import") -> None:
        super().__init__(directory, "Tell")
        options = dict(zip(self.command[3::2], self.command[4::2], strict=False))
        executor_input = json.loads(options["--json_serialized_invocation_args"])
        values = {"data_fingerprint": name, "input_base": ""}
        artifacts = {}
        if access == "direct":
            values["input_base"] = uri
        else:
            local = str(directory / "data")
            artifacts = {"data": {"artifacts": [{"uri": uri, "customPath": local}]}}
        executor_input["inputs"] = {"artifacts": artifacts, "parameterValues": values}
        declared = {"artifacts": {key: {"artifactType": DATASET} for key in artifacts}}
        declared["parameters"] = {"input_base": {"parameterType": "STRING"}}
        self.command = [
            *(*self.command[:3], "--task", "example-gen"),
            *("--executor_class_path", "executors.Tell"),
            *("--json_serialized_invocation_args", json.dumps(executor_input)),
            *("--json_serialized_inputs_spec_args", json.dumps(declared)),
        ]


def read_from(task: Task) -> str:
    """Where the executor was told to read."""
    ended = task.run()
    assert ended.returncode == 0, ended.stderr
    return json.loads((task.model / "told.json").read_text())["properties"]["input_base"]


@pytest.mark.parametrize("access", ["import", "direct"])
def test_the_example_gen_reads_the_dataset_of_the_run_wherever_the_pointer_is(tmp_path, access):
    """What was pushed since, and what lies beside, is not looked at."""
    first = dataset_files.write(tmp_path / "data")
    dataset_files.write(tmp_path / "data", {"train": b"pushed since", "eval": b""})
    (first.directory / "train" / "more.tfrecord.gz").write_bytes(b"damaged")
    uri = str(tmp_path / "data") if access == "direct" else "s3://bucket/data"

    task = ExampleGen(tmp_path, first.manifest.name, uri, access)

    assert read_from(task) == str(first.directory)


def test_the_dataset_is_copied_to_where_beams_workers_see_it(tmp_path):
    """The dataset alone, not what lies beside."""
    written = dataset_files.write(tmp_path / "data")
    (tmp_path / "volume").mkdir()
    task = ExampleGen(tmp_path, written.manifest.name, "s3://bucket/data")
    task.command += ["--beam_staging", str(tmp_path / "volume")]

    assert read_from(task).startswith(f"{tmp_path}/volume/example-gen-")
    assert os.listdir(tmp_path / "volume") == []


def change_content(file: Path) -> None:
    file.write_bytes(file.read_bytes()[::-1])


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def remove(file: Path) -> None:
    file.unlink()


def prune(file: Path) -> None:
    shutil.rmtree(file.parents[1])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (
            change_content,
            "{uri}/train/data.tfrecord.gz has another content than manifest.json says",
        ),
        (cut, "{uri}/train/data.tfrecord.gz has 4 bytes, and manifest.json says 5"),
        (remove, "{uri}/train/data.tfrecord.gz is missing"),
        (prune, "there is no dataset at {uri}"),
    ],
)
def test_a_dataset_that_was_changed_is_not_read(tmp_path, damage, problem):
    written = dataset_files.write(tmp_path / "data")
    damage(written.directory / "train" / "data.tfrecord.gz")
    task = ExampleGen(tmp_path, written.manifest.name, "s3://bucket/data")

    ended = task.run()

    uri = f"s3://bucket/data/datasets/{written.manifest.name}"
    assert ended.returncode == 1
    assert ended.stderr == (
        f"tfx-mobile: task example-gen: {problem.format(uri=uri)}: push the dataset again with "
        "`tfx-mobile data push`\n"
    )
    assert not task.output_file.exists()


def pushing(base):
    destination = json.dumps({"filesystem": {"base_directory": base}})
    return {"inputs": {"parameterValues": {"push_destination": destination}}}


def base_directory(asked):
    return json.loads(asked["inputs"]["parameterValues"]["push_destination"])["filesystem"][
        "base_directory"
    ]


@pytest.mark.parametrize("base", ["gs://models/lite", "s3://models/lite", "minio://m/lite"])
def test_a_pusher_to_a_store_pushes_into_the_artifact_first(base):
    asked = pushing(base)

    assert adapter._Push.plan(asked) is not None
    assert base_directory(asked) == ""


@pytest.mark.parametrize("base", ["/mnt/models/lite", ""])
def test_a_pusher_to_a_mounted_path_or_none_works_by_itself(base):
    asked = pushing(base)

    assert adapter._Push.plan(asked) is None
    assert base_directory(asked) == base


def pushed_model(directory, **metadata):
    """The task's outputs as KFP gives them, and TFX's answer."""
    artifact = {"artifacts": [{"uri": str(directory), "type": MODEL}]}
    answer = {"artifacts": [{"metadata": metadata}]}
    return {"outputs": {"artifacts": {"pushed_model": artifact}}}, {
        "artifacts": {"pushed_model": answer}
    }


def test_a_model_that_was_not_blessed_goes_nowhere(tmp_path):
    push = adapter._Push.plan(pushing("gs://models/lite"))
    executor_input, answer = pushed_model(tmp_path, pushed=0)

    push.finish(executor_input, answer)

    assert answer["artifacts"]["pushed_model"]["artifacts"] == [{"metadata": {"pushed": 0}}]


def test_the_metadata_names_the_version_that_was_published(tmp_path, monkeypatch):
    """The store chose another version than TFX, and both properties tell the same."""
    published = []

    def take(directory, destination, pusher):
        published.append((directory, destination, pusher))
        return f"{destination}/18"

    monkeypatch.setattr("kubeflow.adapter.publish.publish", take)
    push = adapter._Push.plan(pushing("gs://models/lite"))
    executor_input, answer = pushed_model(
        tmp_path, pushed=1, pushed_version="17", pushed_destination=str(tmp_path)
    )

    push.finish(executor_input, answer)

    assert published == [(tmp_path, "gs://models/lite", str(tmp_path))]
    (artifact,) = answer["artifacts"]["pushed_model"]["artifacts"]
    assert artifact["metadata"] == {
        "pushed": 1,
        "pushed_version": "18",
        "pushed_destination": "gs://models/lite/18",
    }
