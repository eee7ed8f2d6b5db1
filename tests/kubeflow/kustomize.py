"""The manifests as kustomize renders them."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.container.engine import ROOT

MANIFESTS = ROOT / "kubeflow" / "manifests"
OVERLAYS = ("minio", "gcs", "kind")
_PROGRAM = "sigs.k8s.io/kustomize/kustomize/v5@v5.5.0"

Document = dict[str, Any]


def render(directory: Path) -> list[Document]:
    """Every document of a kustomization; skips the test where there is no kustomize."""
    done = subprocess.run([*_command(), str(directory)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def _command() -> list[str]:
    """kubectl's kustomize, or kustomize from PATH, or built once into the cache directory."""
    if kubectl := shutil.which("kubectl"):
        said = subprocess.run(
            [kubectl, "version", "--client", "--output", "json"], capture_output=True, text=True
        )
        # Older ones read other files than these.
        if said.returncode == 0 and json.loads(said.stdout).get("kustomizeVersion", "") >= "v5":
            return [kubectl, "kustomize"]
    if kustomize := shutil.which("kustomize"):
        return [kustomize, "build"]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "tfx-mobile", "bin")
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if not (cache / "kustomize").exists() and not go and os.environ.get("CI") != "true":
        pytest.skip("kustomize needs `kubectl`, `kustomize` or `go` on PATH")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "kustomize.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / "kustomize").exists():
            subprocess.run(
                ["nice", go or "go", "install", _PROGRAM],
                env={**os.environ, "GOBIN": str(cache)},
                check=True,
            )
    return [str(cache / "kustomize"), "build"]
