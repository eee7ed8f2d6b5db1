"""Reports of runs, and what of two has to be equal."""

import json
import os
import subprocess
from pathlib import Path

from tests.kubeflow.conftest import COMMAND, Bucket

_OWN_TO_A_RUN = {"model_bytes", "latency_us", "evaluation_uri", "pushed", "pushed_uri"}


def report_of(bucket: Bucket, uri: str, directory: Path):
    """What `tfx-mobile report URI` writes."""
    ended = subprocess.run(
        [COMMAND, "report", uri, "-o", str(directory)],
        env={**os.environ, **bucket.server.environment()},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert "lite" in ended.stdout
    return json.loads((directory / "report.json").read_text())


def quality(report):
    """Everything of a report that does not depend on where and how fast it ran.

    A SavedModel names its steps by counting: two may differ by a byte.
    """
    return {
        "task": report["task"],
        "dataset": report["dataset"] | {"source": ""},
        "comparison": report["comparison"],
        "stack": report["stack"],
        "branches": {
            name: {key: value for key, value in branch.items() if key not in _OWN_TO_A_RUN}
            | {"model kB": round(branch["model_bytes"] / 1000)}
            for name, branch in report["branches"].items()
        },
    }


def different(one, other, path=""):
    """Where two documents differ, numbers by more than a millionth."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [d for key in one for d in different(one[key], other[key], f"{path}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [d for i, pair in pairs for d in different(*pair, f"{path}[{i}]")]
    if isinstance(one, float) and isinstance(other, float):
        return [] if abs(one - other) <= 1e-6 else [f"{path}: {one} and {other}"]
    return [] if one == other else [f"{path}: {one} and {other}"]
