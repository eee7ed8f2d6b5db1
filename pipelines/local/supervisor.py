"""The person's side of a local run: starts the worker, passes its events on, ends it.

The worker loads TensorFlow and logs at length, from C++ too, so its output goes to a file; and
whatever ends it, an abort in C++ or the kernel's memory killer, is one sentence here.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from types import FrameType

from pipelines import environment
from pipelines.errors import OutputError, TfxMobileError
from pipelines.local import directory, endings, events
from pipelines.local.layout import Layout
from pipelines.settings import Settings

_END_SECONDS = 10

_START_WORKER = "from pipelines.local.worker import main; main()"


class Interrupted(TfxMobileError):
    """The person ended the run."""


class _WorkerTrace(Exception):
    """Where in the worker it happened, for `--debug`."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def run(settings: Settings, layout: Layout, on_event: Callable[[events.Event], None]) -> None:
    """Runs the pipeline to its end.

    Args:
      settings: What to run.
      layout: Where.
      on_event: Called for every step.

    Raises:
      TfxMobileError: The run failed; its `exit_code` says how.
    """
    directory.check(layout, (branch.name for branch in settings.branches))
    with directory.locked(layout), _scratch() as scratch:
        failed = _supervise(settings, layout, on_event, scratch)
    if failed is not None:
        error = TfxMobileError(failed.message)
        error.exit_code = failed.exit_code
        raise error from _WorkerTrace(failed.trace)


@contextlib.contextmanager
def _scratch() -> Iterator[str]:
    """A temporary directory for all that the worker starts: what is killed leaves nothing there."""
    try:
        temporary = tempfile.TemporaryDirectory(prefix="tfx-mobile-", ignore_cleanup_errors=True)
    except OSError as error:
        raise OutputError(
            f"cannot write temporary files: {error.strerror}; set TMPDIR to a directory with space"
        ) from error
    with temporary as scratch:
        yield scratch


def _supervise(
    settings: Settings, layout: Layout, on_event: Callable[[events.Event], None], scratch: str
) -> events.Failed | None:
    read_end, write_end = os.pipe()
    with layout.log.open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, "-c", _START_WORKER, str(write_end)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[write_end],
            env={**environment.of_our_process(os.environ), "TMPDIR": scratch},
            # Ctrl-C reaches this process alone, which then ends the worker in order.
            start_new_session=True,
        )
    os.close(write_end)
    failed = None
    with _ended_on_signal(worker), os.fdopen(read_end, encoding="utf-8") as stream:
        # It stays open: when it closes, because this process died, the worker ends itself.
        assert worker.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            job = {
                "settings": settings.model_dump(mode="json"),
                "root": str(layout.root),
                "scratch": scratch,
            }
            worker.stdin.write((json.dumps(job) + "\n").encode())
            worker.stdin.flush()
        for line in stream:
            event = events.parse(line)
            if isinstance(event, events.Failed):
                failed = event
            else:
                on_event(event)
        code = worker.wait()
        if code:
            # What it started may have outlived it: Beam's job server, in Java.
            _kill_group(worker, signal.SIGTERM)
        with contextlib.suppress(BrokenPipeError):
            worker.stdin.close()
    if failed is None and code != 0:
        failed = endings.explain("the pipeline's process", code, layout.log)
    return failed


@contextlib.contextmanager
def _ended_on_signal(worker: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Ends the worker, and what it started, when this process is told to end."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise Interrupted("interrupted; the same command goes on from the last finished component")

    previous = {s: signal.signal(s, interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if worker.poll() is None:
            for s in previous:
                signal.signal(s, signal.SIG_IGN)
            _kill_group(worker, signal.SIGTERM)
            try:
                worker.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                _kill_group(worker, signal.SIGKILL)
                worker.wait()
        for s, handler in previous.items():
            signal.signal(s, handler)


def _kill_group(worker: "subprocess.Popen[bytes]", signum: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signum)
