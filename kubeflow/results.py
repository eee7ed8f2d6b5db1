"""The report of a run on Kubeflow Pipelines, from the artifacts in its object store."""

import dataclasses
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kubeflow import launcher_paths, names, storage
from pipelines.components.names import COMPARISON, COMPARISON_DOCUMENT
from pipelines.data.manifest import MANIFEST, Manifest
from pipelines.errors import UsageError
from pipelines.report import build

if TYPE_CHECKING:
    from kubeflow.client.runs import Run


@dataclasses.dataclass(frozen=True)
class _File:
    """One file of an artifact: `[RUN/]TASK/EXECUTION/OUTPUT/FILE`, as KFP's driver lays out."""

    run: str
    task: str
    output: str
    uri: str
    object: storage.Object


_NAME = re.compile(r"(?:(?P<run>[^/]+)/)?(?P<task>[a-z0-9-]+)/[^/]+/(?P<output>\w+)/.+")


def read(uri: str, options: storage.Options | None = None) -> build.Report:
    """Reads what a run left.

    A task that KFP's cache answered left nothing in its own run: the comparison of unchanged data
    is then that of the newest run with the same dataset.

    Args:
      uri: The run's directory, `<pipeline root>/<pipeline>/<run id>`, or the pipeline's, which
        means its newest finished run.
      options: Of the store.

    Raises:
      UsageError: There is no finished run.
      StorageError: The store cannot be read.
    """
    uri = uri.rstrip("/")
    files = _files(uri, options)
    looked = _all(files, names.FINGERPRINT_NODE, names.DATASET, MANIFEST)
    if not looked:
        raise UsageError(
            f"no run of the pipeline is at {uri}: give <pipeline root>/<pipeline>/<run id>"
        )
    for manifest_file in looked:
        manifest = _manifest(manifest_file, options)
        own = [file for file in files if file.run == manifest_file.run]
        compared = _all(own, COMPARISON, "comparison", COMPARISON_DOCUMENT)
        if compared:
            return _report(manifest, compared[0], own, options)
        everywhere = files if manifest_file.run else _files(uri.rpartition("/")[0], options)
        if found := _same_dataset(everywhere, manifest, options):
            return _report(manifest, *found, options)
    raise UsageError(f"the run at {uri} has not come to its comparison, or did not succeed")


def of_run(run: "Run", options: storage.Options | None = None) -> build.Report:
    """Reads what a run left, with the times that KFP's API knows.

    Raises:
      UsageError: It has not come to its comparison.
      StorageError: The store cannot be read.
    """
    report = read(run.artifacts_uri, options)
    return {
        **report,
        "seconds": {task.name: task.seconds for task in run.tasks if task.seconds is not None},
        "cached": [task.name for task in run.tasks if task.is_cached],
    }


def _report(
    manifest: Manifest, comparison: _File, files: Sequence[_File], options: storage.Options | None
) -> build.Report:
    document = json.loads(storage.read_bytes(comparison.uri, options))
    for branch in document["branches"].values():
        branch["evaluation_uri"] = launcher_paths.to_uri(branch["evaluation_uri"])
    return build.assemble(
        manifest,
        document,
        pushed={name: _pushed(files, name) for name in document["branches"]},
        seconds={},
        cached=[],
    )


def _files(uri: str, options: storage.Options | None) -> list[_File]:
    found = []
    for entry in storage.list_objects(uri, options):
        if match := _NAME.fullmatch(entry.name):
            found.append(
                _File(
                    match["run"] or "",
                    match["task"],
                    match["output"],
                    f"{uri}/{entry.name}",
                    entry,
                )
            )
    return found


def _all(files: Sequence[_File], task: str, output: str, name: str = "") -> list[_File]:
    """The files of a task's output, newest first."""
    fitting = [f for f in files if (f.task, f.output) == (task, output) and f.uri.endswith(name)]
    return sorted(fitting, key=lambda file: file.object.modified, reverse=True)


def _manifest(file: _File, options: storage.Options | None) -> Manifest:
    return Manifest.parse(storage.read_bytes(file.uri, options), file.uri)


def _same_dataset(
    files: Sequence[_File], manifest: Manifest, options: storage.Options | None
) -> tuple[_File, list[_File]] | None:
    """The newest comparison of the same dataset, and the files of its run."""
    for comparison in _all(files, COMPARISON, "comparison", COMPARISON_DOCUMENT):
        own = [file for file in files if file.run == comparison.run]
        theirs = _all(own, names.FINGERPRINT_NODE, names.DATASET, MANIFEST)
        if theirs and _manifest(theirs[0], options).fingerprint == manifest.fingerprint:
            return comparison, own
    return None


def _pushed(files: Sequence[_File], branch: str) -> str | None:
    """The artifact that holds the pushed model; an unblessed one has none."""
    pushed = _all(files, f"pusher-{branch}", "pushed_model")
    return re.sub(r"(/pushed_model)/.*", r"\1", pushed[0].uri) if pushed else None
