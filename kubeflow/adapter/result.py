"""What TFX answers, as KFP's launcher takes it: pure functions.

The launcher parses an `ExecutorOutput` strictly, fails on a null, and believes a URI
(`mergeRuntimeArtifacts`): a local path there would register a dead artifact. So none is given, and
the launcher keeps the one that the driver provisioned.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from kubeflow.adapter import invocation
from kubeflow.adapter.invocation import ExecutorInput
from kubeflow.spec import type_title

ExecutorOutput = dict[str, Any]


def to_kfp(
    tfx_output: ExecutorOutput,
    executor_input: ExecutorInput,
    moved: Mapping[str, str] | None = None,
) -> ExecutorOutput:
    """The artifacts' metadata, with URIs where TFX knows local paths.

    Args:
      tfx_output: What TFX's entry point wrote.
      executor_input: As the launcher rendered it.
      moved: Further local paths and what became of them.
    """
    places = {
        invocation.local_path(artifact): artifact["uri"]
        for artifact in (
            *invocation.inputs(executor_input).values(),
            *invocation.outputs(executor_input).values(),
        )
    }
    places |= moved or {}
    artifacts = {}
    for name, provisioned in invocation.outputs(executor_input).items():
        written = tfx_output.get("artifacts", {}).get(name, {}).get("artifacts", [{}])[0]
        metadata = {
            key: _with_uris(value, places)
            for key, value in written.get("metadata", {}).items()
            if _is_writable(value)
        }
        if type_title(provisioned["type"]) == "system.Metrics":
            # The coming KFP refuses anything else there, and TFX adds its version as text.
            metadata = {key: value for key, value in metadata.items() if _is_number(value)}
        if metadata:
            artifacts[name] = {"artifacts": [{"metadata": metadata}]}
    return {"artifacts": artifacts}


def _with_uris(value: Any, places: Mapping[str, str]) -> Any:
    """Replaces paths at the start of a text or inside it, whole names only."""
    if isinstance(value, str):
        for path, uri in sorted(places.items(), key=lambda place: -len(place[0])):
            pattern = rf"(?<![\w./-]){re.escape(path)}(?![\w.-])"
            value = re.sub(pattern, uri.replace("\\", r"\\"), value)
        return value
    if isinstance(value, dict):
        return {key: _with_uris(inner, places) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_uris(inner, places) for inner in value]
    return value


def _is_writable(value: Any) -> bool:
    """JSON has no NaN, and ML Metadata no null."""
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
