"""Branches side by side: each lane is a process that runs the nodes of some branches.

`LocalDagRunner` runs one node after the other, most of the time on one core. The lanes share the
run's id and its ML Metadata, so to TFX they are one run.
"""

import dataclasses
import multiprocessing
import os
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection, wait
from pathlib import Path

import psutil

from pipelines.local import endings, events, nodes

_BYTES = 1_300_000_000
"""Memory of one lane without the examples that its trainer holds.

Measured at the most, on 10,000 to 1,000,000 images of MNIST's size (docs/performance.md): 1.29 GB
for an Evaluator, 1.19 GB for Transform.
"""


class LaneFailed(Exception):
    """Carries what a lane said of its failure."""

    def __init__(self, failed: events.Failed) -> None:
        super().__init__(failed.message)
        self.failed = failed


def trainer_bytes(example_bytes: int, examples: int, memory_mb: int) -> int:
    """How much memory the examples of one trainer take.

    Args:
      example_bytes: Of one example; see `modules.task.Task.example_bytes`.
      examples: Of both splits.
      memory_mb: `training.memory_mb`: of more megabytes, the trainer holds only a part.
    """
    return min(example_bytes * examples, memory_mb * 10**6)


def count(wanted: int, branches: int, held_bytes: int) -> int:
    """How many lanes to use, this process's own among them.

    Args:
      wanted: 0 for one per processor core, as memory allows.
      branches: More lanes than branches are of no use.
      held_bytes: What each trainer holds; see `trainer_bytes`.
    """
    own = psutil.Process()
    held = sum(_resident_bytes(process) for process in (own, *own.children()))
    memory = psutil.virtual_memory().available + held
    by_memory = memory // (_BYTES + held_bytes)
    return max(1, min(wanted or min(os.cpu_count() or 1, by_memory), branches))


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:  # a child that has just ended
        return 0


def share_cores(lane_count: int) -> None:
    """Gives each lane its part of the cores; TensorFlow would start a thread per core in each.

    TensorFlow reads the variables at its first use, and lanes inherit them.
    """
    if lane_count == 1:
        return
    threads = str(max(1, (os.cpu_count() or 1) // lane_count))
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", threads)
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", threads)


class Lane:
    """A process that loads TFX at once and then runs what it is given."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def run(
        self,
        job: "Job",
        on_event: Callable[[events.Event], None],
    ) -> events.Failed | None:
        """Runs a job to its end; None if all went well."""
        try:
            self._connection.send(job)
            while (event := self._connection.recv()) is not None:
                if isinstance(event, events.Failed):
                    return event
                on_event(event)
        except (EOFError, OSError):
            self._process.join()
            return endings.explain(
                "a process of the pipeline", self._process.exitcode or 0, job.log
            )
        return None

    def cancel(self) -> None:
        """End the process before it has run anything."""
        self._process.terminate()
        self._process.join()
        self._connection.close()

    def end(self) -> None:
        """End the process, which then holds no file of the output directory open."""
        self._connection.close()
        self._process.join()


@dataclasses.dataclass(frozen=True)
class Job:
    """What a lane runs.

    Attributes:
      compiled: As `nodes.run` takes it.
      node_ids: Those to run.
      root: The output directory, for messages.
      log: The log, for messages.
    """

    compiled: bytes
    node_ids: Collection[str]
    root: Path
    log: Path


def run(lanes: list[Lane], jobs: list[Job], on_event: Callable[[events.Event], None]) -> None:
    """Runs the first job here and the others in lanes; a failure leaves the others to their end.

    Args:
      lanes: One for each job but the first.
      jobs: What to run.
      on_event: Called with the events of the lanes, which are not steps of this process.

    Raises:
      LaneFailed: The first job that failed in a lane.
      Exception: Whatever the job here raised.
    """
    first, *others = jobs
    with ThreadPoolExecutor(max(1, len(lanes))) as pool:
        running = [
            pool.submit(lane.run, job, on_event) for lane, job in zip(lanes, others, strict=True)
        ]
        nodes.run(first.compiled, first.node_ids)
    for future in running:
        failed = future.result()
        if failed is not None:
            raise LaneFailed(failed)
    for lane in lanes:
        lane.end()


def _serve(connection: Connection) -> None:
    """The process of a lane."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    reporter = nodes.Reporter(connection.send)
    nodes.load(reporter)
    while True:
        try:
            job: Job = connection.recv()
        except EOFError:
            os._exit(0)
        try:
            nodes.run(job.compiled, job.node_ids)
        except Exception as error:
            nodes.report_failure(error, reporter, job.root, job.log)
        else:
            connection.send(None)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
