"""`python -m kubeflow.fingerprint`: the task that looks whether the data is still the same.

KFP's cache key does not hold the content of an artifact; what this task finds is a parameter of the
ExampleGen, and a parameter is part of the key.
"""

import hashlib
import json
import sys
from pathlib import Path

from kubeflow import names, parameters, storage
from kubeflow.adapter import invocation
from kubeflow.adapter.errors import TaskError
from kubeflow.adapter.invocation import ExecutorInput
from pipelines import files
from pipelines.data.prepare import EVAL, MANIFEST, TRAIN, Manifest
from pipelines.errors import TfxMobileError


def main() -> None:
    """Takes KFP's `ExecutorInput` as its one argument."""
    try:
        run(json.loads(sys.argv[1]))
    except TfxMobileError as error:
        print(f"tfx-mobile: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def run(executor_input: ExecutorInput) -> None:
    """Writes the fingerprint as a parameter and the dataset's manifest as an artifact.

    Raises:
      TaskError: There is no dataset.
      StorageError: The store cannot be read.
    """
    data = invocation.inputs(executor_input).get(names.DATA_INPUT)
    if data is not None:
        uri, place = data["uri"], invocation.local_path(data)
    else:
        uri = place = executor_input["inputs"]["parameterValues"][parameters.DATA_URI].rstrip("/")
    contents = {
        found.name: f"{found.size} {found.checksum}"
        for found in storage.list_objects(place)
        if not any(part.startswith(".") for part in found.name.split("/"))
    }
    content = storage.read_bytes(f"{place}/{MANIFEST}") if MANIFEST in contents else b""
    manifest = Manifest.parse(content)
    if manifest is None:
        raise TaskError(
            f"task {names.FINGERPRINT_NODE}: there is no dataset at {uri}: put one there with "
            f"`tfx-mobile data push DIRECTORY {uri}`"
        )
    fingerprint = combined(contents)
    outputs = executor_input["outputs"]
    dataset = Path(invocation.local_path(invocation.outputs(executor_input)[names.DATASET]))
    files.write_text(dataset / MANIFEST, content.decode())
    files.write_text(Path(outputs["parameters"][names.DATA_FINGERPRINT]["outputFile"]), fingerprint)
    summary = outputs["parameters"].get(names.DATASET_SUMMARY)
    if summary:
        text = json.dumps(manifest.summary())
        files.write_text(Path(summary["outputFile"]), text)
    metadata = {
        "source": manifest.source,
        "train_examples": manifest.count(TRAIN),
        "eval_examples": manifest.count(EVAL),
        "fingerprint": manifest.fingerprint,
    }
    answer = {"artifacts": {names.DATASET: {"artifacts": [{"metadata": metadata}]}}}
    files.write_text(Path(outputs["outputFile"]), json.dumps(answer))
    print(f"{uri}: fingerprint {fingerprint}")


def combined(contents: dict[str, str]) -> str:
    """One fingerprint of all: another name, another content or another file changes it."""
    digest = hashlib.sha256()
    for name, checksum in sorted(contents.items()):
        digest.update(f"{name}\0{checksum}\n".encode())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
