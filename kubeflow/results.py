"""The report of a run on Kubeflow Pipelines, from the artifacts in its object store."""

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from kubeflow import launcher_paths, storage
from kubeflow.names import FINGERPRINT_NODE
from pipelines.components.names import COMPARISON, COMPARISON_DOCUMENT
from pipelines.errors import DocumentError, UsageError
from pipelines.judging.assembly import Pushed, Report, assemble
from pipelines.judging.comparison import Comparison

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


def read(uri: str, options: storage.Options | None = None) -> Report:
    """Read what a run left.

    Args:
      uri: The run's directory, `<pipeline root>/<pipeline>/<run id>`, or the pipeline's, which
        means its newest finished run.
      options: How to reach the store.

    Raises:
      UsageError: There is no finished run.
      DocumentError: Its comparison is damaged, or was written by another release.
      StorageError: The store cannot be read.
    """
    return _read(uri, options, {}, ())


def of_run(run: "Run", options: storage.Options | None = None) -> Report:
    """Read what a run left, with the times and cached tasks that KFP's API knows.

    Raises:
      UsageError: It has not come to its comparison.
      DocumentError: Its comparison is damaged, or was written by another release.
      StorageError: The store cannot be read.
    """
    return _read(
        run.artifacts_uri,
        options,
        {task.name: task.seconds for task in run.tasks if task.seconds is not None},
        [task.name for task in run.tasks if task.is_cached],
    )


def _read(
    uri: str,
    options: storage.Options | None,
    seconds: Mapping[str, float],
    cached: Sequence[str],
) -> Report:
    uri = uri.rstrip("/")
    files = _files(uri, options)
    if not files:
        raise UsageError(
            f"no run of the pipeline is at {uri}: give <pipeline root>/<pipeline>/<run id>"
        )
    documents = [
        file
        for file in files
        if (file.task, file.output) == (COMPARISON, "comparison")
        and file.uri.endswith(f"/{COMPARISON_DOCUMENT}")
    ]
    if not documents:
        raise UsageError(f"the run at {uri} has not come to its comparison, or did not succeed")
    newest = max(documents, key=lambda file: file.object.modified)
    try:
        comparison = Comparison.parse(storage.read_bytes(newest.uri, options), newest.uri)
    except DocumentError as error:
        raise DocumentError(f"{error}: run the pipeline again") from error
    own = [file for file in files if file.run == newest.run]
    report = assemble(
        comparison,
        pushed={name: _pushed(own, f"pusher-{name}", cached) for name in comparison.branches},
        seconds=seconds,
        cached=cached,
    )
    for branch in report["branches"].values():
        branch["evaluation_uri"] = launcher_paths.to_uri(branch["evaluation_uri"])
    return report


def _files(uri: str, options: storage.Options | None) -> list[_File]:
    """The artifacts' files below the directory of a run, or of a pipeline with all its runs."""
    objects = storage.list_objects(uri, options)
    is_run = any(o.name.startswith((f"{COMPARISON}/", f"{FINGERPRINT_NODE}/")) for o in objects)
    files = []
    for entry in objects:
        run, *path = ["", *entry.name.split("/")] if is_run else entry.name.split("/")
        if len(path) >= 3:
            task, _, output = path[:3]
            files.append(_File(run, task, output, f"{uri}/{entry.name}", entry))
    return files


def _pushed(files: Sequence[_File], task: str, cached: Collection[str]) -> Pushed:
    """What a Pusher did: KFP's cache leaves nothing of a task in the run that it answers.

    A task that ran leaves its log at least (`executor-logs`, KFP 2.5 and later).
    """
    own = [file for file in files if file.task == task]
    models = [file for file in own if file.output == "pushed_model"]
    if models:
        newest = max(models, key=lambda file: file.object.modified)
        return Pushed("yes", re.sub(r"(/pushed_model)/.*", r"\1", newest.uri))
    return Pushed("no" if own and task not in cached else "earlier")
