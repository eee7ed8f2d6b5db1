"""The worker's side of a local run: data, DAG, `LocalDagRunner`, report."""

import contextlib
import dataclasses
import errno
import gc
import importlib
import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from pipelines import settings as settings_module
from pipelines.data import prepare
from pipelines.errors import OutputError, SettingsError, TfxMobileError, UsageError
from pipelines.local import events
from pipelines.local.layout import Layout
from pipelines.settings import Settings

_DATA, _COMPOSE, _REPORT = "data", "compose", "report"


def main() -> None:
    """Runs the job on the first line of standard input; events go to the descriptor in argv."""
    stream = os.fdopen(int(sys.argv[1]), "w")
    job = json.loads(sys.stdin.readline())
    _end_with_supervisor()
    layout = Layout(Path(job["root"]))
    reporter = _Reporter(stream)
    try:
        _run(settings_module.validate(job["settings"]), layout, reporter)
    except Exception as error:
        failed = _failure(error, reporter.current, layout)
        events.send(dataclasses.replace(failed, trace=traceback.format_exc()), stream)
        with contextlib.suppress(OSError):  # the log's disk may be full
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(1)
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything is written. Taking TensorFlow down takes a second, may crash in C++, and threads of
    # a failed Beam pipeline may never join.
    os._exit(0)


class _Reporter:
    """Sends events for steps, and turns the runner's log records into them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.current = ""

    def send(self, event: events.Event) -> None:
        if isinstance(event, events.Started):
            self.current = event.step
        events.send(event, self._stream)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """A step that is no component; the block may append a note."""
        self.send(events.Started(name))
        note: list[str] = []
        yield note
        self.send(events.Finished(name, "; ".join(note)))


class _ComponentHandler(logging.Handler):
    """Sends an event where `LocalDagRunner.run_with_ir` and the launcher log one.

    The runner has no hook; these messages are the same in TFX 1.16 and 1.21.
    """

    def __init__(self, reporter: _Reporter) -> None:
        super().__init__()
        self._reporter = reporter
        self._cached = False

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "Component %s is running.":
            self._cached = False
            self._reporter.send(events.Started(str(record.args[0])))  # type: ignore[index]
        elif record.msg == "A cached execution %d is used.":
            self._cached = True
        elif record.msg == "Component %s is finished.":
            note = "cached" if self._cached else ""
            self._reporter.send(events.Finished(str(record.args[0]), note))  # type: ignore[index]


def _run(settings: Settings, layout: Layout, reporter: _Reporter) -> None:
    reporter.send(events.Planned([_DATA, _COMPOSE]))
    with reporter.step(_DATA) as note:
        manifest, how = prepare.prepare(
            settings.data.source, layout.data, settings.data.eval_fraction
        )
        train, evaluation = manifest.count(prepare.TRAIN), manifest.count(prepare.EVAL)
        note.append(f"{how}: {train:,} for training, {evaluation:,} for evaluation")
    with reporter.step(_COMPOSE):
        _check_functions(settings)
        from absl import logging as absl_logging
        from tfx.orchestration import metadata, pipeline
        from tfx.orchestration.local.local_dag_runner import LocalDagRunner

        from pipelines import dag
        from pipelines.local import beam

        layout.metadata.parent.mkdir(parents=True, exist_ok=True)
        dag_pipeline = pipeline.Pipeline(
            pipeline_name=settings.name,
            pipeline_root=str(layout.pipeline),
            components=dag.components(
                settings, dag.Places(examples=str(layout.data), serving=str(layout.serving))
            ),
            enable_cache=True,
            metadata_connection_config=metadata.sqlite_metadata_connection_config(
                str(layout.metadata)
            ),
            beam_pipeline_args=beam.pipeline_args(settings.beam.workers, train + evaluation),
        )
    # What is loaded by now stays: without it, Beam's many small objects cost a third less to collect.
    gc.collect()
    gc.freeze()
    reporter.send(events.Planned([*(node.id for node in dag_pipeline.components), _REPORT]))
    absl_logging.set_verbosity(absl_logging.INFO)
    absl_logging.get_absl_logger().addHandler(_ComponentHandler(reporter))
    LocalDagRunner().run(dag_pipeline)
    with reporter.step(_REPORT):
        from pipelines.report import build

        build.build(layout)


def _check_functions(settings: Settings) -> None:
    """Every dotted path leads to a function, before anything runs.

    Raises:
      SettingsError: Names the setting and what is missing.
    """
    import modules  # noqa: F401  (chooses the Keras that TensorFlow loads)

    paths = {"preprocessing_fn": settings.preprocessing_fn}
    paths |= {f"the run_fn of branch {b.name!r}": b.run_fn_path for b in settings.branches}
    for name, path in paths.items():
        module_name, _, function = path.rpartition(".")
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and not module_name.startswith(error.name):
                raise
            raise SettingsError(
                f"{name} is {path!r}, and there is no module {module_name!r}"
            ) from error
        if not callable(getattr(module, function, None)):
            raise SettingsError(
                f"{name} is {path!r}, and the module {module_name!r} has no function {function!r}"
            )


def _end_with_supervisor() -> None:
    """Ends this process when standard input closes: its supervisor is gone."""

    def watch() -> None:
        while sys.stdin.read(1):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _failure(error: Exception, step: str, layout: Layout) -> events.Failed:
    """One sentence and an exit code for whatever went wrong."""
    if isinstance(error, TfxMobileError):
        return events.Failed(str(error), error.exit_code)
    if _is_disk_full(error):
        full = OutputError(
            f"the disk that holds {layout.root} is full: free some space and run again"
        )
        return events.Failed(str(full), full.exit_code)
    first_line = (str(error).splitlines() or [""])[0]
    if type(error).__module__.startswith("modules."):
        return events.Failed(first_line, UsageError.exit_code)
    return events.Failed(
        f"{step} failed: {type(error).__name__}: {first_line}; the log is {layout.log}", 1
    )


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
