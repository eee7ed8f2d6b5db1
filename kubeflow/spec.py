"""A KFP specification as plain data."""

from typing import Any

import yaml

Spec = dict[str, Any]
"""A `PipelineSpec` (`api/v2alpha1/pipeline_spec.proto` in KFP), as its JSON has it."""


def type_title(artifact_type: dict[str, str]) -> str:
    """`tfx.Model` for an `ArtifactTypeSchema`, whichever way it is written."""
    if "schemaTitle" in artifact_type:
        return artifact_type["schemaTitle"]
    title: str = yaml.safe_load(artifact_type["instanceSchema"])["title"]
    return title
