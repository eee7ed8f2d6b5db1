"""`python -m kubeflow.fingerprint`: the task that looks whether the data is still the same.

KFP's cache key does not hold the content of an artifact; what this task finds is a parameter of the
ExampleGen, and a parameter is part of the key.
"""

import hashlib
import json
import shutil
import sys
import tempfile
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
    with tempfile.TemporaryDirectory(prefix="tfx-mobile-") as scratch:
        if data is not None:
            uri, directory = data["uri"], Path(invocation.local_path(data))
            contents = of_directory(directory)
        else:
            uri = executor_input["inputs"]["parameterValues"][parameters.DATA_URI]
            directory = Path(uri)
            contents = of_store(uri) if storage.is_remote(uri) else of_directory(directory)
            if storage.is_remote(uri):
                directory = Path(scratch)
                if MANIFEST in contents:
                    manifest_uri = f"{uri.rstrip('/')}/{MANIFEST}"
                    (directory / MANIFEST).write_bytes(storage.read_bytes(manifest_uri))
        manifest = Manifest.read(directory)
        if manifest is None:
            raise TaskError(
                f"task {names.FINGERPRINT_NODE}: there is no dataset at {uri}: put one there with "
                f"`tfx-mobile data push DIRECTORY {uri}`"
            )
        dataset = Path(invocation.local_path(invocation.outputs(executor_input)[names.DATASET]))
        dataset.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(directory / MANIFEST, dataset / MANIFEST)
    fingerprint = combined(contents)
    outputs = executor_input["outputs"]
    files.write_text(Path(outputs["parameters"][names.DATA_FINGERPRINT]["outputFile"]), fingerprint)
    metadata = {
        "source": manifest.source,
        "train_examples": manifest.count(TRAIN),
        "eval_examples": manifest.count(EVAL),
        "fingerprint": manifest.fingerprint,
    }
    answer = {"artifacts": {names.DATASET: {"artifacts": [{"metadata": metadata}]}}}
    files.write_text(Path(outputs["outputFile"]), json.dumps(answer))
    print(f"{uri}: fingerprint {fingerprint}")


def of_directory(directory: Path) -> dict[str, str]:
    """SHA-256 of every file by its name; hidden ones are left out."""
    made = {}
    for file in sorted(directory.rglob("*")) if directory.is_dir() else ():
        name = file.relative_to(directory).as_posix()
        if file.is_file() and not any(part.startswith(".") for part in name.split("/")):
            with file.open("rb") as stream:
                digest = hashlib.sha256()
                while chunk := stream.read(1 << 20):
                    digest.update(chunk)
            made[name] = digest.hexdigest()
    return made


def of_store(uri: str) -> dict[str, str]:
    """The store's own checksum of every object by its name."""
    return {o.name: f"{o.checksum} {o.size}" for o in storage.list_objects(uri)}


def combined(contents: dict[str, str]) -> str:
    """One fingerprint of all: another name, another content or another file changes it."""
    digest = hashlib.sha256()
    for name, checksum in sorted(contents.items()):
        digest.update(f"{name}\0{checksum}\n".encode())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
