"""The adapter's child process: TFX's own entry point, on an invocation that it understands."""

import argparse
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from pipelines import failures


def main() -> None:
    """Reads a job from standard input, runs it, and leaves without taking the libraries down.

    TensorFlow's and Beam's C++ may crash on the way out, after everything is written.
    """
    job = json.load(sys.stdin)
    try:
        _run(job)
    except Exception as error:
        traceback.print_exc()
        _leave(1, f"tfx-mobile: task {job['task']} failed: {failures.describe(error)}")
    _leave(0, "")


def _leave(code: int, message: str) -> None:
    if message:
        print(message, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(job: dict[str, Any]) -> None:
    # The kfp package is here for the messages of its specification alone; this is its own switch to
    # leave its compiler and client out, a second of each task.
    os.environ.setdefault("_KFP_RUNTIME", "true")
    import modules  # noqa: F401  (chooses the Keras that TensorFlow loads)

    invocation = job["invocation"]
    declared = json.dumps(job["declared"])
    if job["example_gen_driver"]:
        _drive(invocation, declared)
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

    arguments = argparse.Namespace(
        executor_class_path=job["executor_class_path"],
        json_serialized_invocation_args=json.dumps(invocation),
        json_serialized_inputs_spec_args=declared,
    )
    kubeflow_v2_run_executor.main((arguments, job["beam_args"]))


def _drive(invocation: dict[str, Any], declared: str) -> None:
    """Runs ExampleGen's driver, which KFP does not: span and fingerprint of its input.

    What it says of the parameters TFX's entry point reads from the output file; what it says of the
    output artifact has to be in the invocation.
    """
    from tfx.orchestration.kubeflow.v2.file_based_example_gen import driver

    driver.main(
        argparse.Namespace(
            json_serialized_invocation_args=json.dumps(invocation),
            json_serialized_inputs_spec_args=declared,
        )
    )
    answer = json.loads(Path(invocation["outputs"]["outputFile"]).read_text())
    for name, written in answer["artifacts"].items():
        artifact = invocation["outputs"]["artifacts"][name]["artifacts"][0]
        metadata = written["artifacts"][0].get("metadata", {})
        artifact["metadata"] = {
            **artifact.get("metadata", {}),
            **{key: value for key, value in metadata.items() if value is not None},
        }


if __name__ == "__main__":
    main()
