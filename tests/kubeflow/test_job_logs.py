"""The logs of the Jobs that `kubeflow/manifests/base` makes hold what happened and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.kubeflow.client.api_server import ApiServer
from tests.kubeflow.conftest import COMMAND, Bucket

pytestmark = pytest.mark.timeout(300)
BASE = Path(__file__).parents[2] / "kubeflow/manifests/base"
IMAGE = f"registry.example/tfx-mobile@sha256:{'0' * 64}"
# TFX warns where the protos of TF Serving are of another version than TensorFlow, as on the current
# stack: the first import fails with an AttributeError.
OTHER_SERVING = """
import builtins

_import = builtins.__import__
_failed = []


def import_(name, globals=None, locals=None, fromlist=(), level=0):
    wanted = name == "tensorflow_serving.apis" and "get_model_status_pb2" in (fromlist or ())
    if wanted and not _failed:
        _failed.append(name)
        raise AttributeError("no attribute '_CODE'")
    return _import(name, globals, locals, fromlist, level)


builtins.__import__ = import_
"""


def test_no_warnings(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(OTHER_SERVING)
    settings = tmp_path / "settings.yaml"
    root = bucket.uri("root")
    settings.write_text(f"kubeflow: {{pipeline_root: '{root}', data: '{root}/data'}}\n")
    environment = {**os.environ, **bucket.server.environment(), "PYTHONPATH": str(tmp_path)}

    with ApiServer() as server:
        places = {
            "/etc/tfx-mobile/settings.yaml": str(settings),
            "/tmp/pipeline.yaml": str(tmp_path / "pipeline.yaml"),
            "$(IMAGE)": IMAGE,
            "http://ml-pipeline.kubeflow:8888": server.url,
            "$(NAMESPACE)": "kubeflow",
        }
        for container in (*containers("bucket.yaml"), *containers("upload.yaml")):
            command = [*container.get("command", [str(COMMAND)]), *container["args"]]
            command[0] = {"python": sys.executable}.get(command[0], command[0])
            for there, here in places.items():
                command = [word.replace(there, here) for word in command]
            done = subprocess.run(
                command, env=environment, cwd=tmp_path, capture_output=True, text=True
            )
            assert (done.returncode, done.stderr) == (0, ""), command
            assert done.stdout


def containers(file: str) -> list[dict]:
    """The containers of a Job in the order in which they run."""
    spec = yaml.safe_load((BASE / file).read_text())["spec"]["template"]["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]
