"""Running nodes of a compiled pipeline in this process, and saying what happens."""

import contextlib
import dataclasses
import errno
import gc
import logging
import os
import sys
import traceback
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from pipelines.errors import OutputError, TfxMobileError, UsageError
from pipelines.local import events


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
                # TensorFlow's graphs refer to themselves, and a trainer's hold its training split.
                gc.collect()
            note = "cached" if self._cached else ""
            self._reporter.send(events.Finished(str(record.args[0]), note))  # type: ignore[index]


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
    first_line = (str(error).splitlines() or [""])[0]
    if type(error).__module__.startswith("modules."):
        return events.Failed(first_line, UsageError.exit_code)
    return events.Failed(
        f"{step} failed: {type(error).__name__}: {first_line}; the log is {log}", 1
    )


def report_failure(error: Exception, reporter: Reporter, root: Path, log: Path) -> None:
    """Sends what went wrong, then logs its trace; called while the error is handled."""
    failed = failure(error, reporter.current, root, log)
    reporter.send(dataclasses.replace(failed, trace=traceback.format_exc()))
    with contextlib.suppress(OSError):  # the log's disk may be full
        traceback.print_exc()
        sys.stderr.flush()


def _is_disk_full(error: BaseException | None) -> bool:
    """TensorFlow, Beam and SQLite each wrap the operating system's error in their own way."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return True
        text = str(error)
        if os.strerror(errno.ENOSPC) in text or "disk is full" in text:
            return True
        error = error.__cause__ or error.__context__
    return False
