"""The worker's side of a local run: data, DAG, `LocalDagRunner`, report."""

import contextlib
import datetime
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from modules.task import Task
from pipelines import beam, functions, tasks
from pipelines import settings as settings_module
from pipelines.components.names import COMPARISON
from pipelines.data import prepare
from pipelines.data.dataset import Dataset
from pipelines.data.manifest import EVAL, TRAIN
from pipelines.errors import OutputError
from pipelines.local import artifacts, database, events, lanes, nodes
from pipelines.local.layout import Layout
from pipelines.settings import Settings

_DATA, _COMPOSE, _REPORT = "data", "compose", "report"


def main() -> None:
    """Runs the job on the first line of standard input; events go to the descriptor in argv."""
    stream = os.fdopen(int(sys.argv[1]), "w", encoding="utf-8")
    job = json.loads(sys.stdin.readline())
    _end_with_supervisor(Path(job["scratch"]))
    layout = Layout(Path(job["root"]))
    writing = threading.Lock()

    def send(event: events.Event) -> None:
        with writing:
            events.send(event, stream)

    reporter = nodes.Reporter(send)
    try:
        settings = settings_module.validate(job["settings"])
        with beam.job_server(settings.beam):
            _run(settings, layout, reporter, send)
    except lanes.LaneFailed as error:
        send(error.failed)
        os._exit(1)
    except Exception as error:
        nodes.report_failure(error, reporter, layout.root, layout.log)
        os._exit(1)
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything is written. Taking TensorFlow down takes a second, may crash in C++, and threads of
    # a failed Beam pipeline may never join.
    os._exit(0)


def _run(
    settings: Settings,
    layout: Layout,
    reporter: nodes.Reporter,
    send: Callable[[events.Event], None],
) -> None:
    reporter.send(events.Planned([_DATA, _COMPOSE]))
    # A user's task names functions of its own.
    named = tasks.find_named(settings.task)
    functions.find(settings, named)
    if named:
        tasks.check(settings, named)
    store = database.connect(layout.metadata) if layout.metadata.exists() else None
    # Spark has one context in a JVM: its job server fails a job that comes during another.
    wanted = 1 if settings.beam.runner == "spark" else settings.local.lanes
    lane_count = lanes.count(wanted, len(settings.branches), held_bytes=0)
    lanes.share_cores(lane_count)
    # They load TFX while this process does, reads the data and runs what all branches share.
    others = [lanes.Lane() for _ in range(lane_count - 1)]
    with reporter.step(_DATA) as note:
        dataset, how = prepare.prepare(settings.data, settings.task, layout.data, layout.outputs)
        task = tasks.resolve(settings.task, dataset.manifest.task)
        tasks.check(settings, task)
        train, evaluation = dataset.manifest.count(TRAIN), dataset.manifest.count(EVAL)
        note.append(f"{how}: {train:,} for training, {evaluation:,} for evaluation")
    # Only now is the number of examples known.
    held_bytes = lanes.trainer_bytes(
        task.example_bytes, train + evaluation, settings.training.memory_mb
    )
    lane_count = min(lane_count, lanes.count(wanted, len(settings.branches), held_bytes))
    for lane in others[lane_count - 1 :]:
        lane.cancel()
    others = others[: lane_count - 1]
    run_id = datetime.datetime.now(datetime.timezone.utc).isoformat()
    with reporter.step(_COMPOSE) as note:
        beam.check_workers(settings.beam)
        functions.load(settings, task)
        nodes.load(reporter)
        note += artifacts.discard_damaged(layout.pipeline)
        note += artifacts.discard_removed_pushes(store) if store else []
        compiled, node_ids = _compile(settings, task, layout, run_id, dataset)
    reporter.send(events.Planned([*node_ids, _REPORT]))

    from pipelines import dag

    of_branches = [
        [i for branch in settings.branches[lane::lane_count] for i in dag.node_ids(branch)]
        for lane in range(lane_count)
    ]
    in_branches = {i for ids in of_branches for i in ids}
    try:
        nodes.run(compiled, set(node_ids) - in_branches - {COMPARISON})
        jobs = [lanes.Job(compiled, ids, layout.root, layout.log) for ids in of_branches]
        # Not through the reporter: a step of another lane is not what this process is doing.
        lanes.run(others, jobs, send)
        nodes.run(compiled, {COMPARISON})
    finally:
        with contextlib.suppress(OutputError):  # what failed before is what to tell
            artifacts.record(layout.pipeline)
    with reporter.step(_REPORT):
        from pipelines.report import build

        build.build(layout, run_id)


def _compile(
    settings: Settings, task: Task, layout: Layout, run_id: str, dataset: Dataset
) -> tuple[bytes, list[str]]:
    """The pipeline as TFX runs it, with the id of this run, and its nodes in order."""
    from tfx.dsl.compiler import compiler, constants
    from tfx.orchestration import metadata, pipeline
    from tfx.orchestration.portable import runtime_parameter_utils

    from pipelines import dag

    compiled = compiler.Compiler().compile(
        pipeline.Pipeline(
            pipeline_name=settings.name,
            pipeline_root=str(layout.pipeline),
            components=dag.components(
                settings,
                task,
                dag.Places(examples=str(dataset.directory), serving=str(layout.serving)),
                dag.Run(run_id, json.dumps(dataset.manifest.summary())),
            ),
            enable_cache=True,
            metadata_connection_config=metadata.sqlite_metadata_connection_config(
                str(layout.metadata)
            ),
            beam_pipeline_args=beam.pipeline_args(settings.beam),
        )
    )
    runtime_parameter_utils.substitute_runtime_parameter(
        compiled,
        {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id},
    )
    ids = [node.pipeline_node.node_info.id for node in compiled.nodes]
    return compiled.SerializeToString(), ids


def _end_with_supervisor(scratch: Path) -> None:
    """Ends this process and its children when standard input closes: its supervisor is gone.

    Args:
      scratch: The supervisor's directory of temporary files, which it can no longer remove.
    """

    def watch() -> None:
        while sys.stdin.read(1):
            pass
        shutil.rmtree(scratch, ignore_errors=True)
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGTERM)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
