"""What ML Metadata knows of a run in a local output directory."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from pipelines.errors import UsageError
from pipelines.local import database


@dataclasses.dataclass(frozen=True)
class Node:
    """One component of a run.

    Attributes:
      seconds: From the start of its execution to its end.
      cached: Its outputs come from an earlier run.
      outputs: The first artifact of each output, by key.
    """

    seconds: float
    cached: bool
    outputs: dict[str, "Artifact"]


@dataclasses.dataclass(frozen=True)
class Artifact:
    """Where an artifact lies, and its custom properties."""

    uri: str
    properties: dict[str, Any]


def complete_run(file: Path, final_node: str, run_id: str | None = None) -> dict[str, Node]:
    """The components of a run in which `final_node` ended well, by node id.

    Args:
      file: ML Metadata's database, SQLite.
      final_node: The id of the last node.
      run_id: The run; the newest such run if None.

    Raises:
      UsageError: There is none, or the database cannot be read.
      DocumentError: The database is damaged, or of another release of ML Metadata.
    """
    missing = UsageError(
        f"no finished run in {file.parent}: make one with `tfx-mobile run --output {file.parent}`"
    )
    # Connecting would create an empty database.
    if not os.path.exists(file):  # Path.exists raises where the name is too long
        raise missing
    store = database.connect(file)
    runs = store.get_contexts_by_type("pipeline_run")
    for run in sorted(runs, key=lambda context: context.id, reverse=True):
        if run_id not in (None, run.name):
            continue
        nodes = _nodes(store, run.id)
        if final_node in nodes:
            return nodes
    raise missing


def _nodes(store: Any, run_id: int) -> dict[str, Node]:
    from ml_metadata.proto import metadata_store_pb2 as pb

    done = (pb.Execution.COMPLETE, pb.Execution.CACHED)
    executions = {
        e.id: e
        for e in sorted(store.get_executions_by_context(run_id), key=lambda e: e.id)
        if e.last_known_state in done
    }
    outputs: dict[int, dict[str, int]] = {execution_id: {} for execution_id in executions}
    for event in store.get_events_by_execution_ids(list(executions)):
        if event.type == pb.Event.OUTPUT:
            key = next(step.key for step in event.path.steps if step.HasField("key"))
            outputs[event.execution_id][key] = event.artifact_id
    artifacts = {
        a.id: Artifact(a.uri, {k: _value(v) for k, v in a.custom_properties.items()})
        for a in store.get_artifacts_by_id([i for keys in outputs.values() for i in keys.values()])
    }
    return {
        _node_id(store, execution_id): Node(
            seconds=(execution.last_update_time_since_epoch - execution.create_time_since_epoch)
            / 1000,
            cached=execution.last_known_state == pb.Execution.CACHED,
            outputs={key: artifacts[i] for key, i in outputs[execution_id].items()},
        )
        for execution_id, execution in executions.items()
    }


def _node_id(store: Any, execution_id: int) -> str:
    """TFX calls a node's context `<pipeline>.<node id>`."""
    contexts = store.get_contexts_by_execution(execution_id)
    name: str = next(c.name for c in contexts if c.type == "node")
    return name.split(".", 1)[1]


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
