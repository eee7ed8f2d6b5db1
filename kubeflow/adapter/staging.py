"""A task's files where Beam's workers see them: on a volume that the pod shares with a cluster.

KFP's launcher keeps artifacts on a disk of the pod's own. Workers that a job server starts
elsewhere would look for the same paths on theirs.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kubeflow.adapter import invocation
from kubeflow.adapter.errors import TaskError
from kubeflow.adapter.invocation import INPUT_BASE, ExecutorInput


@contextlib.contextmanager
def staged(
    asked: ExecutorInput, directory: str, task: str
) -> Iterator[tuple[ExecutorInput, dict[str, str]]]:
    """The same invocation on a shared volume; what the block writes there is brought back.

    The block is given the invocation, and for each path of this pod the one on the volume.

    Args:
      asked: As TFX is asked, with paths of this pod.
      directory: Where the volume is mounted, here and for the workers; empty for none.
      task: The task's name.

    Raises:
      TaskError: The volume is not there, or not for writing.
    """
    if not directory:
        yield asked, {}
        return
    local_outputs = _paths(invocation.outputs(asked))
    # The same for each attempt at a task, so that the next one removes what an ended one left.
    name = hashlib.sha256("\n".join(sorted(local_outputs.values())).encode()).hexdigest()[:16]
    root = Path(directory) / f"{task}-{name}"
    local_inputs = _paths(invocation.inputs(asked))
    base = asked["inputs"]["parameterValues"].get(INPUT_BASE)
    if isinstance(base, str) and Path(base).is_dir():
        local_inputs[INPUT_BASE] = base
    try:
        shutil.rmtree(root, ignore_errors=True)
        for key, path in local_inputs.items():
            shutil.copytree(path, root / "inputs" / key)
        for key in local_outputs:
            (root / "outputs" / key).mkdir(parents=True)
    except OSError as error:
        raise TaskError(
            f"task {task}: beam.staging {directory} cannot be written ({error.strerror or error}): "
            "mount a volume there that the pods' user may write to"
        ) from error
    places = {path: str(root / "inputs" / key) for key, path in local_inputs.items()}
    places |= {path: str(root / "outputs" / key) for key, path in local_outputs.items()}
    try:
        yield _moved(asked, places), places
        for key, path in local_outputs.items():
            shutil.copytree(root / "outputs" / key, path, dirs_exist_ok=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _paths(artifacts: Mapping[str, invocation.Artifact]) -> dict[str, str]:
    return {name: artifact["uri"] for name, artifact in artifacts.items()}


def _moved(value: Any, places: Mapping[str, str]) -> Any:
    """Whole texts alone are paths."""
    if isinstance(value, str):
        return places.get(value, value)
    if isinstance(value, dict):
        return {key: _moved(inner, places) for key, inner in value.items()}
    if isinstance(value, list):
        return [_moved(inner, places) for inner in value]
    return value
