"""`python -m kubeflow.adapter`: one TFX task on Kubeflow Pipelines."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from kubeflow import datasets, pod_guard, storage
from kubeflow.adapter import invocation, result, staging
from kubeflow.adapter.errors import TaskError
from kubeflow.adapter.invocation import ExecutorInput
from kubeflow.spec import type_title
from pipelines import environment, files
from pipelines.errors import DataError, DocumentError

_PUSH, _PUSHED = "push_destination", "pushed_model"
_SINGLE_FILES = {"system.HTML"}
"""Types whose artifact is one file at the URI, not a directory."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one task; ends with 0, or with one sentence and the error's exit code."""
    options, beam_args = _parse(arguments)
    with pod_guard.explained():
        run(options, beam_args)


def run(options: argparse.Namespace, beam_args: list[str]) -> None:
    """Runs one task.

    Args:
      options: See `_parse`.
      beam_args: For the executors that use Beam.

    Raises:
      TaskError: KFP handed over something else than was declared, or the executor was ended.
      SystemExit: The executor failed and said why.
      StorageError: The pushed model cannot be uploaded.
    """
    executor_input: ExecutorInput = json.loads(options.json_serialized_invocation_args)
    declared = json.loads(options.json_serialized_inputs_spec_args)
    output_file = Path(executor_input["outputs"]["outputFile"])
    with tempfile.TemporaryDirectory(prefix="tfx-mobile-") as scratch:
        tfx_file = Path(scratch, "task", "output_metadata.json")
        asked = invocation.to_tfx(executor_input, declared, options.task, str(tfx_file))
        _check_inputs(executor_input, options.task)
        _check_dataset(executor_input, asked, options.task)
        _prepare_outputs(executor_input, output_file)
        push = _Push.plan(asked)
        with staging.staged(asked, options.beam_staging, options.task) as (seen, places):
            _run_executor(
                {
                    "task": options.task,
                    "invocation": seen,
                    "declared": declared,
                    "executor_class_path": options.executor_class_path,
                    "example_gen_driver": options.example_gen_driver,
                    "beam_args": beam_args,
                }
            )
        tfx_output = json.loads(tfx_file.read_text(encoding="utf-8"))
        if push:
            push.finish(executor_input, tfx_output)
        moved = {
            places[local]: artifact["uri"]
            for artifacts in (invocation.inputs(executor_input), invocation.outputs(executor_input))
            for artifact in artifacts.values()
            if (local := invocation.local_path(artifact)) in places
        }
        base = asked["inputs"]["parameterValues"].get(invocation.INPUT_BASE, "")
        if base in places:
            moved[places[base]] = invocation.dataset_uri(executor_input)
    answer = result.to_kfp(tfx_output, executor_input, moved)
    files.write_text(output_file, json.dumps(answer, allow_nan=False, indent=2))


class _Push:
    """A Pusher's way to an object store: TFX pushes into the artifact, which is published.

    TensorFlow has no S3 here, and on `gs://` it leaves zero-byte objects for directories, which
    break later downloads (kubeflow/pipelines#13476).
    """

    def __init__(self, destination: str) -> None:
        self._destination = destination

    @classmethod
    def plan(cls, asked: ExecutorInput) -> "_Push | None":
        """Removes a Pusher's destination in a store; None where there is no such destination."""
        values = asked["inputs"]["parameterValues"]
        if _PUSH not in values:
            return None
        destination = json.loads(values[_PUSH])
        base: str = destination["filesystem"]["base_directory"]
        if not storage.is_remote(base):
            return None
        destination["filesystem"]["base_directory"] = ""
        values[_PUSH] = json.dumps(destination)
        return cls(base)

    def finish(self, executor_input: ExecutorInput, tfx_output: dict[str, Any]) -> None:
        """Publishes what was pushed, and puts the version into the artifact's metadata."""
        metadata = tfx_output["artifacts"][_PUSHED]["artifacts"][0]["metadata"]
        if not metadata.get("pushed"):
            return
        from kubeflow.adapter import publish

        artifact = invocation.outputs(executor_input)[_PUSHED]
        model = Path(invocation.local_path(artifact))
        uri = publish.publish(model, self._destination, pusher=artifact["uri"])
        metadata |= {"pushed_destination": uri, "pushed_version": uri.rpartition("/")[2]}


def _check_inputs(executor_input: ExecutorInput, task: str) -> None:
    """What KFP registered may be gone from the store, of which its launcher says nothing."""
    for name, artifact in invocation.inputs(executor_input).items():
        path = Path(invocation.local_path(artifact))
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            raise TaskError(
                f"task {task}: the input {name!r} is empty: nothing lies at {artifact['uri']}"
            )


def _check_dataset(executor_input: ExecutorInput, asked: ExecutorInput, task: str) -> None:
    """The ExampleGen is to read the very dataset that the fingerprint task found."""
    uri = invocation.dataset_uri(executor_input)
    if not uri:
        return
    place = asked["inputs"]["parameterValues"][invocation.INPUT_BASE]
    try:
        datasets.resolve_and_verify(place)
    except (DataError, DocumentError) as error:
        problem = str(error).replace(place, uri)
        raise TaskError(
            f"task {task}: {problem}: push the dataset again with `tfx-mobile data push`"
        ) from None


def _prepare_outputs(executor_input: ExecutorInput, output_file: Path) -> None:
    """Empty directories, whatever an attempt before this one left; the launcher makes parents."""
    output_file.parent.mkdir(parents=True, exist_ok=True)
    output_file.unlink(missing_ok=True)
    for artifact in invocation.outputs(executor_input).values():
        path = Path(invocation.local_path(artifact))
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        single = type_title(artifact["type"]) in _SINGLE_FILES
        (path.parent if single else path).mkdir(parents=True, exist_ok=True)


def _run_executor(job: dict[str, Any]) -> None:
    """Runs TFX in its own process, which a crash in C++ or KFP's cancel ends at once."""
    child = subprocess.Popen(
        [sys.executable, "-m", "kubeflow.adapter.executor"],
        stdin=subprocess.PIPE,
        env=environment.of_our_process(os.environ),
        start_new_session=True,
    )
    with _ended_on_signal(child):
        child.communicate(json.dumps(job).encode())
    code = child.returncode
    if code < 0:
        name = signal.Signals(-code).name
        memory = ": most likely out of memory, see kubeflow.memory" if name == "SIGKILL" else ""
        raise TaskError(f"task {job['task']}: its executor was ended by {name}{memory}")
    if code:
        sys.exit(code)  # it has said why


@contextlib.contextmanager
def _ended_on_signal(child: "subprocess.Popen[bytes]") -> Iterator[None]:
    """KFP's cancel is a SIGTERM to the launcher and to this process, a second before the end.

    Nobody reads what is printed by then.
    """

    def end(signum: int, frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        os._exit(128 + signum)

    previous = {s: signal.signal(s, end) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for s, handler in previous.items():
            signal.signal(s, handler)


def _parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """The arguments that TFX compiles, and three of ours; what is left is for Beam."""
    parser = argparse.ArgumentParser(prog="python -m kubeflow.adapter", allow_abbrev=False)
    parser.add_argument("--task", required=True, help="the task's name")
    parser.add_argument(
        "--example_gen_driver", action="store_true", help="run ExampleGen's driver first"
    )
    parser.add_argument(
        "--beam_staging", default="", help="directory that Beam's workers elsewhere see too"
    )
    parser.add_argument("--executor_class_path", required=True)
    parser.add_argument("--json_serialized_invocation_args", required=True)
    parser.add_argument("--json_serialized_inputs_spec_args", required=True)
    return parser.parse_known_args(arguments)


if __name__ == "__main__":
    main()
