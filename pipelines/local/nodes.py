"""Running nodes of a compiled pipeline in this process, and saying what happens."""

import contextlib
import ctypes
import dataclasses
import errno
import gc
import logging
import os
import sys
import traceback
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from pipelines import messages
from pipelines.errors import OutputError, TfxMobileError, UsageError
from pipelines.local import endings, events
from pipelines.local.layout import Layout

_MISSING = (os.strerror(errno.ENOENT), "does not exist", "No files found", "Failed to find")
"""What Python, TensorFlow and Beam say of a file that is not there."""


class Reporter:
    """Sends events for the steps of this process, and knows the current one."""

    def __init__(self, send: Callable[[events.Event], None]) -> None:
        self._send = send
        self.current = ""

    def send(self, event: events.Event) -> None:
        """Passes an event on."""
        if isinstance(event, events.Started):
            self.current = event.step
        self._send(event)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """A step that is no component; the block may append a note."""
        self.send(events.Started(name))
        note: list[str] = []
        yield note
        self.send(events.Finished(name, "; ".join(note)))


class ComponentHandler(logging.Handler):
    """Sends an event where `LocalDagRunner.run_with_ir` and the launcher log one.

    The runner has no hook; these messages are the same in TFX 1.16 and 1.21.
    """

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self._reporter = reporter
        self._cached = False

    def emit(self, record: logging.LogRecord) -> None:
        """Takes one record of TFX."""
        if record.msg == "Component %s is running.":
            self._cached = False
            self._reporter.send(events.Started(str(record.args[0])))  # type: ignore[index]
        elif record.msg == "A cached execution %d is used.":
            self._cached = True
        elif record.msg == "Component %s is finished.":
            if not self._cached:
                _release_memory()
            note = "cached" if self._cached else ""
            self._reporter.send(events.Finished(str(record.args[0]), note))  # type: ignore[index]


def _release_memory() -> None:
    """Give the system back what a component has left."""
    # TensorFlow's graphs refer to themselves, and a trainer's hold its training split.
    gc.collect()
    # Of glibc, which else keeps what small blocks in use lie behind: 0.5 of the 1.4 GB that a
    # trainer takes which shuffles a stream.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def load(reporter: Reporter) -> None:
    """Loads what every component needs, and reports TFX's records from now on."""
    import tfx.components
    import tfx.orchestration.local.local_dag_runner  # noqa: F401
    from absl import logging as absl_logging

    import modules  # noqa: F401  (chooses the Keras that TensorFlow loads)

    absl_logging.set_verbosity(absl_logging.INFO)
    absl_logging.get_absl_logger().addHandler(ComponentHandler(reporter))
    # What is loaded by now stays: the collector need not walk over it, nor every 700 objects, while
    # Beam makes its many small ones. It took a tenth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def run(compiled: bytes, node_ids: Collection[str]) -> None:
    """Runs some nodes with `LocalDagRunner`, in the order of the pipeline.

    Args:
      compiled: A serialized `tfx.proto.orchestration.pipeline_pb2.Pipeline` with a run id.
      node_ids: Those to run; what they need has run before, with the same run id.
    """
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner
    from tfx.proto.orchestration import pipeline_pb2

    pipeline = pipeline_pb2.Pipeline.FromString(compiled)
    for node in pipeline.nodes:
        if node.pipeline_node.node_info.id not in node_ids:
            node.pipeline_node.execution_options.skip.SetInParent()
    LocalDagRunner().run_with_ir(pipeline)


def failure(error: Exception, step: str, root: Path, log: Path) -> events.Failed:
    """One sentence and an exit code for whatever went wrong."""
    if isinstance(error, TfxMobileError):
        return events.Failed(str(error), error.exit_code)
    if _is_disk_full(error):
        full = OutputError(f"the disk that holds {root} is full: free some space and run again")
        return events.Failed(str(full), full.exit_code)
    described = messages.describe(error)
    if type(error).__module__.startswith("modules."):
        sentence = described.removeprefix(f"{type(error).__name__}: ")
        return events.Failed(f"{step}: {sentence}", UsageError.exit_code)
    if not log.exists():
        gone = OutputError(f"{root}, or what is in it, was removed during the run: run again")
        return events.Failed(str(gone), gone.exit_code)
    if _is_out_of_memory(error):
        return events.Failed(
            f"{step} ran out of memory ({described}): {endings.OUT_OF_MEMORY}; the log is {log}", 1
        )
    artifacts = Layout(root).pipeline
    if f"{artifacts}/" in described and any(words in described for words in _MISSING):
        described += f"; if something of {artifacts} was removed, remove all of it and run again"
    return events.Failed(f"{step} failed: {described}; the log is {log}", 1)


def report_failure(error: Exception, reporter: Reporter, root: Path, log: Path) -> None:
    """Sends what went wrong, then logs its trace; called while the error is handled."""
    failed = failure(error, reporter.current, root, log)
    reporter.send(dataclasses.replace(failed, trace=traceback.format_exc()))
    with contextlib.suppress(OSError):  # the log's disk may be full
        traceback.print_exc()
        sys.stderr.flush()


def _is_disk_full(error: Exception) -> bool:
    """TensorFlow, Beam and SQLite each wrap the operating system's error in their own way."""
    return any(
        (isinstance(e, OSError) and e.errno in {errno.ENOSPC, errno.EDQUOT})
        or os.strerror(errno.ENOSPC) in str(e)
        or "disk is full" in str(e)
        for e in messages.chain(error)
    )


def _is_out_of_memory(error: Exception) -> bool:
    """Python's, TensorFlow's and the operating system's ways to say so."""
    words = ("OOM when allocating", "bad_alloc", os.strerror(errno.ENOMEM))
    return any(
        isinstance(e, MemoryError) or any(word in str(e) for word in words)
        for e in messages.chain(error)
    )
