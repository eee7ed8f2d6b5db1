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
from pathlib import Path
from types import FrameType

from pipelines import environment
from pipelines.errors import OutputError, TfxMobileError, UsageError
from pipelines.local import events
from pipelines.local.layout import Layout
from pipelines.settings import Settings

_MIN_FREE_BYTES = 150_000_000
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
    _check_writable(layout.root)
    with _locked(layout):
        failed = _supervise(settings, layout, on_event)
    if failed is not None:
        error = TfxMobileError(failed.message)
        error.exit_code = failed.exit_code
        raise error from _WorkerTrace(failed.trace)


def _supervise(
    settings: Settings, layout: Layout, on_event: Callable[[events.Event], None]
) -> events.Failed | None:
    read_end, write_end = os.pipe()
    with layout.log.open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, "-c", _START_WORKER, str(write_end)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[write_end],
            env=environment.of_our_process(os.environ),
            # Ctrl-C reaches this process alone, which then ends the worker in order.
            start_new_session=True,
        )
    os.close(write_end)
    failed = None
    with _ended_on_signal(worker), os.fdopen(read_end, encoding="utf-8") as stream:
        # It stays open: when it closes, because this process died, the worker ends itself.
        assert worker.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            job = {"settings": settings.model_dump(mode="json"), "root": str(layout.root)}
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
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
        failed = events.Failed(f"the pipeline's process ended {how}: see {layout.log}", 1)
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


def _check_writable(directory: Path) -> None:
    import psutil

    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
        free = psutil.disk_usage(str(directory)).free
    except OSError as error:
        raise OutputError(
            f"cannot write to the output directory {directory}: {error.strerror}"
        ) from error
    if free < _MIN_FREE_BYTES:
        raise OutputError(
            f"the output directory {directory} has {free / 1e6:.0f} MB free, and a run needs "
            f"{_MIN_FREE_BYTES / 1e6:.0f} MB: free some or choose another"
        )


@contextlib.contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    import portalocker

    try:
        with portalocker.Lock(layout.lock, "a", timeout=0, fail_when_locked=True):
            yield
    except portalocker.exceptions.LockException:
        raise UsageError(
            f"another run is using {layout.root}: wait for it or choose another --output"
        ) from None
