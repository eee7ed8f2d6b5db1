"""A pod of one container as a process of this machine, with mounts of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.kubeflow.emulation import PODS_OWN

_ENTER = 'pod=$1; shift; for d in %s; do mount --bind "$pod/$d" "/$d"; done; exec "$@"'


def why_not() -> str:
    """Why processes cannot have mounts of their own here; empty if they can."""
    if not shutil.which("unshare"):
        return "there is no `unshare` to give a task its own /s3, as a pod has"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True)
    if tried.returncode:
        return f"a task needs its own /s3, as a pod has: {tried.stderr.strip()} (run as root)"
    return ""


def require() -> None:
    """Skips where there is no way; CI has one."""
    reason = why_not()
    assert not (reason and os.environ.get("CI") == "true"), reason
    if reason:
        pytest.skip(reason)


class Processes:
    """Runs tasks as processes that see a pod's directories at their places."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Takes what the pods' environment has beside what a container image would give it."""
        self.started: list[str] = []
        self._environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **(environment or {}),
        }
        for name in PODS_OWN:
            Path("/", name).mkdir(parents=True, exist_ok=True)

    def __call__(
        self, name: str, command: list[str], pod: Path
    ) -> subprocess.CompletedProcess[str]:
        """As `emulation.Start`."""
        self.started.append(name)
        enter = _ENTER % " ".join(PODS_OWN)
        return subprocess.run(
            ["unshare", "--mount", "sh", "-ec", enter, "sh", str(pod), *command],
            env=self._environment,
            cwd="/",
            capture_output=True,
            text=True,
            errors="replace",
        )
